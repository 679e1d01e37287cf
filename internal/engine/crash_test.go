package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// errDied is what a process says that a test has killed.
var errDied = errors.New("the process died")

// A death kills a process at its nth step: before the step, or after it, when it happened and
// nobody knows.
type death struct {
	at   int
	seen int
	step string // at which it died
}

func (d *death) dead() bool { return d.step != "" }

func (d *death) watch() *watch {
	hook := func(when string) func(context.Context, string, any) error {
		return func(_ context.Context, step string, _ any) error {
			if d.dead() {
				return errDied
			}
			if step == "read" {
				return nil
			}
			if d.seen++; d.seen == d.at {
				d.step = when + " " + step
				return errDied
			}
			return nil
		}
	}
	return &watch{before: hook("before"), after: hook("after")}
}

// A life is a story that a process lives through, up to its death.
type life struct {
	name string
	user string
	live func(p *harness, key string) (id string, err error)
	// what the request has come to once everything is over, and the notes on its incident
	state core.RequestState
	notes int
}

func lives() []life {
	submit := func(p *harness, key, user string) (string, error) {
		r, err := p.Submit(p.t.Context(), as(user), engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}, Reason: "mend", Duration: time.Hour}, Key: key})
		return r.ID, err
	}
	return []life{
		{"access by on-call status", "bo@example.com", func(p *harness, key string) (string, error) { return submit(p, key, "bo@example.com") }, core.Approved, 2},
		{"a denial by a person", "cy@example.com", func(p *harness, key string) (string, error) {
			id, err := submit(p, key, "cy@example.com")
			if err != nil {
				return id, err
			}
			p.runDying()
			_, err = p.Review(p.t.Context(), as("rev@example.com"), id, engine.Opinion{State: core.Denied})
			if core.KindOf(err) == core.Refused || core.KindOf(err) == core.Conflict {
				return id, nil // it was denied before the death, which the reviewer now learns
			}
			return id, err
		}, core.Denied, 2},
	}
}

// runDying runs jobs of a process that may die of it.
func (h *harness) runDying() {
	for j, ok := h.jobs.take(); ok; j, ok = h.jobs.take() {
		_ = h.work(j)
	}
}

func (h *harness) sweepDying() {
	_, _ = h.Sweep(h.t.Context())
	h.runDying()
}

func TestF001ADeathAtAnyStepLosesNothingAndDoublesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.apply(notifying + "\n---\n" + `{kind: role, version: v5, metadata: {name: editor-reviewer}, spec: {allow: {review_requests: {roles: [demo-role]}}}}`)
		for _, l := range lives() {
			for _, preExisting := range []bool{false, true} {
				// Each database has its half of them: it makes no difference to the others.
				if (h.dsn != "") != (l.state == core.Approved && !preExisting) || l.state != core.Approved && preExisting {
					continue
				}
				steps := 0
				for h.dieAt(t, l, preExisting, steps+1) {
					steps++
				}
				if steps < 20 {
					t.Errorf("%s: only %d steps were seen", l.name, steps)
				}
			}
		}
		h.wantChain()
	})
}

// dieAt lives a life that ends at a step, and has another process go on. False: the life had fewer steps.
func (h *harness) dieAt(t *testing.T, l life, preExisting bool, step int) bool {
	t.Helper()
	var before []core.Entitlement
	if preExisting {
		before = append(before, db(l.user))
		h.target.Set(before[0])
		defer h.target.Unset(before[0])
	}
	name := "local" // on SQLite the next process is the same replica
	if h.dsn != "" {
		name = fmt.Sprintf("%s %d", l.name, step)
	}
	d := &death{at: step}
	p := h.process(name, d.watch().over)
	key := fmt.Sprintf("%s %v %d", l.name, preExisting, step)
	id, err := l.live(p, key)
	p.runDying()
	h.clock.advance(time.Hour)
	p.sweepDying()
	if !d.dead() {
		h.must(err)
		return false
	}
	next := h.process("local")
	if err != nil {
		id, err = l.live(next, key) // the caller heard of an error, and tries again
		h.must(err)
	}
	for range 2 {
		next.runDying()
		h.clock.advance(11 * time.Second) // the leases of the dead are over
		next.sweepDying()
	}
	where := fmt.Sprintf("%s, pre-existing %v, died %s (step %d)", l.name, preExisting, d.step, step)
	s := next.wantState(id, l.state)
	for _, g := range s.Grants {
		if g.State != core.GrantActive && g.State != core.GrantEnded {
			t.Errorf("%s: the grant of %s is %s: %s", where, g.Resource, g.State, g.Error)
		}
		if g.State == core.GrantActive && g.Target == "demo" && !h.target.Shows(g.Entitlement) {
			t.Errorf("%s: the grant of %s is active and the target does not show it", where, g.Resource)
		}
	}
	h.clock.advance(time.Hour)
	next.sweepDying()
	if list := h.incidentsAbout(id); len(list) != 1 || list[0].Status != pdsim.Resolved || len(list[0].Notes) != l.notes {
		t.Errorf("%s: PagerDuty has %d incidents: %+v", where, len(list), list)
	}
	if s := next.story(id); len(s.Incidents) != 1 || s.Incidents[0].State != core.IncidentResolved {
		t.Errorf("%s: our record of the incident is %+v", where, s.Incidents)
	}
	h.wantNothing(before...)
	if t.Failed() {
		t.Fatal(where)
	}
	return true
}

func TestF005APanicInAVerbSpoilsNothingForOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		for _, step := range []string{"grant", "revoke", "has", "create", "note", "resolve"} {
			w := &watch{}
			p := h.process("panicky", w.over)
			p.apply(notifying)
			w.before = func(_ context.Context, s string, _ any) error {
				if s == step {
					panic("a bug in the connector: " + s)
				}
				return nil
			}
			r := p.ask("bo@example.com", "demo-role")
			p.runPanicking()
			h.clock.advance(time.Hour)
			_, err := p.Sweep(t.Context())
			h.must(err)
			p.runPanicking()
			w.before = nil // the bug is mended
			for range 3 {
				h.clock.advance(11 * time.Second)
				p.sweepDying()
			}
			h.clock.advance(time.Hour)
			p.sweepDying()
			h.wantState(r.ID, core.Approved)
			h.wantOneIncident(r.ID, pdsim.Resolved)
			h.wantNothing()
		}
		h.wantChain()
	})
}

// runPanicking runs jobs as package jobs does: a panic is the job's error.
func (h *harness) runPanicking() {
	for j, ok := h.jobs.take(); ok; j, ok = h.jobs.take() {
		func() {
			defer func() { _ = recover() }()
			_ = h.work(j)
		}()
	}
}

// asvs: 2.3.3, 16.5.3
func TestF005APanicInsideATransactionUndoesItAndTheNextOneWorks(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		before := h.kept()
		h.options.CheckTarget = func(core.Target) error { panic("a bug in the check") }
		h.Engine = engine.New(h.options)
		_, err := h.tryApply(`{kind: target, version: v1, metadata: {name: other}, spec: {connector: memory}}`)
		h.wantRefused("a panic", err, core.Internal, "panic", before)
		h.wantState(h.asked("ann@example.com", "demo-role"), core.Approved)
		h.wantChain()
	})
}
