package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// Those who call, by what they may do, and whose things they try.
var (
	callers = []string{"none", "access", "auditor", "editor", "requester", "reviewer", "just", "denied", "admin", "locked"}
	owner   = "owner@example.com"
)

// secretReason stands in the owner's request: whoever may not see it must not see that.
const secretReason = "the pager of the payments vault"

// people are the callers; RULE is what the route that is tried declares.
const people = `
{kind: role, metadata: {name: just}, spec: {allow: RULE}}
---
{kind: role, metadata: {name: denier}, spec: {deny: RULE}}
---
{kind: role, metadata: {name: spare}, spec: {}}
---
{kind: user, metadata: {name: owner@example.com}, spec: {roles: [engineer]}}
---
{kind: user, metadata: {name: none}, spec: {}}
---
{kind: user, metadata: {name: access}, spec: {roles: [access]}}
---
{kind: user, metadata: {name: auditor}, spec: {roles: [auditor]}}
---
{kind: user, metadata: {name: editor}, spec: {roles: [editor]}}
---
{kind: user, metadata: {name: requester}, spec: {roles: [engineer]}}
---
{kind: user, metadata: {name: reviewer}, spec: {roles: [reviewer]}}
---
{kind: user, metadata: {name: just}, spec: {roles: [just]}}
---
{kind: user, metadata: {name: denied}, spec: {roles: [just, denier]}}
---
{kind: user, metadata: {name: administrator}, spec: {roles: [admin]}}
---
{kind: user, metadata: {name: locked}, spec: {roles: [admin, engineer, reviewer], locked: true}}
`

// A belonging is what one person has in the world of a call.
type belonging struct{ user, request, approved, grant, certificate string }

// An operation is a route as the description has it.
type operation struct {
	method, path, id string
	rule             permission
}

// calls are how each route is called, with what belongs to somebody. A route without a line fails the test.
var calls = map[string]func(b belonging) (path, body string){
	"submit-request": func(b belonging) (string, string) {
		return "", `{"user":"` + b.user + `","roles":["prod-db"],"reason":"mend it","duration":"1h"}`
	},
	"try-request": func(b belonging) (string, string) {
		return "", `{"user":"` + b.user + `","roles":["prod-db"],"reason":"mend it"}`
	},
	"list-requests":   func(b belonging) (string, string) { return "?user=" + b.user, "" },
	"get-request":     func(b belonging) (string, string) { return b.request, "" },
	"explain-request": func(b belonging) (string, string) { return b.request, "" },
	"review-request":  func(b belonging) (string, string) { return b.request, `{"state":"DENIED"}` },
	"cancel-request":  func(b belonging) (string, string) { return b.request, `{}` },
	"revoke-request":  func(b belonging) (string, string) { return b.approved, `{}` },
	"list-grants":     func(b belonging) (string, string) { return "?user=" + b.user, "" },
	"get-grant":       func(b belonging) (string, string) { return b.grant, "" },
	"revoke-grant":    func(b belonging) (string, string) { return b.grant, `{}` },
	"extend-grant":    func(b belonging) (string, string) { return b.grant, `{"duration":"1h","reason":"not done"}` },
	"check": func(b belonging) (string, string) {
		return "?user=" + b.user + "&resource=db/readers", ""
	},
	"invite-user":        func(belonging) (string, string) { return "none", "{}" },
	"list-audit-keys":    func(belonging) (string, string) { return "", "" },
	"rotate-audit-key":   func(belonging) (string, string) { return "", "{}" },
	"sign-certificate":   func(belonging) (string, string) { return "", signing },
	"renew-certificate":  func(belonging) (string, string) { return "", signing },
	"rotate-authority":   func(belonging) (string, string) { return "", "{}" },
	"who-am-i":           func(belonging) (string, string) { return "", "" },
	"list-sessions":      func(b belonging) (string, string) { return "?user=" + b.user, "" },
	"end-session":        func(b belonging) (string, string) { return "certificate/" + b.certificate, "" },
	"list-entitlements":  func(belonging) (string, string) { return "db", "" },
	"list-drift":         func(belonging) (string, string) { return "", "" },
	"who-is-on-call":     func(belonging) (string, string) { return "", "" },
	"list-incidents":     func(belonging) (string, string) { return "", "" },
	"list-all-resources": func(belonging) (string, string) { return "", "" },
	"list-resources":     func(belonging) (string, string) { return "role", "" },
	"get-resource":       func(belonging) (string, string) { return "role/spare", "" },
	"apply-resources": func(belonging) (string, string) {
		return "", `[{"kind":"role","metadata":{"name":"extra"},"spec":{}},{"kind":"role","metadata":{"name":"spare"},"spec":{"options":{"max_session_ttl":"1h"}}}]`
	},
	"delete-resource": func(belonging) (string, string) { return "role/spare", "" },
	"list-audit":      func(belonging) (string, string) { return "", "" },
	"verify-audit":    func(belonging) (string, string) { return "", "" },
	"watch":           func(belonging) (string, string) { return "", "" },
	"get-status":      func(belonging) (string, string) { return "", "" },
	"doctor":          func(belonging) (string, string) { return "", "" },
}

// in puts what a line of calls says into the path of its route.
func (o operation) in(arguments string) string {
	path, query, asked := strings.Cut(arguments, "?")
	for _, part := range strings.SplitN(path, "/", strings.Count(o.path, "{")) {
		if from := strings.IndexByte(o.path, '{'); from >= 0 && part != "" {
			o.path = o.path[:from] + part + o.path[strings.IndexByte(o.path, '}')+1:]
		}
	}
	if asked {
		return o.path + "?" + query
	}
	return o.path
}

// described reads the routes from the description that the server gives.
func described(t *testing.T, h *harness) []operation {
	t.Helper()
	var spec struct {
		Paths map[string]map[string]struct {
			OperationID string      `json:"operationId"`
			Rule        *permission `json:"x-sallyport-permission"`
		}
	}
	must(t, json.Unmarshal(h.local("GET", "/v1/openapi.json", "").Body.Bytes(), &spec))
	var out []operation
	for path, methods := range spec.Paths {
		for method, op := range methods {
			if op.Rule == nil {
				t.Errorf("%s %s: the description names no permission", method, path)
				continue
			}
			out = append(out, operation{strings.ToUpper(method), path, op.OperationID, *op.Rule})
		}
	}
	return out
}

// allowed is what a route's rule promises to a caller, for a thing of the owner's.
func (o operation) allowed(who string) bool {
	switch {
	case who == "locked" || o.rule.Who == whoBots:
		return false
	case o.rule.Who == whoAnyone:
		return true
	case o.rule.Who == whoReviewers:
		return who == "reviewer" || who == "just"
	case who == "reviewer" && o.rule.Reviewers:
		return true
	}
	reads := !slices.ContainsFunc(o.rule.Verbs, func(v string) bool { return v != core.VerbList && v != core.VerbRead })
	switch who {
	case "just", "admin":
		return true
	case "auditor":
		return reads && slices.Contains([]string{"audit", "access_request", "grant"}, o.rule.Resource)
	case "editor":
		return o.rule.Resource == "{kind}" || o.rule.Resource == "user"
	default:
		return false
	}
}

// world makes a harness in which the owner and the requester have a request and a grant.
func (o operation) world(t *testing.T) (h *harness, theirs, own belonging) {
	t.Helper()
	h = newHarness(t)
	rule := `{review_requests: {roles: [prod-db]}}`
	if o.rule.Resource != "" {
		resource := strings.ReplaceAll(o.rule.Resource, "{kind}", "role")
		rule = `{rules: [{resources: [` + resource + `], verbs: [` + strings.Join(o.rule.Verbs, ", ") + `]}]}`
	}
	items, err := manifest.Read([]byte(strings.ReplaceAll(people, "RULE", rule)))
	must(t, err)
	_, err = h.engine.Apply(t.Context(), engine.Actor{Admin: true, Via: "test"}, items, false)
	must(t, err)
	has := func(user string) belonging {
		body := `{"roles":["prod-db"],"reason":"` + secretReason + `","duration":"1h"}`
		approved := into[client.Request](h.as(user, "POST", "/v1/requests", body))
		h.jobs.wg.Wait()
		into[client.Request](h.local("POST", "/v1/requests/"+approved.ID+"/reviews", `{"state":"APPROVED"}`))
		h.jobs.wg.Wait()
		grants := into[client.Request](h.local("GET", "/v1/requests/"+approved.ID, "")).Grants
		waiting := into[client.Request](h.as(user, "POST", "/v1/requests", body))
		h.jobs.wg.Wait()
		signed := into[client.Certificate](h.as(user, "POST", "/v1/certificates", signing))
		return belonging{user, waiting.ID, approved.ID, grants[len(grants)-1].ID, signed.ID}
	}
	return h, has(owner), has("requester")
}

// tried is one call by somebody; an empty name is nobody. The answer of a stream ends with its first line.
func (o operation) tried(h *harness, who string, b belonging) *httptest.ResponseRecorder {
	arguments, body := calls[o.id](b)
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	w := httptest.NewRecorder()
	var out http.ResponseWriter = w
	if o.id == "watch" {
		out = &firstLine{w, cancel}
	}
	r := httptest.NewRequestWithContext(ctx, o.method, o.in(arguments), strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if who != "" {
		if who == "admin" { // the local administrator goes by that name
			who = "administrator"
		}
		r = withCaller(r, engine.Actor{User: who, Via: "test"})
	}
	h.API.serve(out, r)
	h.jobs.wg.Wait()
	return w
}

// A firstLine ends its call when something was written.
type firstLine struct {
	*httptest.ResponseRecorder
	cancel context.CancelFunc
}

func (f *firstLine) Write(p []byte) (int, error) {
	defer f.cancel()
	return f.ResponseRecorder.Write(p)
}

// kept is everything that a refused call must leave as it is.
func (h *harness) kept() string {
	h.t.Helper()
	var out strings.Builder
	for _, path := range []string{"/v1/requests?limit=1000", "/v1/grants?limit=1000", "/v1/incidents?limit=1000", "/v1/resources"} {
		r := h.local("GET", path, "")
		if r.Code != http.StatusOK {
			h.t.Fatalf("%s: %s", path, r.Body)
		}
		out.WriteString(r.Body.String())
	}
	return out.String()
}

// TestB118EveryRouteHoldsItsRuleForEveryRole tries every route of the description as everybody.
//
// asvs: 8.2.1, 8.2.2, 8.3.1
func TestB118EveryRouteHoldsItsRuleForEveryRole(t *testing.T) {
	for _, o := range described(t, newHarness(t)) {
		if o.rule.Who == whoOpen {
			continue // see below
		}
		t.Run(o.id, func(t *testing.T) {
			t.Parallel()
			if calls[o.id] == nil {
				t.Fatalf("nobody tries %s %s: add a line to calls", o.method, o.path)
			}
			h, theirs, own := o.world(t)
			for _, who := range append([]string{""}, callers...) {
				if who != "" && o.allowed(who) {
					fresh, theirs, _ := o.world(t)
					o.wantAllowed(t, fresh, who, theirs)
				} else {
					o.wantRefused(t, h, who, theirs)
				}
			}
			if o.rule.Who == whoOwn {
				o.wantAllowed(t, h, "requester", own)
			}
		})
	}
}

// What is open to everybody is a short list, and the door holds the same.
func TestOnlyWhatLeadsToAnIdentityIsOpenToEverybody(t *testing.T) {
	var open []string
	for _, o := range described(t, newHarness(t)) {
		path := strings.NewReplacer("{id}", "1", "{kind}", "role", "{name}", "x", "{target}", "db").Replace(o.path)
		r := httptest.NewRequestWithContext(t.Context(), o.method, path, nil)
		if openCall(r) != (o.rule.Who == whoOpen) {
			t.Errorf("%s %s: the door lets strangers in: %v, its rule: %s", o.method, o.path, openCall(r), o.rule)
		}
		if o.rule.Who == whoOpen {
			open = append(open, o.id)
		}
	}
	slices.Sort(open)
	if got := strings.Join(open, " "); got != "finish-login get-authority start-login" {
		t.Errorf("open to everybody: %s", got)
	}
}

func (o operation) wantAllowed(t *testing.T, h *harness, who string, b belonging) {
	t.Helper()
	if w := o.tried(h, who, b); w.Code < 200 || w.Code > 299 {
		t.Errorf("%s %s as %s on what %s has: %d %s; the rule lets them: %s", o.method, o.path, who, b.user, w.Code, w.Body, o.rule)
	}
}

// wantRefused wants nothing changed and nothing told. A list of what is one's own may be empty instead.
func (o operation) wantRefused(t *testing.T, h *harness, who string, b belonging) {
	t.Helper()
	before := h.kept()
	w := o.tried(h, who, b)
	told := w.Body.String()
	var page struct {
		Items   []any
		Partial bool
	}
	empty := w.Code == http.StatusOK && json.Unmarshal(w.Body.Bytes(), &page) == nil && page.Partial && len(page.Items) == 0
	if w.Code != http.StatusForbidden && w.Code != http.StatusNotFound && (!empty || o.rule.Who != whoOwn) {
		t.Errorf("%s %s as %q on what %s has: %d %s; the rule does not let them: %s", o.method, o.path, who, b.user, w.Code, told, o.rule)
	}
	if strings.Contains(told, secretReason) {
		t.Errorf("%s %s tells %q what the owner wrote: %s", o.method, o.path, who, told)
	}
	if after := h.kept(); after != before {
		t.Errorf("%s %s as %q is refused and changes something", o.method, o.path, who)
	}
}

func TestARouteWithoutAPermissionIsNotServed(t *testing.T) {
	for name, r := range map[string]route{
		"none at all":      {},
		"a misspelt verb":  route{}.needs("audit", "lsit"),
		"no verb":          route{}.own("grant"),
		"no resource":      route{}.needs("", "list"),
		"a misspelt reach": {rule: permission{Who: "anybody"}},
	} {
		if err := r.rule.check("GET /v1/new"); err == nil || !strings.Contains(err.Error(), "GET /v1/new") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheReferencePageSaysWhoMayCallEachRoute(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/http-api.md")
	must(t, err)
	for _, o := range described(t, newHarness(t)) {
		named := "| `" + o.method + " " + o.path + "` |"
		i := strings.Index(string(page), named)
		if i < 0 {
			t.Errorf("there is nothing about %s %s", o.method, o.path)
			continue
		}
		line, _, _ := strings.Cut(string(page)[i:], "\n")
		if !strings.HasSuffix(line, " | "+o.rule.String()+" |") {
			t.Errorf("the page says\n%s\nand its rule is: %s", line, o.rule)
		}
	}
}
