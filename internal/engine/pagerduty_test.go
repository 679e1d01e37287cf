package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// The numbers in these names are those of the observed behaviour of Teleport's plugin, each with what is right here.

func (h *harness) fault(f pdsim.Fault) {
	h.t.Helper()
	h.must(h.sim.Fault(f))
}

func (h *harness) wantOneIncident(id, status string) pdsim.Incident {
	h.t.Helper()
	list := h.incidentsAbout(id)
	if len(list) != 1 || list[0].Status != status {
		h.t.Fatalf("PagerDuty has %d incidents about %s (%+v), want one that is %s", len(list), id, list, status)
	}
	return list[0]
}

func TestARequestOpensOneIncidentReviewsAreNotesAndTheDecisionResolvesIt(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		id := h.asked("cy@example.com", "editor")
		i := h.wantOneIncident(id, pdsim.Triggered)
		if i.Service != "PSV0002" || !strings.Contains(i.Title, "cy@example.com") || !strings.Contains(i.Details, "to mend it") || !strings.Contains(i.Details, id) {
			t.Errorf("incident is %+v", i)
		}
		h.review("rev@example.com", id, core.Approved)
		h.run()
		i = h.wantOneIncident(id, pdsim.Resolved)
		if len(i.Notes) != 2 || !strings.Contains(i.Notes[0].Content, "rev@example.com approved") || !strings.Contains(i.Notes[1].Content, "has been approved") {
			t.Errorf("notes are %+v, want the review and then the decision", i.Notes)
		}
	})
}

func TestItem17To20TheIncidentIsCommittedBeforeTheCallAndFoundAgainAfterACrash(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		// PagerDuty makes the incident, the answer is lost, and it cannot be asked either.
		h.fault(pdsim.Fault{Method: "POST", Path: "/incidents", When: pdsim.After, Drop: true, Times: 1})
		h.fault(pdsim.Fault{Method: "GET", Path: "/incidents", Status: http.StatusInternalServerError})
		id := h.asked("cy@example.com", "editor")
		h.wantOneIncident(id, pdsim.Triggered)
		if s := h.story(id); s.Incidents[0].State != core.IncidentWanted || s.Incidents[0].Error == "" {
			t.Errorf("after a lost answer the incident is %+v, want wanted with an error to read", s.Incidents[0])
		}
		h.sim.ClearFaults()
		h.advance(2 * time.Second)
		h.wantOneIncident(id, pdsim.Triggered)
		if s := h.story(id); s.Incidents[0].State != core.IncidentOpen || s.Incidents[0].PagerDutyID == "" {
			t.Errorf("later the incident is %+v, want open", s.Incidents[0])
		}
	})
}

func TestAnIncidentThatAPersonResolvedMeanwhileIsNotMadeAgain(t *testing.T) {
	h := newHarness(t)
	h.fault(pdsim.Fault{Method: "POST", Path: "/incidents", When: pdsim.After, Drop: true, Times: 1})
	id := h.asked("cy@example.com", "editor")
	h.resolveByHand(h.wantOneIncident(id, pdsim.Triggered).ID)
	h.advance(2 * time.Second)
	h.wantOneIncident(id, pdsim.Resolved)
	h.review("rev@example.com", id, core.Approved)
	h.run()
	h.wantOneIncident(id, pdsim.Resolved)
}

func TestItem16And15EveryNotifyServiceIsHonoured(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor], annotations: {pagerduty_notify_service: [Teleport Access Request Notifications, Operations]}}}}}`)
	id := h.asked("cy@example.com", "editor")
	if list := h.incidentsAbout(id); len(list) != 2 || list[0].Service == list[1].Service {
		t.Errorf("incidents are %+v, want one on each of two services", list)
	}
}

func TestItem21ARepeatedJobMakesNoSecondIncident(t *testing.T) {
	h := newHarness(t)
	id := h.asked("cy@example.com", "editor")
	for range 3 {
		h.must(h.SyncIncident(t.Context(), h.story(id).Incidents[0].ID))
		h.must(h.Decide(t.Context(), id))
	}
	h.wantOneIncident(id, pdsim.Triggered)
}

// asvs: 16.5.2
func TestItem22And37AnErrorIsNeverReadAsNotOnCallAndIsTriedAgain(t *testing.T) {
	tests := []struct {
		name  string
		fault pdsim.Fault
	}{
		{"429 with headers", pdsim.Fault{Status: http.StatusTooManyRequests}},
		{"429 bare", pdsim.Fault{Status: http.StatusTooManyRequests, Body: ""}},
		{"500", pdsim.Fault{Status: http.StatusInternalServerError}},
		{"502 with HTML", pdsim.Fault{Status: http.StatusBadGateway}},
		{"401", pdsim.Fault{Status: http.StatusUnauthorized}},
		{"403", pdsim.Fault{Status: http.StatusForbidden}},
		{"404", pdsim.Fault{Status: http.StatusNotFound}},
		{"an empty body", pdsim.Fault{Status: http.StatusOK, Body: ""}},
		{"truncated JSON", pdsim.Fault{Status: http.StatusOK, Body: `{"oncalls": [`}},
		{"an empty page with more", pdsim.Fault{Status: http.StatusOK, Body: map[string]any{"oncalls": []any{}, "more": true, "limit": 100, "offset": 0}}},
		{"an answer without its list", pdsim.Fault{Status: http.StatusOK, Body: map[string]any{}}},
		{"a dropped connection", pdsim.Fault{Drop: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			h.clock.advance(2 * time.Minute) // what is known is too old
			tt.fault.Method, tt.fault.Path = "GET", "/oncalls"
			h.fault(tt.fault)
			r := h.ask("ann@example.com", "demo-role")
			if trouble := h.run(); core.KindOf(trouble["decide"]) != core.Unavailable {
				t.Errorf("decide says %v, want an error that is tried again", trouble["decide"])
			}
			h.wantState(r.ID, core.Pending)
			h.wantSaid(r.ID, "on-call data is stale")
			h.sim.ClearFaults()
			h.advance(time.Minute)
			h.wantState(r.ID, core.Approved)
		})
	}
}

func TestItem32To35ANoteThatFailedIsPostedLaterAndOnce(t *testing.T) {
	for _, when := range []string{pdsim.Before, pdsim.After} {
		t.Run(when, func(t *testing.T) {
			h := newHarness(t)
			id := h.asked("cy@example.com", "editor")
			h.fault(pdsim.Fault{Method: "POST", Path: "/incidents/*/notes", When: when, Drop: true, Times: 1})
			h.review("rev@example.com", id, core.Denied)
			h.run()
			h.wantOneIncident(id, pdsim.Triggered)
			h.advance(2 * time.Second)
			if i := h.wantOneIncident(id, pdsim.Resolved); len(i.Notes) != 2 {
				t.Errorf("notes are %+v, want two", i.Notes)
			}
		})
	}
}

func TestItem34AResolutionThatFailedIsDoneLater(t *testing.T) {
	h := newHarness(t)
	id := h.asked("cy@example.com", "editor")
	h.fault(pdsim.Fault{Method: "PUT", Path: "/incidents/*", Status: 500})
	h.fault(pdsim.Fault{Method: "PUT", Path: "/incidents", Status: 500})
	h.review("rev@example.com", id, core.Denied)
	h.run()
	h.wantOneIncident(id, pdsim.Triggered)
	h.sim.ClearFaults()
	h.advance(5 * time.Second)
	h.wantOneIncident(id, pdsim.Resolved)
}

func TestItem33ExpiryIsNotedAndResolves(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		id := h.asked("cy@example.com", "editor")
		h.advance(8 * 24 * time.Hour)
		h.wantState(id, core.Expired)
		if i := h.wantOneIncident(id, pdsim.Resolved); len(i.Notes) != 1 || !strings.Contains(i.Notes[0].Content, "expired") {
			t.Errorf("notes are %+v, want one about the expiry", i.Notes)
		}
	})
}

func TestItem38JobsThatWereLostAreFoundBySweeping(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.jobs.held = true // the process dies after the commit
		editor := h.ask("cy@example.com", "editor")
		demo := h.ask("ann@example.com", "demo-role")
		h.jobs.held = false
		h.advance(3 * time.Second)
		h.wantOneIncident(editor.ID, pdsim.Triggered)
		h.wantState(demo.ID, core.Approved)
		h.wantAccess("ann@example.com", true)
	})
}

func TestAnAutomaticApprovalAlsoOpensAndResolvesItsIncident(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {pagerduty_services: [My Critical Service], pagerduty_notify_service: [Teleport Access Request Notifications]}}}}}`)
	id := h.asked("ann@example.com", "demo-role")
	h.wantState(id, core.Approved)
	h.wantOneIncident(id, pdsim.Resolved)
}

func TestAServiceThatVanishedIsAVisibleErrorAndNothingIsLost(t *testing.T) {
	h := newHarness(t)
	h.fault(pdsim.Fault{Method: "POST", Path: "/incidents", Status: 400, Body: map[string]any{"error": map[string]any{"message": "Invalid Input Provided", "code": 2001, "errors": []string{"Service not found"}}}, Times: 1})
	id := h.asked("cy@example.com", "editor")
	if s := h.story(id); !strings.Contains(s.Incidents[0].Error, "Service not found") {
		t.Errorf("incident says %q", s.Incidents[0].Error)
	}
	h.advance(2 * time.Minute)
	h.wantOneIncident(id, pdsim.Triggered)
}
