package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A countedStore counts the audit entries of each transaction.
type countedStore struct {
	engine.Store
	most atomic.Int64
}

func (s *countedStore) Write(ctx context.Context, fn func(engine.Tx) error) error {
	return s.Store.Write(ctx, func(tx engine.Tx) error {
		before, _, err := tx.AuditHead()
		if err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		after, _, err := tx.AuditHead()
		s.most.Store(max(s.most.Load(), after-before))
		return err
	})
}

func TestALockCountsAtOnceAndTheEndsFollowInBoundedSteps(t *testing.T) {
	for name, expel := range map[string]func(h *harness){
		"locked": func(h *harness) {
			h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {locked: true}}`)
		},
		"removed": func(h *harness) { h.must(h.Delete(h.t.Context(), admin, "user", "ann@example.com")) },
	} {
		t.Run(name, func(t *testing.T) {
			counted := &countedStore{}
			h := newHarness(t, func(o *engine.Options) {
				counted.Store = o.Store
				o.Store = counted
			})
			r := h.ask("ann@example.com", "demo-role")
			h.run()
			h.copies(h.grantOf(r.ID, "role/demo-role"), 1100)
			counted.most.Store(0)
			expel(h)
			if n := counted.most.Load(); n > 600 { // two for each of 250 grants, and the document
				t.Errorf("one transaction wrote %d audit entries", n)
			}
			h.run()
			live, err := h.Grants(t.Context(), admin, engine.GrantQuery{States: []core.GrantState{core.GrantPending, core.GrantActive, core.GrantEnding}})
			h.must(err)
			if len(live) > 0 {
				t.Errorf("%d grants go on", len(live))
			}
			h.wantAccess("ann@example.com", false)
			h.wantChain()
		})
	}
}

func TestALockThatDiedBeforeTheEndsGivesNothingAndIsFinishedByTheSweep(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.copies(h.grantOf(r.ID, "role/demo-role"), 600)
	// What the first transaction of a lock leaves when the process dies after it: the document.
	items, err := manifest.Read([]byte(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {locked: true}}`))
	h.must(err)
	h.must(h.store.Write(t.Context(), func(tx engine.Tx) error { return tx.PutDocument(items[0].Document) }))
	if _, held, err := h.Check(t.Context(), admin, "ann@example.com", core.Resource{Target: core.RoleTarget, Name: "demo-role"}); err != nil || held {
		t.Errorf("a locked user holds the role: %v, %v", held, err)
	}
	h.advance(time.Second)
	live, err := h.Grants(t.Context(), admin, engine.GrantQuery{States: []core.GrantState{core.GrantPending, core.GrantActive}})
	h.must(err)
	if len(live) > 0 {
		t.Errorf("%d grants of a locked user go on", len(live))
	}
	h.wantAccess("ann@example.com", false)
}

func TestWhoIsLockedOrRemovedLosesEverythingAtOnce(t *testing.T) {
	for name, expel := range map[string]func(h *harness){
		"locked": func(h *harness) {
			h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [demo-role-requester, editor-requester], locked: true}}`)
		},
		"removed": func(h *harness) { h.must(h.Delete(h.t.Context(), admin, "user", "ann@example.com")) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [demo-role-requester, editor-requester]}}`)
			active := h.ask("ann@example.com", "demo-role")
			h.run()
			waiting := h.ask("ann@example.com", "editor")
			later := h.ask("ann@example.com", "demo-role", func(a *core.Ask) { a.StartAt = h.clock.Now().Add(30 * time.Minute) })
			begun := h.ask("ann@example.com", "demo-role")
			h.must(h.Decide(t.Context(), begun.ID)) // approved; the target was not asked yet
			h.must(h.Decide(t.Context(), later.ID))
			expel(h)
			h.run()
			h.wantNothing()
			h.wantState(waiting.ID, core.Cancelled)
			h.wantSaid(waiting.ID, "ann@example.com was "+name)
			for _, id := range []string{active.ID, begun.ID, later.ID} {
				for _, g := range h.story(id).Grants {
					if g.State != core.GrantEnded || !strings.HasSuffix(string(g.EndCause), name) {
						t.Errorf("the grant of %s is %s by %q", g.Resource, g.State, g.EndCause)
					}
				}
			}
			h.advance(time.Hour)
			h.wantNothing()
			if _, err := h.Submit(t.Context(), as("ann@example.com"), engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}}}); err == nil {
				t.Error("a user who is " + name + " may still ask")
			}
		})
	}
}

func TestWhoIsLockedLosesMoreThanAPageOfGrants(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	h.copies(h.grantOf(r.ID, "role/demo-role"), 1100)
	h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {locked: true}}`)
	live, err := h.Grants(t.Context(), admin, engine.GrantQuery{States: []core.GrantState{core.GrantPending, core.GrantActive}})
	h.must(err)
	if len(live) > 0 {
		t.Errorf("%d grants of a locked user go on", len(live))
	}
}

// copies writes so many more grants like one.
func (h *harness) copies(of core.Grant, n int) {
	h.t.Helper()
	for i := 0; i < n; i += 100 {
		h.must(h.store.Write(h.t.Context(), func(tx engine.Tx) error {
			for j := i; j < min(i+100, n); j++ {
				g := of
				g.ID = fmt.Sprintf("%s-%d", of.ID, j)
				if err := tx.PutGrant(g); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}
