package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A process is a running postgres.
type process struct {
	cmd  *exec.Cmd
	log  *logbook
	done chan struct{} // closed when it is gone
}

// serve starts postgres and returns when it accepts connections.
func (s *Server) serve() (*process, error) {
	cmd, err := s.command(context.Background(), "postgres",
		"-D", s.folder.data(), "-k", s.folder.sockets(), "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "fsync="+onOff(s.fsync), "-c", "full_page_writes="+onOff(s.fsync),
		"-c", "logging_collector=off", "-c", "log_destination=stderr")
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: newLogbook(), done: make(chan struct{})}
	dieWithUs(cmd.SysProcAttr)
	cmd.Stderr = p.log
	cmd.WaitDelay = 5 * time.Second // for a child that holds the log open
	started := make(chan error, 1)
	go p.live(started)
	if err := <-started; err != nil {
		return nil, err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-p.log.ready:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("it ended; its log says:\n%s", p.log)
	case <-timeout.C:
		return nil, errors.Join(fmt.Errorf("not ready after %v; its log says:\n%s", patience, p.log), p.stop())
	}
}

// live is the process's life. The kernel kills the child when the thread that made it
// ends, so one thread belongs to it from start to end.
func (p *process) live(started chan<- error) {
	defer close(p.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // an immediate stop never ends with status 0
	}
}

// stop does what pg_ctl -m immediate does, and waits until the process is gone.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-p.done:
		return nil
	case <-timeout.C:
		_ = p.cmd.Process.Kill() // gone already is as good
		<-p.done
		return fmt.Errorf("stop PostgreSQL: it had to be killed after %v", patience)
	}
}

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd, err := s.command(ctx, program, args...)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}

// command prepares one of PostgreSQL's programs, which refuse to run as root.
func (s *Server) command(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
	cred, err := credential()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.programs, program), args...)
	cmd.Dir = s.folder.path
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	// A group of its own: an interrupt at the terminal reaches the tests, and Main ends the server.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	return cmd, nil
}

// credential is who runs PostgreSQL: we ourselves, or postgres when we are root.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL cannot run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// A logbook keeps the end of a server's log and sees when it is ready.
type logbook struct {
	ready chan struct{}

	mu     sync.Mutex
	text   []byte
	isOpen bool
}

func newLogbook() *logbook { return &logbook{ready: make(chan struct{})} }

// Write keeps what fits.
func (l *logbook) Write(p []byte) (int, error) {
	const keep = 4 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if !l.isOpen && bytes.Contains(l.text, []byte("ready to accept connections")) {
		l.isOpen = true
		close(l.ready)
	}
	if over := len(l.text) - keep; over > 0 {
		l.text = append([]byte(nil), l.text[over:]...)
	}
	return len(p), nil
}

// String returns the end of the log.
func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
