package pdsim

import (
	"context"
	"errors"
	"testing"

	"github.com/PagerDuty/go-pagerduty"
)

func TestThePublicGoClientWorks(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	c := pagerduty.NewClient("full-key", pagerduty.WithAPIEndpoint(b.url), pagerduty.WithV2EventsAPIEndpoint(b.url))
	users, err := c.ListUsersWithContext(ctx, pagerduty.ListUsersOptions{Query: "ann", Limit: 100})
	if err != nil || len(users.Users) != 1 || users.Users[0].Email != "Ann@example.com" {
		t.Fatalf("users: %+v, %v", users, err)
	}
	on, err := c.ListOnCallsWithContext(ctx, pagerduty.ListOnCallOptions{UserIDs: []string{"PU0ANN"}, EscalationPolicyIDs: []string{"PE00001"}})
	if err != nil || len(on.OnCalls) != 2 || on.OnCalls[0].Schedule.ID != "PS00001" || on.OnCalls[0].EscalationLevel != 1 {
		t.Fatalf("on call: %+v, %v", on, err)
	}
	services, err := c.ListServicesWithContext(ctx, pagerduty.ListServiceOptions{Query: "payments"})
	if err != nil || len(services.Services) != 1 {
		t.Fatalf("services: %+v, %v", services, err)
	}
	options := &pagerduty.CreateIncidentOptions{
		Title: "It burns", IncidentKey: "k", Service: &pagerduty.APIReference{ID: services.Services[0].ID, Type: "service_reference"},
		Body: &pagerduty.APIDetails{Type: "incident_body", Details: "hot"},
	}
	in, err := c.CreateIncidentWithContext(ctx, "ann@example.com", options)
	if err != nil || in.Status != "triggered" || in.IncidentKey != "k" {
		t.Fatalf("incident: %+v, %v", in, err)
	}
	var refused pagerduty.APIError
	if _, err := c.CreateIncidentWithContext(ctx, "ann@example.com", options); !errors.As(err, &refused) || refused.StatusCode != 400 || refused.APIError.ErrorObject.Code != 2002 {
		t.Errorf("the same key again: %v", err)
	}
	note, err := c.CreateIncidentNoteWithContext(ctx, in.ID, pagerduty.IncidentNote{Content: "hello", User: pagerduty.APIObject{Summary: "ann@example.com"}})
	if err != nil || note.Content != "hello" {
		t.Fatalf("note: %+v, %v", note, err)
	}
	if _, err := c.ManageIncidentsWithContext(ctx, "ann@example.com", []pagerduty.ManageIncidentsOptions{{ID: in.ID, Status: "resolved"}}); err != nil {
		t.Fatal(err)
	}
	if got := b.Incidents()[0]; got.Status != Resolved || got.Details != "hot" || len(got.Notes) != 1 {
		t.Errorf("incident: %+v", got)
	}
	event := &pagerduty.V2Event{
		RoutingKey: "00000000000000000000000000000001", Action: "trigger", DedupKey: "d",
		Payload: &pagerduty.V2Payload{Summary: "disk full", Source: "db1", Severity: "critical"},
	}
	answer, err := c.ManageEventWithContext(ctx, event)
	if err != nil || answer.Status != "success" || answer.DedupKey != "d" || len(b.Incidents()) != 2 {
		t.Errorf("event: %+v, %v", answer, err)
	}
}
