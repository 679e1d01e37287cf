package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/connector/memory"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
	"github.com/sallyport/sallyport/internal/store"
)

// The organisation of these tests: ann is on call for Payments, bob is not, rev reviews.
const organisation = `
kind: target
metadata: {name: db}
spec: {connector: memory}
---
kind: role
version: v7
metadata: {name: prod-db}
spec: {entitlements: [{target: db, resource: readers}]}
---
kind: role
version: v7
metadata: {name: engineer}
spec:
  allow:
    request:
      roles: [prod-db]
      annotations: {pagerduty_services: [Payments], pagerduty_notify_service: [Requests]}
---
kind: role
version: v7
metadata: {name: reviewer}
spec: {allow: {review_requests: {roles: [prod-db]}}}
---
{kind: user, metadata: {name: ann@example.com}, spec: {roles: [engineer]}}
---
{kind: user, metadata: {name: bob@example.com}, spec: {roles: [engineer]}}
---
{kind: user, metadata: {name: rev@example.com}, spec: {roles: [reviewer]}}
---
{kind: user, metadata: {name: boss@example.com}, spec: {roles: [admin]}}
---
{kind: user, metadata: {name: access-plugin}, spec: {roles: [reviewer], bot: true}}
`

// A harness is the API on a real engine and a real store, with everything outside played.
type harness struct {
	*API
	t      testing.TB
	engine *engine.Engine
	oncall *rota
	jobs   *workers
	log    *lockedBuffer
}

// A rota is who is on call; it fails while err is set.
type rota struct {
	mu     sync.Mutex
	roster *core.Roster
	err    error
}

func (r *rota) Roster(context.Context, string, time.Duration) (*core.Roster, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.roster, r.err
}

func (r *rota) AtHand(string) *core.Roster {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil
	}
	return r.roster
}

func (r *rota) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}

// A pager is a PagerDuty that takes every incident.
type pager struct{}

func (pager) ServiceID(_ context.Context, _, name string) (string, error) { return "P" + name, nil }
func (pager) FindIncident(context.Context, string, string, string) (*engine.PagerIncident, error) {
	return nil, nil
}
func (pager) CreateIncident(_ context.Context, _ string, in core.Incident) (engine.PagerIncident, error) {
	return engine.PagerIncident{ID: "Q1", URL: "https://acme.example/incidents/Q1", Status: "triggered"}, nil
}
func (pager) ResolveIncident(context.Context, string, string) error   { return nil }
func (pager) Notes(context.Context, string, string) ([]string, error) { return nil, nil }
func (pager) AddNote(context.Context, string, string, string) error   { return nil }

type targets map[string]connector.Provisioner

func (t targets) Provisioner(_ context.Context, name string) (connector.Provisioner, error) {
	if p, there := t[name]; there {
		return p, nil
	}
	return nil, core.Errorf(core.NotFound, "there is no target %q", name)
}

type stillClock struct{ now time.Time }

func (c stillClock) Now() time.Time { return c.now }

// workers run jobs as they come, unless they are held.
type workers struct {
	engine *engine.Engine
	ctx    context.Context
	held   atomic.Bool
	wg     sync.WaitGroup
}

func (w *workers) Wake(time.Time) {}

func (w *workers) Kick(j core.Job) {
	if w.held.Load() {
		return
	}
	w.wg.Go(func() {
		switch j.Kind {
		case core.JobDecide:
			_ = w.engine.Decide(w.ctx, j.ID)
		case core.JobSettle:
			_ = w.engine.SettleJob(w.ctx, j.ID)
		case core.JobIncident:
			_ = w.engine.SyncIncident(w.ctx, j.ID)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// migrated is a folder with an empty database, made once: migrating takes far longer than copying.
var migrated = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sallyport-api-")
	if err != nil {
		return "", err
	}
	s, err := store.Open(context.Background(), store.Options{Data: dir})
	if err != nil {
		return "", err
	}
	return dir, s.Close()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := migrated(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func openStore(t testing.TB) *store.Store {
	t.Helper()
	from, err := migrated()
	must(t, err)
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(from)))
	s, err := store.Open(t.Context(), store.Options{Data: dir})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	s.InsertJobs(func(context.Context, any, []core.Job) (func(), error) { return func() {}, nil })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHarness(t testing.TB, change ...func(*Options)) *harness {
	t.Helper()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	roster := &core.Roster{
		Account: "default", FetchedAt: now,
		Users:     []core.PagerUser{{ID: "PANN", Name: "Ann", Email: "ann@example.com"}, {ID: "PBOB", Name: "Bob", Email: "bob@example.com"}},
		Services:  []core.PagerService{{ID: "PSV1", Name: "Payments", EscalationPolicy: "PEP1"}, {ID: "PSV2", Name: "Requests", EscalationPolicy: "PEP1"}},
		Policies:  []core.PagerPolicy{{ID: "PEP1", Name: "Payments on call"}},
		Schedules: []core.Named{{ID: "PSC1", Name: "Payments rota"}},
		Duties:    []core.Duty{{Account: "default", UserID: "PANN", EscalationPolicy: "PEP1", Level: 1, Schedule: "PSC1", Start: now.Add(-time.Hour), End: now.Add(2 * time.Hour)}},
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &harness{t: t, oncall: &rota{roster: roster.Index()}, jobs: &workers{ctx: ctx}, log: &lockedBuffer{}}
	var ids atomic.Int64
	s := openStore(t)
	h.engine = engine.New(engine.Options{
		Store: s, OnCall: h.oncall, Pager: pager{}, Targets: targets{"db": memory.New()}, Clock: stillClock{now},
		Jobs: h.jobs, NewID: func() string { return fmt.Sprintf("%06d", ids.Add(1)) }, Terms: core.DefaultTerms(), Replica: "test",
		Authority: func() (engine.Authority, error) { return paperAuthority{&ids}, nil },
	})
	h.jobs.engine = h.engine
	t.Cleanup(func() { cancel(); h.jobs.wg.Wait() })
	items, err := manifest.Read([]byte(organisation))
	must(t, err)
	_, err = h.engine.Apply(t.Context(), engine.Actor{Admin: true, Via: "test"}, items, false)
	must(t, err)
	rotate := func(context.Context) ([]byte, string, error) { return []byte("authority"), "sha256:00", nil }
	o := Options{Engine: h.engine, Version: "v1.2.3", Rotate: rotate, Log: slog.New(slog.NewTextHandler(h.log, nil))}
	o.AuditKeys, o.RotateAuditKey = h.auditKeys, func(ctx context.Context, a engine.Actor, _ bool) ([]client.AuditKey, error) {
		if err := h.engine.MayRotateAuditKey(ctx, a); err != nil {
			return nil, err
		}
		return []client.AuditKey{}, nil
	}
	for _, f := range change {
		f(&o)
	}
	h.API, err = New(o)
	must(t, err)
	return h
}

// A reply is an answer as a test reads it.
type reply struct {
	*httptest.ResponseRecorder
	t testing.TB
}

// local sends a call through the socket's door, as the server's own user.
func (h *harness) local(method, path, body string, headers ...string) reply {
	h.t.Helper()
	return h.send(h.Socket(), method, path, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

// as is local, acting as a user.
func (h *harness) as(user, method, path, body string, headers ...string) reply {
	h.t.Helper()
	return h.local(method, path, body, append(headers, asHeader, user)...)
}

func (h *harness) send(door http.Handler, method, path, body string, headers ...string) reply {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:50000"
	r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{uid: uint32(os.Geteuid())}))
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	return reply{w, h.t}
}

// into reads an answer that must be a success.
func into[T any](r reply) T {
	r.t.Helper()
	var out T
	if r.Code < 200 || r.Code > 299 {
		r.t.Fatalf("status %d: %s", r.Code, r.Body)
	}
	d := json.NewDecoder(bytes.NewReader(r.Body.Bytes()))
	d.DisallowUnknownFields()
	must(r.t, d.Decode(&out))
	return out
}

// wantProblem checks the form of a problem.
func (r reply) wantProblem(status int, kind client.Kind, words string) client.Error {
	r.t.Helper()
	var p client.Error
	if err := json.Unmarshal(r.Body.Bytes(), &p); err != nil {
		r.t.Fatalf("status %d, not a problem: %s", r.Code, r.Body)
	}
	if r.Code != status || p.Status != status || p.Kind != kind || !strings.Contains(p.Detail+" | "+p.Hint, words) {
		r.t.Errorf("got %d %s %q (hint %q), want %d %s with %q", r.Code, p.Kind, p.Detail, p.Hint, status, kind, words)
	}
	if got := r.Header().Get("Content-Type"); got != "application/problem+json" {
		r.t.Errorf("a problem of type %q", got)
	}
	if p.Type != "urn:sallyport:problem:"+string(kind) || p.Title == "" || p.RequestID == "" {
		r.t.Errorf("a problem without type, title or id: %s", r.Body)
	}
	return p
}

// serve runs a door on a socket of its own and returns a client for it.
func (h *harness) serve(o client.Options) *client.Client {
	h.t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	must(h.t, err)
	h.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o.Socket = filepath.Join(dir, "sallyport.sock")
	l, err := ListenSocket(o.Socket)
	must(h.t, err)
	s := Server(h.Socket())
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, err := client.New(o)
	must(h.t, err)
	h.t.Cleanup(func() {
		c.Close()
		_ = s.Shutdown(context.Background())
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			h.t.Errorf("the server ended with %v", err)
		}
	})
	return c
}

// ask makes a request that waits for people.
func (h *harness) ask(user string) client.Request {
	h.t.Helper()
	r := into[client.Request](h.as(user, "POST", "/v1/requests", `{"roles":["prod-db"],"reason":"mend it","duration":"1h"}`))
	h.jobs.wg.Wait()
	return r
}

// A paperAuthority issues certificates that are worth nothing. The real one has tests of its own.
type paperAuthority struct{ serials *atomic.Int64 }

func (p paperAuthority) NewSerial() string { return fmt.Sprintf("%032x", p.serials.Add(1)) }

func (paperAuthority) Issue(user, serial string, _ []byte, _, _ time.Time) ([]byte, error) {
	return []byte("certificate " + serial + " of " + user), nil
}

func (paperAuthority) Bundle() ([]byte, string) { return []byte("authority"), "sha256:00" }

// signing is the body of a call for a certificate.
const signing = `{"request":"anything"}`

// auditKeys stands for those of package notary.
func (h *harness) auditKeys(ctx context.Context, a engine.Actor) ([]client.AuditKey, error) {
	return []client.AuditKey{}, h.engine.MayReadAuditKeys(ctx, a)
}
