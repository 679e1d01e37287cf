package engine_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

func TestWhoeverEditsRolesAndUsersMakesNobodyMoreThanTheyAre(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: user, version: v2, metadata: {name: ed}, spec: {roles: [editor]}}
---
{kind: user, version: v2, metadata: {name: root}, spec: {roles: [admin]}}
---
{kind: user, version: v2, metadata: {name: bot}, spec: {roles: [], bot: true, owner: ed}}`)
	tests := []struct{ name, text, refused string }{
		{"an honest role", `{kind: role, version: v7, metadata: {name: r1}, spec: {allow: {request: {roles: [demo-role]}}}}`, ""},
		{"an honest user", `{kind: user, version: v2, metadata: {name: new}, spec: {roles: [demo-role-requester]}}`, ""},
		{"the role admin for oneself", `{kind: user, version: v2, metadata: {name: ed}, spec: {roles: [editor, admin]}}`, "may not give user ed the permission"},
		{"a role that may read the audit log", `{kind: role, version: v7, metadata: {name: r2}, spec: {allow: {rules: [{resources: [audit], verbs: [read]}]}}}`, "may not give role r2"},
		{"somebody else's address at PagerDuty", `{kind: user, version: v2, metadata: {name: ed}, spec: {roles: [editor], traits: {pagerduty_email: [ann@example.com]}}}`, "only administrators"},
		{"a bot without its owner", `{kind: user, version: v2, metadata: {name: bot}, spec: {roles: []}}`, "only administrators"},
		{"an account at another address", `{kind: pagerduty_account, version: v1, metadata: {name: a}, spec: {api_token: "file:/etc/hostname", rest_url: "http://127.0.0.1:1"}}`, "only administrators"},
		{"a target", `{kind: target, version: v1, metadata: {name: demo}, spec: {connector: memory, resources: [db]}}`, "only administrators"},
	}
	for _, tt := range tests {
		items, err := manifest.Read([]byte(tt.text))
		h.must(err)
		_, err = h.Apply(t.Context(), as("ed"), items, true)
		if tt.refused == "" {
			h.must(err)
			continue
		}
		if core.KindOf(err) != core.Refused || !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: %v, want it refused with %q", tt.name, err, tt.refused)
		}
		if _, err := h.Apply(t.Context(), as("root"), items, true); err != nil {
			t.Errorf("%s, by an administrator: %v", tt.name, err)
		}
	}
	if err := h.Delete(t.Context(), as("ed"), "target", "demo"); core.KindOf(err) != core.Refused {
		t.Errorf("deleting a target: %v, want it refused", err)
	}
}
