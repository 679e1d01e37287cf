package sallyport_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A source is one parsed file.
type source struct {
	path      string
	test      bool
	generated bool
	lines     int
	ast       *ast.File
	fset      *token.FileSet
}

func newSource(name string, fset *token.FileSet, file *ast.File) source {
	return source{
		path: name, test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(file),
		lines: fset.File(file.Pos()).LineCount(), ast: file, fset: fset,
	}
}

func (s source) under(dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(s.path, d+"/") })
}

func (s source) at(n ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: ", s.path, s.fset.Position(n.Pos()).Line) + fmt.Sprintf(format, args...)
}

// inits are the init functions that there are, and why.
var inits = map[string]string{}

// A law looks at one file and returns what breaks it.
type law func(source) []string

var laws = map[string]law{
	"core and engine take the time and chance they are given": givenTime,
	"core has no effects":                      pureCore,
	"SQL is spoken in few places":              fewSQL,
	"a package's name says something":          tellingNames,
	"tests neither skip nor sleep":             honestTests,
	"nothing happens by being imported":        noInit,
	"a file has at most 400 lines":             shortFiles,
	"a function has at most 80 lines":          shortFunctions,
	"what is left for later is in the tracker": nothingLater,
}

func TestEveryFileKeepsTheLaws(t *testing.T) {
	files := sources(t)
	for name, l := range laws {
		t.Run(name, func(t *testing.T) {
			for _, f := range files {
				for _, broken := range l(f) {
					t.Error(broken)
				}
			}
		})
	}
}

func givenTime(s source) []string {
	if s.test || !s.under("internal/core", "internal/engine") {
		return nil
	}
	taken := []string{"Now", "Since", "Until", "Sleep"}
	if s.under("internal/core") { // the engine may wait, as long as the clock it reads is the one it was given
		taken = append(taken, "After", "AfterFunc", "NewTimer", "NewTicker", "Tick")
	}
	var found []string
	for _, i := range s.imports("math/rand", "math/rand/v2", "crypto/rand") {
		found = append(found, s.at(i, "imports %s", i.Path.Value))
	}
	s.selectors(func(pkg string, sel *ast.SelectorExpr) {
		if pkg == "time" && slices.Contains(taken, sel.Sel.Name) {
			found = append(found, s.at(sel, "time.%s: take now as an argument, or ask the clock", sel.Sel.Name))
		}
	})
	return found
}

func pureCore(s source) []string {
	if s.test || !s.under("internal/core", "internal/predicate") {
		return nil
	}
	var found []string
	for _, i := range s.imports("context", "os", "io/fs", "net", "net/http", "database/sql", "log", "log/slog", "os/exec") {
		found = append(found, s.at(i, "imports %s", i.Path.Value))
	}
	return found
}

func fewSQL(s source) []string {
	if s.test || slices.Contains(strings.Split(path.Dir(s.path), "/"), "pgtest") ||
		s.under("internal/store", "internal/jobs", "internal/connector/postgres", "bench") { // bench measures beside the database itself
		return nil
	}
	var found []string
	for _, i := range s.imports("database/sql", "github.com/jackc/pgx/v5", "modernc.org/sqlite") {
		found = append(found, s.at(i, "imports %s", i.Path.Value))
	}
	return found
}

func tellingNames(s source) []string {
	empty := []string{"util", "utils", "common", "helper", "helpers", "model", "models", "type", "types", "manager", "service", "impl", "base", "misc", "shared", "lib"}
	var found []string
	for _, part := range strings.Split(path.Dir(s.path), "/") {
		if slices.Contains(empty, part) {
			found = append(found, s.at(s.ast, "folder %s says nothing", part))
		}
	}
	file := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.path), ".go"), "_test")
	if slices.Contains(empty[:5], file) && !s.generated { // some of the others are nouns elsewhere: a PagerDuty service
		found = append(found, s.at(s.ast, "file %s says nothing", file))
	}
	return found
}

func honestTests(s source) []string {
	if !s.test {
		return nil
	}
	var found []string
	bubble := token.NoPos // where the latest synctest.Test ends: its clock is turned by sleeping
	ast.Inspect(s.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, _ := sel.X.(*ast.Ident)
		switch name := sel.Sel.Name; {
		case name == "Test" && pkg != nil && pkg.Name == "synctest":
			bubble = max(bubble, call.End())
		case name == "SkipNow" || name == "Skipf" || (name == "Skip" && pkg != nil && len(pkg.Name) <= 2):
			found = append(found, s.at(call, "skips"))
		case name == "Sleep" && pkg != nil && pkg.Name == "time" && call.Pos() >= bubble:
			found = append(found, s.at(call, "sleeps: turn the clock"))
		}
		return true
	})
	return found
}

func noInit(s source) []string {
	var found []string
	for _, d := range s.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && f.Recv == nil && f.Name.Name == "init" && inits[s.path] == "" && !s.generated {
			found = append(found, s.at(f, "has an init function"))
		}
	}
	return found
}

func shortFiles(s source) []string {
	if s.test || s.generated || s.lines <= 400 {
		return nil
	}
	return []string{s.at(s.ast, "has %d lines: look for the second noun", s.lines)}
}

func shortFunctions(s source) []string {
	if s.test || s.generated {
		return nil
	}
	var found []string
	for _, d := range s.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > 80 {
			found = append(found, s.at(f, "%s has %d lines", f.Name.Name, n))
		}
	}
	return found
}

func nothingLater(s source) []string {
	var found []string
	for _, group := range s.ast.Comments {
		for _, c := range group.List {
			text := strings.TrimLeft(c.Text, "/* \t")
			for _, mark := range []string{"TODO", "FIXME", "XXX", "HACK"} {
				if strings.HasPrefix(text, mark) && !strings.HasPrefix(text, "TODO(http") {
					found = append(found, s.at(c, "%s without an address", mark))
				}
			}
		}
	}
	return found
}

// imports returns the file's imports among some paths.
func (s source) imports(paths ...string) []*ast.ImportSpec {
	var found []*ast.ImportSpec
	for _, i := range s.ast.Imports {
		if name, err := strconv.Unquote(i.Path.Value); err == nil && slices.Contains(paths, name) {
			found = append(found, i)
		}
	}
	return found
}

// selectors visits every x.y where x is a plain name.
func (s source) selectors(visit func(x string, sel *ast.SelectorExpr)) {
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok {
				visit(x.Name, sel)
			}
		}
		return true
	})
}

func TestEveryBrokenLawIsFound(t *testing.T) {
	long := strings.Repeat("\n", 400)
	tests := []struct{ name, path, text, found string }{
		{"clock", "internal/core/x.go", "package core\nimport \"time\"\nvar x = time.Now()", "internal/core/x.go:3: time.Now: take now as an argument, or ask the clock"},
		{"span to now", "internal/engine/x.go", "package engine\nimport \"time\"\nvar x = time.Since(t)", "internal/engine/x.go:3: time.Since: take now as an argument, or ask the clock"},
		{"wait in the engine", "internal/engine/x.go", "package engine\nimport \"time\"\nvar x = time.NewTimer(1)", ""},
		{"timer", "internal/core/x.go", "package core\nimport \"time\"\nfunc f() { time.AfterFunc(1, nil) }", "internal/core/x.go:3: time.AfterFunc: take now as an argument, or ask the clock"},
		{"chance", "internal/engine/x.go", "package engine\nimport _ \"math/rand/v2\"", `internal/engine/x.go:2: imports "math/rand/v2"`},
		{"clock in a test", "internal/engine/x_test.go", "package engine\nimport \"time\"\nvar x = time.Now()", ""},
		{"clock at the edge", "internal/app/x.go", "package app\nimport \"time\"\nvar x = time.Now()", ""},
		{"context", "internal/core/x.go", "package core\nimport _ \"context\"", `internal/core/x.go:2: imports "context"`},
		{"SQL", "internal/engine/x.go", "package engine\nimport _ \"database/sql\"", `internal/engine/x.go:2: imports "database/sql"`},
		{"SQL at home", "internal/store/x.go", "package store\nimport _ \"database/sql\"", ""},
		{"SQL in pgtest", "internal/pgtest/x.go", "package pgtest\nimport _ \"database/sql\"", ""},
		{"folder", "internal/util/x.go", "package util", "internal/util/x.go:1: folder util says nothing"},
		{"file", "internal/core/helpers_test.go", "package core", "internal/core/helpers_test.go:1: file helpers says nothing"},
		{"skip", "internal/core/x_test.go", "package core\nfunc TestX(t *T) { t.Skip() }", "internal/core/x_test.go:2: skips"},
		{"skip with words", "internal/core/x_test.go", "package core\nfunc TestX(t *T) { t.Skipf(``) }", "internal/core/x_test.go:2: skips"},
		{"sleep", "internal/core/x_test.go", "package core\nfunc TestX(t *T) { time.Sleep(1) }", "internal/core/x_test.go:2: sleeps: turn the clock"},
		{"sleep on a clock of its own", "internal/core/x_test.go", "package core\nfunc TestX(t *T) { synctest.Test(t, func(t *T) { time.Sleep(1) }) }", ""},
		{"sleep after that", "internal/core/x_test.go", "package core\nfunc TestX(t *T) { synctest.Test(t, f); time.Sleep(1) }", "internal/core/x_test.go:2: sleeps: turn the clock"},
		{"init", "internal/core/x.go", "package core\nfunc init() {}", "internal/core/x.go:2: has an init function"},
		{"method called init", "internal/core/x.go", "package core\nfunc (T) init() {}", ""},
		{"long file", "internal/core/x.go", "package core\n" + long, "internal/core/x.go:1: has 401 lines: look for the second noun"},
		{"full file", "internal/core/x.go", "package core\n" + long[1:], ""},
		{"long generated file", "internal/core/x.go", "// Code generated by x. DO NOT EDIT.\npackage core\n" + long, ""},
		{"long function", "internal/core/x.go", "package core\nfunc f() {" + long[:80] + "}", "internal/core/x.go:2: f has 81 lines"},
		{"full function", "internal/core/x.go", "package core\nfunc f() {" + long[:79] + "}", ""},
		{"later", "internal/core/x.go", "package core\n// TO" + "DO: this", "internal/core/x.go:2: TO" + "DO without an address"},
		{"later, with an address", "internal/core/x.go", "package core\n// TO" + "DO(https://example.com/1): this", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, tt.path, tt.text, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, l := range laws {
				found = append(found, l(newSource(tt.path, fset, file))...)
			}
			if got := strings.Join(found, "; "); got != tt.found {
				t.Errorf("found %q, want %q", got, tt.found)
			}
		})
	}
}
