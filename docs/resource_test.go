package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/connector/all"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// refusedOnPurpose are the files that pages show because they are refused, or warned about.
var refusedOnPurpose = map[string]bool{"literal.yaml": true, "yours.yaml": true}

func TestEveryResourceInThePagesIsAccepted(t *testing.T) {
	for _, p := range allPages(t) {
		for _, b := range p.blocks {
			text := strings.Join(b.lines, "\n")
			switch {
			case b.kind() != "yaml" || refusedOnPurpose[b.title()]:
			case b.title() == "sallyport.yaml":
				wantConfiguration(t, p.path, text)
			case strings.HasPrefix(uncommented(text), "kind:"):
				wantAccepted(t, p.path, []byte(text))
			case strings.HasPrefix(text, "subdomain:"):
				wantOrganisation(t, p.path, []byte(text))
			}
		}
	}
}

// uncommented is a text from its first line that is no comment.
func uncommented(text string) string {
	for strings.HasPrefix(text, "#") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// wantAccepted holds resources to everything that can be said about them without a server.
func wantAccepted(t *testing.T, where string, text []byte) {
	t.Helper()
	items, err := manifest.Read(text)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	for _, item := range items {
		warnings := item.Warnings
		switch item.Kind {
		case manifest.KindRole:
			role, err := manifest.Role(item.Document)
			if err != nil {
				t.Errorf("%s: %v", where, err)
				continue
			}
			more, err := core.CheckRole(role)
			if warnings = append(warnings, more...); err != nil {
				t.Errorf("%s: %v", where, err)
			}
		case manifest.KindTarget:
			target, err := manifest.Target(item.Document)
			if err == nil {
				err = all.Check(target)
			}
			if err != nil {
				t.Errorf("%s: %v", where, err)
			}
		}
		if len(warnings) > 0 {
			t.Errorf("%s: %s %s warns: %v", where, item.Kind, item.Name, warnings)
		}
	}
}

func wantConfiguration(t *testing.T, where, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, nil); err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

func wantOrganisation(t *testing.T, where string, text []byte) {
	t.Helper()
	data, err := pdsim.Parse(text)
	if err == nil {
		var sim *pdsim.Server
		if sim, err = pdsim.New(pdsim.Options{Data: data}); err == nil {
			sim.Close()
		}
	}
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
}

func TestEveryExampleIsAccepted(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../examples", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		found++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(uncommented(string(text)), "kind:") {
			wantAccepted(t, path, text)
		} else {
			wantOrganisation(t, path, text)
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Fatalf("%d examples were found: %v", found, err)
	}
}

// TestTheExamplesDoWhatTheySay applies the examples, and asks for access under each of them.
func TestTheExamplesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	s := newSession(t, program)
	copied, err := filepath.Abs("../examples")
	if err != nil {
		t.Fatal(err)
	}
	s.run("pdsim", "sallyport pdsim --data "+copied+"/pdsim/shop.yaml")
	s.do("export SALLYPORT_DATA=data")
	s.run("serve", "PAGERDUTY_TOKEN=demo-token sallyport serve --data data")
	s.save("account.yaml", strings.ReplaceAll(account, "bot@example.com", "sallyport@example.com"))
	s.do("sallyport apply -f account.yaml")
	s.do("sallyport apply -f " + copied + "/targets/memory.yaml -f " + copied + "/roles")
	tests := []struct {
		role, user, more string
		status           int
		says             string
	}{
		{"orders-engineer", "ann@example.com", "", 0, "approved at once"},
		{"orders-engineer", "bob@example.com", "", 0, "approved at once"},
		{"orders-engineer", "cem@example.com", "", 0, "People would decide"},
		{"database-engineer", "ann@example.com", "", 0, "approved at once"},
		{"database-engineer", "bob@example.com", "", 0, "approved at once"},
		{"database-engineer", "cem@example.com", "", 0, "People would decide"},
		{"careful-engineer", "cem@example.com", "", 0, "of 2 approvals"},
		{"accountable-engineer", "ann@example.com", "", 2, "a reason is required"},
		{"accountable-engineer", "ann@example.com", " --reason INC-42", 0, "approved at once"},
		{"guest-engineer", "ann@example.com", "", 0, "People would decide"},
		{"team-engineer", "cem@example.com", "", 3, "may not ask for role orders-db"},
	}
	for _, tt := range tests {
		s.save("user.yaml", "kind: user\nmetadata: {name: "+tt.user+"}\nspec: {roles: ["+tt.role+"]}\n")
		s.do("sallyport apply -f user.yaml")
		out, status := s.once(command{text: "sallyport policy try --user " + tt.user + " --roles orders-db" + tt.more})()
		if status != tt.status || !strings.Contains(out, tt.says) {
			t.Errorf("%s with %s: exit status %d, want %d and %q; it prints\n%s", tt.user, tt.role, status, tt.status, tt.says, out)
		}
	}
	s.do("sallyport apply -f " + copied + "/roles/by-team.yaml")
	if out, _ := s.once(command{text: "sallyport policy try --user ann@example.com --roles orders-db"})(); !strings.Contains(out, "approved at once") {
		t.Errorf("team-engineer: it prints\n%s", out)
	}
}
