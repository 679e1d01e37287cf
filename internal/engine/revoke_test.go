package engine_test

import (
	"reflect"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func TestRevokingARequestEndsAllThatCameOfIt(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: role, version: v5, metadata: {name: guard}, spec: {allow: {rules: [{resources: [grant], verbs: [update]}, {resources: [access_request], verbs: [read]}]}}}
---
{kind: role, version: v5, metadata: {name: onlooker}, spec: {allow: {rules: [{resources: [access_request], verbs: [read]}]}}}
---
{kind: user, version: v2, metadata: {name: guard@example.com}, spec: {roles: [guard]}}
---
{kind: user, version: v2, metadata: {name: eye@example.com}, spec: {roles: [onlooker]}}`)
	for _, tt := range []struct {
		who    engine.Actor
		reason string
		kind   core.Kind // of the refusal
	}{
		{admin, "enough", ""},
		{as("ann@example.com"), "", ""},
		{as("guard@example.com"), "", ""},
		{as("eye@example.com"), "", core.Refused},
		{as("myuser"), "", core.NotFound},
		{admin, "two\nlines", core.Invalid},
	} {
		r := h.ask("ann@example.com", "demo-role")
		other := h.ask("ann@example.com", "demo-role", func(a *core.Ask) { a.Reason = "something else" })
		h.run()
		before := h.kept()
		grants, err := h.RevokeRequest(t.Context(), tt.who, r.ID, tt.reason)
		if tt.kind != "" {
			if core.KindOf(err) != tt.kind || !reflect.DeepEqual(before, h.kept()) {
				t.Errorf("%s with %q: %v, want kind %q and nothing changed", tt.who.Name(), tt.reason, err, tt.kind)
			}
			continue
		}
		h.must(err)
		h.run()
		h.wantAccess("ann@example.com", true) // by the other request
		for _, resource := range []string{"demo/db", "role/demo-role"} {
			if g := h.wantGrant(r.ID, resource, core.GrantEnded, core.EndRevoked); g.EndedBy != tt.who.Name() {
				t.Errorf("%s was ended by %q", resource, g.EndedBy)
			}
		}
		if len(grants) != 2 {
			t.Errorf("it returns %+v", grants)
		}
		if again, err := h.RevokeRequest(t.Context(), tt.who, r.ID, ""); err != nil || len(again) != 2 {
			t.Errorf("revoking what is over: %+v, %v", again, err)
		}
		_, err = h.RevokeRequest(t.Context(), admin, other.ID, "")
		h.must(err)
		h.run()
		h.wantAccess("ann@example.com", false)
	}
	waiting := h.ask("cy@example.com", "editor")
	if _, err := h.RevokeRequest(t.Context(), admin, waiting.ID, ""); core.KindOf(err) != core.Conflict {
		t.Errorf("revoking what nobody decided: %v", err)
	}
	if _, err := h.RevokeRequest(t.Context(), admin, "req_none", ""); core.KindOf(err) != core.NotFound {
		t.Errorf("revoking what never was: %v", err)
	}
	h.wantChain()
}
