package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/client"
)

// The modes in which bench runs itself; see serveSelf and serveBare.
const (
	asServer = "-as-server"
	asBare   = "-as-bare"
)

// A lab is the folder that everything happens in.
type lab struct {
	dir     string
	profile string // a folder; empty: no profiles
	binary  string // empty: not built yet
}

func newLab(profile string) (*lab, error) {
	dir, err := os.MkdirTemp("", "bench-") // short: a socket's path has 107 bytes at most
	return &lab{dir: dir, profile: profile}, err
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) } // it is in the system's temporary folder

// folder makes an empty folder.
func (l *lab) folder() (string, error) { return os.MkdirTemp(l.dir, "") }

// build returns the program as `make build` makes it.
func (l *lab) build(ctx context.Context) (string, error) {
	if l.binary != "" {
		return l.binary, nil
	}
	to := filepath.Join(l.dir, "sallyport")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, "./cmd/sallyport") //nolint:gosec // our own words
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build ./cmd/sallyport (bench runs in the repository's root): %w: %s", err, out)
	}
	l.binary = to
	return to, nil
}

// A server is a process under measurement.
type server struct {
	*client.Client
	cmd    *exec.Cmd
	socket string
	log    bytes.Buffer
	ended  chan error
}

// start runs a program and waits until it answers at the socket. took is the time that this needed.
func start(ctx context.Context, socket, program string, args ...string) (s *server, took time.Duration, err error) {
	s = &server{socket: socket, cmd: exec.Command(program, args...), ended: make(chan error, 1)} //nolint:gosec // our own program
	s.cmd.Stdout, s.cmd.Stderr = nil, &s.log
	s.cmd.Env = append(os.Environ(), "PD_TOKEN="+token)
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, 0, err
	}
	go func() { s.ended <- s.cmd.Wait() }()
	for !healthy(socket) {
		select {
		case err := <-s.ended:
			s.ended <- err
			return nil, 0, fmt.Errorf("%s ended: %w: %s", filepath.Base(program), err, s.log.String())
		case <-ctx.Done():
			s.kill()
			return nil, 0, fmt.Errorf("%s does not answer: %w: %s", filepath.Base(program), ctx.Err(), s.log.String())
		case <-time.After(500 * time.Microsecond):
		}
	}
	took = time.Since(begun)
	s.Client, err = client.New(client.Options{Socket: socket})
	return s, took, err
}

// healthy asks for /healthz as cheaply as that can be done.
func healthy(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")); err != nil {
		return false
	}
	head := make([]byte, 15)
	n, _ := c.Read(head)
	return string(head[:n]) == "HTTP/1.1 200 OK"
}

// stop asks the process to end, and waits for it.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		return err
	case <-time.After(15 * time.Second):
		s.kill()
		return errors.New("the server did not end within 15 s")
	}
}

// kill ends the process as a power cut would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended //nolint:errcheck // we know why
	s.ended <- errors.New("killed")
}

// memory reads a line of /proc/PID/status.
func (s *server) memory(name string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("no %s in the status of the server's process", name)
	}
	kb, err := strconv.ParseInt(string(found[1]), 10, 64)
	return kb << 10, err
}

// cpu returns the processor time that the process has taken.
func (s *server) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name come numbers only
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, errors.New("the status of the server's process cannot be read")
	}
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2) // 100 ticks a second
}

// metrics reads the plain counters and gauges at /metrics.
func (s *server) metrics(ctx context.Context) (map[string]float64, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://bench/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(text.String()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			out[name] = v
		}
	}
	return out, nil
}
