// Package docs_test holds the documentation to the program: commands in the pages are run
// and print what the pages show, links lead somewhere, resources are accepted, and reference
// pages name everything that there is.
//
// After a change of what the program prints, go test ./docs -update writes what it prints now
// into the pages. Read the difference before it is kept.
package docs_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	update = flag.Bool("update", false, "write outputs that differ into the pages")
	anew   = flag.Bool("anew", false, "with -update: write those that agree as well, so that times fit together")
)

// program is the built sallyport.
var program string

func TestMain(m *testing.M) { os.Exit(withProgram(m.Run)) }

// withProgram runs the tests with the program as it is now.
func withProgram(run func() int) int {
	dir, err := os.MkdirTemp("", "sallyport-docs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "sallyport")
	build := exec.Command("go", "build", "-o", program, "../cmd/sallyport")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the program for the pages:", err)
		return 1
	}
	return run()
}

// played are the pages whose console blocks are run, each with what it takes for granted.
var played = map[string]func(*session){
	"docs/tutorial/first-access.md":       func(*session) {},
	"docs/how-to/pagerduty-account.md":    (*session).server,
	"docs/how-to/coming-from-teleport.md": (*session).cluster,
	"docs/how-to/postgres-target.md":      (*session).payments,
	"docs/how-to/several-replicas.md":     (*session).replicas,
	"docs/how-to/watch-and-alert.md":      (*session).organisation,
	"docs/how-to/verify-the-audit-log.md": (*session).organisation,
	"docs/how-to/give-and-take-rights.md": (*session).organisation,
	"docs/reference/predicates.md":        func(*session) {},
	"docs/reference/http-api.md":          (*session).organisation,
	"docs/reference/pdsim.md":             func(*session) {},
}

func TestTheCommandsInThePagesPrintWhatTheyShow(t *testing.T) {
	for name, prepare := range played {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := readPage(t, name)
			s := newSession(t, program)
			prepare(s)
			lines := s.play(p)
			if *update {
				text := strings.Join(lines, "\n") + "\n"
				if err := os.WriteFile(filepath.Join("..", filepath.FromSlash(name)), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestEveryPageWithCommandsIsPlayed(t *testing.T) {
	for _, p := range allPages(t) {
		for _, b := range p.blocks {
			if b.kind() == "console" && played[p.path] == nil {
				t.Errorf("%s has commands that nobody plays", p.path)
				break
			}
		}
	}
}
