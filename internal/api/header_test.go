package api

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
)

// asvs: 3.2.1, 3.4.4, 3.4.6, 4.1.1, 14.2.2, 14.3.2
func TestNoAnswerIsKeptOrTakenForSomethingElse(t *testing.T) {
	h := newHarness(t)
	for path, kind := range map[string]string{
		"/v1/requests": "application/json", "/v1/grants": "application/json", "/v1/audit": "application/json",
		"/v1/requests/none": "application/problem+json", "/v1/nothing": "application/problem+json",
	} {
		r := h.local("GET", path, "")
		for name, want := range map[string]string{"Content-Type": kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
			if got := r.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	if csp := h.local("GET", "/docs", "").Header().Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("other pages may frame /docs: %q", csp)
	}
}

// asvs: 16.2.1, 16.2.2
func TestAnAuditEntrySaysWhenInUTCWhoWhatAndFromWhere(t *testing.T) {
	h := newHarness(t)
	h.ask("bob@example.com")
	r := h.local("GET", "/v1/audit?limit=1000", "")
	for _, e := range into[client.AuditPage](r).Items {
		if e.At.IsZero() || e.Actor == "" || e.Via == "" || e.Action == "" || e.Subject == "" {
			t.Errorf("an entry lacks something: %+v", e)
		}
	}
	if !strings.Contains(r.Body.String(), `"at":"2026-03-02T09:00:00Z"`) {
		t.Errorf("times are not in UTC: %.300s", r.Body)
	}
}
