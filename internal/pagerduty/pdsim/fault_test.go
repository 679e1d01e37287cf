package pdsim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func postIncident(t *testing.T, b *bench) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequest("POST", b.url+"/incidents", strings.NewReader(`{"incident":{"type":"incident","title":"x","service":{"id":"PSV0001","type":"service_reference"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Token token=full-key")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("From", "ann@example.com")
	return http.DefaultClient.Do(r)
}

func TestAFaultActsOrNotAndAnswersOrNot(t *testing.T) {
	tests := []struct {
		name   string
		fault  obj
		status int // 0: no answer
		opened int
	}{
		{"an answer before acting", obj{"status": 500}, 500, 0},
		{"an answer after acting", obj{"when": "after", "status": 503}, 503, 1},
		{"dropped before acting", obj{"drop": true}, 0, 0},
		{"dropped after acting", obj{"when": "after", "drop": true}, 0, 1},
		{"a delay before acting", obj{"delay": "1ms"}, 201, 1},
		{"a delay after acting", obj{"when": "after", "delay": "1ms"}, 201, 1},
		{"a delay, then an answer without acting", obj{"delay": "1ms", "status": 408}, 408, 0},
		{"a body of its own", obj{"body": obj{"incident": nil}}, 200, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			order := obj{"match": obj{"method": "POST", "path": "/incidents"}, "times": 1}
			for k, v := range tt.fault {
				order[k] = v
			}
			b.call(200, "POST", "/_sim/faults", order)
			status := 0
			if resp, err := postIncident(t, b); err == nil {
				status = resp.StatusCode
				resp.Body.Close()
			}
			if status != tt.status || len(b.Incidents()) != tt.opened {
				t.Errorf("status %d with %d incidents, want %d with %d", status, len(b.Incidents()), tt.status, tt.opened)
			}
			if calls := b.Calls(); len(calls) != 1 || calls[0].Status != tt.status {
				t.Errorf("calls: %+v", calls)
			}
			b.open("PSV0001", "") // once is once
		})
	}
}

func TestADelayedCallActsThoughItsCallerHasGone(t *testing.T) {
	b := newBench(t)
	if err := b.Fault(Fault{Method: "POST", Path: "/incidents", Delay: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(context.Background())
	leave()
	r := httptest.NewRequest("POST", "/incidents", strings.NewReader(`{"incident":{"type":"incident","title":"x","service":{"id":"PSV0001"}}}`)).WithContext(gone)
	r.Header.Set("Authorization", "Token token=full-key")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("From", "ann@example.com")
	b.ServeHTTP(httptest.NewRecorder(), r)
	if n := len(b.Incidents()); n != 1 {
		t.Errorf("%d incidents, want 1", n)
	}
}

func TestAFaultSpeaksAsPagerDutyUnlessToldWhatToSay(t *testing.T) {
	b := newBench(t)
	fault := func(f Fault) (*http.Response, string) {
		t.Helper()
		b.ClearFaults()
		if err := b.Fault(f); err != nil {
			t.Fatal(err)
		}
		return b.ask(ask{}, "GET", "/oncalls", nil)
	}
	if resp, text := fault(Fault{Status: 429}); resp.Header.Get("ratelimit-remaining") != "0" || !strings.Contains(text, `"code":2020`) {
		t.Errorf("429: %v %s", resp.Header, text)
	}
	if resp, text := fault(Fault{Status: 429, Body: ""}); resp.Header.Get("ratelimit-remaining") != "" || text != "" {
		t.Errorf("a 429 without headers and body: %v %s", resp.Header, text)
	}
	if resp, text := fault(Fault{Status: 502}); resp.Header.Get("Content-Type") != "text/html" || !strings.Contains(text, "<html>") {
		t.Errorf("502: %v %s", resp.Header, text)
	}
	if _, text := fault(Fault{Status: 401}); !strings.Contains(text, `"code":2006`) {
		t.Errorf("401: %s", text)
	}
	if resp, text := fault(Fault{Status: 200, Body: obj{"oncalls": nil}, Headers: map[string]string{"X-Test": "1"}}); text != `{"oncalls":null}`+"\n" || resp.Header.Get("X-Test") != "1" {
		t.Errorf("a body of its own: %v %s", resp.Header, text)
	}
}

func TestALongContentLengthCutsTheAnswerShort(t *testing.T) {
	b := newBench(t)
	if err := b.Fault(Fault{Status: 200, Body: `{"oncalls":[`, Headers: map[string]string{"Content-Length": "1000"}}); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(b.url + "/oncalls")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading to the end: %v, want an unexpected EOF", err)
	}
}

func TestAStarInAFaultsPathStandsForOneSegment(t *testing.T) {
	for path, want := range map[string]bool{
		"/incidents/Q1/notes": true, "/incidents/Q1": false, "/incidents/Q1/notes/N1": false, "/incidents": false, "/incidents/Q1/alerts": false,
	} {
		if got := matchPath("/incidents/*/notes", path); got != want {
			t.Errorf("%s matches: %v, want %v", path, got, want)
		}
	}
}

func TestAFaultThatCannotBeIsRefusedWithAReason(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct{ order, reason string }{
		{`{"match":{"path":"/users"}}`, "the fault does nothing: give a status, a body, a delay or drop"},
		{`{"match":{"path":"users"},"status":500}`, `path "users" does not begin with /`},
		{`{"match":{},"when":"later","status":500}`, `when is "later": use before or after`},
		{`{"match":{},"delay":"800"}`, `delay "800": write a duration such as 800ms`},
		{`{"match":{},"status":500,"times":0}`, "times is 0: leave it out for ever, or say how often"},
		{`{"match":{},"stats":500}`, `read the fault: json: unknown field "stats"`},
	} {
		if got := b.call(400, "POST", "/_sim/faults", tt.order)["error"]; got != tt.reason {
			t.Errorf("%s: %v, want %s", tt.order, got, tt.reason)
		}
	}
}

func TestCallsAreRecordedControlIsNot(t *testing.T) {
	b := newBench(t)
	b.get("/users?query=ann")
	b.call(200, "GET", "/_sim/state", nil)
	want := []Call{{Method: "GET", Path: "/users", Query: "query=ann", Status: 200, At: monday, From: "ann@example.com"}}
	if diff := cmp.Diff(want, b.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if _, text := b.ask(ask{}, "GET", "/_sim/calls", nil); !strings.Contains(text, `"path":"/users"`) {
		t.Errorf("over HTTP: %s", text)
	}
	b.call(200, "DELETE", "/_sim/calls", nil)
	if n := len(b.Calls()); n != 0 {
		t.Errorf("%d calls after they were cleared", n)
	}
}
