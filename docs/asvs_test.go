package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

//go:generate go test . -run TestTheASVSPageIsFresh -update

const asvsPage = "../docs/reference/asvs.md"

// A demand is one requirement of the ASVS.
type demand struct{ id, level, words, why string }

// demands reads docs/testdata/asvs.txt.
func demands(t *testing.T) []demand {
	t.Helper()
	text, err := os.ReadFile("testdata/asvs.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []demand
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.SplitN(line, "|", 4)
		if len(part) != 4 {
			t.Fatalf("asvs.txt: %q has not four columns", line)
		}
		for i := range part {
			part[i] = strings.TrimSpace(part[i])
		}
		out = append(out, demand{part[0], part[1], part[2], part[3]})
	}
	return out
}

var asvsTag = regexp.MustCompile(`^// asvs: ([0-9]+\.[0-9]+\.[0-9]+(?:, [0-9]+\.[0-9]+\.[0-9]+)*)$`)

// tagged finds the tests that say which requirement they hold us to: by number, each as folder and name.
func tagged(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(source), "// asvs: ") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
		if err != nil {
			return err
		}
		folder := strings.TrimPrefix(path.Dir(filepath.ToSlash(name)), "../")
		for _, group := range file.Comments {
			for _, c := range group.List {
				if !strings.HasPrefix(c.Text, "// asvs:") {
					continue
				}
				found := asvsTag.FindStringSubmatch(c.Text)
				test := testOf(file, c)
				if found == nil || test == "" {
					t.Errorf("%s: %q tags no test, or not as // asvs: 8.2.1, 8.2.2", name, c.Text)
					continue
				}
				for id := range strings.SplitSeq(found[1], ", ") {
					out[id] = append(out[id], folder+" "+test)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// testOf is the test that a comment stands in or above.
func testOf(file *ast.File, c *ast.Comment) string {
	for _, d := range file.Decls {
		f, is := d.(*ast.FuncDecl)
		above := is && f.Doc != nil && slices.Contains(f.Doc.List, c)
		if is && (above || f.Pos() <= c.Pos() && c.Pos() < f.End()) && regexp.MustCompile(`^(Test|Fuzz)`).MatchString(f.Name.Name) {
			return f.Name.Name
		}
	}
	return ""
}

// asvsTable writes the page, and says what is wrong with what it is made of.
func asvsTable(t *testing.T) string {
	t.Helper()
	tests := tagged(t)
	var b strings.Builder
	b.WriteString("# OWASP ASVS\n\n" +
		"What holds Sallyport to the requirements of OWASP ASVS 5.0, levels 1 and 2: a test, or the reason why there is none.\n" +
		"The wording is ours and short; the standard's counts. The page is made by `go generate ./docs` from tags in the\n" +
		"tests, `// asvs: 8.2.1`, and from `docs/testdata/asvs.txt`.\n\n" +
		"| | level | demands | held by |\n|---|---|---|---|\n")
	known, counts := map[string]bool{}, map[string]int{}
	for _, d := range demands(t) {
		if known[d.id] {
			t.Errorf("asvs.txt has %s twice", d.id)
		}
		known[d.id] = true
		held := d.why
		if names := tests[d.id]; len(names) > 0 {
			slices.Sort(names)
			for i, name := range names {
				folder, test, _ := strings.Cut(name, " ")
				names[i] = "`" + folder + "`: " + test
			}
			held = strings.Join(names, "<br>")
			counts["tests"]++
		} else {
			word, _, _ := strings.Cut(held, ":")
			counts[word]++
		}
		if held == "" {
			t.Errorf("%s, %q: no test is tagged with it, and no reason is given", d.id, d.words)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.id, d.level, d.words, held)
	}
	for id := range tests {
		if !known[id] {
			t.Errorf("tests are tagged with %s, which is not in asvs.txt", id)
		}
	}
	fmt.Fprintf(&b, "\nOf %d requirements, %d are held by tests; %d do not apply, and %d are not met yet.\n",
		len(known), counts["tests"], counts["Not applicable"], counts["Not yet"])
	return b.String()
}

func TestTheASVSPageIsFresh(t *testing.T) {
	want := asvsTable(t)
	if *update {
		if err := os.WriteFile(asvsPage, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(asvsPage)
	if err != nil || string(got) != want {
		t.Errorf("docs/reference/asvs.md is not what the tests say (%v): go generate ./docs", err)
	}
}
