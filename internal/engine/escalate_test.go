package engine_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// asvs: 8.2.3, 15.3.3
func TestWhoeverEditsRolesAndUsersMakesNobodyMoreThanTheyAre(t *testing.T) {
	h := newHarness(t)
	h.apply(`
{kind: user, version: v2, metadata: {name: ed}, spec: {roles: [editor]}}
---
{kind: user, version: v2, metadata: {name: root}, spec: {roles: [admin]}}
---
{kind: role, version: v5, metadata: {name: imp}, spec: {allow: {impersonate: {users: [access-plugin], roles: [access-plugin]}}}}
---
{kind: user, version: v2, metadata: {name: bot}, spec: {roles: [], bot: true, owner: ed}}`)
	tests := []struct{ name, text, refused string }{
		{"an honest role", `{kind: role, version: v7, metadata: {name: r1}, spec: {allow: {request: {roles: [demo-role]}}}}`, ""},
		{"an honest user", `{kind: user, version: v2, metadata: {name: new}, spec: {roles: [demo-role-requester]}}`, ""},
		{"the role admin for oneself", `{kind: user, version: v2, metadata: {name: ed}, spec: {roles: [editor, admin]}}`, "may not give user ed the permission"},
		{"a role that may read the audit log", `{kind: role, version: v7, metadata: {name: r2}, spec: {allow: {rules: [{resources: [audit], verbs: [read]}]}}}`, "may not give role r2"},
		{"somebody else's address at PagerDuty", `{kind: user, version: v2, metadata: {name: ed}, spec: {roles: [editor], traits: {pagerduty_email: [ann@example.com]}}}`, "only administrators"},
		{"a role that may be anybody", `{kind: role, version: v7, metadata: {name: r3}, spec: {allow: {impersonate: {users: ["*"], roles: ["*"]}}}}`, "only administrators"},
		{"anybody in a role that may be somebody", `{kind: role, version: v7, metadata: {name: imp}, spec: {allow: {impersonate: {users: ["*"], roles: ["*"]}}}}`, "only administrators"},
		{"something else of that role", `{kind: role, version: v7, metadata: {name: imp}, spec: {allow: {impersonate: {users: [access-plugin], roles: [access-plugin]}}, options: {max_session_ttl: 1h}}}`, ""},
		{"that role for oneself", `{kind: user, version: v2, metadata: {name: ed}, spec: {roles: [editor, imp]}}`, "only administrators"},
		{"a bot without its owner", `{kind: user, version: v2, metadata: {name: bot}, spec: {roles: []}}`, "only administrators"},
		{"another account", `{kind: pagerduty_account, version: v1, metadata: {name: a}, spec: {api_token: "file:/etc/hostname", rest_url: "https://api.eu.pagerduty.com"}}`, "only administrators"},
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

// B063: a reference proves nothing about who writes it, so the host that gets its value is
// settled on the server's own host: by its administrator there, or by its configuration.
//
// asvs: 10.1.1, 13.3.2
func TestB063ATokenGoesToNoHostThatTheServersOwnHostHasNotVouchedFor(t *testing.T) {
	h := newHarness(t)
	h.MayHaveToken = func(url string) bool { return url == "https://proxy.example.com" }
	account := func(spec string) string {
		return "{kind: pagerduty_account, version: v1, metadata: {name: second}, spec: {" + spec + "}}"
	}
	h.apply("{kind: user, version: v2, metadata: {name: root}, spec: {roles: [admin]}}")
	h.apply(account(`api_token: "env:PD", rest_url: "http://127.0.0.1:1"`)) // by the host's administrator
	tests := []struct {
		name, spec string
		refused    string
	}{
		{"another host for the same token", `api_token: "env:PD", rest_url: "https://evil.example"`, "https://evil.example"},
		{"another host for another token", `api_token: "env:SALLYPORT_DATABASE", rest_url: "https://evil.example"`, "https://evil.example"},
		{"another token for the host", `api_token: "env:SALLYPORT_DATABASE", rest_url: "http://127.0.0.1:1"`, "http://127.0.0.1:1"},
		{"another port", `api_token: "env:PD", rest_url: "http://127.0.0.1:2"`, "http://127.0.0.1:2"},
		{"events elsewhere", `api_token: "env:PD", rest_url: "http://127.0.0.1:1", events_url: "https://evil.example"`, "https://evil.example"},
		{"sign-in elsewhere", `api_token: "env:PD", identity_url: "https://evil.example"`, "https://evil.example"},
		{"a host with PagerDuty's name in it", `api_token: "env:PD", rest_url: "https://api.pagerduty.com.evil.example"`, "evil.example"},
		{"a host that ends like PagerDuty's", `api_token: "env:PD", rest_url: "https://evilpagerduty.com"`, "evilpagerduty.com"},
		{"PagerDuty without TLS", `api_token: "env:PD", rest_url: "http://api.pagerduty.com"`, "http://api.pagerduty.com"},
		{"PagerDuty at another port", `api_token: "env:PD", rest_url: "https://api.pagerduty.com:8443"`, ":8443"},
		{"something else of the account", `api_token: "env:PD", rest_url: "http://127.0.0.1:1", from_email: bot@example.com`, ""},
		{"PagerDuty's own", `api_token: "env:PD2", rest_url: "https://api.eu.pagerduty.com"`, ""},
		{"a host of the configuration", `api_token: "env:PD2", rest_url: "https://proxy.example.com"`, ""},
	}
	for _, tt := range tests {
		items, err := manifest.Read([]byte(account(tt.spec)))
		h.must(err)
		_, err = h.Apply(t.Context(), as("root"), items, true)
		switch {
		case tt.refused == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.refused != "" && (core.KindOf(err) != core.Refused || !strings.Contains(words(err), tt.refused) || !strings.Contains(words(err), "egress.allow")):
			t.Errorf("%s: %v, want it refused", tt.name, err)
		}
		if _, err := h.Apply(t.Context(), admin, items, true); err != nil {
			t.Errorf("%s, by the host's administrator: %v", tt.name, err)
		}
	}
}
