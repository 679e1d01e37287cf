// Package sallyport_test holds the repository to its own drawing: who may import whom
// (this file), and the laws that hold everywhere (laws_test.go). It reads sources and
// runs nothing, so it takes milliseconds.
package sallyport_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sallyport/sallyport"

// A room is a place in the drawing: a package, with everything below it that has no room of its own.
type room struct {
	at  string
	may []string // what it may import of ours; "x/..." is x and everything below it
	std bool     // of others' code, the standard library only
}

// drawing is the one in the style guide. A new arrow is a decision: change the drawing,
// this list and an ADR in one commit. Tests may import what they like.
var drawing = []room{
	{at: "cmd/sallyport", may: []string{"internal/cli", "internal/app"}},
	{at: "internal/cli", may: []string{
		"internal/cli/...", "client", "internal/config", "internal/pagerduty/pdsim",
		"internal/core", "internal/predicate", "internal/manifest", "internal/proof", // words, exit codes, and the commands that need no server
	}},
	{at: "client", std: true},
	{at: "internal/app", may: []string{"..."}}, // the only one that knows everyone
	{at: "internal/api", may: []string{"internal/api/...", "client", "internal/engine", "internal/manifest", "internal/core"}},
	{at: "internal/web", may: []string{"internal/web/...", "internal/engine", "internal/core"}},
	{at: "internal/store", may: []string{"internal/store/...", "internal/engine", "internal/core"}},
	{at: "internal/store/db"}, // generated
	{at: "internal/store/storetest", may: []string{"internal/store", "internal/engine", "internal/core", "internal/pgtest"}},
	{at: "internal/jobs", may: []string{"internal/engine", "internal/store", "internal/core"}},
	{at: "internal/pagerduty", may: []string{"internal/core"}},
	{at: "internal/pagerduty/pdsim", may: []string{"internal/pagerduty/pdsim/...", "internal/core"}},
	{at: "internal/egress", may: []string{"internal/core"}, std: true},
	{at: "internal/secret", may: []string{"internal/core"}},
	{at: "internal/auth", may: []string{"internal/core"}},
	{at: "internal/notary", may: []string{"internal/engine", "internal/proof", "internal/core"}, std: true},
	{at: "internal/proof", may: []string{"internal/core"}, std: true},
	{at: "internal/config", may: []string{"internal/core"}},
	{at: "internal/engine", may: []string{"internal/connector", "internal/manifest", "internal/core"}},
	{at: "internal/manifest", may: []string{"internal/core", "internal/predicate"}},
	{at: "internal/connector", may: []string{"internal/core"}},
	{at: "internal/connector/all", may: []string{"internal/connector/...", "internal/core"}},
	{at: "internal/connector/connectortest", may: []string{"internal/connector", "internal/core"}},
	{at: "internal/connector/settings", may: []string{"internal/core"}},
	{at: "internal/connector/*", may: []string{"internal/connector", "internal/connector/settings", "internal/core"}},
	{at: "internal/core", may: []string{"internal/predicate"}, std: true},
	{at: "internal/predicate", std: true},
	{at: "internal/pgtest"},
	{at: "bench", may: []string{"..."}},
	{at: "test", may: []string{"..."}},
}

// roomOf returns the room of a package: the one with the longest name that fits.
func roomOf(pkg string) (room, bool) {
	best := room{}
	for _, r := range drawing {
		fits := pkg == r.at || strings.HasPrefix(pkg, r.at+"/")
		if parent, ok := strings.CutSuffix(r.at, "/*"); ok {
			fits = strings.HasPrefix(pkg, parent+"/")
		}
		if fits && len(r.at) > len(best.at) {
			best = r
		}
	}
	return best, best.at != ""
}

// strangers returns the imports that the drawing does not have, each as "from → to".
func strangers(imports map[string][]string) []string {
	var found []string
	for pkg, to := range imports {
		r, ok := roomOf(pkg)
		if !ok {
			found = append(found, pkg+" is not in the drawing")
			continue
		}
		for _, imported := range to {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			switch {
			case isOurs && ours != pkg && !allowed(r.may, ours):
				found = append(found, pkg+" → "+ours)
			case !isOurs && r.std && strings.Contains(strings.Split(imported, "/")[0], "."):
				found = append(found, pkg+" → "+imported)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func allowed(may []string, pkg string) bool {
	return slices.ContainsFunc(may, func(m string) bool {
		below, tree := strings.CutSuffix(m, "...")
		if tree {
			return strings.HasPrefix(pkg+"/", below)
		}
		return pkg == m
	})
}

func TestImportsFollowTheDrawing(t *testing.T) {
	imports := map[string][]string{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		pkg := path.Dir(f.path)
		for _, i := range f.ast.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imports[pkg] = append(imports[pkg], name)
		}
	}
	for _, found := range strangers(imports) {
		t.Error(found)
	}
}

func TestEveryArrowThatIsNotDrawnIsFound(t *testing.T) {
	tests := []struct{ from, to, found string }{
		{"internal/core", module + "/internal/engine", "internal/core → internal/engine"},
		{"internal/core", "github.com/google/uuid", "internal/core → github.com/google/uuid"},
		{"internal/predicate", module + "/internal/core", "internal/predicate → internal/core"},
		{"internal/engine", module + "/internal/store", "internal/engine → internal/store"},
		{"internal/engine", module + "/internal/pagerduty", "internal/engine → internal/pagerduty"},
		{"internal/engine", module + "/internal/connector/memory", "internal/engine → internal/connector/memory"},
		{"internal/manifest", module + "/internal/engine", "internal/manifest → internal/engine"},
		{"internal/store", module + "/internal/jobs", "internal/store → internal/jobs"},
		{"internal/store/db", module + "/internal/core", "internal/store/db → internal/core"},
		{"internal/api", module + "/internal/store", "internal/api → internal/store"},
		{"internal/web", module + "/internal/api", "internal/web → internal/api"},
		{"internal/pagerduty", module + "/internal/pagerduty/pdsim", "internal/pagerduty → internal/pagerduty/pdsim"},
		{"internal/connector", module + "/internal/connector/all", "internal/connector → internal/connector/all"},
		{"internal/connector/okta", module + "/internal/connector/github", "internal/connector/okta → internal/connector/github"},
		{"internal/connector/okta", module + "/internal/engine", "internal/connector/okta → internal/engine"},
		{"internal/cli", module + "/internal/store", "internal/cli → internal/store"},
		{"client", module + "/internal/core", "client → internal/core"},
		{"cmd/sallyport", module + "/internal/store", "cmd/sallyport → internal/store"},
		{"internal/jobs", module + "/internal/pagerduty", "internal/jobs → internal/pagerduty"},
		{"internal/new", "fmt", "internal/new is not in the drawing"},
		{"cmd/other", "fmt", "cmd/other is not in the drawing"},

		{"internal/core", module + "/internal/predicate", ""},
		{"internal/core", "go/ast", ""},
		{"internal/engine", module + "/internal/connector", ""},
		{"internal/app/demo", module + "/internal/store/db", ""},
		{"internal/cli", module + "/internal/app", "internal/cli → internal/app"},
		{"cmd/sallyport", module + "/internal/app", ""},
		{"internal/connector/okta", module + "/internal/connector", ""},
		{"internal/connector/all", module + "/internal/connector/okta", ""},
		{"internal/store", module + "/internal/store/db", ""},
	}
	for _, tt := range tests {
		got := strings.Join(strangers(map[string][]string{tt.from: {tt.to}}), "; ")
		if got != tt.found {
			t.Errorf("%s → %s: found %q, want %q", tt.from, tt.to, got, tt.found)
		}
	}
}

// sources parses every Go file of the module.
func sources(t *testing.T) []source {
	t.Helper()
	var files []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := d.Name()
			if name != "." && (base == "testdata" || base == "vendor" || base == "bin" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != "." {
				return filepath.SkipDir // a module of its own
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, newSource(filepath.ToSlash(name), fset, file))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
