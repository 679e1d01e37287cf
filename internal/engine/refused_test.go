package engine_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// refusals returns the audit entries of what was refused.
func (h *harness) refusals() []core.AuditEntry {
	h.t.Helper()
	var out []core.AuditEntry
	all, err := h.Audit(h.t.Context(), admin, 0, 100_000)
	h.must(err)
	for _, e := range all {
		if strings.HasSuffix(e.Action, ".refused") {
			out = append(out, e)
		}
	}
	return out
}

// asvs: 16.3.2
func TestEveryRefusalIsInTheAuditLog(t *testing.T) {
	h := newHarness(t)
	waiting := h.asked("cy@example.com", "editor")
	held := h.ask("ann@example.com", "demo-role")
	h.run()
	g := h.grantOf(held.ID, "demo/db")
	items, err := manifest.Read([]byte(`{kind: role, version: v5, metadata: {name: mine}, spec: {}}`))
	h.must(err)
	bo, ctx := as("bo@example.com"), t.Context()
	for action, try := range map[string]func() error{
		"access_request.create": func() error {
			_, err := h.Submit(ctx, bo, engine.Submission{Ask: core.Ask{Roles: []string{"editor"}}})
			return err
		},
		"access_request.read":   func() error { _, err := h.Story(ctx, bo, waiting); return err },
		"access_request.review": func() error { _, err := h.Review(ctx, bo, waiting, engine.Opinion{State: core.Approved}); return err },
		"access_request.cancel": func() error { _, err := h.Cancel(ctx, bo, waiting); return err },
		"grant.read":            func() error { _, err := h.Grant(ctx, bo, g.ID); return err },
		"grant.revoke":          func() error { _, err := h.Revoke(ctx, bo, g.ID, ""); return err },
		"grant.extend":          func() error { _, err := h.Extend(ctx, bo, g.ID, engine.Extension{}); return err },
		"grant.list":            func() error { _, err := h.Grants(ctx, bo, engine.GrantQuery{User: "ann@example.com"}); return err },
		"incident.list":         func() error { _, err := h.Incidents(ctx, bo, engine.IncidentQuery{}); return err },
		"audit.list":            func() error { _, err := h.Audit(ctx, bo, 0, 1); return err },
		"resource.apply":        func() error { _, err := h.Apply(ctx, bo, items, false); return err },
		"resource.delete":       func() error { return h.Delete(ctx, bo, "role", "editor-reviewer") },
		"user.list":             func() error { _, err := h.Documents(ctx, bo, "user"); return err },
		"user.read":             func() error { _, err := h.Document(ctx, bo, "user", "ann@example.com"); return err },
		"doctor.read":           func() error { return h.May(ctx, bo, "doctor", core.VerbRead) },
	} {
		before := len(h.refusals())
		if err := try(); err == nil {
			t.Errorf("%s is not refused", action)
		}
		after := h.refusals()
		if len(after) != before+1 || after[before].Action != action+".refused" || after[before].Actor != bo.User || !strings.Contains(after[before].Detail, "why") {
			t.Errorf("%s leaves %+v", action, after[before:])
		}
	}
}

// A denials counts what was refused, as metrics do.
type denials struct {
	engine.Meter
	n atomic.Int64
}

func (d *denials) Denied(string) { d.n.Add(1) }

func (*denials) Decided(core.RequestState, bool)    {}
func (*denials) Ended(core.EndCause, time.Duration) {}
func (*denials) Overdue(int)                        {}
func (*denials) Waiting(int, int)                   {}

// asvs: 16.3.3
func TestNobodyFillsTheAuditLogByBeingRefused(t *testing.T) {
	meter := &denials{}
	h := newHarness(t, func(o *engine.Options) { o.Meter = meter })
	bo := as("bo@example.com")
	for range 100 {
		_ = h.May(t.Context(), bo, "doctor", core.VerbRead)
	}
	if n := len(h.refusals()); n != 1 {
		t.Errorf("the same a hundred times within a minute leaves %d entries, want 1", n)
	}
	for n := range 200 { // as many things as there are
		_ = h.Delete(t.Context(), bo, "role", fmt.Sprint("role-", n))
	}
	if n := len(h.refusals()); n != 60 {
		t.Errorf("200 things within a minute leave %d entries, want 60 for one caller", n)
	}
	_ = h.May(t.Context(), as("cy@example.com"), "doctor", core.VerbRead)
	if n := len(h.refusals()); n != 61 {
		t.Errorf("another caller is not heard: %d entries", n)
	}
	h.clock.advance(time.Minute)
	_ = h.May(t.Context(), bo, "doctor", core.VerbRead)
	all := h.refusals()
	if last := all[len(all)-1]; !strings.Contains(last.Detail, `"unsaid":141`) {
		t.Errorf("after a minute the entry says %s, and not how many were left out since the last", last.Detail)
	}
	if n := meter.n.Load(); n != 302 {
		t.Errorf("%d refusals were counted, want 302", n)
	}
}

func TestARefusalSaysWhoWhatAndByWhomItCanBeMended(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: user, version: v2, metadata: {name: boss@example.com}, spec: {roles: [admin]}}`)
	err := h.May(t.Context(), as("bo@example.com"), "audit", core.VerbList)
	for _, want := range []string{
		"bo@example.com may not list audit: no role they hold allows it",
		"boss@example.com or the administrator on the server's own host can give a role with rules: [{resources: [audit], verbs: [list]}]",
	} {
		if !strings.Contains(words(err), want) {
			t.Errorf("it says %q, and nothing of %q", words(err), want)
		}
	}
}

func TestDenyWins(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: blind}, spec: {deny: {rules: [{resources: [user], verbs: ["*"]}]}}}
---
{kind: user, version: v2, metadata: {name: boss@example.com}, spec: {roles: [admin, blind]}}`)
	boss := as("boss@example.com")
	docs, err := h.Documents(t.Context(), boss, "")
	h.must(err)
	for _, d := range docs {
		if d.Kind == "user" {
			t.Fatalf("the list of everything shows user %s to who may not list users", d.Name)
		}
	}
	items, err := manifest.Read([]byte(`{kind: role, version: v5, metadata: {name: all}, spec: {allow: {rules: [{resources: ["*"], verbs: ["*"]}]}}}`))
	h.must(err)
	if _, err := h.Apply(t.Context(), boss, items, false); core.KindOf(err) != core.Refused {
		t.Errorf("who is denied something gives everything: %v", err)
	}
}
