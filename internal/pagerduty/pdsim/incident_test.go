package pdsim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestANewIncidentIsGivenToTheFirstLevelsOnCalls(t *testing.T) {
	b := newBench(t)
	in := b.call(201, "POST", "/incidents", incidentBody("PSV0002", "It burns", "k1"))["incident"]
	if at(in, "status") != "triggered" || at(in, "incident_number") != 1.0 || at(in, "incident_key") != "k1" || at(in, "resolved_at") != nil {
		t.Errorf("incident: %v", in)
	}
	if at(in, "created_at") != "2026-11-23T09:00:00Z" || at(in, "html_url") != "https://acme.pagerduty.com/incidents/"+at(in, "id").(string) {
		t.Errorf("incident: %v", in)
	}
	if got := pluck(at(in, "assignments"), "assignee", "id"); !cmp.Equal(got, []any{"PU0BOB", "PU0CID"}) {
		t.Errorf("assigned to %v", got)
	}
	b.Advance(90 * time.Minute) // an empty slot: the next level is asked
	in = b.call(201, "POST", "/incidents", incidentBody("PSV0002", "It burns", "k2"))["incident"]
	if got := pluck(at(in, "assignments"), "assignee", "id"); !cmp.Equal(got, []any{"PU0DEE"}) || at(in, "incident_number") != 2.0 {
		t.Errorf("number %v assigned to %v", at(in, "incident_number"), got)
	}
}

func TestAnIncidentThatDoesNotMakeSenseIsRefused(t *testing.T) {
	change := func(f func(obj)) obj {
		body := incidentBody("PSV0001", "It burns", "")
		f(body["incident"].(obj))
		return body
	}
	tests := []struct {
		name string
		body any
	}{
		{"no JSON", "{"},
		{"no incident", obj{}},
		{"no type", change(func(i obj) { delete(i, "type") })},
		{"no title", change(func(i obj) { delete(i, "title") })},
		{"no such service", incidentBody("NONE", "x", "")},
		{"details that are not text", change(func(i obj) { i["body"] = obj{"type": "incident_body", "details": obj{"a": 1}} })},
		{"an urgency of its own", change(func(i obj) { i["urgency"] = "medium" })},
		{"no such priority", change(func(i obj) { i["priority"] = obj{"id": "NONE"} })},
		{"two assignees", change(func(i obj) {
			i["assignments"] = []obj{{"assignee": obj{"id": "PU0ANN"}}, {"assignee": obj{"id": "PU0BOB"}}}
		})},
	}
	b := newBench(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if code := at(b.call(400, "POST", "/incidents", tt.body), "error", "code"); code != 2001.0 {
				t.Errorf("code %v, want 2001", code)
			}
		})
	}
	if n := len(b.Incidents()); n != 0 {
		t.Errorf("%d incidents were opened all the same", n)
	}
}

func TestAKeyHasOneOpenIncidentPerService(t *testing.T) {
	b := newBench(t)
	id := b.open("PSV0001", "k")
	got := b.call(400, "POST", "/incidents", incidentBody("PSV0001", "again", "k"))
	want := map[string]any{"error": map[string]any{
		"code": 2002.0, "message": "Arguments Caused Error", "errors": []any{"Open incident with matching dedup key already exists on this service"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.open("PSV0002", "k")
	b.call(200, "PUT", "/incidents/"+id, obj{"incident": obj{"type": "incident_reference", "status": "resolved"}})
	b.open("PSV0001", "k")
	if ids := pluck(b.get("/incidents?incident_key=k&service_ids[]=PSV0001&statuses[]=triggered&statuses[]=acknowledged")["incidents"], "id"); len(ids) != 1 || ids[0] == id {
		t.Errorf("open with the key: %v", ids)
	}
}

func TestAnIncidentIsAcknowledgedResolvedAndThenLeftAlone(t *testing.T) {
	b := newBench(t)
	id := b.open("PSV0001", "k")
	turn := func(status string) obj {
		return obj{"incidents": []obj{{"id": id, "type": "incident_reference", "status": status}}}
	}
	b.call(200, "PUT", "/incidents", turn("acknowledged"))
	b.Advance(time.Minute)
	in := at(b.call(200, "PUT", "/incidents", turn("resolved")), "incidents", 0)
	if at(in, "status") != "resolved" || at(in, "resolved_at") != "2026-11-23T09:01:00Z" || at(in, "last_status_change_by", "id") != "PU0ANN" {
		t.Errorf("resolved: %v", in)
	}
	if code := at(b.call(400, "PUT", "/incidents", turn("resolved")), "error", "code"); code != 1001.0 {
		t.Errorf("resolving again: code %v, want 1001", code)
	}
	b.call(400, "PUT", "/incidents/"+id, obj{"incident": obj{"type": "incident", "status": "acknowledged"}})
	b.call(200, "POST", "/incidents/"+id+"/notes", obj{"note": obj{"content": "after the fire"}})
	entries := pluck(b.get("/incidents/" + id + "/log_entries")["log_entries"], "type")
	want := []any{"annotate_log_entry", "resolve_log_entry", "acknowledge_log_entry", "assign_log_entry", "trigger_log_entry"}
	if diff := cmp.Diff(want, entries); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestManyIncidentsChangeTogetherOrNotAtAll(t *testing.T) {
	b := newBench(t)
	id := b.open("PSV0001", "k")
	b.call(400, "PUT", "/incidents", obj{"incidents": []obj{{"id": id, "type": "incident", "status": "resolved"}, {"id": "NONE", "type": "incident", "status": "resolved"}}})
	if got := b.Incidents()[0].Status; got != Triggered {
		t.Errorf("status %s, want triggered", got)
	}
	many := make([]obj, 251)
	for i := range many {
		many[i] = obj{"id": id, "type": "incident"}
	}
	b.call(413, "PUT", "/incidents", obj{"incidents": many})
}

func TestAssigningToOneselfAcknowledges(t *testing.T) {
	b := newBench(t)
	body := incidentBody("PSV0001", "mine", "")
	body["incident"].(obj)["assignments"] = []obj{{"assignee": obj{"id": "PU0ANN", "type": "user_reference"}}}
	if in := b.call(201, "POST", "/incidents", body)["incident"]; at(in, "status") != "acknowledged" || at(in, "assigned_via") != "direct_assignment" {
		t.Errorf("incident: %v", in)
	}
}

func TestASnoozeEndsByTheClock(t *testing.T) {
	b := newBench(t)
	id := b.open("PSV0001", "k")
	in := b.call(201, "POST", "/incidents/"+id+"/snooze", obj{"duration": 600})["incident"]
	if at(in, "status") != "acknowledged" || at(in, "pending_actions", 0, "at") != "2026-11-23T09:10:00Z" {
		t.Errorf("snoozed: %v", in)
	}
	b.Advance(10 * time.Minute)
	if got := at(b.get("/incidents/"+id), "incident", "status"); got != "triggered" {
		t.Errorf("after the snooze: %v", got)
	}
	b.call(400, "POST", "/incidents/"+id+"/snooze", obj{"duration": 604801})
}

func TestMergingResolvesTheSources(t *testing.T) {
	b := newBench(t)
	one, two := b.open("PSV0001", "k1"), b.open("PSV0001", "k2")
	b.call(200, "PUT", "/incidents/"+one+"/merge", obj{"source_incidents": []obj{{"id": two, "type": "incident_reference"}}})
	in := b.get("/incidents/" + two)["incident"]
	if at(in, "status") != "resolved" || at(in, "resolve_reason", "incident", "id") != one {
		t.Errorf("source: %v", in)
	}
}

func TestAnIncidentTakesTwoThousandNotes(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Data.Limits.RESTPerMinute = 10000 })
	id := b.open("PSV0001", "k")
	b.mu.Lock()
	for range maxNotes {
		b.addNote(b.incident(id), "PU0ANN", "again")
	}
	b.mu.Unlock()
	b.call(400, "POST", "/incidents/"+id+"/notes", obj{"note": obj{"content": "one too many"}})
	if n := len(b.get("/incidents/" + id + "/notes")["notes"].([]any)); n != maxNotes {
		t.Errorf("%d notes", n)
	}
}

func TestIncidentsAreListedByTimeStatusPersonAndOrder(t *testing.T) {
	b := newBench(t)
	b.open("PSV0001", "old")
	b.Advance(40 * 24 * time.Hour)
	b.open("PSV0002", "new")
	for query, want := range map[string][]any{
		"":                {"new"},
		"?date_range=all": {"old", "new"},
		"?date_range=all&sort_by=created_at:desc":                {"new", "old"},
		"?date_range=all&sort_by=urgency,incident_number:desc":   {"new", "old"},
		"?since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z": {"old"},
		"?date_range=all&user_ids[]=PU0ANN":                      {"old"},
		"?date_range=all&team_ids[]=PT00001":                     {"old"},
		"?date_range=all&statuses[]=resolved":                    {},
	} {
		if got := pluck(b.get("/incidents" + query)["incidents"], "incident_key"); !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, query := range []string{"?since=2026-01-01T00:00:00Z&until=2026-12-01T00:00:00Z", "?sort_by=colour", "?statuses[]=open"} {
		b.call(400, "GET", "/incidents"+query, nil)
	}
}

// event is the body of one call of the Events API.
func event(action, key string) obj {
	return obj{
		"routing_key": "00000000000000000000000000000001", "event_action": action, "dedup_key": key,
		"payload": obj{"summary": "disk full", "source": "db1", "severity": "critical"},
	}
}

func TestEventsOpenJoinAcknowledgeAndResolveOneIncident(t *testing.T) {
	b := newBench(t)
	for _, action := range []string{"trigger", "trigger", "acknowledge", "trigger", "resolve", "resolve"} {
		got := b.call(202, "POST", "/v2/enqueue", event(action, "disk"))
		if diff := cmp.Diff(map[string]any{"status": "success", "message": "Event processed", "dedup_key": "disk"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
	all := b.Incidents()
	if len(all) != 1 || all[0].Status != Resolved || all[0].Title != "disk full" || all[0].Service != "PSV0001" {
		t.Errorf("incidents: %+v", all)
	}
	b.call(202, "POST", "/v2/enqueue", event("trigger", "disk"))
	if n := len(b.Incidents()); n != 2 {
		t.Errorf("%d incidents after it came back, want 2", n)
	}
	if got := at(b.get("/incidents/"+b.Incidents()[1].ID+"/alerts"), "alerts", 0, "alert_key"); got != "disk" {
		t.Errorf("alert key %v", got)
	}
}

func TestEventsThatMatchNothingAreDroppedWithoutAWord(t *testing.T) {
	b := newBench(t)
	b.call(202, "POST", "/v2/enqueue", event("resolve", "never"))
	lost := event("trigger", "x")
	lost["routing_key"] = strings.Repeat("f", 32)
	b.call(202, "POST", "/v2/enqueue", lost)
	b.call(202, "POST", "/v2/change/enqueue", obj{"routing_key": strings.Repeat("f", 32), "payload": obj{"summary": "deployed"}})
	if n := len(b.Incidents()); n != 0 {
		t.Errorf("%d incidents", n)
	}
	events := b.Events()
	if len(events) != 3 || events[0].Service != "PSV0001" || events[1].Service != "" || events[2].Kind != "change" {
		t.Errorf("events: %+v", events)
	}
}

func TestABadEventIsRefusedInPagerDutysWords(t *testing.T) {
	tests := []struct {
		name    string
		change  func(obj)
		problem string
	}{
		{"no key", func(e obj) { delete(e, "routing_key") }, "'routing_key' is missing or blank"},
		{"a short key", func(e obj) { e["routing_key"] = "abc" }, "Length of 'routing_key' is incorrect (should be 32 characters)"},
		{"no summary", func(e obj) { e["payload"].(obj)["summary"] = "" }, "'payload.summary' is missing or blank"},
		{"a long summary", func(e obj) { e["payload"].(obj)["summary"] = strings.Repeat("é", 1025) }, "'payload.summary' is too long (maximum is 1024 characters)"},
		{"no source", func(e obj) { delete(e["payload"].(obj), "source") }, "'payload.source' is missing or blank"},
		{"no such severity", func(e obj) { e["payload"].(obj)["severity"] = "loud" }, "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"},
		{"no such action", func(e obj) { e["event_action"] = "shout" }, "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"},
		{"nothing to resolve", func(e obj) { e["event_action"], e["dedup_key"] = "resolve", "" }, "'dedup_key' is missing or blank"},
		{"no payload", func(e obj) { delete(e, "payload") }, "'payload' is missing or blank"},
	}
	b := newBench(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := event("trigger", "k")
			tt.change(e)
			got := b.call(400, "POST", "/v2/enqueue", e)
			if got["status"] != "invalid event" || !cmp.Equal(got["errors"], []any{tt.problem}) {
				t.Errorf("%v, want %s", got, tt.problem)
			}
		})
	}
	big := event("trigger", "k")
	big["payload"].(obj)["custom_details"] = strings.Repeat("x", maxEvent)
	b.call(413, "POST", "/v2/enqueue", big)
}

func TestAnIntegrationKeyHasABudgetOfItsOwn(t *testing.T) {
	b := newBench(t)
	for i := range 120 {
		b.call(202, "POST", "/v2/enqueue", event("trigger", fmt.Sprint(i)))
	}
	if got := b.call(429, "POST", "/v2/enqueue", event("trigger", "121"))["status"]; got != "throttle exceeded" {
		t.Errorf("status %v", got)
	}
	b.Advance(time.Minute)
	b.call(202, "POST", "/v2/enqueue", event("trigger", "121"))
}
