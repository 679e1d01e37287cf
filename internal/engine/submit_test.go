package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// decisions counts the decisions that wait for their turn.
func (h *harness) decisions() (n int) {
	var all []core.Job
	for j, ok := h.jobs.take(); ok; j, ok = h.jobs.take() {
		all = append(all, j)
	}
	for _, j := range all {
		h.jobs.Kick(j)
		if j.Kind == core.JobDecide {
			n++
		}
	}
	return n
}

func TestARequestIsApprovedAsItIsMadeOnlyWhereTheDutiesAtHandDo(t *testing.T) {
	twoApprovals := `{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], thresholds: [{approve: 2, deny: 1}], annotations: {pagerduty_services: [My Critical Service]}}}}}`
	tests := []struct {
		name    string
		change  func(*harness)
		user    string
		at      core.RequestState // as it is made
		then    core.RequestState // after its job
		reviews int               // as it is made
	}{
		{"on call", func(*harness) {}, "ann@example.com", core.Approved, core.Approved, 1},
		{"not on call", func(*harness) {}, "cy@example.com", core.Pending, core.Pending, 0},
		{"PagerDuty is to be told first", func(h *harness) { h.apply(notifying) }, "ann@example.com", core.Pending, core.Approved, 0},
		{"one approval of two", func(h *harness) { h.apply(twoApprovals) }, "ann@example.com", core.Pending, core.Pending, 1},
		{"the duties are old", func(h *harness) { h.clock.advance(90 * time.Second) }, "ann@example.com", core.Pending, core.Approved, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t)
			h.ask("ann@example.com", "demo-role") // so that duties are at hand
			h.run()
			test.change(h)
			r := h.ask(test.user, "demo-role")
			s := h.wantState(r.ID, test.at)
			if r.State != test.at || len(s.Reviews) != test.reviews || len(r.Reviews) != test.reviews {
				t.Errorf("it was answered as %s with %d reviews, and is kept with %d; want %d", r.State, len(r.Reviews), len(s.Reviews), test.reviews)
			}
			if n := h.decisions(); (n == 0) != (test.at == core.Approved) {
				t.Errorf("%d decisions wait for a request that is %s", n, r.State)
			}
			h.run()
			h.wantState(r.ID, test.then)
			h.wantChain()
		})
	}
}

func TestAnApprovalAtOnceIsAuditedLikeAnyOther(t *testing.T) {
	h := newHarness(t)
	h.ask("ann@example.com", "demo-role")
	h.run()
	said := func(change string) (actions []string) {
		h.apply(change)
		before, _, err := h.head()
		h.must(err)
		h.ask("ann@example.com", "demo-role")
		h.run()
		entries, err := h.Audit(t.Context(), admin, before, 100)
		h.must(err)
		for _, e := range entries {
			if e.Actor != "sallyport" || e.Action == "grant.activate" {
				actions = append(actions, e.Action+" by "+e.Actor)
			}
		}
		return actions
	}
	at := said(`{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [My Critical Service]}}}}}`)
	later := said(notifying)
	if len(at) < 5 || !slices.Equal(at, later) {
		t.Errorf("the log has\n%v\nof an approval at once, and of another one\n%v", at, later)
	}
}

func (h *harness) head() (seq int64, hash string, err error) {
	err = h.store.Read(h.t.Context(), func(v engine.View) (err error) {
		seq, hash, err = v.AuditHead()
		return err
	})
	return seq, hash, err
}
