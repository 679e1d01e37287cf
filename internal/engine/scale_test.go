package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// many gives a person a role of so many resources, and returns the request.
func (h *harness) many(user string, resources int) core.Request {
	h.t.Helper()
	list := make([]string, resources)
	for i := range list {
		list[i] = fmt.Sprintf("{target: demo, resource: r%d}", i)
	}
	h.apply(`{kind: role, version: v5, metadata: {name: demo-role}, spec: {entitlements: [` + strings.Join(list, ",") + `]}}`)
	r := h.ask(user, "demo-role")
	_, err := h.Review(h.t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
	h.must(err)
	return r
}

// runTogether runs jobs many at a time, as the server does, until none is left.
func (h *harness) runTogether() {
	h.t.Helper()
	for {
		var all sync.WaitGroup
		began := false
		for range 64 {
			if j, ok := h.jobs.take(); ok {
				began = true
				all.Go(func() {
					if err := h.work(j); err != nil {
						h.t.Error(err)
					}
				})
			}
		}
		all.Wait()
		if !began {
			return
		}
	}
}

func TestF060TwoThousandGrantsThatEndInOneSecondAreAllEnded(t *testing.T) {
	h := newHarnessOnPostgres(t)
	r := h.many("cy@example.com", 100)
	h.runTogether()
	shown, err := h.target.List(t.Context())
	h.must(err)
	if len(shown) != 100 {
		t.Fatalf("the target shows %d of 100", len(shown))
	}
	h.copies(h.grantOf(r.ID, "role/demo-role"), 1900) // of the role itself, which have no target
	h.clock.advance(time.Hour)
	_, err = h.Sweep(t.Context())
	h.must(err)
	h.runTogether()
	h.wantNothing()
	ended, err := h.Grants(t.Context(), admin, engine.GrantQuery{States: []core.GrantState{core.GrantEnded}, Limit: 10_000})
	h.must(err)
	if len(ended) != 2001 {
		t.Errorf("%d grants ended, want 2001", len(ended))
	}
}

func TestLostJobsAreFoundBeyondTheFirstPageHoweverManyAreStuck(t *testing.T) {
	h := newHarnessOnPostgres(t)
	first := h.ask("bo@example.com", "demo-role")
	h.jobs.held = true
	h.must(h.Decide(t.Context(), first.ID)) // approved; its job is lost
	h.jobs.held = false
	for _, ok := h.jobs.take(); ok; _, ok = h.jobs.take() {
	}
	stuck := h.grantOf(first.ID, "demo/db") // then come more than a page of others that wait
	stuck.User = "cy@example.com"
	h.copies(stuck, 1100)
	_, err := h.Sweep(t.Context())
	h.must(err)
	found := false
	for j, ok := h.jobs.take(); ok; j, ok = h.jobs.take() {
		found = found || j == settleJobOf("bo@example.com")
	}
	if !found {
		t.Error("the oldest grant that waits was not found among 1100 newer ones")
	}
}

func TestMoreThanABatchOfRequestsExpireTogether(t *testing.T) {
	h := newHarnessOnPostgres(t)
	r := h.ask("cy@example.com", "demo-role")
	h.run()
	pending := h.story(r.ID).Request
	h.must(h.store.Write(t.Context(), func(tx engine.Tx) error {
		for i := range 300 {
			pending.ID = fmt.Sprintf("%s-%d", r.ID, i)
			if err := tx.PutRequest(pending); err != nil {
				return err
			}
		}
		return nil
	}))
	h.clock.advance(7 * 24 * time.Hour)
	h.settleAll()
	left, err := h.Stories(t.Context(), admin, engine.RequestQuery{State: core.Pending})
	h.must(err)
	if len(left) > 0 {
		t.Errorf("%d requests are pending after their time", len(left))
	}
}
