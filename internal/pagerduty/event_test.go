package pagerduty

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

func testEvent() Event {
	return Event{
		RoutingKey: "0123456789abcdef0123456789abcdef", Action: Trigger, DedupKey: "srv01/disk", Summary: "disk is full",
		Source: "srv01", Severity: "critical", Timestamp: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
	}
}

func TestAnEventOpensAndClosesAnIncident(t *testing.T) {
	sim := simulate(t, org)
	c := client(t, sim)
	e := testEvent()
	key, err := c.Enqueue(t.Context(), e)
	if err != nil || key != e.DedupKey {
		t.Fatalf("%q, %v", key, err)
	}
	e.Action = Resolve
	if _, err := c.Enqueue(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if all := sim.Incidents(); len(all) != 1 {
		t.Errorf("%d incidents", len(all))
	}
}

func TestEventsGoToTheirOwnHostWithoutTheAccountsKey(t *testing.T) {
	for region, want := range map[string]string{"": "events.pagerduty.com", "eu": "events.eu.pagerduty.com"} {
		f := &fake{}
		f.says("POST /v2/enqueue", 202, `{"status":"success","message":"Event processed","dedup_key":"k"}`)
		c := client(t, f, func(o *Options) { o.Account.Region = region; o.Token = nil })
		if _, err := c.Enqueue(t.Context(), testEvent()); err != nil {
			t.Fatal(err)
		}
		if a := f.calls()[0]; a.host != want || a.header.Get("Authorization") != "" {
			t.Errorf("host %s, authorization %q", a.host, a.header.Get("Authorization"))
		}
	}
	for _, url := range []string{"http://e.example", "http://e.example/", "http://e.example/v2", "http://e.example/v2/enqueue"} {
		h, err := hostsOf(core.Account{EventsURL: url})
		if err != nil || h.events != "http://e.example" {
			t.Errorf("%s: %s, %v", url, h.events, err)
		}
	}
}

func TestEveryRefusalOfAnEventIsTyped(t *testing.T) {
	tests := []struct {
		status   int
		body     string
		kind     core.Kind
		doubtful bool
		says     string
	}{
		{400, `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}`, core.Invalid, false, "32 characters"},
		{400, `{"error":["bad"]}`, core.Invalid, false, "bad"},
		{429, `{"status":"throttle exceeded","message":"Requests for this service are arriving too quickly"}`, core.Unavailable, false, "too quickly"},
		{500, `{"status":"Unrecognized object","message":"broken"}`, core.Unavailable, true, "broken"},
		{503, `<html>`, core.Unavailable, true, "503"},
		{404, ``, core.Unavailable, false, "404"},
		{202, `{"status":"throttled"}`, core.Unavailable, true, "accepted"},
	}
	for _, tt := range tests {
		f := &fake{}
		f.says("POST /v2/enqueue", tt.status, tt.body)
		_, err := client(t, f).Enqueue(t.Context(), testEvent())
		wantKind(t, err, tt.kind, tt.says)
		if Doubtful(err) != tt.doubtful {
			t.Errorf("%d: doubtful is %t", tt.status, Doubtful(err))
		}
	}
}

func TestAnEventWithoutAKeyIsRefusedHere(t *testing.T) {
	e := testEvent()
	e.DedupKey = ""
	_, err := client(t, &fake{}).Enqueue(t.Context(), e)
	wantKind(t, err, core.Invalid, "dedup key")
	e = testEvent()
	e.Details = func() {}
	_, err = client(t, &fake{}).Enqueue(t.Context(), e)
	wantKind(t, err, core.Invalid, "encode")
}

func TestF045AnEventThatIsTooLargeIsCutToFit(t *testing.T) {
	long := strings.Repeat(`"\<é`, 60_000)
	for name, change := range map[string]func(*Event){
		"summary": func(e *Event) { e.Summary = long },
		"details": func(e *Event) { e.Details = map[string]any{"output": long} },
		"many":    func(e *Event) { e.Details = strings.Split(long, "<") },
		"source":  func(e *Event) { e.Source = long },
		"client":  func(e *Event) { e.Client, e.ClientURL = long, long },
		"links":   func(e *Event) { e.Links = []EventLink{{Href: long}} },
		"everything": func(e *Event) {
			e.Summary, e.Group, e.Class, e.Details, e.Links = long, long, long, long, []EventLink{{Href: long}}
		},
	} {
		e := testEvent()
		change(&e)
		data, err := e.encode()
		if err != nil || len(data) > eventLimit {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		var w wireEvent
		if err := json.Unmarshal(data, &w); err != nil || w.DedupKey != e.DedupKey || w.Payload.Summary == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	e := testEvent()
	e.Details = strings.Repeat("x", eventLimit-1000)
	if data, _ := e.encode(); strings.Contains(string(data), "[cut]") || strings.Contains(string(data), `"cut"`) {
		t.Error("what fits is cut")
	}
}
