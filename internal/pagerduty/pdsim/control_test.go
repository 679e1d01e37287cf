package pdsim

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestControlIsOpenOnThisMachineOnlyAndNotToWebPages(t *testing.T) {
	tests := []struct {
		name, host, header, value string
		token                     string
		status                    int
	}{
		{"loopback", "127.0.0.1:9000", "", "", "", 200},
		{"localhost", "localhost:9000", "", "", "", 200},
		{"loopback of IPv6", "[::1]:9000", "", "", "", 200},
		{"loopback without port", "[::1]", "", "", "", 200},
		{"another name", "sim.example.com", "", "", "", 403},
		{"a name that only begins so", "127.0.0.1.example.com", "", "", "", 403},
		{"a page of another site", "127.0.0.1:9000", "Sec-Fetch-Site", "cross-site", "", 403},
		{"a page of another port", "127.0.0.1:9000", "Origin", "http://127.0.0.1:8000", "", 403},
		{"a page of its own", "127.0.0.1:9000", "Origin", "http://127.0.0.1:9000", "", 200},
		{"the token", "sim.example.com", "Authorization", "Bearer secret", "secret", 200},
		{"a wrong token", "127.0.0.1:9000", "Authorization", "Bearer guess", "secret", 403},
		{"no token", "127.0.0.1:9000", "", "", "secret", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Token = tt.token })
			r := httptest.NewRequest("GET", "/_sim/calls", nil)
			r.Host = tt.host
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
		})
	}
	b := newBench(t, func(o *Options) { o.Token = "secret" })
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest("GET", "/_sim/calls?token=secret", nil))
	if w.Code != 200 {
		t.Errorf("the token in the query: %d", w.Code)
	}
}

func TestThePutStateMovesShiftsAndKeepsIncidents(t *testing.T) {
	b := newBench(t)
	id := b.open("PSV0001", "k")
	state := b.call(200, "GET", "/_sim/state", nil)
	if got := at(state, "schedules", 0, "shifts", 0, "start"); got != "2026-11-23T08:00:00Z" {
		t.Errorf("the state's shifts are not fixed: %v", got)
	}
	state["schedules"].([]any)[0].(map[string]any)["shifts"] = []obj{{"user": "PU0DEE", "start": "now", "end": "now+1h"}}
	b.call(200, "PUT", "/_sim/state", state)
	if got := at(b.get("/oncalls?schedule_ids[]=PS00001"), "oncalls", 0, "user", "id"); got != "PU0DEE" {
		t.Errorf("on call: %v", got)
	}
	b.call(200, "PUT", "/_sim/state", obj{"teams": []obj{{"id": "PT00001", "name": "Renamed"}}})
	if got := at(b.get("/teams/PT00001"), "team", "name"); got != "Renamed" {
		t.Errorf("team: %v", got)
	}
	b.get("/incidents/" + id)
	reason := b.call(400, "PUT", "/_sim/state", obj{"schedules": []obj{}})["error"]
	if reason != `escalation policy PE00001, level 1 names the schedule "PS00001", which is not in the account` {
		t.Errorf("a state with a hole: %v", reason)
	}
	b.get("/schedules/PS00001")
}

func TestControlShowsIncidentsWithNotesAndHistory(t *testing.T) {
	b := newBench(t)
	id := b.open("PSV0002", "k")
	b.call(200, "POST", "/incidents/"+id+"/notes", obj{"note": obj{"content": "hello"}})
	b.call(202, "POST", "/v2/enqueue", event("trigger", "e"))
	_, text := b.ask(ask{}, "GET", "/_sim/incidents", nil)
	var all []map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || at(all[0], "incident_key") != "k" || at(all[0], "service", "id") != "PSV0002" || at(all[0], "notes").([]any)[0].(map[string]any)["content"] != "hello" {
		t.Errorf("incidents: %s", text)
	}
	if types := pluck(at(all[0], "log_entries"), "type"); len(types) != 3 {
		t.Errorf("history: %v", types)
	}
	if _, text := b.ask(ask{}, "GET", "/_sim/events", nil); !strings.Contains(text, `"incident":"`+b.Incidents()[1].ID) {
		t.Errorf("events: %s", text)
	}
	b.call(404, "GET", "/_sim/nothing", nil)
	b.call(400, "POST", "/_sim/clock", obj{"advance": "1h", "now": "2026-11-23T09:00:00Z"})
}

func TestAnAccountThatCannotBeIsRefusedWithAReason(t *testing.T) {
	for _, tt := range []struct{ yaml, reason string }{
		{"users: [{id: A, nmae: x}]", "line 1: field nmae not found"},
		{"subdomain: a\ncolour: red", "line 2: field colour not found"},
		{"---\na: 1\n", "field a not found"},
		{"subdomain: a\n---\nsubdomain: b", "more than one document"},
		{"users: [{id: A, email: a@x.y}, {id: A, email: b@x.y}]", "user A stands there twice"},
		{"users: [{id: A, email: nobody}]", `user A: email "nobody" is not an e-mail address`},
		{"schedules: [{id: S, kind: v4}]", `schedule S: kind "v4": use v2 or v3`},
		{"schedules: [{id: S, shifts: [{user: U, start: now, end: now+1h}]}]", `schedule S, shift 1: it names the user "U", which is not in the account`},
		{"schedules: [{id: S, shifts: [{start: now, end: now+1h}]}]", "empty slots are for kind v3"},
		{"schedules: [{id: S, kind: v3, shifts: [{start: soon, end: now}]}]", `"soon" is no moment`},
		{"schedules: [{id: S, kind: v3, shifts: [{start: now1h, end: now}]}]", `"now1h" is no moment`},
		{"schedules: [{id: S, kind: v3, shifts: [{start: now, end: now}]}]", "not after its start"},
		{"escalation_policies: [{id: P, rules: [[]]}]", "escalation policy P, level 1 has 0 targets"},
		{"escalation_policies: [{id: P, rules: [[{}]]}]", "a target is either a schedule or a user"},
		{"services: [{id: V, escalation_policy: P}]", `service V names the escalation policy "P", which is not in the account`},
		{"tokens: [{token: t, access: all}]", `token 1: access "all": use full or read`},
		{"region: mars", `region "mars": use us or eu`},
	} {
		d, err := Parse([]byte(tt.yaml))
		if err == nil {
			_, err = New(Options{Data: d})
		}
		if err == nil || !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: %v, want %s", tt.yaml, err, tt.reason)
		}
	}
}

func TestMomentsAreWholeSeconds(t *testing.T) {
	now := monday.Add(700 * time.Millisecond)
	for text, want := range map[string]time.Time{
		"now": monday, "now+1h30m": monday.Add(90 * time.Minute), "now-1h": monday.Add(-time.Hour), "2026-11-23T10:00:00+01:00": monday,
	} {
		if got, err := moment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestSomebodyWhoLeftMayStillStandInAnEscalationPolicy(t *testing.T) {
	b := newBench(t, func(o *Options) {
		o.Data.EscalationPolicies = []EscalationPolicy{{ID: "PE00001", Name: "Gone", Rules: [][]Target{{{User: "PU0GONE"}}}}, o.Data.EscalationPolicies[1]}
	})
	on := at(b.get("/oncalls?escalation_policy_ids[]=PE00001&include[]=users"), "oncalls", 0, "user")
	if at(on, "id") != "PU0GONE" || at(on, "type") != "user_reference" {
		t.Errorf("on call: %v", on)
	}
	b.open("PSV0001", "k")
	b.call(404, "GET", "/users/PU0GONE", nil)
}

func TestEverythingMayBeAskedAtOnce(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Data.Limits.RESTPerMinute = 1 << 20 })
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 20 {
				key := fmt.Sprint(i)
				b.ask(ask{}, "POST", "/incidents", incidentBody("PSV0001", "x", key))
				b.ask(ask{}, "GET", "/oncalls", nil)
				b.ask(ask{}, "GET", "/_sim/incidents", nil)
				b.ask(ask{}, "POST", "/v2/enqueue", event("resolve", key))
				b.Advance(time.Second)
				_ = b.Fault(Fault{Path: "/users", Status: 500, Times: 1})
				_, _, _ = b.Calls(), b.Incidents(), b.Events()
				_ = b.Replace(testAccount(t))
			}
		})
	}
	all.Wait()
	open := map[string]int{}
	for _, i := range b.Incidents() {
		if i.open() {
			open[i.Key]++
		}
	}
	for key, n := range open {
		if n > 1 {
			t.Errorf("%d open incidents with the key %s", n, key)
		}
	}
}
