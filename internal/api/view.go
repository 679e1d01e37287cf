package api

import (
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// list maps a list; none becomes an empty one, so that JSON has [] and never null.
func list[T, U any](in []T, view func(T) U) []U {
	out := make([]U, 0, len(in))
	for _, v := range in {
		out = append(out, view(v))
	}
	return out
}

func same(s string) string { return s }

func viewStory(s engine.Story) client.Request {
	out := viewRequest(s.Request)
	out.Grants = list(s.Grants, viewGrant)
	out.Incidents = list(s.Incidents, viewIncident)
	return out
}

// viewRequest is a request without what came of it.
func viewRequest(r core.Request) client.Request {
	out := client.Request{
		ID: r.ID, User: r.User, Author: r.Author, Roles: list(r.Roles, same), Resources: list(r.Resources, core.Resource.String),
		Reason: r.Reason, State: string(r.State), CreatedAt: r.CreatedAt.UTC(), ExpiresAt: r.ExpiresAt.UTC(),
		Duration: r.Duration.String(), StartAt: r.StartAt.UTC(), Extends: r.Extends, Suggested: r.Suggested,
		Annotations: map[string][]string{}, Thresholds: list(r.Thresholds, viewThreshold), Reviews: list(r.Reviews, viewReview),
		Grants: []client.Grant{}, Incidents: []client.Incident{},
	}
	for name, values := range r.Annotations {
		out.Annotations[name] = list(values, same)
	}
	if ev := r.Evaluation; ev.Outcome != "" {
		out.Evaluation = &client.Evaluation{At: ev.At.UTC(), Outcome: string(ev.Outcome), Reasons: list(ev.Reasons, viewReason), Evidence: list(ev.Evidence, viewEvidence)}
	}
	if d := r.Decision; d != nil {
		out.Decision = &client.Decision{
			State: string(d.State), At: d.At.UTC(), By: d.By, Override: d.Override,
			Reasons: list(d.Reasons, viewReason), Evidence: list(d.Evidence, viewEvidence),
		}
	}
	return out
}

func viewThreshold(t core.Threshold) client.Threshold {
	return client.Threshold{Name: t.Name, Filter: t.Filter, Approve: t.Approve, Deny: t.Deny}
}

func viewReview(v core.Review) client.Review {
	return client.Review{
		Author: v.Author, State: string(v.State), Reason: v.Reason, CreatedAt: v.CreatedAt.UTC(),
		CountsFor: list(v.CountsFor, func(i int) int { return i }),
	}
}

func viewReason(r core.Reason) client.Reason {
	return client.Reason{Check: r.Check, OK: r.OK, Text: r.Text}
}

func viewEvidence(e core.Evidence) client.Evidence {
	return client.Evidence{
		Account: e.Account, User: e.User, Service: e.Service, EscalationPolicy: e.EscalationPolicy, Level: e.Level,
		Schedule: e.Schedule, Start: e.Start.UTC(), End: e.End.UTC(), FetchedAt: e.FetchedAt.UTC(), FirstSeen: e.FirstSeen.UTC(),
	}
}

func viewGrant(g core.Grant) client.Grant {
	return client.Grant{
		ID: g.ID, RequestID: g.RequestID, User: g.User, Entitlement: g.Resource.String(), State: string(g.State),
		Duration: g.Duration.String(), NotBefore: g.NotBefore.UTC(), StartsAt: g.StartsAt.UTC(), EndsAt: g.EndsAt.UTC(),
		EndedAt: g.EndedAt.UTC(), EndCause: string(g.EndCause), EndedBy: g.EndedBy, Error: g.Error,
	}
}

func viewIncident(i core.Incident) client.Incident {
	return client.Incident{
		ID: i.ID, RequestID: i.RequestID, Account: i.Account, Service: i.Service, PagerDutyID: i.PagerDutyID, Key: i.Key,
		Title: i.Title, State: string(i.State), CreatedAt: i.CreatedAt.UTC(), URL: i.URL, Error: i.Error,
	}
}

func viewEntitlement(e core.Entitlement) client.Entitlement {
	return client.Entitlement{User: e.User, Entitlement: e.Resource.String()}
}

func viewDrift(d engine.Drift) client.Drift {
	return client.Drift{User: d.User, Entitlement: d.Resource.String(), Missing: d.Missing, Extra: d.Extra}
}

func viewEntry(e core.AuditEntry) client.AuditEntry {
	return client.AuditEntry{
		Seq: e.Seq, At: e.At.UTC(), Actor: e.Actor, Via: e.Via, Action: e.Action, Subject: e.Subject,
		Detail: e.Detail, Prev: e.Prev, Hash: e.Hash,
	}
}
