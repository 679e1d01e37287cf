package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A page is a Markdown file of the repository.
type page struct {
	path   string // from the root of the repository, with slashes
	lines  []string
	blocks []block
}

// A block is what stands between two fences.
type block struct {
	info  string // behind the opening fence: "yaml title=\"access.yaml\""
	first int    // index of its first line in the page
	lines []string
}

// readPage reads a page.
func readPage(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	p := page{path: path, lines: strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")}
	open := -1
	for i, line := range p.lines {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open < 0:
			open = len(p.blocks)
			p.blocks = append(p.blocks, block{info: fence, first: i + 1})
		case isFence:
			open = -1
		case open >= 0:
			p.blocks[open].lines = append(p.blocks[open].lines, line)
		}
	}
	if open >= 0 {
		t.Fatalf("%s: a block is never closed", path)
	}
	return p
}

// text is the page as one text.
func (p page) text() string { return strings.Join(p.lines, "\n") }

// kind is the first word behind the fence.
func (b block) kind() string {
	kind, _, _ := strings.Cut(b.info, " ")
	return kind
}

var titleOf = regexp.MustCompile(`title="([^"]+)"`)

// title is the name of the file that the block shows; empty: it is no file.
func (b block) title() string {
	if found := titleOf.FindStringSubmatch(b.info); found != nil {
		return found[1]
	}
	return ""
}

var statusOf = regexp.MustCompile(`\s+# exit status (\d)$`)

// commands are the lines behind a $, each with the lines that follow.
func (b block) commands(t *testing.T) []command {
	t.Helper()
	var out []command
	for i := 0; i < len(b.lines); i++ {
		text, isCommand := strings.CutPrefix(b.lines[i], "$ ")
		if !isCommand {
			if len(out) == 0 {
				t.Fatalf("a console block begins with $, not with %q", b.lines[i])
			}
			last := &out[len(out)-1]
			last.want = append(last.want, b.lines[i])
			last.outputTo = b.first + i + 1
			continue
		}
		c := command{line: b.first + i + 1}
		for strings.HasSuffix(text, `\`) && i+1 < len(b.lines) {
			i++
			text = strings.TrimSuffix(text, `\`) + strings.TrimLeft(b.lines[i], " >")
		}
		if found := statusOf.FindStringSubmatch(text); found != nil {
			c.status, _ = strconv.Atoi(found[1])
			text = strings.TrimSuffix(text, found[0])
		}
		c.text, c.outputFrom, c.outputTo = text, b.first+i+1, b.first+i+1
		out = append(out, c)
	}
	return out
}

// allPages are the Markdown files of the repository that people read.
func allPages(t *testing.T) []page {
	t.Helper()
	var pages []page
	for _, root := range []string{"README.md", "CHANGELOG.md", "docs", "examples", "deploy"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
				return err
			}
			rel, err := filepath.Rel("..", path)
			if err != nil {
				return err
			}
			pages = append(pages, readPage(t, filepath.ToSlash(rel)))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return pages
}
