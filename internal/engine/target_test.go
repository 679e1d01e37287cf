package engine_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// pages returns what PagerDuty has on the operations service.
func (h *harness) pages() (out []pdsim.Incident) {
	for _, i := range h.sim.Incidents() {
		if i.Service == "PSV0004" {
			out = append(out, i)
		}
	}
	return out
}

func TestF055ATargetThatIsDownAtTheEndIsTriedForEverAndTheOwnersArePaged(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		r := h.ask("ann@example.com", "demo-role")
		h.run()
		h.target.Fail(core.Errorf(core.Unavailable, "connection refused"))
		h.advance(time.Hour)
		tries := 0
		h.options.Targets = targets{"demo": watchedTarget{h.target, &watch{before: func(_ context.Context, step string, _ any) error {
			if step == "revoke" {
				tries++
			}
			return nil
		}}}}
		h.Engine = engine.New(h.options)
		for range 10 {
			h.advance(5 * time.Second)
		}
		h.advance(9 * time.Second)
		if n := len(h.pages()); n != 0 {
			t.Fatalf("the owners were paged %d times within the first minute", n)
		}
		h.advance(time.Second)
		page := h.pages()
		if len(page) != 1 || page[0].Status != pdsim.Triggered || !strings.Contains(page[0].Title, "Access NOT removed: ann@example.com still has demo/db") || !strings.Contains(page[0].Details, "connection refused") {
			t.Fatalf("after a minute the pages are %+v", page)
		}
		wantWords(t, h.wantGrant(r.ID, "demo/db", core.GrantEnding, core.EndTime).Error, "connection refused")
		tries = 0
		for range 20 {
			h.advance(30 * time.Second)
		}
		h.advance(24 * time.Hour)
		if tries < 21 || len(h.pages()) != 1 {
			t.Errorf("in a day it was tried %d times and paged %d times, want every half minute and once", tries, len(h.pages()))
		}
		if _, holds, err := h.Check(t.Context(), admin, "ann@example.com", db("").Resource); err != nil || holds {
			t.Errorf("check says %v, %v", holds, err)
		}
		h.target.Fail(nil)
		h.advance(30 * time.Second)
		h.wantNothing()
		h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndTime)
		if page := h.pages(); len(page) != 1 || page[0].Status != pdsim.Resolved || !strings.Contains(page[0].Notes[0].Content, "seen to be gone") {
			t.Errorf("once it is gone the pages are %+v", page)
		}
		h.wantChain()
	})
}

func TestNobodyIsPagedAboutAccessThatAnotherGrantHolds(t *testing.T) {
	h := newHarness(t)
	h.ask("ann@example.com", "demo-role", within(10*time.Minute))
	h.ask("ann@example.com", "demo-role", within(time.Hour))
	h.run()
	h.target.Fail(core.Errorf(core.Unavailable, "down"))
	for range 20 {
		h.advance(time.Minute)
	}
	if n := len(h.pages()); n != 0 {
		t.Errorf("the owners were paged %d times about access that is rightly there", n)
	}
	h.advance(45 * time.Minute)
	h.advance(time.Minute)
	if n := len(h.pages()); n == 0 {
		t.Error("the owners were not paged once the last grant had ended")
	}
}

func TestF056ATargetThatLiesIsFoundOut(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.target.Lie(true)
		r := h.ask("ann@example.com", "demo-role")
		h.run()
		wantWords(t, h.wantGrant(r.ID, "demo/db", core.GrantPending, "").Error, "demo said yes, but does not show db for ann@example.com")
		h.target.Lie(false)
		h.advance(2 * time.Second)
		h.wantGrant(r.ID, "demo/db", core.GrantActive, "")
		h.target.Lie(true)
		h.advance(time.Hour)
		wantWords(t, h.wantGrant(r.ID, "demo/db", core.GrantEnding, core.EndTime).Error, "demo said yes, but still shows db for ann@example.com")
		for range 7 {
			h.advance(10 * time.Second)
		}
		if page := h.pages(); len(page) != 1 || !strings.Contains(page[0].Details, "still shows") {
			t.Errorf("pages are %+v, want one that says what is wrong", page)
		}
		h.target.Lie(false)
		h.advance(30 * time.Second)
		h.wantNothing()
	})
}

func TestF059WhoIsGoneBetweenApprovalAndIssueGetsNothing(t *testing.T) {
	h := newHarness(t)
	h.target.Fail(core.Errorf(core.Unavailable, "down"))
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.wantState(r.ID, core.Approved)
	h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [demo-role-requester], locked: true}}`)
	h.target.Fail(nil)
	h.advance(time.Minute)
	h.wantNothing()
	h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndLocked)
}

func TestAnEndIsTriedAtOnceHoweverOftenTheTargetFailedBefore(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.target.Fail(core.Errorf(core.Unavailable, "down"))
	h.ask("ann@example.com", "demo-role") // its issue fails, again and again
	h.run()
	for range 40 {
		h.advance(time.Second)
	}
	h.target.Fail(nil)
	for _, g := range h.openOn("demo/db") {
		_, err := h.Revoke(t.Context(), admin, g.ID, "")
		h.must(err)
	}
	h.run() // without a second's wait
	h.wantAccess("ann@example.com", false)
	h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndRevoked)
}

// openOn returns the grants on a resource that are pending or active.
func (h *harness) openOn(resource string) (out []core.Grant) {
	h.t.Helper()
	all, err := h.Grants(h.t.Context(), admin, engine.GrantQuery{States: []core.GrantState{core.GrantPending, core.GrantActive}})
	h.must(err)
	for _, g := range all {
		if g.Resource.String() == resource {
			out = append(out, g)
		}
	}
	return out
}

func TestAGrantThatFailsForGoodSaysWhyAndLeavesNothing(t *testing.T) {
	refused := core.Errorf(core.Refused, "the token may not add members")
	fail := func(on string, err error, really bool) *watch {
		times := 0
		hit := func(at bool) func(context.Context, string, any) error {
			return func(_ context.Context, step string, _ any) error {
				if step != on || at == really || times > 0 {
					return nil
				}
				times++
				return err
			}
		}
		return &watch{before: hit(true), after: hit(false)}
	}
	afterGrant := func() *watch { // the first look works, and then nobody may look any more
		given := false
		return &watch{before: func(_ context.Context, step string, _ any) error {
			if given && step == "has" {
				return refused
			}
			given = given || step == "grant"
			return nil
		}}
	}
	tests := []struct {
		name  string
		watch *watch
		says  string
		first core.GrantState // what becomes of it at once
		pages int
	}{
		{"looking is refused", fail("has", refused, false), "may not add members", core.GrantFailed, 0},
		{"giving is refused", fail("grant", refused, false), "may not add members", core.GrantFailed, 0},
		{"giving is refused and done all the same", fail("grant", refused, true), "may not add members", core.GrantEnding, 0},
		{"the person is unknown", fail("has", core.Errorf(core.NotFound, "no user ann"), false), "no user ann", core.GrantFailed, 0},
		{"reading back is refused", afterGrant(), "may not add members", core.GrantEnding, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tt.watch.over)
			r := h.ask("ann@example.com", "demo-role")
			h.run()
			g := h.wantGrant(r.ID, "demo/db", tt.first, "")
			wantWords(t, g.Error, tt.says)
			h.advance(30 * time.Second)
			h.advance(time.Minute)
			if n := len(h.pages()); n != tt.pages {
				t.Errorf("the owners were paged %d times, want %d", n, tt.pages)
			}
			tt.watch.before, tt.watch.after = nil, nil
			h.advance(time.Minute)
			wantWords(t, h.wantGrant(r.ID, "demo/db", core.GrantFailed, "").Error, tt.says)
			h.wantAccess("ann@example.com", false)
			h.wantGrant(r.ID, "role/demo-role", core.GrantActive, "")
		})
	}
}

func TestARevokeThatFindsNobodyIsDone(t *testing.T) {
	for name, step := range map[string]string{"by the revoke": "revoke", "by the read-back": "has"} {
		t.Run(name, func(t *testing.T) {
			w := &watch{}
			h := newHarness(t, w.over)
			r := h.ask("ann@example.com", "demo-role")
			h.run()
			w.after = func(_ context.Context, s string, _ any) error {
				if s == step {
					return core.Errorf(core.NotFound, "no user ann")
				}
				return nil
			}
			h.advance(time.Hour)
			h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndTime)
		})
	}
}

func TestB098ARevokeWhileTheAccessIsBeingGivenEndsItCleanly(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		for _, replicas := range []bool{false, true} {
			giving, goOn := make(chan struct{}), make(chan struct{})
			w := &watch{before: func(_ context.Context, step string, _ any) error {
				if step == "grant" {
					close(giving)
					<-goOn
				}
				return nil
			}}
			worker := h.replica("worker", w.over)
			revoker := worker
			if replicas {
				revoker = h.replica("revoker")
			}
			r := worker.ask("bo@example.com", "demo-role")
			worker.must(worker.Decide(t.Context(), r.ID))
			var issue sync.WaitGroup
			issue.Go(func() { worker.run() })
			<-giving
			_, err := revoker.Revoke(t.Context(), as("bo@example.com"), h.grantOf(r.ID, "demo/db").ID, "changed my mind")
			h.must(err)
			close(goOn)
			issue.Wait()
			revoker.run()
			w.before = nil
			h.advance(11 * time.Second)
			h.wantAccess("bo@example.com", false)
			h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndRevoked)
		}
		h.wantChain()
	})
}
