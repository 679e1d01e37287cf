package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// A fullStore stands on a disk that may be full: then it keeps only what is vital.
type fullStore struct {
	engine.Store
	full atomic.Bool
}

var errFull = core.Errorf(core.Unavailable, "the disk is full")

func (s *fullStore) Write(ctx context.Context, fn func(engine.Tx) error) error {
	return s.Store.Write(ctx, func(tx engine.Tx) error {
		f := &fullTx{Tx: tx}
		if err := fn(f); err != nil || f.vital || !s.full.Load() {
			return err
		}
		return errFull
	})
}

type fullTx struct {
	engine.Tx
	vital bool
}

func (t *fullTx) Vital() { t.vital = true; t.Tx.Vital() }

// F009: with the disk full, access ends in each of the ways it can, and none begins.
func TestF009OnAFullDiskAccessEndsAndNoneBegins(t *testing.T) {
	var disk *fullStore
	h := newHarness(t, func(o *engine.Options) {
		disk = &fullStore{Store: o.Store}
		o.Store = disk
	})
	for user, lasts := range map[string]time.Duration{"ann@example.com": time.Minute, "bo@example.com": time.Hour, "cy@example.com": time.Hour} {
		r := h.ask(user, "demo-role", func(a *core.Ask) { a.Duration = lasts })
		h.run()
		if h.story(r.ID).State == core.Pending {
			_, err := h.Review(t.Context(), admin, r.ID, engine.Opinion{State: core.Approved})
			h.must(err)
			h.run()
		}
		h.wantAccess(user, true)
	}
	waiting := h.ask("cy@example.com", "editor")
	h.run()

	disk.full.Store(true)
	if _, err := h.Submit(t.Context(), as("ann@example.com"), engine.Submission{Ask: core.Ask{User: "ann@example.com", Roles: []string{"demo-role"}}}); core.KindOf(err) != core.Unavailable {
		t.Errorf("a new request: %v", err)
	}
	if _, err := h.Review(t.Context(), admin, waiting.ID, engine.Opinion{State: core.Approved}); core.KindOf(err) != core.Unavailable {
		t.Errorf("an approval: %v", err)
	}
	h.advance(time.Minute)
	h.wantAccess("ann@example.com", false) // time is up
	grants, err := h.Grants(t.Context(), admin, engine.GrantQuery{User: "bo@example.com"})
	h.must(err)
	for _, g := range grants {
		_, err := h.Revoke(t.Context(), admin, g.ID, "")
		h.must(err)
	}
	h.run()
	h.wantAccess("bo@example.com", false) // somebody revoked it
	h.apply(`{kind: user, version: v2, metadata: {name: cy@example.com}, spec: {roles: [demo-role-requester, editor-requester], locked: true}}`)
	h.run()
	h.wantAccess("cy@example.com", false) // its holder was locked
	h.wantChain()
}
