// Package world runs the built program as its users and operators do: a server on a folder of
// its own, the command line, and PagerDuty's simulator, which stays in the test's process so
// that a test can ask it anything.
//
// Nothing here reaches into the program. What a test learns, it learns from exit statuses,
// output, the API on the socket, the files on the disk, and what PagerDuty was told.
package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Program is the path of the built program.
type Program string

// Build builds the program as "make build" does. Where SALLYPORT_BIN names one, that is taken.
func Build(folder string) (Program, error) {
	if path := os.Getenv("SALLYPORT_BIN"); path != "" {
		abs, err := filepath.Abs(path)
		return Program(abs), err
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "sallyport")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "./cmd/sallyport") //nolint:gosec // our own words
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return Program(path), nil
}

// Root is the folder of the module.
func Root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errors.New("there is no go.mod above the tests")
		}
		folder = above
	}
}

// cleanEnv is the environment without Sallyport's own settings, at home in a folder.
func cleanEnv(home string, more ...string) []string {
	var env []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "SALLYPORT_") && !strings.HasPrefix(name, "XDG_") && !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, e)
		}
	}
	return append(append(env, "HOME="+home, "TMPDIR="+home, "NO_COLOR=1"), more...)
}
