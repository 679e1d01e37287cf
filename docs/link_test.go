package docs_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var links = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	anchors := map[string]map[string]bool{}
	pages := allPages(t)
	for _, p := range pages {
		anchors[p.path] = p.anchors()
	}
	for _, p := range pages {
		for _, found := range links.FindAllStringSubmatch(p.prose(), -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			at := p.path
			if target != "" {
				at = path.Join(path.Dir(p.path), target)
			}
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(at))); err != nil {
				t.Errorf("%s leads to %s, which is not there", p.path, found[1])
			} else if anchor != "" && !anchors[at][anchor] {
				t.Errorf("%s leads to %s, where no heading goes by that name", p.path, found[1])
			}
		}
	}
}

func TestTheIndexLeadsToEveryPageToLearnDoOrLookUp(t *testing.T) {
	index := readPage(t, "docs/README.md").text()
	for _, p := range allPages(t) {
		rel, inDocs := strings.CutPrefix(p.path, "docs/")
		folder, name, _ := strings.Cut(rel, "/")
		if inDocs && name != "README.md" && strings.Contains("tutorial how-to reference", folder) && !strings.Contains(index, "("+rel+")") {
			t.Errorf("docs/README.md does not lead to %s", rel)
		}
	}
}

// prose is the page without its blocks.
func (p page) prose() string {
	lines := append([]string(nil), p.lines...)
	for _, b := range p.blocks {
		for i := range b.lines {
			lines[b.first+i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// headings are the headings of a page, without their marks.
func (p page) headings() []string {
	var out []string
	for _, line := range strings.Split(p.prose(), "\n") {
		if text := strings.TrimLeft(line, "#"); text != line && strings.HasPrefix(text, " ") {
			out = append(out, strings.TrimSpace(text))
		}
	}
	return out
}

// anchors are the names of a page's headings, as GitHub makes them.
func (p page) anchors() map[string]bool {
	out := map[string]bool{}
	for _, h := range p.headings() {
		out[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, h)] = true
	}
	return out
}
