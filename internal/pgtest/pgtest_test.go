package pgtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const beChild = "SALLYPORT_PGTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(beChild) != "" {
		child()
	}
	Main(m)
}

// child starts a server, says where it is, and waits to be killed.
func child() {
	s, err := Open(Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("127.0.0.1:%d %s\n", s.port, s.folder.path)
	select {}
}

func exec1(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestTheNewestInstalledIsTaken(t *testing.T) {
	root := t.TempDir()
	if _, err := findPrograms(root); err == nil || !strings.Contains(err.Error(), "run make test, which installs it") {
		t.Errorf("with none installed: %v", err)
	}
	for _, name := range []string{"9/bin/initdb", "9/bin/postgres", "15/bin/initdb", "15/bin/postgres", "16/bin/initdb"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got, err := findPrograms(root)
	if want := filepath.Join(root, "15/bin"); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestEachDatabaseIsFresh(t *testing.T) {
	a, b := Database(t), Database(t)
	if a == b {
		t.Fatalf("both databases are %s", a)
	}
	exec1(t, a, "CREATE TABLE kept (id text)")
	exec1(t, b, "CREATE TABLE kept (id text)")
}

func TestWhatIsCommittedOutlivesAnImmediateRestart(t *testing.T) {
	dsn := Database(t)
	exec1(t, dsn, "CREATE TABLE kept (id text)")
	Restart(t)
	exec1(t, dsn, "INSERT INTO kept VALUES ('x')")
}

func TestAStoppedServerComesBackOnItsPort(t *testing.T) {
	s, err := Open(Options{Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	dsn, err := s.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		conn.Close(t.Context())
		t.Fatal("a stopped server answers")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	exec1(t, dsn, "SELECT 1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.folder.path); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestAServerDiesWithItsProcessAndTheNextOneCleansUp(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), beChild+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	addr, path, ok := strings.Cut(strings.TrimSpace(line), " ")
	if !ok {
		t.Fatalf("the child says %q", line)
	}
	// This session ends when the server does.
	session, err := pgx.Connect(t.Context(), "postgres://postgres@"+addr+"/postgres?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := session.WaitForNotification(ctx); err == nil || ctx.Err() != nil {
		t.Fatalf("the session is still there: %v", err)
	}
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			break // nobody listens any more
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = conn.Read(make([]byte, 1)) // returns when the server, on its way out, drops us
		conn.Close()
	}
	if ctx.Err() != nil {
		t.Error("the server still listens")
	}
	removeOrphans()
	if left, _ := filepath.Glob(filepath.Join(path, "lock")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
