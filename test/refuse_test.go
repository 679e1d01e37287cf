package test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/test/world"
)

// state is everything that a refused call must leave as it is: resources, requests with their
// reviews, and grants. Only the audit log may grow: some refusals stand in it.
func state(t *testing.T, s *world.Server) string {
	t.Helper()
	c := s.Client()
	defer c.Close()
	resources, err := c.ResourceYAML(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	requests, err := c.Requests(t.Context(), client.RequestQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	grants, err := c.Grants(t.Context(), client.GrantQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := json.MarshalIndent([]any{requests, grants}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(resources) + string(rest)
}

// A refusal is a command line that is refused, with its exit status and some of its words.
type refusal struct {
	name   string
	in     string
	args   []string
	status int
	says   []string
}

// wantRefused runs commands that are refused, and holds them to changing nothing.
func wantRefused(t *testing.T, s *world.Server, tests []refusal) {
	t.Helper()
	before := state(t, s)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := s.Feed(tt.in, tt.args...)
			if r.Status != tt.status {
				t.Errorf("exit status %d, want %d", r.Status, tt.status)
			}
			if !strings.HasPrefix(r.Err, "sallyport: ") || strings.Contains(r.Err, "goroutine") || strings.Contains(r.Err, "broke on our side") || strings.Contains(r.Out, "req_") {
				t.Errorf("it prints %q and says %q", r.Out, r.Err)
			}
			for _, words := range tt.says {
				if !strings.Contains(r.Err, words) {
					t.Errorf("it does not say %q but:\n%s", words, r.Err)
				}
			}
			if was := before; state(t, s) != was {
				before = state(t, s)
				t.Fatalf("something changed:\n%s", cmp.Diff(was, before))
			}
		})
	}
}

func words(line string) []string { return strings.Fields(line) }

func TestB041WhatCannotBeAskedForIsRefusedInWordsAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	s.Apply(`kind: role
version: v5
metadata: {name: must-say-why}
spec: {allow: {request: {roles: [demo-role], reason: {mode: required}}}}
---
kind: role
version: v5
metadata: {name: searcher}
spec: {allow: {request: {search_as_roles: [demo-role]}}}
---
{kind: user, version: v2, metadata: {name: silent@example.com}, spec: {roles: [must-say-why]}}
---
{kind: user, version: v2, metadata: {name: searcher@example.com}, spec: {roles: [searcher]}}
`)
	create := func(rest string) []string { return append([]string{"request", "create"}, words(rest)...) }
	long := strings.Repeat("x", 4097)
	wantRefused(t, s, []refusal{
		{"unknown role", "", create("myuser --roles editr"), 2, []string{"editr"}},
		{"a role that one may not ask for", "", create("myuser --roles demo-role"), 3, []string{"myuser", "demo-role"}},
		{"one role of two", "", create("myuser --roles editor,demo-role"), 3, []string{"demo-role"}},
		{"unknown user", "", create("nobody@example.com --roles editor"), 4, []string{"nobody@example.com"}},
		{"unknown user to act as", "", create("--as anne@example.com --roles demo-role"), 3, []string{`"anne@example.com"`, `did you mean "ann@example.com"?`}},
		{"for somebody else", "", create("--as ann@example.com --user bob@example.com --roles demo-role"), 3, []string{"ann@example.com may not ask for bob@example.com"}},
		{"as the administrator, for nobody", "", create("--roles editor"), 2, []string{"--user"}},
		{"nothing", "", create("myuser"), 2, []string{"nothing is asked for"}},
		{"an empty role", "", create("myuser --roles ,"), 2, []string{"nothing is asked for"}},
		{"roles and resources", "", create("myuser --roles editor --resources db/x"), 2, []string{"one request"}},
		{"no target", "", create("myuser --resources x"), 2, []string{"TARGET/NAME"}},
		{"unknown target", "", create("searcher@example.com --resources nowhere/x"), 3, []string{"nowhere"}},
		{"a wildcard as a name", "", create("myuser --roles edit*"), 2, []string{"edit*"}},
		{"a pattern as a name", "", create("myuser --roles ^.*$"), 2, []string{"^.*$"}},
		{"no reason where one is needed", "", create("--as silent@example.com --roles demo-role"), 2, []string{"reason"}},
		{"an empty reason", "", append(create("--as silent@example.com --roles demo-role --reason"), "   "), 2, []string{"reason"}},
		{"a reason that is too long", "", append(create("myuser --roles editor --reason"), long), 2, []string{"the reason is 4097 bytes long; at most 4096 are kept"}},
		{"a reason with control characters", "", append(create("myuser --roles editor --reason"), "a\x1b]52;c;b\x07"), 2, []string{"reason"}},
		{"no time at all", "", create("myuser --roles editor --for 0"), 2, []string{"is no time at all", "hint: write a time such as 90m"}},
		{"no hours", "", create("myuser --roles editor --for 0h"), 2, []string{"is no time at all"}},
		{"less than nothing", "", create("myuser --roles editor --for=-1h"), 2, []string{"is negative"}},
		{"a hundred years", "", create("myuser --roles editor --for 876000h"), 2, []string{"is too long", "14d"}},
		{"a number too large", "", create("myuser --roles editor --for 99999999999999999999h"), 2, []string{"is too long"}},
		{"not a number", "", create("myuser --roles editor --for NaN"), 2, []string{"is not a length of time"}},
		{"infinity", "", create("myuser --roles editor --for Inf"), 2, nil},
		{"a word for a time", "", create("myuser --roles editor --for soon"), 2, []string{"is not a length of time"}},
		{"a start in the past", "", create("myuser --roles editor --start 2020-01-01T00:00:00Z"), 2, []string{"start"}},
		{"a start in years", "", create("myuser --roles editor --start 2099-01-01T00:00:00Z"), 2, []string{"start"}},
		{"a start that is none", "", create("myuser --roles editor --start tomorrow"), 2, []string{"is not a point in time"}},
		{"a flag that there is not", "", create("myuser --role editor"), 2, []string{"did you mean --roles?"}},
		{"a command that there is not", "", words("request creat"), 2, []string{`did you mean "sallyport request create"?`}},
		{"an extension of nothing", "", words("grant extend gr_none --for 1h"), 4, []string{"gr_none"}},
		{"an end of nothing", "", words("grant revoke gr_none"), 4, []string{"gr_none"}},
		{"a request that there is not", "", words("request show req_none"), 4, []string{"req_none"}},
		{"somebody else's requests", "", words("--as bob@example.com audit list"), 3, []string{"bob@example.com", "audit"}},
		{"a check without a target", "", words("check --user ann@example.com thing"), 2, []string{"target/name"}},
		{"duties of an unknown service", "", append(words("oncall --service"), "My Critcal Service"), 4, []string{"My Critical Service"}},
		{"duties of an unknown schedule", "", words("oncall --schedule Critcal"), 4, []string{"Critical"}},
		{"duties at no time", "", words("oncall --at noon"), 2, []string{"is not a point in time"}},
	})
}

func TestB125WhatCannotBeStoredIsRefusedInWordsAndChangesNothing(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	isReady(t, s)
	apply := words("apply -f -")
	role := func(spec string) string {
		return "{kind: role, version: v5, metadata: {name: new}, spec: " + spec + "}"
	}
	annotated := func(annotation, value string) string {
		return role(fmt.Sprintf("{allow: {request: {roles: [demo-role], annotations: {%s: [%q]}}}}", annotation, value))
	}
	good := "{kind: user, version: v2, metadata: {name: good@example.com}, spec: {roles: [access]}}\n---\n"
	wantRefused(t, s, []refusal{
		{"not YAML", "kind: [", apply, 2, []string{"line 1"}},
		{"a tab", "kind:\n\trole", apply, 2, []string{"line 2"}},
		{"nothing", "", apply, 2, nil},
		{"a list", "- kind: role", apply, 2, nil},
		{"no kind", "metadata: {name: x}", apply, 2, []string{"kind"}},
		{"a kind that there is not", "{kind: roll, version: v5, metadata: {name: x}}", apply, 2, []string{"roll", `role`}},
		{"a kind of something else", "{kind: Deployment, version: apps/v1, metadata: {name: x}}", apply, 2, []string{"Deployment"}},
		{"no name", "{kind: role, version: v5, metadata: {}}", apply, 2, []string{"name"}},
		{"an empty name", `{kind: role, version: v5, metadata: {name: ""}}`, apply, 2, []string{"name"}},
		{"a field that there is not", role("{allow: {reqest: {roles: [editor]}}}"), apply, 2, []string{"reqest", "did you mean", "request"}},
		{"a field twice", "{kind: user, version: v2, metadata: {name: x}, spec: {roles: [access], roles: [editor]}}", apply, 2, []string{"roles"}},
		{"a field in another case", "{kind: user, version: v2, metadata: {name: x}, spec: {Roles: [editor]}}", apply, 2, []string{"Roles"}},
		{"a list for a text", role("{allow: {review_requests: {roles: [editor], where: [a]}}}"), apply, 2, []string{"where"}},
		{"a condition that cannot be read", role(`{allow: {review_requests: {roles: [editor], where: "contains("}}}`), apply, 2, []string{"where"}},
		{"a condition that can never be evaluated", role(`{allow: {review_requests: {roles: [editor], where: "nothing.here == 1"}}}`), apply, 2, []string{"nothing"}},
		{"a threshold that can never be evaluated", role(`{allow: {request: {roles: [editor], thresholds: [{approve: 1, deny: 1, filter: "nothing.here"}]}}}`), apply, 2, []string{"threshold"}},
		{"a negative duration", role("{allow: {request: {roles: [editor], max_duration: -1h}}}"), apply, 2, []string{"max_duration"}},
		{"an unknown service", annotated("pagerduty_services", "My Critcal Service"), apply, 2, []string{`"My Critcal Service"`, "My Critical Service"}},
		{"a service in another case", annotated("pagerduty_services", "my critical service"), apply, 2, []string{"my critical service"}},
		{"an unknown service to notify", annotated("pagerduty_notify_service", "Nobody's Service"), apply, 2, []string{"Nobody's Service"}},
		{"an unknown schedule", annotated("pagerduty_schedules", "Critcal"), apply, 2, []string{"Critcal", "Critical"}},
		{"a level that is none", annotated("pagerduty_levels", "first"), apply, 2, []string{"first"}},
		{"a user with an unknown role", "{kind: user, version: v2, metadata: {name: x@example.com}, spec: {roles: [editr]}}", apply, 2, []string{"editr"}},
		{"a target of an unknown connector", "{kind: target, version: v1, metadata: {name: x}, spec: {connector: oktaa}}", apply, 2, []string{"oktaa"}},
		{"a target with a setting that there is not", "{kind: target, version: v1, metadata: {name: x}, spec: {connector: memory, usrs: [a]}}", apply, 2, []string{"usrs", "users"}},
		{"a key that is written out", fmt.Sprintf("{kind: pagerduty_account, version: v1, metadata: {name: x}, spec: {api_token: %s}}", world.Token), apply, 2, []string{"literal credential", "env:NAME"}},
		{"a password in an address", `{kind: target, version: v1, metadata: {name: x}, spec: {connector: postgres, dsn: "postgres://u:c4n4ry@h/d", roles: [a]}}`, apply, 2, []string{"dsn"}},
		{"an unknown region", `{kind: pagerduty_account, version: v1, metadata: {name: x}, spec: {region: mars, api_token: "env:X"}}`, apply, 2, []string{"mars", "us"}},
		{"an address that is none", `{kind: pagerduty_account, version: v1, metadata: {name: x}, spec: {api_token: "env:X", rest_url: "ftp://h"}}`, apply, 2, []string{"rest_url"}},
		{"something good and something bad", good + role("{alow: {}}"), apply, 2, []string{"alow"}},
		{"an alias bomb", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", apply, 2, nil},
		{"nesting without an end", strings.Repeat("[", 100_000), apply, 2, nil},
		{"a file that there is not", "", words("apply -f nowhere.yaml"), 4, []string{"nowhere.yaml"}},
		{"a user who exists", "", words("users add ann@example.com --roles access"), 1, []string{"exists already"}},
		{"a user without a role", "", words("users add new@example.com"), 2, []string{"--roles"}},
		{"a role that is in use, to be deleted", "", words("delete role editor-requester"), 1, []string{"myuser"}},
		{"something to be deleted that is not there", "", words("delete role edtor-requester"), 4, []string{"editor-requester"}},
		{"a built-in role, to be deleted", "", words("delete role editor"), 3, []string{"editor"}},
		{"a kind to be shown that there is not", "", words("get rolls"), 2, []string{`did you mean "roles"?`}},
		{"a user who may not store", good, words("--as ann@example.com apply -f -"), 3, []string{"ann@example.com"}},
	})
}

func TestB002ReviewsThatDoNotCountAreRefusedInWordsAndChangeNothing(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	// Myuser has a bot, and a second name in another spelling.
	s.Apply(`{kind: user, version: v2, metadata: {name: lead@example.com}, spec: {roles: [editor-requester, editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: lead-bot}, spec: {roles: [editor-reviewer], bot: true, owner: lead@example.com}}
---
{kind: user, version: v2, metadata: {name: lead.two}, spec: {roles: [editor-reviewer], traits: {pagerduty_email: [LEAD@example.com]}}}
`)
	own := ask(t, s, "--as", "lead@example.com", "--roles=editor")
	open := ask(t, s, "myuser", "--roles=editor")
	done := ask(t, s, "myuser", "--roles=editor")
	s.Must("request", "deny", done)
	gone := ask(t, s, "myuser", "--roles=editor")
	s.Must("--as", "myuser", "request", "cancel", gone)
	for _, id := range []string{own, open} {
		opened(t, s, id)
	}
	resolved(t, s, done)
	resolved(t, s, gone)
	review := func(who, verdict, id string) []string {
		return words("--as " + who + " request " + verdict + " " + id)
	}
	wantRefused(t, s, []refusal{
		{"of one's own", "", review("lead@example.com", "approve", own), 3, []string{"own"}},
		{"of one's own, to deny it", "", review("lead@example.com", "deny", own), 3, []string{"own"}},
		{"of one's own, in another spelling", "", review("Lead@Example.com", "approve", own), 3, nil},
		{"of one's own, by one's bot", "", review("lead-bot", "approve", own), 3, []string{"lead"}},
		{"of one's own, under a second name", "", review("lead.two", "approve", own), 3, []string{"lead"}},
		{"by whom no role lets", "", review("ann@example.com", "approve", open), 3, []string{"ann@example.com"}},
		{"by whom nobody knows", "", review("ghost@example.com", "approve", open), 3, []string{"ghost@example.com"}},
		{"after the decision", "", review("riley@example.com", "approve", done), 1, []string{"is already DENIED"}},
		{"after the decision, by the administrator", "", words("request approve " + done), 1, []string{"is already DENIED"}},
		{"after the end", "", review("riley@example.com", "approve", gone), 1, []string{"CANCELLED"}},
		{"of nothing", "", review("riley@example.com", "approve", "req_none"), 4, []string{"req_none"}},
		{"of neither kind", "", words("--as riley@example.com request review " + open), 2, []string{"--approve"}},
		{"of both kinds", "", words("--as riley@example.com request review --approve --deny " + open), 2, nil},
		{"with a reason that is too long", "", append(review("riley@example.com", "approve", open), "--reason", strings.Repeat("x", 5000)), 2, []string{"reason"}},
		{"a withdrawal of somebody else's", "", words("--as ann@example.com request cancel " + open), 4, []string{"no request"}},
		{"a withdrawal after the decision", "", words("--as myuser request cancel " + done), 1, []string{"DENIED"}},
	})
	// After all that the request can still be decided, once.
	s.Must(review("riley@example.com", "approve", open)...)
	decided(t, s, open, "APPROVED")
}
