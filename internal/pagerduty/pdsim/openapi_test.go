//go:build verifysim

package pdsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// specification reads the OpenAPI description that env names, from the module's
// root where it is relative. That of the Events API is sought beside the other.
func specification(t *testing.T, env string) *openapi3.T {
	t.Helper()
	path := os.Getenv(env)
	if rest := os.Getenv("SALLYPORT_PAGERDUTY_SPEC"); path == "" && rest != "" {
		path = filepath.Join(filepath.Dir(rest), "events-v2.openapi.json")
	}
	if path == "" {
		t.Fatalf("%s is not set: name PagerDuty's OpenAPI file in it", env)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join("..", "..", "..", path)
	}
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// corrections of PagerDuty's description: where it contradicts its own examples
// and its prose. Nothing else may differ.
var corrections = []struct {
	why   string
	apply func(*openapi3.T)
}{
	{"its examples show null for what has not happened yet", func(d *openapi3.T) {
		property(d, "Incident", "resolved_at").Nullable = true
		for _, name := range []string{"start", "end", "schedule"} {
			property(d, "Oncall", name).Nullable = true
		}
	}},
	{"include[] puts the whole thing where the enum allows a reference only", func(d *openapi3.T) {
		either(d, "Oncall", "user", "UserReference", "User")
		either(d, "Oncall", "escalation_policy", "EscalationPolicyReference", "EscalationPolicy")
		either(d, "Oncall", "schedule", "ScheduleReference", "V3ScheduleReference", "Schedule")
		property(d, "Oncall", "schedule").Nullable = true
		either(d, "Service", "escalation_policy", "EscalationPolicyReference", "EscalationPolicy")
		list := property(d, "Service", "teams")
		list.Items = openapi3.NewSchemaRef("", oneOf(d, "TeamReference", "Team"))
		property(d, "User", "teams").Items = list.Items
		property(d, "Service", "integrations").Items = openapi3.NewSchemaRef("", oneOf(d, "IntegrationReference", "Integration"))
		property(d, "User", "contact_methods").Items = openapi3.NewSchemaRef("", oneOf(d, "ContactMethodReference", "EmailContactMethod"))
	}},
	{"an acknowledge log entry has two types that exclude each other", func(d *openapi3.T) {
		property(d, "AcknowledgeLogEntry", "type").Enum = []any{"acknowledge_log_entry"}
	}},
	{"a channel matches several of its alternatives, none of which demands anything", func(d *openapi3.T) {
		channel := d.Components.Schemas["Channel"].Value
		channel.AnyOf, channel.OneOf = channel.OneOf, nil
	}},
	{"the body's details are text in all examples", func(d *openapi3.T) {
		property(d, "IncidentBody", "details").Type = &openapi3.Types{"string"}
	}},
	{"GET overrides is documented with 201, POST webhook_subscriptions with 200", func(d *openapi3.T) {
		swap(d.Paths.Value("/schedules/{id}/overrides").Get.Responses, "201", "200")
		swap(d.Paths.Value("/webhook_subscriptions").Post.Responses, "200", "201")
	}},
	{"an array of values may be given once or several times", func(d *openapi3.T) {
		for _, name := range []string{"include_oncalls", "include_user", "include_user_detail", "include_services", "include_services_id", "include_incidents", "include_incident", "statuses_incidents", "include_escalation_policy", "incident_urgencies"} {
			p := d.Components.Parameters[name].Value
			if p.Schema.Value.Type.Is("string") {
				p.Schema = openapi3.NewSchemaRef("", openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema().WithEnum(p.Schema.Value.Enum...)))
			}
		}
	}},
	{"a 400 is missing where a v3 endpoint is given a classic schedule's id", func(d *openapi3.T) {
		d.Paths.Value("/v3/schedules/{id}").Get.Responses.Set("400", d.Components.Responses["BadRequest"])
	}},
	{"a 400 is missing where a resolved incident is changed", func(d *openapi3.T) {
		d.Paths.Value("/incidents/{id}").Put.Responses.Set("400", d.Components.Responses["ArgumentError"])
	}},
}

// property finds a property of a schema, through its allOf.
func property(d *openapi3.T, schema, name string) *openapi3.Schema {
	return propertyRef(d.Components.Schemas[schema].Value, name).Value
}

func propertyRef(s *openapi3.Schema, name string) *openapi3.SchemaRef {
	if p := s.Properties[name]; p != nil {
		return p
	}
	for _, part := range slices.Backward(s.AllOf) {
		if p := propertyRef(part.Value, name); p != nil {
			return p
		}
	}
	return nil
}

func oneOf(d *openapi3.T, names ...string) *openapi3.Schema {
	s := &openapi3.Schema{}
	for _, n := range names {
		s.OneOf = append(s.OneOf, d.Components.Schemas[n])
	}
	return s
}

func either(d *openapi3.T, schema, name string, names ...string) {
	p := propertyRef(d.Components.Schemas[schema].Value, name)
	p.Ref, p.Value = "", oneOf(d, names...)
}

func swap(r *openapi3.Responses, from, to string) {
	r.Set(to, r.Value(from))
	r.Delete(from)
}

// A verifier plays calls and holds request and answer to the description.
type verifier struct {
	t      *testing.T
	doc    *openapi3.T
	server *Server
	seen   map[string]bool // operations answered with success
	prefix string          // of the server's paths before the description's
}

// A play is one call of an operation.
type play struct {
	method, template, path string // path has template's parameters filled in
	body                   any
	status                 int
	key                    string
}

func (v *verifier) play(p play) map[string]any {
	v.t.Helper()
	operation := p.method + " " + p.template
	path, query, _ := strings.Cut(p.path, "?")
	var body []byte
	if p.body != nil {
		body, _ = json.Marshal(p.body)
	}
	if p.key == "" {
		p.key = "full-key"
	}
	request := func() *http.Request {
		r := httptest.NewRequest(p.method, v.prefix+path+"?"+query, bytes.NewReader(body))
		r.Header.Set("Authorization", "Token token="+p.key)
		r.Header.Set("Accept", "application/vnd.pagerduty+json;version=2")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("From", "ann@example.com")
		if body == nil {
			r.Body, r.ContentLength = http.NoBody, 0
		}
		return r
	}
	item := v.doc.Paths.Value(p.template)
	if item == nil || item.GetOperation(p.method) == nil {
		v.t.Errorf("%s: PagerDuty has no such operation", operation)
		return nil
	}
	input := &openapi3filter.RequestValidationInput{
		Request: request(), PathParams: params(p.template, path),
		Route:   &routers.Route{Spec: v.doc, Path: p.template, PathItem: item, Method: p.method, Operation: item.GetOperation(p.method)},
		Options: &openapi3filter.Options{MultiError: true, IncludeResponseStatus: true, ExcludeReadOnlyValidations: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil && p.status < 300 {
		v.t.Errorf("%s: request: %v", p.path, err)
	}
	w := httptest.NewRecorder()
	v.server.ServeHTTP(w, request())
	if w.Code != p.status {
		v.t.Errorf("%s %s: status %d, want %d: %s", p.method, p.path, w.Code, p.status, w.Body)
		return nil
	}
	if w.Code < 300 {
		v.seen[operation] = true
	}
	answer := w.Body.Bytes()
	if err := openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: w.Code, Header: w.Header(), Body: io.NopCloser(bytes.NewReader(answer)), Options: input.Options,
	}); err != nil {
		v.t.Errorf("%s %s: answer %s\n%v", p.method, p.path, answer, brief(err))
	}
	var out map[string]any
	_ = json.Unmarshal(answer, &out)
	return out
}

// brief cuts the schemas that kin-openapi prints with a finding.
func brief(err error) string {
	var many openapi3.MultiError
	if errors.As(err, &many) && len(many) > 0 {
		var all []string
		for _, one := range many {
			all = append(all, strings.Join(strings.Split(one.Error(), "\n")[:1], ""))
		}
		return strings.Join(all, "\n")
	}
	return strings.SplitN(err.Error(), "Schema:", 2)[0]
}

// params reads what the path has where the template has a parameter.
func params(template, path string) map[string]string {
	found := map[string]string{}
	have := strings.Split(path, "/")
	for i, part := range strings.Split(template, "/") {
		if strings.HasPrefix(part, "{") {
			found[strings.Trim(part, "{}")] = have[i]
		}
	}
	return found
}

func TestEveryOperationMatchesPagerDutysOpenAPI(t *testing.T) {
	doc := specification(t, "SALLYPORT_PAGERDUTY_SPEC")
	for _, c := range corrections {
		c.apply(doc)
	}
	s, err := New(Options{Data: testAccount(t), Now: func() time.Time { return monday }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := &verifier{t: t, doc: doc, server: s, seen: map[string]bool{}}
	v.readAccount()
	v.readOncalls()
	v.writeOverrides()
	v.writeIncidents()
	v.writeSubscriptions()
	v.readErrors()
	for _, r := range routes() {
		operation := strings.Replace(r.pattern, "{override}", "{override_id}", 1)
		if !v.seen[operation] {
			t.Errorf("%s was not played", operation)
		}
	}
}

func (v *verifier) readAccount() {
	for _, p := range []play{
		{template: "/abilities", path: "/abilities"},
		{template: "/priorities", path: "/priorities"},
		{template: "/users", path: "/users?query=ann&limit=1&total=true&team_ids[]=PT00001&include[]=contact_methods&include[]=teams"},
		{template: "/users", path: "/users?limit=2&offset=1"},
		{template: "/users/me", path: "/users/me", key: "ann-key"},
		{template: "/users/{id}", path: "/users/PU0DEE"},
		{template: "/users/{id}/contact_methods", path: "/users/PU0ANN/contact_methods"},
		{template: "/teams", path: "/teams?query=pay"},
		{template: "/teams/{id}", path: "/teams/PT00001"},
		{template: "/teams/{id}/members", path: "/teams/PT00001/members"},
		{template: "/schedules", path: "/schedules?query=classic"},
		{template: "/schedules/{id}", path: "/schedules/PS00001"},
		{template: "/schedules/{id}", path: "/schedules/PS00001?since=2026-11-23T00:00:00Z&until=2026-11-24T00:00:00Z&time_zone=UTC"},
		{template: "/schedules/{id}/users", path: "/schedules/PS00001/users?since=2026-11-23T00:00:00Z&until=2026-11-24T00:00:00Z"},
		{template: "/v3/schedules", path: "/v3/schedules?limit=1"},
		{template: "/v3/schedules/{id}", path: "/v3/schedules/PS00003"},
		{template: "/v3/schedules/{id}", path: "/v3/schedules/PS00003?since=2026-11-23T00:00:00Z&until=2026-11-24T00:00:00Z&include[]=final_schedule"},
		{template: "/escalation_policies", path: "/escalation_policies?query=pay&user_ids[]=PU0ANN"},
		{template: "/escalation_policies/{id}", path: "/escalation_policies/PE00001"},
		{template: "/services", path: "/services?query=pay&include[]=escalation_policies&include[]=teams&include[]=integrations"},
		{template: "/services/{id}", path: "/services/PSV0001"},
	} {
		p.method, p.status = "GET", 200
		v.play(p)
	}
}

func (v *verifier) readOncalls() {
	for _, query := range []string{
		"", "?limit=2&offset=1&total=true", "?user_ids[]=PU0ANN&escalation_policy_ids[]=PE00001&schedule_ids[]=null&schedule_ids[]=PS00001",
		"?since=2026-11-23T00:00:00Z&until=2026-11-24T00:00:00Z&earliest=true", "?include[]=users", "?include[]=escalation_policies&include[]=users&include[]=schedules",
	} {
		v.play(play{method: "GET", template: "/oncalls", path: "/oncalls" + query, status: 200})
	}
}

func (v *verifier) writeOverrides() {
	const base = "/schedules/{id}/overrides"
	user := obj{"id": "PU0DEE", "type": "user_reference"}
	in := obj{"overrides": []obj{
		{"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T12:00:00Z", "user": user}, {"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T10:00:00Z", "user": user},
	}}
	v.play(play{method: "POST", template: base, path: "/schedules/PS00001/overrides", body: in, status: 201})
	listed := v.play(play{method: "GET", template: base, path: "/schedules/PS00001/overrides?since=2026-11-23T00:00:00Z&until=2026-11-24T00:00:00Z", status: 200})
	id, _ := at(listed, "overrides", 0, "id").(string)
	v.play(play{method: "DELETE", template: base + "/{override_id}", path: "/schedules/PS00001/overrides/" + id, status: 204})
}

func (v *verifier) writeIncidents() {
	body := incidentBody("PSV0001", "It burns", "key-1")
	body["incident"].(obj)["body"] = obj{"type": "incident_body", "details": "hot"}
	body["incident"].(obj)["priority"] = obj{"id": "PRIO002", "type": "priority_reference"}
	one := at(v.play(play{method: "POST", template: "/incidents", path: "/incidents", body: body, status: 201}), "incident", "id").(string)
	event := `{"routing_key":"00000000000000000000000000000001","event_action":"trigger","dedup_key":"e1","payload":{"summary":"s","source":"h","severity":"error","custom_details":{"a":1}}}`
	v.server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v2/enqueue", strings.NewReader(event)))
	two := v.server.Incidents()[1].ID
	put := func(id string, change obj) {
		change["type"] = "incident_reference"
		v.play(play{method: "PUT", template: "/incidents/{id}", path: "/incidents/" + id, body: obj{"incident": change}, status: 200})
	}
	list := obj{"incidents": []obj{{"id": one, "type": "incident_reference", "status": "acknowledged"}}}
	v.play(play{method: "PUT", template: "/incidents", path: "/incidents", body: list, status: 200})
	v.play(play{method: "POST", template: "/incidents/{id}/snooze", path: "/incidents/" + one + "/snooze", body: obj{"duration": 60}, status: 201})
	note := obj{"note": obj{"content": "Firefighters are on the scene."}}
	v.play(play{method: "POST", template: "/incidents/{id}/notes", path: "/incidents/" + one + "/notes", body: note, status: 200})
	v.play(play{method: "GET", template: "/incidents/{id}/notes", path: "/incidents/" + one + "/notes", status: 200})
	put(one, obj{"urgency": "low", "escalation_level": 2})
	put(one, obj{"assignments": []obj{{"assignee": obj{"id": "PU0BOB", "type": "user_reference"}}}})
	v.play(play{method: "GET", template: "/incidents/{id}/alerts", path: "/incidents/" + two + "/alerts?statuses[]=triggered", status: 200})
	sources := obj{"source_incidents": []obj{{"id": two, "type": "incident_reference"}}}
	v.play(play{method: "PUT", template: "/incidents/{id}/merge", path: "/incidents/" + one + "/merge", body: sources, status: 200})
	put(one, obj{"status": "resolved", "resolution": "water"})
	v.play(play{method: "PUT", template: "/incidents/{id}", path: "/incidents/" + one, body: obj{"incident": obj{"type": "incident", "status": "resolved"}}, status: 400})
	for _, id := range []string{one, two} {
		v.play(play{method: "GET", template: "/incidents/{id}", path: "/incidents/" + id, status: 200})
		v.play(play{method: "GET", template: "/incidents/{id}/log_entries", path: "/incidents/" + id + "/log_entries?limit=100", status: 200})
	}
	for _, query := range []string{"", "?statuses[]=resolved&statuses[]=triggered&incident_key=e1&date_range=all&sort_by=created_at:desc,urgency", "?include[]=services&include[]=users&include[]=teams&include[]=escalation_policies"} {
		v.play(play{method: "GET", template: "/incidents", path: "/incidents" + query, status: 200})
	}
}

func (v *verifier) writeSubscriptions() {
	const base = "/webhook_subscriptions"
	in := obj{"webhook_subscription": obj{
		"type": "webhook_subscription", "description": "d", "events": []string{"incident.triggered"}, "filter": obj{"type": "service_reference", "id": "PSV0002"},
		"delivery_method": obj{"type": "http_delivery_method", "url": "http://127.0.0.1:1/hook", "custom_headers": []obj{{"name": "a", "value": "b"}}},
	}}
	id := at(v.play(play{method: "POST", template: base, path: base, body: in, status: 201}), "webhook_subscription", "id").(string)
	v.play(play{method: "GET", template: base, path: base, status: 200})
	v.play(play{method: "GET", template: base + "/{id}", path: base + "/" + id, status: 200})
	change := obj{"webhook_subscription": obj{"description": "e", "active": false}}
	v.play(play{method: "PUT", template: base + "/{id}", path: base + "/" + id, body: change, status: 200})
	v.play(play{method: "POST", template: base + "/{id}/enable", path: base + "/" + id + "/enable", status: 200})
	v.play(play{method: "POST", template: base + "/{id}/ping", path: base + "/" + id + "/ping", status: 202})
	v.play(play{method: "DELETE", template: base + "/{id}", path: base + "/" + id, status: 204})
}

func (v *verifier) readErrors() {
	v.play(play{method: "GET", template: "/users", path: "/users", key: "nobody", status: 401})
	v.play(play{method: "POST", template: "/incidents", path: "/incidents", key: "read-key", body: obj{}, status: 403})
	v.play(play{method: "GET", template: "/users/{id}", path: "/users/NOBODY", status: 404})
	v.play(play{method: "GET", template: "/schedules/{id}", path: "/schedules/PS00003", status: 400})
	v.play(play{method: "GET", template: "/v3/schedules/{id}", path: "/v3/schedules/PS00001", status: 400})
	v.play(play{method: "GET", template: "/users/me", path: "/users/me", status: 400})
	v.server.Advance(time.Hour)
	for range 960 {
		v.server.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/users", nil))
	}
	v.play(play{method: "GET", template: "/users", path: "/users", key: "nobody", status: 429})
}

func TestEventsMatchPagerDutysOpenAPI(t *testing.T) {
	s, err := New(Options{Data: testAccount(t), Now: func() time.Time { return monday }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := &verifier{t: t, doc: specification(t, "SALLYPORT_EVENTS_SPEC"), server: s, seen: map[string]bool{}, prefix: "/v2"}
	event := obj{
		"routing_key": "00000000000000000000000000000001", "event_action": "trigger", "dedup_key": "d", "client": "c", "client_url": "https://example.com",
		"links":   []obj{{"href": "https://example.com", "text": "t"}},
		"payload": obj{"summary": "s", "source": "h", "severity": "critical", "timestamp": "2026-11-23T09:00:00Z", "custom_details": obj{"a": 1}},
	}
	v.play(play{method: "POST", template: "/enqueue", path: "/enqueue", body: event, status: 202})
	delete(event, "payload")
	v.play(play{method: "POST", template: "/enqueue", path: "/enqueue", body: event, status: 400})
	change := obj{"routing_key": "00000000000000000000000000000001", "payload": obj{"summary": "deployed", "source": "ci", "timestamp": "2026-11-23T09:00:00Z"}}
	v.play(play{method: "POST", template: "/change/enqueue", path: "/change/enqueue", body: change, status: 202})
}
