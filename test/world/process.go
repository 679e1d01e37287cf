package world

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience bounds every wait that has no bound of its own. It is meant to be never used up.
const Patience = 30 * time.Second

// A Process is the program, or one around it, at work.
type Process struct {
	Log *Log // what it has written, both streams

	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{} // closed when it is gone
}

// Start starts a program. It is killed when the test ends, with everything in its group.
func Start(t testing.TB, env []string, cred *syscall.Credential, argv ...string) *Process {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), argv[0], argv[1:]...) //nolint:gosec // the test says what to run
	p := &Process{t: t, cmd: cmd, Log: newLog(), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, p.Log, p.Log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: cred}
	p.cmd.WaitDelay = time.Second // for a child that holds the log open
	dieWithUs(p.cmd.SysProcAttr)
	started := make(chan error, 1)
	go p.live(started)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// live is the process's life. The kernel kills the child when the thread that made it ends,
// so one thread belongs to it from start to end.
func (p *Process) live(started chan<- error) {
	defer close(p.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // Status tells how it ended
		p.Log.end()
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// Kill ends the process and its group at once, and waits until it is gone.
func (p *Process) Kill() {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // gone already is as good
		<-p.done
	}
}

// Done is closed when the process is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Status waits for the end and returns the exit status; -1 for a signal.
func (p *Process) Status(within time.Duration) int {
	p.t.Helper()
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-timeout.C:
		p.t.Fatalf("%s did not end within %v; it wrote:\n%s", p.cmd, within, p.Log)
		return 0
	}
}

// Says waits for a line with a text in it and returns that line.
func (p *Process) Says(text string) string {
	p.t.Helper()
	line, ok := p.Log.wait(text, Patience)
	if !ok {
		p.t.Fatalf("%s did not say %q; it wrote:\n%s", p.cmd, text, p.Log)
	}
	return line
}

// A Log keeps what a process writes.
type Log struct {
	mu    sync.Mutex
	text  strings.Builder
	ended bool
	grown chan struct{} // closed when there is more
}

func newLog() *Log { return &Log{grown: make(chan struct{})} }

// Write keeps text.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	close(l.grown)
	l.grown = make(chan struct{})
	return len(p), nil
}

func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	close(l.grown)
	l.grown = make(chan struct{})
}

// String is all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns the first whole line with a text in it.
func (l *Log) wait(text string, within time.Duration) (string, bool) {
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	for {
		l.mu.Lock()
		all, ended, grown := l.text.String(), l.ended, l.grown
		l.mu.Unlock()
		if before, after, found := strings.Cut(all, text); found {
			if rest, _, whole := strings.Cut(after, "\n"); whole || ended {
				return before[strings.LastIndexByte(before, '\n')+1:] + text + rest, true
			}
		}
		if ended {
			return "", false
		}
		select {
		case <-grown:
		case <-timeout.C:
			return "", false
		}
	}
}
