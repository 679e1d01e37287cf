package engine_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/connector/memory"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
	"github.com/sallyport/sallyport/internal/pagerduty"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/internal/store"
)

// The organisation at PagerDuty: Ann is on call for My Critical Service on level 1 for two
// more hours, Bo stands on level 2 for good, Cy is on no policy.
const organisation = `
subdomain: acme
tokens: [{token: full, access: full}]
users:
  - {id: PUANN01, name: Ann, email: Ann@Example.com}
  - {id: PUBO001, name: Bo, email: bo@example.com}
  - {id: PUCY001, name: Cy, email: cy@example.com}
  - {id: PUBOT01, name: Bot, email: bot@example.com}
schedules:
  - {id: PS00001, name: Critical, kind: v2, shifts: [{user: PUANN01, start: now-1h, end: now+2h}]}
  - {id: PS00003, name: Modern, kind: v3, shifts: [{user: PUANN01, start: now-1h, end: now+2h}]}
escalation_policies:
  - {id: PE00001, name: Critical, rules: [[{schedule: PS00001}], [{user: PUBO001}]]}
  - {id: PE00002, name: Access, rules: [[{user: PUBOT01}]]}
  - {id: PE00003, name: Modern, rules: [[{schedule: PS00003}]]}
services:
  - {id: PSV0001, name: My Critical Service, escalation_policy: PE00001, integration_key: "00000000000000000000000000000001"}
  - {id: PSV0002, name: Teleport Access Request Notifications, escalation_policy: PE00002, integration_key: "00000000000000000000000000000002"}
  - {id: PSV0003, name: Payments API, escalation_policy: PE00003, integration_key: "00000000000000000000000000000003"}
  - {id: PSV0004, name: Operations, escalation_policy: PE00002, integration_key: "00000000000000000000000000000004"}
`

// The roles and users: page 004's, with an entitlement on the target demo.
const resources = `
{kind: target, version: v1, metadata: {name: demo}, spec: {connector: memory}}
---
{kind: role, version: v5, metadata: {name: editor-reviewer}, spec: {allow: {review_requests: {roles: [editor]}}}}
---
{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor], thresholds: [{approve: 1, deny: 1}], annotations: {pagerduty_notify_service: ["Teleport Access Request Notifications"]}}}}}
---
{kind: role, version: v5, metadata: {name: demo-role}, spec: {entitlements: [{target: demo, resource: db}]}}
---
{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [My Critical Service]}}}}}
---
{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role], where: 'contains(request.system_annotations["pagerduty_services"], "My Critical Service")'}}}}
---
{kind: user, version: v2, metadata: {name: access-plugin}, spec: {roles: [access-plugin], bot: true}}
---
{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [demo-role-requester]}}
---
{kind: user, version: v2, metadata: {name: bo@example.com}, spec: {roles: [demo-role-requester]}}
---
{kind: user, version: v2, metadata: {name: cy@example.com}, spec: {roles: [demo-role-requester, editor-requester]}}
---
{kind: user, version: v2, metadata: {name: rev@example.com}, spec: {roles: [editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: myuser}, spec: {roles: [editor-requester]}}
`

var admin = engine.Actor{Admin: true, Via: "test"}

func as(user string) engine.Actor { return engine.Actor{User: user, Via: "test"} }

// A harness is a whole Sallyport in a test: a real store, the real PagerDuty client on the
// simulator, a target in memory, and a clock that the test turns.
type harness struct {
	*engine.Engine
	t       *testing.T
	store   *store.Store
	dsn     string // of PostgreSQL; empty on SQLite
	sim     *pdsim.Server
	pd      *pagerduty.Accounts
	target  *memory.Target
	url     string
	clock   *turnedClock
	jobs    *queue
	options engine.Options
}

// firstMoment is when every test begins.
var firstMoment = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

type turnedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *turnedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *turnedClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
}

// queue keeps the jobs until the test runs them, so that it sees every step.
type queue struct {
	mu   sync.Mutex
	jobs []core.Job
	held bool // jobs are lost, as in a crash
}

func (q *queue) Kick(j core.Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.held && !slices.ContainsFunc(q.jobs, func(o core.Job) bool { return o.Kind == j.Kind && o.ID == j.ID }) {
		q.jobs = append(q.jobs, j)
	}
}

func (q *queue) Wake(time.Time) {}

func (q *queue) take() (core.Job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		return core.Job{}, false
	}
	j := q.jobs[0]
	q.jobs = q.jobs[1:]
	return j, true
}

type targets map[string]connector.Provisioner

func (t targets) Provisioner(_ context.Context, name string) (connector.Provisioner, error) {
	if p, ok := t[name]; ok {
		return p, nil
	}
	return nil, core.Errorf(core.NotFound, "there is no target %q", name)
}

func newHarness(t *testing.T, change ...func(*engine.Options)) *harness {
	t.Helper()
	t.Parallel()
	return newHarnessOn(t, openSQLite(t), "", change...)
}

// newHarnessOn builds a harness on a database. What change alters is that of its replicas too.
func newHarnessOn(t *testing.T, db *store.Store, dsn string, change ...func(*engine.Options)) *harness {
	t.Helper()
	h := &harness{
		t: t, store: db, dsn: dsn, target: memory.New(), jobs: &queue{},
		clock: &turnedClock{now: firstMoment},
	}
	data, err := pdsim.Parse([]byte(organisation))
	h.must(err)
	h.sim, err = pdsim.New(pdsim.Options{Data: data, Now: h.clock.Now})
	h.must(err)
	t.Cleanup(h.sim.Close)
	server := httptest.NewServer(h.sim)
	t.Cleanup(server.Close)
	h.url = server.URL
	h.pd = openAccounts(t, h)
	var n atomic.Int64
	h.options = engine.Options{
		Store: h.store, OnCall: h.pd, Pager: pager{h.pd}, Targets: targets{"demo": h.target}, Clock: h.clock, Jobs: h.jobs,
		NewID:             func() string { return fmt.Sprintf("%04d", n.Add(1)) },
		Terms:             core.DefaultTerms(),
		Replica:           "test",
		OperationsService: "Operations",
	}
	for _, f := range change {
		f(&h.options)
	}
	h.Engine = engine.New(h.options)
	return h
}

// pager adapts the accounts to the engine's port.
type pager struct{ *pagerduty.Accounts }

func (p pager) FindIncident(ctx context.Context, account, serviceID, key string) (*engine.PagerIncident, error) {
	found, err := p.Accounts.FindIncident(ctx, account, serviceID, key)
	if found == nil {
		return nil, err
	}
	return &engine.PagerIncident{ID: found.ID, URL: found.URL, Status: found.Status}, err
}

func (p pager) CreateIncident(ctx context.Context, account string, in core.Incident) (engine.PagerIncident, error) {
	made, err := p.Accounts.CreateIncident(ctx, account, in)
	return engine.PagerIncident{ID: made.ID, URL: made.URL, Status: made.Status}, err
}

func (h *harness) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) apply(text string) []engine.Applied {
	h.t.Helper()
	items, err := manifest.Read([]byte(text))
	h.must(err)
	out, err := h.Apply(h.t.Context(), admin, items, false)
	h.must(err)
	return out
}

// run runs the jobs that wait, and those that they ask for, until none is left. What went wrong is returned by job.
func (h *harness) run() map[string]error {
	h.t.Helper()
	trouble := map[string]error{}
	for range 20_000 {
		j, ok := h.jobs.take()
		if !ok {
			return trouble
		}
		if err := h.work(j); err != nil {
			trouble[string(j.Kind)] = err
		}
	}
	h.t.Fatal("the jobs never end")
	return nil
}

func (h *harness) work(j core.Job) error {
	switch j.Kind {
	case core.JobDecide:
		return h.Decide(h.t.Context(), j.ID)
	case core.JobSettle:
		return h.SettleJob(h.t.Context(), j.ID)
	default:
		return h.SyncIncident(h.t.Context(), j.ID)
	}
}

// advance turns the clock, of the simulator too, and does what is due then.
func (h *harness) advance(d time.Duration) {
	h.t.Helper()
	h.clock.advance(d)
	h.must(h.RosterChanged(h.t.Context()))
	_, err := h.Sweep(h.t.Context())
	h.must(err)
	h.run()
}

func (h *harness) ask(user, role string, in ...func(*core.Ask)) core.Request {
	h.t.Helper()
	ask := core.Ask{User: user, Roles: []string{role}, Reason: "to mend it", Duration: time.Hour}
	for _, f := range in {
		f(&ask)
	}
	r, err := h.Submit(h.t.Context(), as(user), engine.Submission{Ask: ask})
	h.must(err)
	return r
}

func (h *harness) story(id string) engine.Story {
	h.t.Helper()
	s, err := h.Story(h.t.Context(), admin, id)
	h.must(err)
	return s
}

func (h *harness) wantState(id string, want core.RequestState) engine.Story {
	h.t.Helper()
	s := h.story(id)
	if s.State != want {
		h.t.Fatalf("request %s is %s, want %s; it says %q", id, s.State, want, said(s))
	}
	return s
}

// wantSaid looks for words in what the request says about itself.
func (h *harness) wantSaid(id, words string) {
	h.t.Helper()
	if got := said(h.story(id)); !strings.Contains(got, words) {
		h.t.Errorf("request %s says %q, and nothing of %q", id, got, words)
	}
}

func said(s engine.Story) string {
	var b strings.Builder
	for _, r := range s.Evaluation.Reasons {
		b.WriteString(r.Text + "; ")
	}
	if s.Decision != nil {
		for _, r := range s.Decision.Reasons {
			b.WriteString(r.Text + "; ")
		}
	}
	return b.String()
}

// db is what the role demo-role gives somebody.
func db(user string) core.Entitlement {
	return core.Entitlement{User: user, Resource: core.Resource{Target: "demo", Name: "db"}}
}

func (h *harness) wantAccess(user string, want bool) {
	h.t.Helper()
	if has := h.target.Shows(db(user)); has != want {
		h.t.Errorf("at %s the target shows access for %s: %v, want %v", h.clock.Now().Format("15:04:05"), user, has, want)
	}
}

// incidentsAbout returns what PagerDuty has about a request.
func (h *harness) incidentsAbout(id string) []pdsim.Incident {
	var out []pdsim.Incident
	for _, i := range h.sim.Incidents() {
		if strings.Contains(i.Key, id) {
			out = append(out, i)
		}
	}
	return out
}

func (h *harness) wantChain() {
	h.t.Helper()
	if _, err := h.VerifyAudit(h.t.Context(), admin); err != nil {
		h.t.Errorf("audit log: %v", err)
	}
}

func wantWords(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("it says %q, and nothing of %q", got, want)
	}
}
