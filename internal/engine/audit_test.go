package engine_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// A witness looks at the audit log, as it is on disk, at the moment of every effect, and
// wants an entry there that speaks of it and that no earlier effect has used up.
type witness struct {
	h             *harness
	used          map[int64]bool
	told, changed int // PagerDuty; the target
}

func (w *witness) before(_ context.Context, step string, about any) error {
	switch e := about.(type) {
	case core.Entitlement:
		if step == "has" {
			return nil // looking is no effect
		}
		w.changed++
		action := map[string]string{"grant": "entitlement.give", "revoke": "entitlement.take"}[step]
		w.want(step+" "+e.User+" "+e.Resource.String(), true, func(a core.AuditEntry) bool {
			var d struct {
				User string `json:"user"`
			}
			return a.Action == action && a.Subject == "entitlement/"+e.Resource.String() && json.Unmarshal([]byte(a.Detail), &d) == nil && d.User == e.User
		})
	case core.Incident:
		w.told++
		w.want("create "+e.Key, true, func(a core.AuditEntry) bool {
			return a.Action == "incident.open" && a.Subject == "incident/"+e.ID
		})
	case string: // a note on, or the resolution of, an incident of PagerDuty's
		w.told++
		i := w.incident(e)
		causes := map[string][]string{"note": {"access_request.review", "access_request.decide"}, "resolve": {"access_request.decide"}}[step]
		subject := "request/" + i.RequestID
		if strings.HasPrefix(i.ID, "inc_residue_") {
			causes, subject = []string{"entitlement.take"}, "" // before it is seen to be gone it was taken
		}
		w.want(step+" on "+i.ID, step == "resolve", func(a core.AuditEntry) bool {
			for _, c := range causes {
				if a.Action == c && (subject == "" || a.Subject == subject) {
					return true
				}
			}
			return false
		})
	}
	return nil
}

// want looks for an entry; with alone, for one of its own.
func (w *witness) want(effect string, alone bool, fits func(core.AuditEntry) bool) {
	entries, err := w.h.Audit(context.Background(), admin, 0, 100_000)
	w.h.must(err)
	for _, e := range entries {
		if fits(e) && (!alone || !w.used[e.Seq]) {
			w.used[e.Seq] = alone
			return
		}
	}
	w.h.t.Errorf("%s came about without an entry in the audit log before it", effect)
}

func (w *witness) incident(pagerDutyID string) core.Incident {
	list, err := w.h.Incidents(context.Background(), admin, engine.IncidentQuery{})
	w.h.must(err)
	for _, i := range list {
		if i.PagerDutyID == pagerDutyID {
			return i
		}
	}
	// The run that made it has not stored its id yet; the key tells.
	for _, p := range w.h.sim.Incidents() {
		for _, i := range list {
			if p.ID == pagerDutyID && p.Key == i.Key {
				return i
			}
		}
	}
	w.h.t.Errorf("incident %s of PagerDuty is none of ours", pagerDutyID)
	return core.Incident{}
}

func TestI1EveryEffectComesAfterItsEntryInTheAuditLog(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.apply(notifying)
		w := &witness{h: h, used: map[int64]bool{}}
		p := h.process("witnessed", (&watch{before: w.before}).over)
		advance := func(d time.Duration) {
			h.clock.advance(d)
			p.must(p.RosterChanged(t.Context()))
			_, err := p.Sweep(t.Context())
			p.must(err)
			p.run()
		}
		h.sim.ClearCalls()
		short := p.ask("ann@example.com", "demo-role", within(20*time.Minute))
		p.ask("ann@example.com", "demo-role", within(50*time.Minute))
		denied := p.ask("cy@example.com", "editor")
		p.ask("cy@example.com", "demo-role")
		p.run()
		_, err := p.Review(t.Context(), as("rev@example.com"), denied.ID, engine.Opinion{State: core.Denied, Reason: "no"})
		h.must(err)
		p.run()
		p.must(err)
		advance(10 * time.Minute)
		_, err = p.Revoke(t.Context(), as("ann@example.com"), h.grantOf(short.ID, "demo/db").ID, "")
		h.must(err)
		p.run()
		h.target.Unset(db("ann@example.com"))
		h.must(p.Reconcile(t.Context()))
		h.target.Fail(core.Errorf(core.Unavailable, "down"))
		advance(40 * time.Minute)
		for range 4 {
			advance(30 * time.Second)
		}
		h.target.Fail(nil)
		advance(30 * time.Second)
		h.apply(`{kind: user, version: v2, metadata: {name: cy@example.com}, spec: {locked: true}}`)
		advance(8 * 24 * time.Hour)

		h.wantNothing()
		for _, i := range h.sim.Incidents() {
			if i.Status != pdsim.Resolved {
				t.Errorf("incident %q is %s", i.Title, i.Status)
			}
		}
		writes := 0
		for _, c := range h.sim.Calls() {
			if c.Method != "GET" {
				writes++
			}
		}
		if writes < 15 || w.told != writes || w.changed < 6 {
			t.Errorf("PagerDuty was told %d things, the witness saw %d, and %d at the target", writes, w.told, w.changed)
		}
		h.wantChain()
	})
}

// The database is gone: neither PagerDuty nor the target hears anything.
//
// asvs: 16.5.3
func TestI1F009AndF010WhereNothingCanBeWrittenNothingHappens(t *testing.T) {
	h := newHarness(t)
	h.apply(notifying)
	h.wantState(h.asked("ann@example.com", "demo-role"), core.Approved)
	waiting := h.ask("bo@example.com", "demo-role")
	full := core.Errorf(core.Unavailable, "no space left on device")
	effects := 0
	w := &watch{before: func(_ context.Context, step string, _ any) error {
		if step == "write" {
			return full
		}
		if step != "has" && step != "read" && step != "list" {
			effects++
		}
		return nil
	}}
	p := h.process("full", w.over)
	h.sim.ClearCalls()
	tries := map[string]error{}
	_, tries["submit"] = p.Submit(t.Context(), as("cy@example.com"), engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}}})
	_, tries["review"] = p.Review(t.Context(), admin, waiting.ID, engine.Opinion{State: core.Approved})
	_, tries["revoke"] = p.Revoke(t.Context(), admin, h.openOn("demo/db")[0].ID, "")
	tries["decide"] = p.Decide(t.Context(), waiting.ID)
	tries["settle"] = p.Settle(t.Context(), db("bo@example.com"))
	tries["sync"] = p.SyncIncident(t.Context(), h.story(waiting.ID).Incidents[0].ID)
	h.clock.advance(time.Hour)
	_, tries["sweep"] = p.Sweep(t.Context())
	p.runDying()
	for name, err := range tries {
		if core.KindOf(err) != core.Unavailable {
			t.Errorf("%s says %v, want an error that is tried again", name, err)
		}
	}
	if effects > 0 || h.called("POST", "/incidents") > 0 {
		t.Errorf("%d effects without a record of them", effects)
	}
	if _, holds, err := p.Check(t.Context(), admin, "ann@example.com", db("").Resource); err != nil || holds {
		t.Errorf("check after the end says %v, %v", holds, err)
	}
	h.advance(time.Second) // there is space again
	h.advance(time.Minute)
	h.wantState(waiting.ID, core.Approved)
	h.advance(time.Hour)
	h.wantNothing()
	h.wantChain()
}
