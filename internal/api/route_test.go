package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sallyport/sallyport/client"
)

func TestGrantsCanBeSeenCheckedRevokedAndExtended(t *testing.T) {
	h := newHarness(t)
	into[client.Request](h.as("ann@example.com", "POST", "/v1/requests?wait=30s", `{"roles":["prod-db"],"reason":"mend it"}`))
	page := into[client.GrantPage](h.as("ann@example.com", "GET", "/v1/grants?state=active,pending&target=db", ""))
	if len(page.Items) != 1 || page.Items[0].Entitlement != "db/readers" || page.Items[0].User != "ann@example.com" {
		t.Fatalf("grants %+v", page.Items)
	}
	id := page.Items[0].ID
	if g := into[client.Grant](h.local("GET", "/v1/grants/"+id, "")); g.ID != id || g.EndsAt.IsZero() {
		t.Errorf("grant %+v", g)
	}
	check := "/v1/check?user=ann@example.com&resource=db/readers"
	if c := into[client.Holding](h.local("GET", check, "")); !c.Held || c.Grant.ID != id {
		t.Errorf("check says %+v", c)
	}
	if shown := into[client.EntitlementList](h.local("GET", "/v1/entitlements/db", "")); len(shown.Items) != 1 || shown.Items[0].Entitlement != "db/readers" {
		t.Errorf("the target shows %+v", shown)
	}
	if drift := into[client.DriftList](h.local("GET", "/v1/drift", "")); len(drift.Items) != 0 {
		t.Errorf("drift %+v", drift)
	}
	longer := into[client.Request](h.as("ann@example.com", "POST", "/v1/grants/"+id+"/extend", `{"duration":"2h","reason":"not done"}`))
	if longer.Extends != id || longer.Duration != "2h0m0s" {
		t.Errorf("the extension is %+v", longer)
	}
	h.as("bob@example.com", "POST", "/v1/grants/"+id+"/revoke", `{}`).wantProblem(404, "not_found", "no grant "+id)
	if g := into[client.Grant](h.local("POST", "/v1/grants/"+id+"/revoke", `{"reason":"enough"}`)); g.EndCause != "revoked" {
		t.Errorf("revoked: %+v", g)
	}
	h.local("GET", "/v1/grants/gr_none", "").wantProblem(404, "not_found", "gr_none")
	h.local("GET", "/v1/check?user=ann@example.com&resource=readers", "").wantProblem(400, "invalid", "target/name")
	h.local("GET", "/v1/check?user=ann@example.com", "").wantProblem(400, "invalid", "resource")
	h.local("GET", "/v1/entitlements/nowhere", "").wantProblem(404, "not_found", "nowhere")
}

func TestOnCallAndIncidentsAreAnswered(t *testing.T) {
	h := newHarness(t)
	h.ask("bob@example.com")
	got := into[client.OnCall](h.as("bob@example.com", "GET", "/v1/oncall?service=Payments&at=2026-03-02T10:00:00Z", ""))
	if len(got.Duties) != 1 || got.Duties[0].User != "Ann (PANN)" || got.Account != "default" || got.FetchedAt.IsZero() {
		t.Errorf("on call: %+v", got)
	}
	h.local("GET", "/v1/oncall?service=Paymants", "").wantProblem(404, "not_found", "Paymants")
	h.local("GET", "/v1/oncall?at=noon", "").wantProblem(400, "invalid", "2006-01-02T15:04:05Z")
	page := into[client.IncidentPage](h.local("GET", "/v1/incidents?limit=1", ""))
	if len(page.Items) != 1 || page.Items[0].PagerDutyID != "Q1" || page.Items[0].Account == "" && page.Items[0].Key == "" {
		t.Errorf("incidents %+v", page.Items)
	}
	h.as("bob@example.com", "GET", "/v1/incidents", "").wantProblem(403, "refused", "incident")
}

func TestResourcesAreAppliedShownAndDeleted(t *testing.T) {
	h := newHarness(t)
	two := "kind: user\nmetadata: {name: eve@example.com}\nspec: {roles: [engineer]}\n---\nkind: user\nmetadata: {name: team/ops}\nspec: {bot: true}\n"
	send := func(path, body string) client.AppliedList {
		return into[client.AppliedList](h.send(h.Socket(), "POST", path, body, "Content-Type", "application/yaml"))
	}
	if got := send("/v1/resources?dry_run=true", two); len(got.Items) != 2 || got.Items[0].Action != "created" {
		t.Errorf("dry run: %+v", got.Items)
	}
	h.local("GET", "/v1/resources/users/eve@example.com", "").wantProblem(404, "not_found", "eve@example.com")
	if got := send("/v1/resources", two); got.Items[1].Name != "team/ops" || got.Items[0].After == nil || got.Items[0].Before != nil {
		t.Errorf("applied: %+v", got.Items)
	}
	if got := send("/v1/resources", two); got.Items[0].Action != "unchanged" {
		t.Errorf("applied again: %+v", got.Items)
	}
	slashed := "/v1/resources/user/" + url.PathEscape("team/ops")
	if got := into[client.Resource](h.local("GET", slashed, "")); got.Name() != "team/ops" || got.Kind != "user" {
		t.Errorf("got %+v", got)
	}
	r := h.local("GET", "/v1/resources/Users", "", "Accept", "application/yaml")
	if !strings.Contains(r.Body.String(), "name: eve@example.com") || strings.Count(r.Body.String(), "---\n") != 6 {
		t.Errorf("as YAML:\n%s", r.Body)
	}
	if got := into[client.ResourceList](h.local("GET", "/v1/resources", "")); len(got.Items) != 11 {
		t.Errorf("%d resources", len(got.Items))
	}
	if r := h.local("DELETE", slashed, ""); r.Code != http.StatusNoContent {
		t.Errorf("deleting: %d %s", r.Code, r.Body)
	}
	h.local("DELETE", "/v1/resources/user/bib@example.com", "").wantProblem(404, "not_found", `did you mean "bob@example.com"?`)
	h.local("GET", "/v1/resources/rolls", "").wantProblem(400, "invalid", `did you mean "roles"?`)
	h.local("POST", "/v1/resources", `{"kind":"role","metadata":{"name":"x"},"spec":{"alow":{}}}`).wantProblem(400, "invalid", "allow")
	h.local("DELETE", "/v1/resources/role/reviewer", "").wantProblem(409, "conflict", "is held by user")
	h.as("bob@example.com", "DELETE", "/v1/resources/role/reviewer", "").wantProblem(403, "refused", "may not delete role")
}

// asvs: 16.4.2
func TestTheAuditLogIsListedAndVerified(t *testing.T) {
	h := newHarness(t)
	page := into[client.AuditPage](h.local("GET", "/v1/audit?limit=3", ""))
	if len(page.Items) != 3 || page.Next != 3 || page.Items[0].Seq != 1 || len(page.Items[2].Hash) != 64 {
		t.Fatalf("page %+v", page)
	}
	rest := into[client.AuditPage](h.local("GET", "/v1/audit?after=3&limit=1000", ""))
	if rest.Items[0].Prev != page.Items[2].Hash || rest.Next != 0 {
		t.Errorf("the next page begins with %+v", rest.Items[0])
	}
	proof := into[client.AuditProof](h.local("GET", "/v1/audit/verify", ""))
	if !proof.OK || proof.Entries != int64(3+len(rest.Items)) || proof.Head != rest.Items[len(rest.Items)-1].Hash {
		t.Errorf("proof %+v", proof)
	}
	h.as("bob@example.com", "GET", "/v1/audit/verify", "").wantProblem(403, "refused", "audit")
	h.local("GET", "/v1/audit?limit=5000", "").wantProblem(400, "invalid", "limit")
	h.local("GET", "/v1/audit?after=..%2F..%2F", "").wantProblem(400, "invalid", "after")
}

func TestStatusAndDoctorAreAnswered(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Status = func(context.Context) client.Status { return client.Status{Database: "sqlite"} }
		o.Doctor = func(context.Context) []client.Finding {
			return []client.Finding{{Check: "clock", State: "problem", Text: "wrong", Cure: "set it"}}
		}
	})
	h.ask("bob@example.com")
	s := into[client.Status](h.local("GET", "/v1/status", ""))
	if s.Version != "v1.2.3" || s.Replica != "test" || s.Pending != 1 || s.Caller != "admin" || s.Database != "sqlite" {
		t.Errorf("status %+v", s)
	}
	if d := into[client.Diagnosis](h.local("GET", "/v1/doctor", "")); d.OK || len(d.Findings) != 1 {
		t.Errorf("doctor %+v", d)
	}
	h.as("bob@example.com", "GET", "/v1/doctor", "").wantProblem(403, "refused", "doctor")
	if d := into[client.Diagnosis](h.as("boss@example.com", "GET", "/v1/doctor", "")); d.OK {
		t.Errorf("doctor %+v", d)
	}
}

// asvs: 3.5.3, 13.4.3, 13.4.4
func TestPathsAndMethodsThatAreNotThereSaySo(t *testing.T) {
	h := newHarness(t)
	h.local("GET", "/v1/nothing", "").wantProblem(404, "not_found", "/docs")
	r := h.local("DELETE", "/v1/requests", "")
	r.wantProblem(405, "invalid", "GET and POST")
	if got := r.Header().Get("Allow"); got != "GET, POST" {
		t.Errorf("Allow: %q", got)
	}
	h.local("GET", "/v1/requests?stat=PENDING", "").wantProblem(400, "invalid", "stat: unknown query parameter")
	h.local("GET", "/v1/requests?limit=0", "").wantProblem(400, "invalid", "limit")
	h.local("GET", "/nowhere", "").wantProblem(404, "not_found", "nothing at this path")
}

// asvs: 16.5.1, 16.5.3
func TestAPanicIsAProblemAndTheServerLives(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Doctor = func(context.Context) []client.Finding { panic("swordfish") }
	})
	p := h.local("GET", "/v1/doctor", "").wantProblem(500, "internal", "something broke on our side")
	if strings.Contains(p.Detail+p.Hint, "swordfish") || !strings.Contains(h.log.String(), "swordfish") {
		t.Errorf("got %+v; the log says %s", p, h.log)
	}
	into[client.Status](h.local("GET", "/v1/status", ""))
}

func TestReadinessTellsItsReasons(t *testing.T) {
	reasons := []string{"the database does not answer"}
	h := newHarness(t, func(o *Options) {
		o.Ready = func(context.Context) (bool, []string) { return len(reasons) == 0, reasons }
	})
	if r := h.local("GET", "/healthz", ""); r.Code != 200 || r.Body.String() != "ok\n" {
		t.Errorf("healthz: %d %q", r.Code, r.Body)
	}
	if r := h.local("GET", "/readyz", ""); r.Code != 503 || !strings.Contains(r.Body.String(), `{"ready":false,"reasons":["the database does not answer"]}`) {
		t.Errorf("readyz: %d %s", r.Code, r.Body)
	}
	reasons = nil
	if got := into[client.Readiness](h.local("GET", "/readyz", "")); !got.Ready {
		t.Errorf("readyz: %+v", got)
	}
}

func TestEveryRouteIsDescribed(t *testing.T) {
	h := newHarness(t)
	r := h.local("GET", "/v1/openapi.json", "")
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			RequestBody *struct{}
		}
	}
	must(t, json.Unmarshal(r.Body.Bytes(), &spec))
	if spec.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s", spec.OpenAPI)
	}
	for _, route := range h.routes() {
		op, there := spec.Paths[route.op.Path][strings.ToLower(route.op.Method)]
		if !there || op.OperationID != route.op.OperationID || (op.RequestBody != nil) != (route.body != nil) {
			t.Errorf("%s %s is not described, or not as it is", route.op.Method, route.op.Path)
		}
	}
	loaded, err := openapi3.NewLoader().LoadFromData(r.Body.Bytes())
	must(t, err)
	must(t, loaded.Validate(t.Context(), openapi3.DisableExamplesValidation()))
	if strings.Contains(r.Body.String(), `"null"`) {
		t.Error("something is described as perhaps null")
	}
}

// asvs: 3.4.3
func TestTheDescriptionCanBeReadInABrowserWithoutTheNetwork(t *testing.T) {
	h := newHarness(t)
	r := h.local("GET", "/docs", "")
	page := r.Body.String()
	for _, route := range h.routes() {
		if !strings.Contains(page, `id="`+route.op.OperationID+`"`) {
			t.Errorf("%s is not on the page", route.op.OperationID)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", " style=", "<img"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %s", never)
		}
	}
	if csp := r.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
}
