package test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/test/world"
)

func TestF015ASecondServerOnTheSameFolderIsTurnedAwayWithinASecond(t *testing.T) {
	t.Parallel()
	first := start(t, "")
	second := world.New(t, program, first.PD, "")
	second.Data = first.Data
	before := time.Now()
	p := second.Launch()
	status := p.Status(10 * time.Second)
	if took := time.Since(before); status != 1 || took > time.Second {
		t.Errorf("it ended with %d after %v", status, took)
	}
	for _, words := range []string{fmt.Sprintf("is in use by process %d\n", first.PID()), "hint: stop that server first"} {
		if !strings.Contains(p.Log.String(), words) {
			t.Errorf("it does not say %q:\n%s", words, p.Log)
		}
	}
	first.Must("status") // it was not disturbed
	first.Kill()
	second.Start() // what the dead one left behind is in nobody's way
	second.Stop()
}

// F012, F014, F018: what is wrong with the data folder is said in words, with what to do.
func TestF014AndF018TroubleWithTheDataFolderIsNamed(t *testing.T) {
	t.Parallel()
	// One whole database, which the tests damage.
	whole := startTeleport(t, "")
	for range 20 {
		ask(t, whole, "myuser", "--roles=editor", "--reason", strings.Repeat("x", 4000))
	}
	whole.Stop()
	database, err := os.ReadFile(filepath.Join(whole.Data, "sallyport.db"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(s *world.Server, content []byte, mode fs.FileMode) error {
		if err := os.MkdirAll(s.Data, 0o700); err != nil {
			return err
		}
		file := filepath.Join(s.Data, "sallyport.db")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return err
		}
		return os.Chmod(file, mode)
	}
	tests := []struct {
		name   string
		damage func(s *world.Server) error
		says   []string
	}{
		{"a folder that cannot be made", func(s *world.Server) error {
			s.Data = filepath.Join(s.Dir, "closed", "data")
			return os.Mkdir(filepath.Join(s.Dir, "closed"), 0o500)
		}, []string{"make the data folder", "permission denied"}},
		{"a file in the place of the folder", func(s *world.Server) error {
			return os.WriteFile(s.Data, nil, 0o600)
		}, []string{"make the data folder", "not a directory"}},
		{"a folder on nothing", func(s *world.Server) error {
			s.Data = "/proc/sallyport"
			return nil
		}, []string{"make the data folder", "/proc/sallyport"}},
		{"a lock that may not be written", func(s *world.Server) error {
			if err := os.Mkdir(s.Data, 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(s.Data, "sallyport.lock"), nil, 0o400)
		}, []string{"sallyport.lock", "permission denied"}},
		{"a database that may not be written", func(s *world.Server) error {
			return put(s, database, 0o400)
		}, []string{"sallyport.db", "permission denied"}},
		{"a database that is a folder", func(s *world.Server) error {
			return os.MkdirAll(filepath.Join(s.Data, "sallyport.db"), 0o700)
		}, []string{"sallyport.db", "is a directory"}},
		{"a path too long for a socket", func(s *world.Server) error {
			s.Data = filepath.Join(s.Dir, strings.Repeat("d", 100))
			return nil
		}, []string{"a socket's path has at most 107", "hint: use a shorter folder for --data"}},
		{"another file in the socket's place", func(s *world.Server) error {
			if err := os.Mkdir(s.Data, 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(s.Data, "sallyport.sock"), nil, 0o600)
		}, []string{"is not a socket", "hint: move it away"}},
		{"a database cut in half", func(s *world.Server) error {
			return put(s, database[:len(database)/2/4096*4096], 0o600)
		}, []string{"is damaged", "hint: keep a copy"}},
		{"a torn page", func(s *world.Server) error {
			torn := bytes.Clone(database)
			clear(torn[5*4096 : 6*4096])
			return put(s, torn, 0o600)
		}, []string{"is damaged", "hint: keep a copy"}},
		{"something that is no database", func(s *world.Server) error {
			return put(s, bytes.Repeat([]byte("what is this? "), 1000), 0o600)
		}, []string{"is damaged", "hint: keep a copy"}},
		{"a newer schema", func(s *world.Server) error {
			if err := put(s, database, 0o600); err != nil {
				return err
			}
			db, err := sql.Open("sqlite", filepath.Join(s.Data, "sallyport.db"))
			if err != nil {
				return err
			}
			defer db.Close()
			_, err = db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
			return err
		}, []string{"written by a newer Sallyport", "9999", "hint: start the newer program"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := world.New(t, program, whole.PD, "")
			if err := tt.damage(s); err != nil {
				t.Fatal(err)
			}
			if s.As = nobody(); s.As != nil { // root may write anywhere
				if err := chown(s.Dir, s.As); err != nil {
					t.Fatal(err)
				}
			}
			p := s.Launch()
			if status := p.Status(10 * time.Second); status == 0 {
				t.Error("it ended with 0")
			}
			for _, words := range tt.says {
				if !strings.Contains(p.Log.String(), words) {
					t.Errorf("it does not say %q:\n%s", words, p.Log)
				}
			}
			if lines := strings.Count(p.Log.String(), "\n"); lines > 4 || strings.Contains(p.Log.String(), "goroutine ") {
				t.Errorf("it says too much:\n%s", p.Log)
			}
		})
	}
}

// chown gives a folder with everything in it to somebody.
func chown(folder string, to *syscall.Credential) error {
	return filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(to.Uid), int(to.Gid))
	})
}

// F012: the file is taken away while the server runs.
func TestF012ADatabaseThatDisappearsIsToldByReadyz(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	file := filepath.Join(s.Data, "sallyport.db")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	readiness(t, s, false, "database: ", "is gone")
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	isReady(t, s)
}

// B129, B148: whoever else is on this machine can neither read what the server keeps nor reach it.
//
// asvs: 14.2.4
func TestB129OnlyItsUserCanReadWhatTheServerKeeps(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "")
	s.Around = []string{"/bin/sh", "-c", `umask 0; exec "$@"`, "sh"}
	if err := os.Mkdir(s.Data, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.Data, 0o777); err != nil {
		t.Fatal(err)
	}
	s.Start()
	s.Account()
	s.Teleport()
	ask(t, s, "myuser", "--roles=editor")
	seen := 0
	err := filepath.WalkDir(s.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		seen++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", d.Name(), info.Mode())
		}
		return nil
	})
	if err != nil || seen < 5 { // the folder, the database, its WAL and index, the lock, the socket
		t.Errorf("%d things in the data folder (%v)", seen, err)
	}
}

// F009, I1, I3, I9, I11, I12: nothing can be written any more, and then it can.
func TestF009AFullDiskRefusesWhatIsNewLosesNothingAndIsSurvived(t *testing.T) {
	t.Parallel()
	s := start(t, "oncall: {max_staleness: 5s, sync_every: 1s}")
	s.Work("full", "{kind: target, version: v1, metadata: {name: db}, spec: {connector: memory}}")
	isReady(t, s)
	c := s.Client()
	submit := func(user, lasts string) client.Request {
		r, err := c.Submit(t.Context(), client.Ask{User: user, Roles: []string{"prod"}, Duration: lasts}, client.SubmitOptions{Wait: world.Patience})
		if err != nil || r.State != "APPROVED" {
			t.Fatalf("%+v, %v", r, err)
		}
		resolved(t, s, r.ID)
		return r
	}
	held, short := submit("ann@example.com", "1h"), submit("cy@example.com", "3s")

	room(t, s.PID(), 1)
	before := time.Now()
	for range 5 {
		r := s.Run("request", "create", "bob@example.com", "--roles=manual")
		if r.Status != 5 || !strings.HasPrefix(r.Err, "sallyport: the database ") || !strings.Contains(r.Err, "hint: ") {
			t.Errorf("a request: %+v", r)
		}
	}
	if took := time.Since(before); took > 10*time.Second { // 2 s each
		t.Errorf("5 refusals took %v", took)
	}
	readiness(t, s, false, "database: ", "look at its disk")
	if metrics := get(t, s, "/metrics"); !strings.Contains(metrics, "\nsallyport_database_writable 0\n") {
		t.Error("the metrics say that all is well")
	}
	if n := len(s.PD.Incidents()); n != 2 {
		t.Errorf("PagerDuty has %d incidents, and had 2 before the disk was full", n)
	}
	holds := func(user string) bool {
		h, err := c.Check(t.Context(), user, "db/full_prod")
		if err != nil {
			t.Fatal(err)
		}
		return h.Held
	}
	if !holds("ann@example.com") {
		t.Error("what is known cannot be asked for")
	}
	// An end that cannot be written down is no end on the target (I1), but nobody is told otherwise.
	world.Eventually(t, world.Patience, "time is up", func() error {
		if time.Now().Before(short.Grants[0].EndsAt) {
			return errors.New("not yet")
		}
		return nil
	})
	if holds("cy@example.com") {
		t.Error("access whose time is up is said to be held")
	}

	room(t, s.PID(), unix.RLIM_INFINITY)
	ended(t, s, short)
	s.Must("request", "create", "bob@example.com", "--roles=manual")
	isReady(t, s)
	shown, err := c.Entitlements(t.Context(), "db")
	if err != nil || len(shown.Items) != 1 || shown.Items[0].User != "ann@example.com" {
		t.Errorf("the target shows %+v, %v", shown.Items, err)
	}
	all, err := c.Requests(t.Context(), client.RequestQuery{})
	if err != nil || len(all.Items) != 3 {
		t.Errorf("there are %d requests (%v), want two from before and one from after", len(all.Items), err)
	}
	if r, err := c.Request(t.Context(), held.ID, 0); err != nil || r.State != "APPROVED" || r.Grants[0].State != "active" {
		t.Errorf("the request from before is %+v, %v", r, err)
	}
	s.Must("audit", "verify")
	s.Stop()
}

// room limits how far into any file a process may write, which is a full disk to whoever asks.
func room(t *testing.T, pid int, bytes uint64) {
	t.Helper()
	err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil)
	if err != nil {
		t.Fatal(err)
	}
}
