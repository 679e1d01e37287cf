package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// rendered shows a page and returns what a browser gets.
func rendered(t *testing.T, p Page) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	show(w, httptest.NewRequest(http.MethodGet, "/", nil), overview(p))
	return w
}

func TestTheOverviewShowsWhoIsOnCallAndWhoHasWhat(t *testing.T) {
	body := rendered(t, Page{
		Now:      now,
		OnCall:   engine.OnCallAnswer{Account: "default", Age: 3 * time.Second, Duties: []core.Evidence{{User: "Ann (PUANN01)", Level: 1, Schedule: "Primary", End: now.Add(time.Hour)}}},
		Requests: []engine.Story{{Request: core.Request{ID: "req_1", User: "ann@example.com", Roles: []string{"demo-role"}, State: core.Approved}}},
		Grants: []core.Grant{{Entitlement: core.Entitlement{User: "ann@example.com", Resource: core.Resource{Target: "demo", Name: "db"}},
			State: core.GrantEnding, EndsAt: now.Add(time.Minute), Error: "demo does not answer"}},
		Incidents: []core.Incident{{PagerDutyID: "Q1", URL: "https://acme.pagerduty.com/incidents/Q1", Service: "Access", State: core.IncidentOpen}},
	}).Body.String()
	for _, want := range []string{"Ann (PUANN01)", "asked 3s ago", `href="/requests/req_1"`, "demo/db", "demo does not answer", "1m0s", `href="https://acme.pagerduty.com/incidents/Q1"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

func TestStaleOnCallDataIsSaid(t *testing.T) {
	if body := rendered(t, Page{Now: now, OnCallErr: "PagerDuty cannot be asked"}).Body.String(); !strings.Contains(body, "PagerDuty cannot be asked") {
		t.Error("the page does not say that PagerDuty cannot be asked")
	}
}

// asvs: 1.1.2, 1.2.1, 3.2.2
func TestWhatPeopleWriteIsTextAndNeverMarkup(t *testing.T) {
	w := rendered(t, Page{
		Now:       now,
		Requests:  []engine.Story{{Request: core.Request{ID: "req_1", Reason: "<script>alert(1)</script>"}}},
		Incidents: []core.Incident{{PagerDutyID: "Q1", URL: "javascript:alert(1)"}},
	})
	body := w.Body.String()
	if strings.Contains(body, "<script") || strings.Contains(body, "javascript:") {
		t.Errorf("markup got through: %s", body)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("content security policy is %q", csp)
	}
}

// asvs: 3.4.3, 3.7.1, 14.2.3
func TestAllThatAPageLoadsIsOurs(t *testing.T) {
	h := Handler(Options{})
	for _, path := range []string{"/static/pico.css", "/static/sallyport.css"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
}
