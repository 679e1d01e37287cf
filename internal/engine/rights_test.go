package engine_test

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// asvs: 8.2.1
func TestB118WhoMayOnlyReadChangesNothing(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: user, version: v2, metadata: {name: eye@example.com}, spec: {roles: [auditor]}}`)
	waiting := h.asked("cy@example.com", "editor")
	held := h.ask("ann@example.com", "demo-role")
	h.run()
	g := h.grantOf(held.ID, "demo/db")
	items, err := manifest.Read([]byte(`{kind: user, version: v2, metadata: {name: eye@example.com}, spec: {roles: [admin]}}`))
	h.must(err)
	eye := as("eye@example.com")
	before := h.kept()
	verbs := map[string]func() error{
		"submit for oneself": func() error {
			_, err := h.Submit(t.Context(), eye, engine.Submission{Ask: core.Ask{Roles: []string{"admin"}}})
			return err
		},
		"submit for another": func() error {
			_, err := h.Submit(t.Context(), eye, engine.Submission{Ask: core.Ask{User: "ann@example.com", Roles: []string{"demo-role"}}})
			return err
		},
		"approve": func() error {
			_, err := h.Review(t.Context(), eye, waiting, engine.Opinion{State: core.Approved})
			return err
		},
		"deny": func() error {
			_, err := h.Review(t.Context(), eye, waiting, engine.Opinion{State: core.Denied})
			return err
		},
		"cancel": func() error { _, err := h.Cancel(t.Context(), eye, waiting); return err },
		"revoke": func() error { _, err := h.Revoke(t.Context(), eye, g.ID, ""); return err },
		"extend": func() error {
			_, err := h.Extend(t.Context(), eye, g.ID, engine.Extension{Duration: time.Hour})
			return err
		},
		"apply":   func() error { _, err := h.Apply(t.Context(), eye, items, false); return err },
		"dry run": func() error { _, err := h.Apply(t.Context(), eye, items, true); return err },
		"delete":  func() error { return h.Delete(t.Context(), eye, "user", "ann@example.com") },
	}
	for name, verb := range verbs {
		h.wantRefused(name, verb(), core.Refused, "", before)
	}
	if s, err := h.Story(t.Context(), eye, waiting); err != nil || s.ID != waiting {
		t.Errorf("an auditor reads a request: %v", err)
	}
}

// asvs: 8.2.2
func TestB119WhatIsNotOnesOwnIsNotShownAndNotConfirmed(t *testing.T) {
	h := newHarness(t)
	waiting := h.asked("cy@example.com", "editor")
	held := h.ask("ann@example.com", "demo-role")
	h.run()
	bo := as("bo@example.com")
	_, err := h.Story(t.Context(), bo, waiting)
	if core.KindOf(err) != core.NotFound {
		t.Errorf("a stranger reads a request: %v", err)
	}
	if _, err := h.Grant(t.Context(), bo, h.grantOf(held.ID, "demo/db").ID); core.KindOf(err) != core.NotFound {
		t.Errorf("a stranger reads a grant: %v", err)
	}
	if list, err := h.Stories(t.Context(), bo, engine.RequestQuery{}); err != nil || len(list) != 0 {
		t.Errorf("a stranger lists %d requests, %v", len(list), err)
	}
	if list, err := h.Grants(t.Context(), bo, engine.GrantQuery{}); err != nil || len(list) != 0 {
		t.Errorf("a stranger lists %d grants, %v", len(list), err)
	}
	for name, err := range map[string]error{
		"another's grants": func() error {
			_, err := h.Grants(t.Context(), bo, engine.GrantQuery{User: "ann@example.com"})
			return err
		}(),
		"incidents":         func() error { _, err := h.Incidents(t.Context(), bo, engine.IncidentQuery{}); return err }(),
		"the audit log":     func() error { _, err := h.Audit(t.Context(), bo, 0, 10); return err }(),
		"documents":         func() error { _, err := h.Documents(t.Context(), bo, "user"); return err }(),
		"one document":      func() error { _, err := h.Document(t.Context(), bo, "user", "ann@example.com"); return err }(),
		"what targets show": func() error { _, err := h.Entitlements(t.Context(), bo, "demo"); return err }(),
		"drifts":            func() error { _, err := h.Drifts(t.Context(), bo, ""); return err }(),
		"another's check": func() error {
			_, _, err := h.Check(t.Context(), bo, "ann@example.com", db("").Resource)
			return err
		}(),
	} {
		if core.KindOf(err) != core.Refused {
			t.Errorf("a stranger asks for %s: %v", name, err)
		}
	}
	if list, err := h.Stories(t.Context(), as("rev@example.com"), engine.RequestQuery{}); err != nil || len(list) != 1 {
		t.Errorf("a reviewer lists %d requests, %v; want the one that is theirs to review", len(list), err)
	}
}
