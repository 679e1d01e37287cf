package docs_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/cli"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/predicate"
)

// A section is what stands below one heading.
type section struct{ heading, text string }

// sections cuts a page at its headings.
func (p page) sections() []section {
	var out []section
	prose := strings.Split(p.prose(), "\n")
	for i, line := range p.lines {
		if text := strings.TrimLeft(prose[i], "#"); text != prose[i] && strings.HasPrefix(text, " ") {
			out = append(out, section{heading: strings.TrimSpace(text)})
		} else if len(out) > 0 {
			out[len(out)-1].text += line + "\n"
		}
	}
	return out
}

func help(t *testing.T, command string) string {
	t.Helper()
	var out, errs bytes.Buffer
	args := append(strings.Fields(command)[1:], "--help")
	if status := cli.Main(t.Context(), cli.Programs{}, args, strings.NewReader(""), &out, &errs); status != 0 {
		t.Fatalf("%s --help: exit status %d: %s", command, status, errs.String())
	}
	return out.String()
}

var (
	subcommand = regexp.MustCompile(`(?m)^  ([a-z]+) {2,}\S`)
	flags      = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z-]+)`)
)

// commands returns every command below one, with its flags.
func commands(t *testing.T, command string) map[string][]string {
	t.Helper()
	text, _, _ := strings.Cut(help(t, command), "Global Flags:")
	before, own, _ := strings.Cut(text, "\nFlags:")
	found := map[string][]string{command: {}}
	for _, f := range flags.FindAllStringSubmatch(own, -1) {
		found[command] = append(found[command], f[1])
	}
	_, below, _ := strings.Cut(before, "Examples:")
	for _, sub := range subcommand.FindAllStringSubmatch(below, -1) {
		if sub[1] == "sallyport" { // an example
			continue
		}
		for name, flags := range commands(t, command+" "+sub[1]) {
			found[name] = flags
		}
	}
	return found
}

func TestTheCommandLinePageNamesEveryCommandAndFlag(t *testing.T) {
	p := readPage(t, "docs/reference/command-line.md")
	described := map[string]string{"sallyport": p.text()}
	for _, s := range p.sections() {
		for name := range strings.SplitSeq(s.heading, ", ") {
			described[name] = s.text
		}
	}
	known := commands(t, "sallyport")
	for name, flags := range known {
		text, ok := described[name]
		if !ok {
			t.Errorf("there is nothing about %s", name)
		}
		for _, f := range flags {
			if f == "--output" {
				f = "[-o FORMAT]"
			}
			if ok && f != "--help" && !strings.Contains(text, f) {
				t.Errorf("there is nothing about %s of %s", f, name)
			}
		}
	}
	for name := range described {
		if _, ok := known[name]; !ok && strings.HasPrefix(name, "sallyport ") {
			t.Errorf("there is no command %s", name)
		}
	}
	if len(known) < 40 {
		t.Errorf("only %d commands were found", len(known))
	}
}

func TestTheConfigurationPageShowsTheSample(t *testing.T) {
	p := readPage(t, "docs/reference/configuration.md")
	want := strings.TrimSuffix(string(config.Sample()), "\n")
	if got := strings.Join(p.blocks[0].lines, "\n"); got != want {
		t.Errorf("the page differs from sallyport configure; put this in its place:\n%s", want)
	}
}

// eachFile calls fn for every Go file of the program below some folders, tests left out.
func eachFile(t *testing.T, fn func(path string, text []byte, file *ast.File), folders ...string) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
			if err != nil {
				return err
			}
			fn(path, text, file)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

var metricName = regexp.MustCompile(`\bsallyport_[a-z_]+`)

func TestTheMetricsPageNamesEveryFamily(t *testing.T) {
	registered := map[string]bool{}
	eachFile(t, func(_ string, _ []byte, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if name, err := strconv.Unquote(lit.Value); err == nil && metricName.FindString(name) == name && name != "" {
					registered[name] = true
				}
			}
			return true
		})
	}, "internal/app")
	p := readPage(t, "docs/reference/metrics.md")
	for name := range registered {
		if !strings.Contains(p.text(), "`"+name+"`") {
			t.Errorf("there is nothing about %s", name)
		}
	}
	for _, p := range allPages(t) {
		for _, name := range metricName.FindAllString(p.text(), -1) {
			family := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
			if !registered[family] && strings.HasPrefix(p.path, "docs/") && !strings.HasSuffix(name, "_demo") {
				t.Errorf("%s speaks of %s, which there is not", p.path, name)
			}
		}
	}
	if len(registered) < 10 {
		t.Errorf("only %d families were found", len(registered))
	}
}

func TestTheHTTPPageNamesEveryPathAndAction(t *testing.T) {
	text := readPage(t, "docs/reference/http-api.md").text()
	route := regexp.MustCompile(`on\("([A-Z]+ /[^"]+)"`)
	action := regexp.MustCompile(`audit\([^"\n]*, "([a-z_]+)\.([a-z_]+)"`)
	routes := 0
	eachFile(t, func(path string, source []byte, _ *ast.File) {
		for _, found := range route.FindAllSubmatch(source, -1) {
			routes++
			if !strings.Contains(text, "`"+string(found[1])+"`") {
				t.Errorf("there is nothing about %s", found[1])
			}
		}
		for _, found := range action.FindAllSubmatch(source, -1) {
			if !strings.Contains(text, "`"+string(found[1])+".") || !strings.Contains(text, "`"+string(found[2])+"`") && !strings.Contains(text, string(found[1])+"."+string(found[2])) {
				t.Errorf("there is nothing about the action %s.%s", found[1], found[2])
			}
		}
	}, "internal/api", "internal/engine")
	if routes < 20 {
		t.Errorf("only %d routes were found", routes)
	}
}

// fieldTags returns the names that the tags of a kind give to fields in some files.
func fieldTags(t *testing.T, tag string, folder string, files ...string) []string {
	t.Helper()
	var out []string
	named := regexp.MustCompile(tag + `:"([a-z_]+)`)
	eachFile(t, func(path string, source []byte, _ *ast.File) {
		if slices.Contains(files, filepath.Base(path)) {
			for _, found := range named.FindAllSubmatch(source, -1) {
				out = append(out, string(found[1]))
			}
		}
	}, folder)
	if len(out) == 0 {
		t.Fatalf("no fields were found in %v", files)
	}
	return out
}

// wantFields wants each field somewhere in the page, as a word within a code span.
func wantFields(t *testing.T, p page, fields []string) {
	t.Helper()
	for _, name := range fields {
		if !regexp.MustCompile("`[^`\n]*\\b" + name + "\\b[^`\n]*`").MatchString(p.text()) {
			t.Errorf("%s says nothing about the field %s", p.path, name)
		}
	}
}

func TestTheResourcesPageNamesEveryField(t *testing.T) {
	p := readPage(t, "docs/reference/resources.md")
	wantFields(t, p, fieldTags(t, "json", "internal/manifest", "role.go", "user.go", "account.go", "manifest.go"))
}

func TestTheSimulatorPageNamesEveryFieldAndCall(t *testing.T) {
	p := readPage(t, "docs/reference/pdsim.md")
	wantFields(t, p, fieldTags(t, "yaml", "internal/pagerduty/pdsim", "data.go"))
	calls := regexp.MustCompile(`case "([A-Z]+ /_sim/[a-z]+)"`)
	eachFile(t, func(path string, source []byte, _ *ast.File) {
		for _, found := range calls.FindAllSubmatch(source, -1) {
			if !strings.Contains(p.text(), "`"+string(found[1])+"`") {
				t.Errorf("there is nothing about %s", found[1])
			}
		}
	}, "internal/pagerduty/pdsim")
}

func TestTheStatesPageNamesEveryState(t *testing.T) {
	text := readPage(t, "docs/reference/request-states.md").text()
	var states []string
	for _, s := range []core.RequestState{core.Pending, core.Approved, core.Denied, core.Expired, core.Cancelled} {
		states = append(states, string(s))
	}
	for _, s := range []core.GrantState{core.GrantPending, core.GrantActive, core.GrantEnding, core.GrantEnded, core.GrantFailed} {
		states = append(states, string(s))
	}
	for _, s := range []core.EndCause{core.EndTime, core.EndOffCall, core.EndIncidentResolved, core.EndRevoked, core.EndLocked, core.EndUserRemoved} {
		states = append(states, string(s))
	}
	for _, s := range []core.IncidentState{core.IncidentWanted, core.IncidentOpen, core.IncidentResolved} {
		states = append(states, string(s))
	}
	for _, s := range []core.Outcome{core.OutcomeApprove, core.OutcomePeople, core.OutcomeWait} {
		states = append(states, string(s))
	}
	for _, s := range states {
		if !strings.Contains(text, "`"+s+"`") {
			t.Errorf("there is nothing about %s", s)
		}
	}
}

func TestThePredicatesPageSaysWhatExpressionsComeTo(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `(.+?)` \\| (parse error|evaluation error|true|false) \\| ?(.*?) ?\\|$").
		FindAllStringSubmatch(readPage(t, "docs/reference/predicates.md").text(), -1)
	for _, row := range rows {
		expr, kind, says := row[1], row[2], strings.ReplaceAll(row[3], "`", "")
		e, err := predicate.Parse(predicate.Review, expr)
		got := "parse error"
		if err == nil {
			var holds bool
			if holds, err = e.Eval(&predicate.Context{}); err != nil {
				got = "evaluation error"
			} else {
				got = strconv.FormatBool(holds)
			}
		}
		if got != kind || (err != nil && !strings.HasSuffix(strings.ReplaceAll(err.Error(), "`", ""), ": "+says)) {
			t.Errorf("%s is a %s: %v; the page says %s: %s", expr, got, err, kind, says)
		}
	}
	if len(rows) < 10 {
		t.Errorf("only %d rows were found", len(rows))
	}
}

func TestTheReadmeShowsTheDemo(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(program, "demo", "--once").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, middle, _ := strings.Cut(string(out), "\n6. ")
	middle, _, _ = strings.Cut(middle, "\n12. ")
	want := readPage(t, "README.md").blocks[0].lines
	if s := newSession(t, program); !s.matches(append(want, "…"), "6. "+middle) {
		t.Errorf("the README shows something else than the demo prints:\n6. %s", middle)
	}
}

func TestTheUnitIsValid(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // not on this machine
	}
	text, err := os.ReadFile("../deploy/sallyport.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "sallyport.service")
	if err := os.WriteFile(unit, bytes.ReplaceAll(text, []byte("/usr/local/bin/sallyport"), []byte(program)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(verify, "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
