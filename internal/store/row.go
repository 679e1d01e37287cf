package store

import (
	"reflect"
	"sync"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store/db"
)

func rowOfRequest(r core.Request) db.PutRequestParams {
	return db.PutRequestParams{
		ID: r.ID, UserName: r.User, Author: r.Author, State: string(r.State),
		CreatedAt: micros(r.CreatedAt), ExpiresAt: micros(r.ExpiresAt), Body: encode(bodyOfRequest(r)),
	}
}

// requestOf makes a request without its reviews.
func requestOf(row db.Request) (core.Request, error) {
	r := core.Request{
		ID: row.ID, User: row.UserName, Author: row.Author, State: core.RequestState(row.State),
		CreatedAt: moment(row.CreatedAt), ExpiresAt: moment(row.ExpiresAt),
	}
	var b requestBody
	if err := decode("request", row.ID, row.Body, &b); err != nil {
		return core.Request{}, err
	}
	b.fill(&r)
	return r, nil
}

func rowOfReview(request string, position int, v core.Review) db.PutReviewParams {
	return db.PutReviewParams{
		RequestID: request, Author: v.Author, Position: int64(position), Human: v.Human,
		State: string(v.State), Reason: v.Reason, CreatedAt: micros(v.CreatedAt), CountsFor: encode(v.CountsFor),
	}
}

func reviewOf(row db.Review) (core.Review, error) {
	v := core.Review{
		Author: row.Author, Human: row.Human, State: core.RequestState(row.State),
		Reason: row.Reason, CreatedAt: moment(row.CreatedAt),
	}
	return v, decode("a review of request", row.RequestID, row.CountsFor, &v.CountsFor)
}

func rowOfGrant(g core.Grant) db.PutGrantParams {
	row := db.PutGrantParams{
		ID: g.ID, RequestID: g.RequestID, UserName: g.User, Target: g.Target, Name: g.Name,
		State: string(g.State), Duration: g.Duration.Microseconds(), NotBefore: micros(g.NotBefore),
		StartsAt: micros(g.StartsAt), EndsAt: micros(g.EndsAt), EndedAt: micros(g.EndedAt),
		EndCause: string(g.EndCause), EndedBy: g.EndedBy, UntilOffCall: g.Rule.UntilOffCall,
		OffCallAt: micros(g.OffCallAt), FirstAt: micros(g.FirstAt), Error: g.Error,
	}
	if b := bodyOfRule(g.Rule); !reflect.ValueOf(b).IsZero() {
		row.Rule = encode(b)
	}
	return row
}

func (k *knownRules) grantOf(row db.AccessGrant) (core.Grant, error) {
	g := core.Grant{
		ID: row.ID, RequestID: row.RequestID,
		Entitlement: core.Entitlement{User: row.UserName, Resource: core.Resource{Target: row.Target, Name: row.Name}},
		State:       core.GrantState(row.State), Duration: length(row.Duration), NotBefore: moment(row.NotBefore),
		StartsAt: moment(row.StartsAt), EndsAt: moment(row.EndsAt), EndedAt: moment(row.EndedAt),
		EndCause: core.EndCause(row.EndCause), EndedBy: row.EndedBy,
		OffCallAt: moment(row.OffCallAt), FirstAt: moment(row.FirstAt), Error: row.Error,
	}
	if row.Rule == "" {
		return g, nil
	}
	rule, err := k.noun(row.ID, row.Rule)
	g.Rule = rule
	return g, err
}

// KnownRules are the rules that grants were read with lately. Most grants share one of few, and
// to read it anew would take longer than to read the row. Nobody changes a rule in place.
type knownRules struct {
	mu    sync.Mutex
	known map[string]core.ApprovalRule
}

// mostRules bounds what is remembered.
const mostRules = 1000

func (k *knownRules) noun(grant, text string) (core.ApprovalRule, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, known := k.known[text]; known {
		return r, nil
	}
	var b ruleBody
	if err := decode("grant", grant, text, &b); err != nil {
		return core.ApprovalRule{}, err
	}
	if k.known == nil || len(k.known) >= mostRules {
		k.known = map[string]core.ApprovalRule{}
	}
	r := b.noun()
	k.known[text] = r
	return r, nil
}

func rowOfIncident(i core.Incident) db.PutIncidentParams {
	return db.PutIncidentParams{
		ID: i.ID, RequestID: i.RequestID, Account: i.Account, Service: i.Service, ServiceID: i.ServiceID,
		Key: i.Key, Title: i.Title, Details: i.Details, State: string(i.State), PagerdutyID: i.PagerDutyID,
		Url: i.URL, TriedAt: micros(i.TriedAt), CreatedAt: micros(i.CreatedAt), Resolve: i.Resolve,
		Error: i.Error, RetryAt: micros(i.RetryAt), Failures: int64(i.Failures), Done: i.Done(),
	}
}

// incidentOf makes an incident without its notes.
func incidentOf(row db.Incident) core.Incident {
	return core.Incident{
		ID: row.ID, RequestID: row.RequestID, Account: row.Account, Service: row.Service, ServiceID: row.ServiceID,
		Key: row.Key, Title: row.Title, Details: row.Details, State: core.IncidentState(row.State),
		PagerDutyID: row.PagerdutyID, URL: row.Url, TriedAt: moment(row.TriedAt), CreatedAt: moment(row.CreatedAt),
		Resolve: row.Resolve, Error: row.Error, RetryAt: moment(row.RetryAt), Failures: int(row.Failures),
	}
}

func rowOfNote(incident string, n core.Note) db.PutNoteParams {
	return db.PutNoteParams{IncidentID: incident, Seq: int64(n.Seq), Text: n.Text, Tried: n.Tried, Posted: n.Posted}
}

func noteOf(row db.Note) core.Note {
	return core.Note{Seq: int(row.Seq), Text: row.Text, Tried: row.Tried, Posted: row.Posted}
}

func rowOfHolding(h engine.Holding) db.PutHoldingParams {
	return db.PutHoldingParams{
		UserName: h.User, Target: h.Target, Name: h.Name, Fresh: h.Fresh, PreExisting: h.PreExisting, Owner: h.Owner,
		OwnedUntil: micros(h.OwnedUntil), RetryAt: micros(h.RetryAt), Failures: int64(h.Failures), Error: h.Error,
	}
}

func holdingOf(row db.Holding) engine.Holding {
	return engine.Holding{
		Entitlement: core.Entitlement{User: row.UserName, Resource: core.Resource{Target: row.Target, Name: row.Name}},
		Fresh:       row.Fresh, PreExisting: row.PreExisting, Owner: row.Owner, OwnedUntil: moment(row.OwnedUntil),
		RetryAt: moment(row.RetryAt), Failures: int(row.Failures), Error: row.Error,
	}
}

func documentOf(row db.Document) core.Document {
	return core.Document{
		Kind: row.Kind, Name: row.Name, Version: row.Version, Body: row.Body,
		CreatedAt: moment(row.CreatedAt), UpdatedAt: moment(row.UpdatedAt),
	}
}

func pinOf(row db.Pin) engine.Pin {
	return engine.Pin{
		User: row.UserName, Account: row.Account, PagerDutyUserID: row.PagerdutyUserID,
		Email: row.Email, PinnedAt: moment(row.PinnedAt),
	}
}

func auditOf(row db.Audit) core.AuditEntry {
	return core.AuditEntry{
		Seq: row.Seq, At: moment(row.At), Actor: row.Actor, Via: row.Via, Action: row.Action,
		Subject: row.Subject, Detail: row.Detail, Prev: row.Prev, Hash: row.Hash,
	}
}

func rowOfCredential(c core.Credential) db.PutCredentialParams {
	return db.PutCredentialParams{
		Kind: string(c.Kind), ID: c.ID, UserName: c.User, Author: c.Author, Body: c.Body,
		CreatedAt: micros(c.CreatedAt), ExpiresAt: micros(c.ExpiresAt),
	}
}

func credentialOf(row db.Credential) core.Credential {
	return core.Credential{
		Kind: core.CredentialKind(row.Kind), ID: row.ID, User: row.UserName, Author: row.Author, Body: row.Body,
		CreatedAt: moment(row.CreatedAt), ExpiresAt: moment(row.ExpiresAt),
	}
}
