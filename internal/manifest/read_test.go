package manifest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/internal/core"
)

// asvs: 1.2.3
func TestTheCanonicalFormHasSortedKeysAndNothingElse(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"missing spec", "kind: role\nmetadata: {name: r}\n", `{"metadata":{"name":"r"},"spec":{}}`},
		{"spec of nothing", "kind: role\nmetadata: {name: r}\nspec:\n", `{"metadata":{"name":"r"},"spec":{}}`},
		{"fields of nothing", roleHead + "  deny:\n  allow: {request: ~}\n", `{"metadata":{"name":"r"},"spec":{"allow":{}}}`},
		{"metadata", "kind: role\nmetadata: {name: r, namespace: default, labels: {b: '2', a: x}, annotations: {z: \"\"}, description: d}\n", `{"metadata":{"annotations":{"z":""},"description":"d","labels":{"a":"x","b":"2"},"name":"r","namespace":"default"},"spec":{}}`},
		{"bare trait", userHead + "  traits: {team: a, other: [b, c]}\n", `{"metadata":{"name":"u"},"spec":{"traits":{"other":["b","c"],"team":["a"]}}}`},
		{"durations", roleHead + "  allow: {request: {max_duration: 8h0m0s}}\n  options: {max_session_ttl: 60060}\n", `{"metadata":{"name":"r"},"spec":{"allow":{"request":{"max_duration":"8h"}},"options":{"max_session_ttl":"1001h"}}}`},
		{"days", roleHead + "  allow: {request: {max_duration: 1w1d12h}}\n", `{"metadata":{"name":"r"},"spec":{"allow":{"request":{"max_duration":"204h"}}}}`},
		{"anchors", userHead + "  roles: &r [a, b]\n  traits: {x: *r}\n", `{"metadata":{"name":"u"},"spec":{"roles":["a","b"],"traits":{"x":["a","b"]}}}`},
		{"merge keys", targetHead + "  base: &b {x: 1, y: 2}\n  connector: memory\n  own:\n    <<: *b\n    y: 3\n", `{"metadata":{"name":"t"},"spec":{"base":{"x":1,"y":2},"connector":"memory","own":{"x":1,"y":3}}}`},
		{"numbers", targetHead + "  connector: memory\n  a: [0x10, 1_000, 1.50, -0, 1e3, 1e300, 0777]\n", `{"metadata":{"name":"t"},"spec":{"a":[16,1000,1.5,0,1000,1e+300,511],"connector":"memory"}}`},
		{"text as it is", userHead + "  traits: {x: ['<&>', \"\\u2028\", 2026-11-01, on, 'null']}\n", `{"metadata":{"name":"u"},"spec":{"traits":{"x":["<&>","\u2028","2026-11-01","on","null"]}}}`},
		{"odd keys", targetHead + "  connector: memory\n  \"<<\": 1\n  \"a\\nb\": 2\n  'true': 3\n", `{"metadata":{"name":"t"},"spec":{"<<":1,"a\nb":2,"connector":"memory","true":3}}`},
		{"byte order mark", "\ufeffkind: role\nmetadata: {name: r}\n", `{"metadata":{"name":"r"},"spec":{}}`},
		{"flow", "{kind: role, metadata: {name: r}}", `{"metadata":{"name":"r"},"spec":{}}`},
		{"tabs in JSON", "{\n\t\"kind\": \"role\",\n\t\"metadata\": {\"name\": \"\\ud83d\\ude00\"}\n}", `{"metadata":{"name":"😀"},"spec":{}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			items := readText(t, tt.input)
			if items[0].Body != tt.want {
				t.Errorf("\n got %s\nwant %s", items[0].Body, tt.want)
			}
			sameAfterWriting(t, items[0].Document)
		})
	}
}

func TestResourcesAreFoundInEveryWrapping(t *testing.T) {
	tests := []struct{ name, input string }{
		{"documents", "kind: user\nmetadata: {name: a}\n---\n# nothing\n---\nkind: Users\nmetadata: {name: b}\n"},
		{"wrapped JSON", `{"kind": "user", "metadata": {"name": "a"}} {"type": "User", "metadata": {"name": "b"}}`},
		{"JSON list", `[{"kind": "user", "metadata": {"name": "a"}}, {"kind": "USER", "metadata": {"name": "b"}}]`},
		{"YAML list", "- kind: user\n  metadata: {name: a}\n- kind: user\n  metadata: {name: b}\n"},
		{"List", "kind: List\napiVersion: v1\nmetadata: {}\nitems:\n- kind: user\n  metadata: {name: a}\n- kind: user\n  metadata: {name: b}\n"},
		{"JSON in documents", "---\n{\"kind\": \"user\", \"metadata\": {\"name\": \"a\"}}\n---\n{\"kind\": \"user\", \"metadata\": {\"name\": \"b\"}}\n"},
	}
	for _, tt := range tests {
		var got []string
		for _, i := range readText(t, tt.input) {
			got = append(got, i.Kind+"/"+i.Name+" "+i.Version)
		}
		if diff := cmp.Diff([]string{"user/a v2", "user/b v2"}, got); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
	}
}

func TestEachItemKnowsItsLine(t *testing.T) {
	for _, input := range []string{
		"kind: user\nmetadata: {name: a}\n---\n\nkind: user\nmetadata: {name: b}\n",
		"{\"kind\": \"user\", \"metadata\":\n{\"name\": \"a\"}}\n\n\n{\"kind\": \"user\", \"metadata\": {\"name\": \"b\"}}",
	} {
		items := readText(t, input)
		if items[0].Line != 1 || items[1].Line != 5 {
			t.Errorf("%d, %d: %q", items[0].Line, items[1].Line, input)
		}
	}
}

func TestADumpMayHoldManyResources(t *testing.T) {
	var b strings.Builder
	b.WriteString("[")
	for i := range 6000 {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`{"kind":"user","metadata":{"name":"` + strings.Repeat("x", i%50+1) + string(rune('a'+i%26)) + time.Duration(i).String() + `"}}`)
	}
	b.WriteString("]")
	if got := len(readText(t, b.String())); got != 6000 {
		t.Errorf("%d", got)
	}
}

func TestFieldsThatMeanNothingHereAreLeftOutWithAWarning(t *testing.T) {
	tests := []struct {
		name, input string
		want        []string
	}{
		{"Teleport's role", roleHead + "  allow:\n    logins: [root]\n    node_labels: {'*': '*'}\n    kubernetes_groups: [x]\n  options:\n    forward_agent: true\n    cert_format: standard\n", []string{
			"spec.allow.logins at line 6 has no meaning here and is left out",
			"spec.allow.node_labels at line 7 has no meaning here and is left out",
			"spec.allow.kubernetes_groups at line 8 has no meaning here and is left out",
			"spec.options.forward_agent at line 10 has no meaning here and is left out",
			"spec.options.cert_format at line 11 has no meaning here and is left out",
		}},
		{"Teleport's user", "kind: user\nsub_kind: ''\nmetadata: {name: u, id: 17, revision: abc, expires: 2026-01-01T00:00:00Z}\nspec:\n  created_by: {time: 2026-01-01T00:00:00Z}\n  status: {is_locked: false}\n  oidc_identities: []\n", []string{
			"sub_kind at line 2 has no meaning here and is left out",
			"metadata.id at line 3 has no meaning here and is left out",
			"metadata.revision at line 3 has no meaning here and is left out",
			"metadata.expires at line 3 has no meaning here and is left out",
			"spec.created_by at line 5 has no meaning here and is left out",
			"spec.status at line 6 has no meaning here and is left out",
			"spec.oidc_identities at line 7 has no meaning here and is left out",
		}},
		{"previews", roleHead + "  allow: {review_requests: {preview_as_roles: [a]}}\n", []string{"spec.allow.review_requests.preview_as_roles at line 5 has no meaning here and is left out"}},
		{"bare minutes", roleHead + "  options: {max_session_ttl: '90'}\n", []string{"spec.options.max_session_ttl at line 5 is taken as 90 minutes"}},
		{"webhook secrets", accountHead + "  webhook_secrets: [env:A]\n", []string{"spec.webhook_secrets at line 5 has no effect in this version"}},
		{"limits of a denial", roleHead + "  deny: {request: {max_duration: 1h}}\n", []string{"spec.deny.request.max_duration at line 5 has no effect: it can only be allowed"}},
	}
	for _, tt := range tests {
		items := readText(t, tt.input)
		if diff := cmp.Diff(tt.want, items[0].Warnings); diff != "" {
			t.Errorf("%s:\n%s", tt.name, diff)
		}
		for _, gone := range []string{"logins", "forward_agent", "created_by", "revision", "preview"} {
			if strings.Contains(items[0].Body, gone) {
				t.Errorf("%s: %s is kept", tt.name, gone)
			}
		}
	}
}

func TestAConditionThatIsNotEvaluatedNeverAllowsAndAlwaysDenies(t *testing.T) {
	entry := "rules: [{resources: [session], verbs: [read], where: 'contains(x, y)', actions: [log]}, {resources: [node], verbs: [list]}], impersonate: {users: [u], where: 'x'}"
	item := readText(t, roleHead+"  allow: {"+entry+"}\n  deny: {"+entry+"}\n")[0]
	want := []string{
		"spec.allow.rules[0].where at line 5 is not evaluated here: this entry allows nothing",
		"spec.allow.rules[0].actions at line 5 has no meaning here and is left out",
		"spec.allow.impersonate.where at line 5 is not evaluated here: this entry allows nothing",
		"spec.deny.rules[0].where at line 6 is not evaluated here: this entry denies always",
		"spec.deny.rules[0].actions at line 6 has no meaning here and is left out",
		"spec.deny.impersonate.where at line 6 is not evaluated here: this entry denies always",
	}
	if diff := cmp.Diff(want, item.Warnings); diff != "" {
		t.Error(diff)
	}
	role, err := Role(item.Document)
	if err != nil {
		t.Fatal(err)
	}
	node, session := core.Rule{Resources: []string{"node"}, Verbs: []string{"list"}}, core.Rule{Resources: []string{"session"}, Verbs: []string{"read"}}
	wantRole := core.Role{
		Name:  "r",
		Allow: core.Conditions{Rules: []core.Rule{node}},
		Deny:  core.Conditions{Rules: []core.Rule{session, node}, Impersonate: core.Impersonate{Users: []string{"u"}}},
	}
	if diff := cmp.Diff(wantRole, role); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFieldOfARoleIsDecoded(t *testing.T) {
	item := readText(t, `
kind: role
version: v8
metadata: {name: all}
spec:
  allow:
    request:
      roles: [a, 'b-*']
      claims_to_roles: [{claim: team, value: x, roles: [c]}]
      search_as_roles: [d]
      thresholds: [{name: two, filter: 'contains(reviewer.roles, "x")', approve: 2, deny: 1}]
      annotations: {pagerduty_services: [Payments API], note: bare}
      max_duration: 90m
      suggested_reviewers: [eve]
      reason: {mode: required, prompt: why}
    review_requests:
      roles: [e]
      claims_to_roles: [{claim: team, value: y, roles: [f]}]
      where: 'contains(request.roles, "e")'
    rules: [{resources: ['*'], verbs: [read]}]
    impersonate: {users: [u], roles: [r]}
  deny:
    request: {roles: [root], annotations: {pagerduty_services: [Other]}}
  options: {max_session_ttl: 8h, request_access: reason}
  entitlements: [{target: pg, resource: readers}]
`)[0]
	got, err := Role(item.Document)
	if err != nil {
		t.Fatal(err)
	}
	want := core.Role{
		Name: "all",
		Allow: core.Conditions{
			Request: core.RequestRule{
				Roles:              []string{"a", "b-*"},
				ClaimsToRoles:      []core.ClaimMapping{{Claim: "team", Value: "x", Roles: []string{"c"}}},
				SearchAsRoles:      []string{"d"},
				Thresholds:         []core.Threshold{{Name: "two", Filter: `contains(reviewer.roles, "x")`, Approve: 2, Deny: 1}},
				Annotations:        map[string][]string{"pagerduty_services": {"Payments API"}, "note": {"bare"}},
				MaxDuration:        90 * time.Minute,
				SuggestedReviewers: []string{"eve"},
				ReasonMode:         "required",
			},
			Review: core.ReviewRule{
				Roles:         []string{"e"},
				ClaimsToRoles: []core.ClaimMapping{{Claim: "team", Value: "y", Roles: []string{"f"}}},
				Where:         `contains(request.roles, "e")`,
			},
			Rules:       []core.Rule{{Resources: []string{"*"}, Verbs: []string{"read"}}},
			Impersonate: core.Impersonate{Users: []string{"u"}, Roles: []string{"r"}},
		},
		Deny: core.Conditions{Request: core.RequestRule{
			Roles: []string{"root"}, Annotations: map[string][]string{"pagerduty_services": {"Other"}},
		}},
		Options:      core.RoleOptions{MaxSessionTTL: 8 * time.Hour, RequestAccess: "reason"},
		Entitlements: []core.Resource{{Target: "pg", Name: "readers"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	sameAfterWriting(t, item.Document)
}

func TestUsersTargetsAndAccountsAreDecoded(t *testing.T) {
	user, err := User(readText(t, userHead+"  {roles: [a], traits: {manager: eve}, bot: true, owner: ann, locked: true}\n")[0].Document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(core.User{Name: "u", Roles: []string{"a"}, Traits: map[string][]string{"manager": {"eve"}}, Bot: true, Owner: "ann", Locked: true}, user); diff != "" {
		t.Error(diff)
	}
	target, err := Target(readText(t, targetHead+"  {connector: postgres, dsn: env:PG_URL, roles: [readers], port: 5432, tls: {on: true}}\n")[0].Document)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]any{"dsn": "env:PG_URL", "roles": []any{"readers"}, "port": 5432.0, "tls": map[string]any{"on": true}}
	if diff := cmp.Diff(core.Target{Name: "t", Connector: "postgres", Settings: settings}, target); diff != "" {
		t.Error(diff)
	}
	account, err := Account(readText(t, accountHead+"  default: true\n  from_email: bot@example.com\n  subdomain: acme\n  rest_url: http://127.0.0.1:1\n  events_url: http://127.0.0.1:2/x\n  identity_url: https://i.example\n")[0].Document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(core.Account{
		Name: "default", Region: "us", Subdomain: "acme", Default: true, APIToken: "env:PD_TOKEN", FromEmail: "bot@example.com",
		RESTURL: "http://127.0.0.1:1", EventsURL: "http://127.0.0.1:2/x", IdentityURL: "https://i.example",
	}, account); diff != "" {
		t.Error(diff)
	}
}

func TestADocumentOfAnotherKindIsNotDecoded(t *testing.T) {
	doc := readText(t, userHead+"  {}\n")[0].Document
	if _, err := Role(doc); core.KindOf(err) != core.Internal || err.Error() != `user "u" is no role` {
		t.Errorf("%v", err)
	}
	doc.Body = "{"
	if _, err := User(doc); core.KindOf(err) != core.Internal {
		t.Errorf("%v", err)
	}
	if _, err := YAML(doc); core.KindOf(err) != core.Internal {
		t.Errorf("%v", err)
	}
}

func TestKindsGoByEverySpelling(t *testing.T) {
	for s, want := range map[string]string{
		"role": "role", "Roles": "role", "USERS": "user", "targets": "target", "pagerduty-account": "pagerduty_account", "Accounts": "pagerduty_account",
		"policy": "", "banana": "", "": "",
	} {
		if got, ok := Kind(s); got != want || ok != (want != "") {
			t.Errorf("Kind(%q) = %q, %v", s, got, ok)
		}
	}
	if _, err := ParseKind("policies"); err == nil || err.Error() != "kind policy is not supported by this version" {
		t.Errorf("%v", err)
	}
}

func TestRefReadsKindAndName(t *testing.T) {
	tests := []struct{ ref, kind, name, err string }{
		{"users/ann@example.com", "user", "ann@example.com", ""},
		{"user/team/ann", "user", "team/ann", ""},
		{"Role/admin", "role", "admin", ""},
		{"users", "", "", `"users" does not name a resource`},
		{"users/", "", "", `"users/" does not name a resource`},
		{"role/a/b", "", "", `the name of the role has a slash: "a/b"`},
		{"usrs/ann", "", "", `unknown kind "usrs"; did you mean "users"?`},
	}
	for _, tt := range tests {
		kind, name, err := Ref(tt.ref)
		if kind != tt.kind || name != tt.name || (err == nil) != (tt.err == "") || (err != nil && err.Error() != tt.err) {
			t.Errorf("Ref(%q) = %q, %q, %v", tt.ref, kind, name, err)
		}
	}
}

func TestDurationsAreReadAsThePagesWriteThem(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"1h": time.Hour, "8h0m0s": 8 * time.Hour, "30m": 30 * time.Minute, "7d": 168 * time.Hour, "1w2d3h": 219 * time.Hour,
		"60060": 1001 * time.Hour, "0s": 0, "1.5h": 90 * time.Minute,
	} {
		if got, err := Duration(s); err != nil || got != want {
			t.Errorf("Duration(%q) = %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "d", "-1h", "1d-1h", "soon", "1 h", "99999999999", "999999d", "1d5", "9223372036h"} {
		if got, err := Duration(s); core.KindOf(err) != core.Invalid {
			t.Errorf("Duration(%q) = %s, %v", s, got, err)
		}
	}
}
