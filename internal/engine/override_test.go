package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// synced turns the clock and has PagerDuty asked, as it is again and again.
func (h *harness) synced(d time.Duration) time.Time {
	h.t.Helper()
	h.advance(d)
	_, err := h.pd.Roster(h.t.Context(), "", 0)
	h.must(err)
	return h.clock.Now()
}

// override puts Cy on call in the place of Ann, as anybody may who may edit the schedule.
func (h *harness) override(start, end time.Time) {
	h.t.Helper()
	h.send(http.MethodPost, "/schedules/PS00001/overrides", `{"overrides": [{"start": "`+start.Format(time.RFC3339)+`", "end": "`+end.Format(time.RFC3339)+`", "user": {"id": "PUCY001", "type": "user_reference"}}]}`)
}

func TestB023AnOverrideMadeOnTheSpotIsMarkedWhereverTheApprovalIsShown(t *testing.T) {
	h := newHarness(t)
	now := h.synced(time.Minute)
	h.override(now, now.Add(time.Hour))
	h.synced(5 * time.Second)
	r := h.ask("cy@example.com", "demo-role")
	h.run()
	s := h.wantState(r.ID, core.Approved)
	if len(s.Decision.Evidence) == 0 || !s.Decision.Evidence[0].FirstSeen.Equal(now.Add(5*time.Second)) {
		t.Errorf("the evidence is %+v", s.Decision.Evidence)
	}
	h.wantSaid(r.ID, "a new duty: PagerDuty first showed it at 09:01:05 UTC")
	h.wantAudit("access_request.decide", r.ID, "a new duty: PagerDuty first showed it at 09:01:05 UTC")
}

func TestB023WhereAMinimumAgeIsSetANewOverrideTakesPeopleUntilItIsOldEnough(t *testing.T) {
	h := newHarness(t, func(o *engine.Options) { o.MinAge = 10 * time.Minute })
	now := h.synced(time.Minute)
	h.override(now, now.Add(time.Hour))
	h.synced(5 * time.Second)
	r := h.ask("cy@example.com", "demo-role")
	h.run()
	h.wantState(r.ID, core.Pending)
	h.wantSaid(r.ID, "made on the spot, an override or an edit that PagerDuty first showed at 09:01:05 UTC: until 09:11:05 UTC people decide")
	h.wantAudit("access_request.evaluate", r.ID, "made on the spot")
	entries := len(h.entries("access_request.evaluate", r.ID))
	for range 9 {
		h.advance(time.Minute)
	}
	h.wantState(r.ID, core.Pending)
	if n := len(h.entries("access_request.evaluate", r.ID)); n != entries {
		t.Errorf("the log says the same %d times", n)
	}
	h.advance(time.Minute)
	h.wantState(r.ID, core.Approved)
	h.wantAccess("cy@example.com", true)
}

// A shift that was planned is seen before it begins, and whoever is on it is approved at once.
func TestB023APlannedShiftIsNoNewDuty(t *testing.T) {
	h := newHarness(t, func(o *engine.Options) { o.MinAge = 10 * time.Minute })
	h.replace("end: now+2h}]}\n  - {id: PS00003", "end: now+2h}, {user: PUCY001, start: now+2h, end: now+9h}]}\n  - {id: PS00003")
	h.synced(110 * time.Minute)
	for range 10 {
		h.synced(time.Minute)
	}
	r := h.ask("cy@example.com", "demo-role")
	h.run()
	if s := h.wantState(r.ID, core.Approved); !s.Decision.Evidence[0].FirstSeen.IsZero() {
		t.Errorf("the evidence is %+v", s.Decision.Evidence)
	}
}

// entries returns the details of the entries of an action about a request.
func (h *harness) entries(action, id string) (out []string) {
	h.t.Helper()
	entries, err := h.Audit(h.t.Context(), admin, 0, 1000)
	h.must(err)
	for _, e := range entries {
		if e.Action == action && strings.HasSuffix(e.Subject, id) {
			out = append(out, e.Detail)
		}
	}
	return out
}

func (h *harness) wantAudit(action, id, words string) {
	h.t.Helper()
	if got := strings.Join(h.entries(action, id), "\n"); !strings.Contains(got, words) {
		h.t.Errorf("the log says %q about %s of %s, and nothing of %q", got, action, id, words)
	}
}
