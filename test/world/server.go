package world

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
)

// A Server is one server with its own folder. It may be killed and started again.
type Server struct {
	*Process // of the last start
	PD       *PagerDuty
	Program  Program
	Dir      string // short: the path of a socket has little room
	Data     string
	Settings string // YAML, besides listen and data
	Env      []string
	Around   []string            // a program that starts the server, such as strace with its options
	As       *syscall.Credential // who runs the server; nil: we
	Address  string              // of the TCP listener, since Start

	t testing.TB
}

// New makes a server that does not run yet, and a simulator for it where pd is nil.
func New(t testing.TB, program Program, pd *PagerDuty, settings string) *Server {
	t.Helper()
	if pd == nil {
		pd = Simulate(t)
	}
	dir := Folder(t)
	return &Server{
		t: t, PD: pd, Program: program, Dir: dir, Data: filepath.Join(dir, "data"), Settings: settings,
		Env: []string{"PD_TOKEN=" + Token},
	}
}

// Folder makes a folder with a short name that goes when the test ends.
func Folder(t testing.TB) string {
	t.Helper()
	where := os.TempDir()
	if len(where) > 40 {
		where = "/tmp"
	}
	dir, err := os.MkdirTemp(where, "sp-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Command is the command line that starts the server.
func (s *Server) Command() []string {
	s.t.Helper()
	config := filepath.Join(s.Dir, "sallyport.yaml")
	text := "listen: 127.0.0.1:0\ndata: " + s.Data + "\n" + s.Settings + "\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { //nolint:gosec // another user may run the server
		s.t.Fatal(err)
	}
	return append(append([]string{}, s.Around...), string(s.Program), "serve", "--config", config)
}

// Environment is that of the server and of the command line.
func (s *Server) Environment() []string {
	return cleanEnv(s.Dir, append([]string{"SALLYPORT_DATA=" + s.Data}, s.Env...)...)
}

// Launch starts the server and does not wait until it answers.
func (s *Server) Launch() *Process {
	s.t.Helper()
	s.Process = Start(s.t, s.Environment(), s.As, s.Command()...)
	return s.Process
}

// Start starts the server and waits until it answers.
func (s *Server) Start() *Server {
	s.t.Helper()
	line := s.Launch().Says("sallyport serves on ")
	line = line[strings.Index(line, "serves on ")+len("serves on "):]
	s.Address, _, _ = strings.Cut(line, ";")
	return s
}

// Stop ends the server as an operator does, and demands that it says it went well.
func (s *Server) Stop() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
	if status := s.Status(10 * time.Second); status != 0 {
		s.t.Fatalf("the server ended with %d after SIGTERM; it wrote:\n%s", status, s.Log)
	}
}

// A Result is how a command ended.
type Result struct {
	Status   int
	Out, Err string
}

// Run runs the command line.
func (s *Server) Run(args ...string) Result {
	s.t.Helper()
	return s.Feed("", args...)
}

// Feed runs the command line with something on its standard input.
func (s *Server) Feed(in string, args ...string) Result {
	s.t.Helper()
	return s.RunAs(nil, in, args...)
}

// RunAs runs the command line as another user of this machine.
func (s *Server) RunAs(cred *syscall.Credential, in string, args ...string) Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, string(s.Program), args...) //nolint:gosec // the program under test
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Environment(), strings.NewReader(in), &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Must runs a command that has to work, and returns what it prints.
func (s *Server) Must(args ...string) string {
	s.t.Helper()
	r := s.Run(args...)
	if r.Status != 0 {
		s.t.Fatalf("sallyport %s: exit status %d\n%s%s", strings.Join(args, " "), r.Status, r.Out, r.Err)
	}
	return r.Out
}

// Apply creates or replaces resources.
func (s *Server) Apply(text string) {
	s.t.Helper()
	if r := s.Feed(text, "apply", "-f", "-"); r.Status != 0 {
		s.t.Fatalf("apply: exit status %d\n%s%s\n%s", r.Status, r.Out, r.Err, text)
	}
}

// Client returns a client of the API, as the administrator of this host, or as a user.
func (s *Server) Client(as ...string) *client.Client {
	s.t.Helper()
	c, err := client.New(client.Options{Socket: filepath.Join(s.Data, "sallyport.sock"), As: strings.Join(as, "")})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// Account points the server at its simulator.
func (s *Server) Account() {
	s.t.Helper()
	s.Apply(`kind: pagerduty_account
version: v1
metadata: {name: default}
spec: {default: true, region: us, api_token: "env:PD_TOKEN", from_email: bot@example.com, rest_url: "` + s.PD.URL + `"}
`)
}

// Teleport applies the files of page 004, as they are printed there, and some users.
func (s *Server) Teleport() {
	s.t.Helper()
	for _, name := range []string{"editor-request-rbac", "demo-role-requester", "access-plugin", "access-plugin-impersonator"} {
		s.Must("create", "-f", Page004(s.t, name))
	}
	s.Apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [demo-role-requester]}}
---
{kind: user, version: v2, metadata: {name: bob@example.com}, spec: {roles: [demo-role-requester]}}
---
{kind: user, version: v2, metadata: {name: riley@example.com}, spec: {roles: [editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: myuser}, spec: {roles: [editor-requester]}}
`)
}

// Page004 is the path of a file of page 004.
func Page004(t testing.TB, name string) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "internal/manifest/testdata/page004", name+".yaml")
}
