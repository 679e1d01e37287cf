package docs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	patience = 20 * time.Second       // for a command that looks, until it sees what the page shows
	pause    = 100 * time.Millisecond // between two looks
)

// A session plays the console blocks of one page, in order, in a folder of its own.
//
// What differs from run to run is recognised: an id, an address or a moment in the page
// stands for the one that the program prints. Ids and addresses are remembered, so that the
// page may use them in later commands.
type session struct {
	t     *testing.T
	dir   string
	env   []string
	state string            // file with the variables that the page exported
	is    map[string]string // an id or address as the page writes it → as it is
}

// newSession makes a session with the built program in its path.
func newSession(t *testing.T, program string) *session {
	t.Helper()
	s := &session{t: t, dir: t.TempDir(), is: map[string]string{}}
	s.state = filepath.Join(t.TempDir(), "variables")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SALLYPORT_") && !strings.HasPrefix(v, "XDG_") {
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "HOME="+s.dir, "NO_COLOR=1", "LC_ALL=C", "TZ=UTC")
	return s
}

// play plays a page and returns its lines with the outputs as they were.
func (s *session) play(p page) []string {
	var edits []edit
	for _, b := range p.blocks {
		if name := b.title(); name != "" {
			s.save(name, strings.Join(b.lines, "\n")+"\n")
		}
		if b.kind() != "console" {
			continue
		}
		for _, c := range b.commands(s.t) {
			if got, right := s.perform(p.path, c); !right {
				edits = append(edits, edit{c.outputFrom, c.outputTo, got})
			}
		}
	}
	return applied(p.lines, edits)
}

// save writes a file that the page shows under a title.
func (s *session) save(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(s.real(text)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// A command is one line behind a $, and what the page shows of it.
type command struct {
	line                 int // in the page, from 1
	text                 string
	status               int
	want                 []string
	outputFrom, outputTo int // indexes of the page's lines
}

var (
	programs = regexp.MustCompile(`\bsallyport (serve|pdsim)\b`)
	changing = regexp.MustCompile(`\b(apply|create|approve|deny|review|cancel|revoke|extend|users? add|user (rm|lock|unlock)|delete|edit|kill)\b|sallyport demo|^export |-X (PUT|POST)`)
)

// perform runs one command and holds its output against the page.
func (s *session) perform(path string, c command) (got []string, right bool) {
	s.t.Helper()
	look := s.once(c)
	if program := programs.FindStringSubmatch(c.text); program != nil {
		look = s.start(program[1], c)
	}
	looks := !changing.MatchString(c.text)
	deadline := time.Now().Add(patience)
	if *update {
		deadline = time.Now().Add(patience / 2)
		if len(c.want) == 0 && looks { // nobody knows yet what to wait for
			wait(5 * pause)
			deadline = time.Now()
		}
	}
	for {
		out, status := look()
		if status == c.status && s.matches(c.want, out) {
			if *update && *anew && !slices.Contains(c.want, "…") {
				return s.written(out), false
			}
			return nil, true
		}
		if !looks || time.Now().After(deadline) {
			s.guess(c.want, out)
			got = s.written(out)
			if !*update || status != c.status {
				s.t.Errorf("%s:%d: $ %s\nexit status %d, want %d; it prints\n%s\nand the page shows\n%s", path, c.line, c.text, status, c.status,
					strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			return got, false
		}
		wait(pause)
	}
}

func wait(d time.Duration) { <-time.After(d) }

// once returns a function that runs a command to its end.
func (s *session) once(c command) func() (string, int) {
	return func() (string, int) {
		text := s.real(c.text)
		if args, isCurl := strings.CutPrefix(text, "curl "); isCurl {
			return s.curl(args)
		}
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(s.t.Context(), 3*patience)
		defer cancel()
		cmd := s.shell(ctx, "status=0; [ ! -f "+s.state+" ] || . "+s.state+"\n"+text+"\nstatus=$?; export -p > "+s.state+"; exit $status")
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.t.Fatal(err)
		}
		return out.String(), cmd.ProcessState.ExitCode()
	}
}

func (s *session) shell(ctx context.Context, script string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// Addresses that the programs listen on by default, as pages write them.
var defaults = map[string]string{"serve": "127.0.0.1:7373", "pdsim": "127.0.0.1:8099"}

var listenFlag = regexp.MustCompile(`--listen[ =](\S+)`)

// start starts a server or a simulator on a free port, to run until the page ends. It
// returns a function that tells what it has printed so far.
func (s *session) start(name string, c command) func() (string, int) {
	s.t.Helper()
	written := defaults[name]
	text := strings.TrimSuffix(strings.TrimSpace(c.text), "&")
	if flag := listenFlag.FindStringSubmatch(text); flag != nil {
		written = flag[1]
		text = strings.Replace(text, flag[0], "", 1)
	}
	for try := range 5 {
		s.is[written] = freeAddress(s.t)
		if port, is := strings.CutPrefix(written, "127.0.0.1"); is { // as which public_url names it
			s.is["localhost"+port] = strings.Replace(s.is[written], "127.0.0.1", "localhost", 1)
		}
		out := &printed{}
		cmd := s.shell(context.Background(), "[ ! -f "+s.state+" ] || . "+s.state+"\n"+s.real(text)+" --listen "+s.is[written])
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		s.t.Cleanup(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
			select {
			case <-ended:
			case <-time.After(patience):
				s.t.Errorf("$ %s\ndoes not end", c.text)
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
		})
		if !out.answers(ended) && try < 4 && strings.Contains(out.String(), "address already in use") {
			continue // somebody was faster
		}
		return func() (string, int) { return out.String(), 0 }
	}
	return nil
}

// printed is what a program in the background has printed so far.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes output.
func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// String returns the output so far.
func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// answers waits until the program says that it serves, and reports whether it does.
func (p *printed) answers(ended <-chan struct{}) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); wait(pause / 5) {
		if text := p.String(); strings.Contains(text, "sallyport serves on") || strings.Contains(text, "pdsim listens on") {
			return true
		}
		select {
		case <-ended:
			return false
		default:
		}
	}
	return false
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// curl plays the few forms of curl that the pages use, so that no test needs the program.
func (s *session) curl(args string) (string, int) {
	s.t.Helper()
	var method, body, socket, address string
	headers, quiet := http.Header{}, false
	words := splitWords(args)
	for i := 0; i < len(words); i++ {
		switch word := words[i]; word {
		case "-s":
		case "-X", "-d", "-H", "-o", "--unix-socket":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			switch word {
			case "-X":
				method = words[i]
			case "-d":
				body = words[i]
			case "-H":
				headers.Set(name, value)
			case "-o":
				quiet = true
			default:
				socket = filepath.Join(s.dir, words[i])
			}
		default:
			address = word
		}
	}
	if method == "" {
		method = http.MethodGet
	}
	if _, err := url.Parse(address); err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = headers
	out, status := fetch(req, socket)
	if quiet {
		return "", status
	}
	return out, status
}

func fetch(req *http.Request, socket string) (string, int) {
	transport := &http.Transport{DisableKeepAlives: true}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		return fmt.Sprintf("curl: %v\n", err), 7
	}
	defer res.Body.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(res.Body); err != nil {
		return err.Error(), 18
	}
	return out.String(), 0
}

// splitWords splits a command line at spaces outside of quotes, as a shell does.
func splitWords(text string) []string {
	var words []string
	word, quote, some := "", rune(0), false
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, some = r, true
		case r == ' ':
			if some || word != "" {
				words = append(words, word)
			}
			word, some = "", false
		default:
			word += string(r)
		}
	}
	if some || word != "" {
		words = append(words, word)
	}
	return words
}

// A mask is something that differs from run to run.
type mask struct {
	pattern string
	same    bool // the same text in a page is the same text in a run
}

// masks in the order in which they are tried.
var masks = []mask{
	{`\b(?:req|gr|inc)_[0-9a-z]{16}\b`, true},
	{`\bQ[0-9]{13}\b`, true},
	{`(?:127\.0\.0\.1|localhost):[0-9]+`, true},
	{`\b[0-9a-f]{64}\b`, false},
	{`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z`, false},
	{`[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? UTC`, false},
	{`[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} UTC`, false},
	{`[0-9]{2} [A-Z][a-z]{2} [0-9]{2} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? UTC`, false},
	{`\b[0-9]{2}:[0-9]{2}:[0-9]{2}\b`, false},
	{`(?:[0-9]+[dhms])+ ago`, false},
	{`another (?:[0-9]+[dhms])+`, false},
	{`\((?:[0-9]+[dhms])+\)`, false},
	{`[0-9]+ of [0-9]+ calls left`, false},
	{`ok: [0-9]+ entries`, false},
	{`audit entry [0-9]+`, false},
	{`\bcall_[0-9a-z]{16}\b`, false},
	{`"(?:late_ms|age_seconds)": ?[0-9.e-]+`, false},
	{`^[0-9]{1,3} {1,3}`, false},
	{`uid [0-9]+`, false},
	{`git:\w+ go[0-9.]+`, false},
}

var anyMask = func() *regexp.Regexp {
	var all []string
	for _, m := range masks {
		all = append(all, m.pattern)
	}
	return regexp.MustCompile(strings.Join(all, "|"))
}()

// matches holds an output against the lines of a page. A line "…" stands for any lines.
func (s *session) matches(want []string, out string) bool {
	var pattern strings.Builder
	var names []string
	for _, line := range want {
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		line = strings.TrimRight(line, " ")
		if strings.HasPrefix(line, "waiting for the outcome;") { // unless it was there already
			pattern.WriteString("(?:" + regexp.QuoteMeta(line) + `\n)?`)
			continue
		}
		at := 0
		for _, found := range anyMask.FindAllStringIndex(line, -1) {
			pattern.WriteString(regexp.QuoteMeta(line[at:found[0]]))
			text := line[found[0]:found[1]]
			if m := maskOf(text); m.same {
				names = append(names, text)
				pattern.WriteString("(" + m.pattern + ")")
			} else {
				pattern.WriteString("(?:" + strings.TrimPrefix(m.pattern, "^") + ")")
			}
			at = found[1]
		}
		pattern.WriteString(regexp.QuoteMeta(line[at:]) + `\n`)
	}
	found := regexp.MustCompile(`^` + pattern.String() + `$`).FindStringSubmatch(trimmed(out))
	return found != nil && s.learn(names, found[1:])
}

// guess learns from single lines, where the whole is not as the page shows it.
func (s *session) guess(want []string, out string) {
	for _, line := range want {
		for got := range strings.Lines(trimmed(out)) {
			if anyMask.MatchString(line) && s.matches([]string{line}, got) {
				break
			}
		}
	}
}

// learn remembers what ids and addresses are, and refuses one that was another before.
func (s *session) learn(names, values []string) bool {
	fresh := map[string]string{}
	for i, name := range names {
		known, ok := s.is[name]
		if !ok {
			known, ok = fresh[name]
		}
		if ok && known != values[i] {
			return false
		}
		fresh[name] = values[i]
	}
	for name, value := range fresh {
		s.is[name] = value
	}
	return true
}

func maskOf(text string) mask {
	for _, m := range masks {
		if regexp.MustCompile(`^(?:` + m.pattern + `)$`).MatchString(text) {
			return m
		}
	}
	return mask{pattern: regexp.QuoteMeta(text)}
}

// trimmed is an output without the spaces at the ends of its lines.
func trimmed(out string) string {
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	if text := strings.Join(lines, "\n"); text != "" {
		return text + "\n"
	}
	return ""
}

// real puts the ids and addresses of this run in the place of the page's.
func (s *session) real(text string) string {
	return anyMask.ReplaceAllStringFunc(text, func(found string) string {
		if is, ok := s.is[found]; ok {
			return is
		}
		return found
	})
}

// written is an output with the page's ids and addresses in the place of this run's.
func (s *session) written(out string) []string {
	text := anyMask.ReplaceAllStringFunc(trimmed(out), func(found string) string {
		for name, is := range s.is {
			if is == found {
				return name
			}
		}
		return found
	})
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// An edit puts other lines in the place of some.
type edit struct {
	from, to int
	lines    []string
}

// applied returns lines after edits, which are in order.
func applied(lines []string, edits []edit) []string {
	out := slices.Clone(lines)
	for _, e := range slices.Backward(edits) {
		out = slices.Replace(out, e.from, e.to, e.lines...)
	}
	return out
}
