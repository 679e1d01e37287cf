package notary

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/auth"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pgtest"
	"github.com/sallyport/sallyport/internal/proof"
	"github.com/sallyport/sallyport/internal/store"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// A rig is a log in a real database, and a notary of it.
type rig struct {
	*testing.T
	store  *store.Store
	clock  *clock
	notary *Notary
}

func newRig(t *testing.T, db store.Options, seal string, change func(*Options)) *rig {
	t.Helper()
	s, err := store.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r := &rig{T: t, store: s, clock: &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	sealer, err := auth.OpenSealer(seal)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Engine: engine.New(engine.Options{Store: s, Clock: r.clock, Terms: core.DefaultTerms(), Log: slog.New(slog.DiscardHandler), NewID: func() string { return "x" }, Jobs: noJobs{}}), Sealer: sealer, Log: slog.New(slog.DiscardHandler),
		Replica: "a", Every: time.Minute, HTTP: http.DefaultClient, Dial: (&net.Dialer{}).DialContext,
	}
	change(&o)
	if r.notary, err = New(o); err != nil {
		t.Fatal(err)
	}
	r.no(r.notary.Start(t.Context()))
	return r
}

func (r *rig) no(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) entries(n int) {
	r.Helper()
	r.no(r.store.Write(r.Context(), func(tx engine.Tx) error {
		for range n {
			if err := tx.Append(core.AuditEntry{At: r.clock.now, Actor: "ann", Action: "test", Subject: "x"}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// turn makes a checkpoint if one is due, and serves every place once.
func (r *rig) turn() (failed error) {
	r.Helper()
	if len(r.notary.CheckpointTo) > 0 {
		failed = r.notary.checkpoint(r.Context())
	}
	for _, p := range r.notary.places {
		if err := r.notary.serve(r.Context(), p); err != nil {
			failed = err
		}
	}
	return failed
}

func (r *rig) export() []byte {
	r.Helper()
	var b bytes.Buffer
	r.no(r.store.Read(r.Context(), func(v engine.View) error {
		all, err := v.Audit(0, 100_000)
		for _, e := range all {
			b.Write(exported(e))
		}
		return err
	}))
	return b.Bytes()
}

func to(file string) func(*Options) {
	return func(o *Options) { o.CheckpointTo = []string{"file:" + file} }
}

func databases(t *testing.T, test func(t *testing.T, db store.Options)) {
	t.Run("sqlite", func(t *testing.T) { test(t, store.Options{Data: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { test(t, store.Options{Database: pgtest.Database(t)}) })
}

func TestF075CheckpointsComeByTimeAndNumberAndSpanARotation(t *testing.T) {
	databases(t, func(t *testing.T, db store.Options) {
		dir := t.TempDir()
		file := filepath.Join(dir, "cp")
		r := newRig(t, db, filepath.Join(dir, "seal"), to(file))
		r.entries(3)
		r.no(r.turn())
		r.entries(5)
		r.no(r.turn()) // too early
		r.clock.now = r.clock.now.Add(time.Minute)
		r.no(r.turn())
		r.no(r.notary.Rotate(t.Context(), self, false))
		r.entries(maxBetween)
		r.no(r.turn())
		data, err := os.ReadFile(file)
		r.no(err)
		points, err := proof.ReadAll(data)
		if err != nil || len(points) != 3 || points[0].Key == points[2].Key {
			t.Fatalf("points %+v, %v", points, err)
		}
		keys, err := r.notary.keys(t.Context())
		r.no(err)
		p, err := proof.Verify(bytes.NewReader(r.export()), proof.Options{Keys: []ed25519.PublicKey{keys[0].Public}, Checkpoints: points})
		if err != nil || p.Bad != "" || p.Checked != 3 {
			t.Errorf("proof %+v, %v", p, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if err := r.notary.Rotate(t.Context(), self, true); core.KindOf(err) != core.Invalid {
			t.Errorf("a key that is there is lost: %v", err)
		}
	})
}

func TestF075AServerWhoseSealingKeyDoesNotOpenTheAuditKeyStartsAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	db := store.Options{Database: pgtest.Database(t)}
	newRig(t, db, filepath.Join(dir, "seal"), to(filepath.Join(dir, "cp")))
	b := newRig(t, db, filepath.Join(dir, "other"), to(filepath.Join(dir, "cp2")))
	if found := strings.Join(b.notary.Troubles(), "\n"); !strings.Contains(found, "no checkpoint is signed by this server") {
		t.Errorf("troubles %q", found)
	}
	if err := b.notary.Rotate(t.Context(), self, false); err == nil {
		t.Error("it rotates a key that it cannot open")
	}
	b.clock.now = b.clock.now.Add(time.Minute)
	b.no(b.notary.Rotate(t.Context(), self, true))
	if !strings.Contains(string(b.export()), `\"lost\":true`) || len(b.notary.Troubles()) != 0 {
		t.Errorf("after a lost key: %v\n%s", b.notary.Troubles(), b.export())
	}
}

func TestF016AndB138ARestoredOlderDatabaseIsFoundByTheCheckpointFile(t *testing.T) {
	dir := t.TempDir()
	file, seal := filepath.Join(dir, "cp"), filepath.Join(dir, "seal")
	old := store.Options{Data: filepath.Join(dir, "old")}
	r := newRig(t, old, seal, to(file))
	r.entries(5)
	r.no(r.turn())
	r.no(r.store.Close())
	newer := store.Options{Data: filepath.Join(dir, "new")}
	r.no(os.CopyFS(newer.Data, os.DirFS(old.Data)))
	r = newRig(t, newer, seal, to(file))
	r.entries(5)
	r.clock.now = r.clock.now.Add(time.Hour)
	r.no(r.turn())
	before, err := os.ReadFile(file)
	r.no(err)
	r.no(r.store.Close())

	r = newRig(t, old, seal, to(file))
	for range 2 { // it is told once
		if err := r.turn(); err == nil || !strings.Contains(err.Error(), "an older copy of the database was restored") {
			t.Fatalf("it says %v", err)
		}
	}
	if n := strings.Count(string(r.export()), `"audit.mismatch"`); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
	if found := strings.Join(r.notary.Troubles(), ""); !strings.Contains(found, "older copy") {
		t.Errorf("troubles %q", found)
	}
	r.entries(50) // it went on from the old copy
	if err := r.turn(); err == nil || !strings.Contains(err.Error(), "is not the one of the checkpoint") {
		t.Errorf("it says %v", err)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
		t.Error("the evidence was written to")
	}
	r.no(os.Rename(file, file+".kept"))
	r.clock.now = r.clock.now.Add(2 * time.Hour)
	r.no(r.turn())
	if len(r.notary.Troubles()) != 0 {
		t.Errorf("troubles %v", r.notary.Troubles())
	}
}

func TestF073ABlockedPlaceFallsBehindVisiblyAndGetsEverythingInOrder(t *testing.T) {
	databases(t, func(t *testing.T, db store.Options) {
		var got bytes.Buffer
		status := 503
		var signature string
		var body []byte
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			body, _ = io.ReadAll(q.Body)
			if signature = q.Header.Get(SignatureHeader); status == 200 {
				got.Write(body)
			}
			w.WriteHeader(status)
		}))
		defer s.Close()
		r := newRig(t, db, filepath.Join(t.TempDir(), "seal"), func(o *Options) { o.Export = []string{s.URL} })
		r.entries(1200) // nobody waits for the place
		if err := r.turn(); err == nil {
			t.Fatal("a 503 is taken for a receipt")
		}
		if p := r.notary.Places()[0]; p.Lag != 1201 || !strings.Contains(p.Error, "answered 503") {
			t.Errorf("place %+v", p)
		}
		status = 200
		r.no(r.turn())
		if !bytes.Equal(got.Bytes(), r.export()) {
			t.Error("what arrived is not the log")
		}
		if p := r.notary.Places()[0]; p.Lag != 0 || p.Error != "" {
			t.Errorf("place %+v", p)
		}
		keys, err := r.notary.keys(t.Context())
		r.no(err)
		head, text, _ := strings.Cut(signature, ",ed25519=")
		seconds, _, _ := strings.Cut(strings.TrimPrefix(head, "t="), ",")
		sig, _ := base64.StdEncoding.DecodeString(text)
		if !ed25519.Verify(keys[0].Public, append([]byte(seconds+"."), body...), sig) {
			t.Errorf("the signature %q does not match", signature)
		}
		other := &Notary{Options: r.notary.Options, places: r.notary.places, state: map[string]Place{}}
		other.Replica = "b" // while this one has the place
		r.entries(1)
		if m, _, err := other.claim(t.Context(), other.places[0]); err != nil || m.Owner == "b" {
			t.Errorf("two replicas work on one place: %+v, %v", m, err)
		}
	})
}

func TestEntriesGoToSyslogWithTheirLength(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	read := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		b, _ := io.ReadAll(bufio.NewReader(c))
		read <- string(b)
	}()
	r := newRig(t, store.Options{Data: t.TempDir()}, filepath.Join(t.TempDir(), "seal"), func(o *Options) {
		o.Export, o.Host = []string{"syslog+tcp://" + l.Addr().String()}, "gate"
	})
	r.no(r.turn())
	line := strings.TrimSpace(string(r.export()))
	want := "<109>1 2026-03-01T12:00:00.000000Z gate sallyport - key.create - " + line
	select {
	case got := <-read:
		if _, text, _ := strings.Cut(got, " "); text != want {
			t.Errorf("got %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing came")
	}
}

func TestAHalfWrittenCheckpointIsWrittenOver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cp")
	if err := os.WriteFile(file, []byte("{}\n{\"log\":\"ha"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := appendLine(file, "{1}"); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(file); string(b) != "{}\n{1}\n" {
		t.Errorf("the file has %q", b)
	}
}

// noJobs does nothing after a commit.
type noJobs struct{}

func (noJobs) Kick(core.Job)  {}
func (noJobs) Wake(time.Time) {}
