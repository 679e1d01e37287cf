package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// wantIncidents commits one incident for each service that the request's rules notify. The
// call to PagerDuty is a job's.
func (e *Engine) wantIncidents(tx *txn, r core.Request) error {
	seen := map[string]bool{}
	for _, rule := range r.Rules {
		for _, service := range rule.Notify {
			if seen[service] {
				continue
			}
			seen[service] = true
			if err := e.wantIncident(tx, core.Incident{
				ID: "inc_" + digestID(r.ID, service), RequestID: r.ID, Service: service,
				Key:     "sallyport/request/" + r.ID,
				Title:   fmt.Sprintf("Access request from %s: %s", r.User, strings.Join(asked(r), ", ")),
				Details: e.details(r),
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// wantIncident commits that PagerDuty shall have an incident. Its account is settled now: the
// default may be another one when it is resolved.
func (e *Engine) wantIncident(tx *txn, i core.Incident) (err error) {
	if i.Account == "" {
		if i.Account, err = defaultAccount(tx); err != nil {
			return err
		}
	}
	i.State, i.CreatedAt = core.IncidentWanted, tx.now
	if err := tx.PutIncident(i); err != nil {
		return err
	}
	err = tx.audit(engineActor, "incident.open", "incident/"+i.ID, detail{"service": i.Service, "key": i.Key, "request": i.RequestID})
	if err != nil {
		return err
	}
	return tx.Enqueue(core.Job{Kind: core.JobIncident, ID: i.ID})
}

// details is the body of a request's incident: who, what, why, the id and the link.
func (e *Engine) details(r core.Request) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s asks for %s, for %s.", r.User, strings.Join(asked(r), ", "), r.Duration)
	if r.Author != r.User {
		line("Asked by: %s", r.Author)
	}
	if r.Reason != "" {
		line("Reason: %s", r.Reason)
	}
	line("Request: %s", r.ID)
	line("Created: %s", r.CreatedAt.UTC().Format(time.RFC1123))
	if e.PublicURL != "" {
		line("Link: %s/requests/%s", strings.TrimRight(e.PublicURL, "/"), r.ID)
	}
	line("Approve: sallyport request approve %s", r.ID)
	line("Deny: sallyport request deny %s", r.ID)
	return b.String()
}

func asked(r core.Request) []string {
	if len(r.Resources) > 0 {
		return resourceNames(r.Resources)
	}
	return r.Roles
}

// noteReview tells the request's incidents of a review.
func (e *Engine) noteReview(tx *txn, r core.Request, v core.Review) error {
	verb := "approved"
	if v.State == core.Denied {
		verb = "denied"
	}
	text := fmt.Sprintf("%s %s this request at %s.", v.Author, verb, v.CreatedAt.UTC().Format(time.RFC1123))
	if v.Reason != "" {
		text += "\nReason: " + v.Reason
	}
	return e.eachIncident(tx, r, func(i *core.Incident) bool {
		addNote(i, text)
		return true
	})
}

// resolveIncidents tells the request's incidents how it ended, and has them resolved.
func (e *Engine) resolveIncidents(tx *txn, r core.Request) error {
	text := fmt.Sprintf("Access request has been %s by %s.", strings.ToLower(string(r.State)), r.Decision.By)
	if len(r.Decision.Reasons) > 0 && r.Decision.Reasons[0].Text != "" {
		text += "\n" + r.Decision.Reasons[0].Text
	}
	return e.eachIncident(tx, r, func(i *core.Incident) bool {
		if i.Resolve {
			return false
		}
		addNote(i, text)
		i.Resolve = true
		return true
	})
}

func addNote(i *core.Incident, text string) {
	i.Notes = append(i.Notes, core.Note{Seq: len(i.Notes) + 1, Text: text})
}

// notifies reports whether a request has incidents, as its frozen rules tell. Most have none.
func notifies(r core.Request) bool {
	return slices.ContainsFunc(r.Rules, func(rule core.ApprovalRule) bool { return len(rule.Notify) > 0 })
}

// eachIncident changes the incidents of a request, and has PagerDuty told where change says so.
func (e *Engine) eachIncident(tx *txn, r core.Request, change func(*core.Incident) bool) error {
	if !notifies(r) {
		return nil
	}
	list, err := tx.Incidents(IncidentQuery{RequestID: r.ID})
	if err != nil {
		return err
	}
	for _, i := range list {
		if isResidue(i) || !change(&i) {
			continue
		}
		if err := tx.PutIncident(i); err != nil {
			return err
		}
		if err := tx.Enqueue(core.Job{Kind: core.JobIncident, ID: i.ID}); err != nil {
			return err
		}
	}
	return nil
}

// SyncIncident brings one incident at PagerDuty up to what we want of it: created once, its
// notes in order, resolved. Each call is committed before it is made. After one whose answer
// was lost, PagerDuty is asked what it has before anything is sent again.
func (e *Engine) SyncIncident(ctx context.Context, id string) error {
	unlock, err := e.keys.lock(ctx, "incident/"+id)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(ctx, effectTime) // it begins before the lease, and so ends before it
	defer cancel()
	i, doubtful, err := e.takeIncident(ctx, id)
	if err != nil || i.ID == "" {
		return err
	}
	trouble := e.bringIncident(ctx, &i, doubtful)
	return e.storeIncident(ctx, i, trouble)
}

// takeIncident commits that this run is about to call PagerDuty. The empty incident means
// that there is nothing to do now. doubtful is the incident as it stood before: what was
// tried already has an unknown outcome.
func (e *Engine) takeIncident(ctx context.Context, id string) (mine, doubtful core.Incident, err error) {
	err = e.write(ctx, func(tx *txn) error {
		mine, doubtful = core.Incident{}, core.Incident{}
		i, err := tx.Incident(id)
		if err != nil || i.Done() {
			return err
		}
		if tx.now.Before(i.RetryAt) {
			tx.wakeAt(i.RetryAt)
			return nil
		}
		doubtful = i
		doubtful.Notes = append([]core.Note(nil), i.Notes...)
		i.TriedAt, i.RetryAt = tx.now, tx.now.Add(leaseTime)
		for n := range i.Notes {
			i.Notes[n].Tried = i.Notes[n].Tried || !i.Notes[n].Posted
		}
		mine = i
		return tx.PutIncident(i)
	})
	return mine, doubtful, err
}

// bringIncident makes the calls, one after the other, and notes in i what came of each.
func (e *Engine) bringIncident(ctx context.Context, i *core.Incident, before core.Incident) error {
	if i.ServiceID == "" {
		id, err := e.Pager.ServiceID(ctx, i.Account, i.Service)
		if err != nil {
			return err
		}
		i.ServiceID = id
	}
	if i.State == core.IncidentWanted {
		if err := e.createIncident(ctx, i, !before.TriedAt.IsZero()); err != nil {
			return err
		}
	}
	if err := e.postNotes(ctx, i, before); err != nil {
		return err
	}
	if !i.Resolve || i.State == core.IncidentResolved {
		return nil
	}
	if err := e.Pager.ResolveIncident(ctx, i.Account, i.PagerDutyID); err != nil && core.KindOf(err) != core.NotFound {
		return err
	}
	i.State = core.IncidentResolved
	return nil
}

// createIncident creates the incident, unless an earlier try did.
func (e *Engine) createIncident(ctx context.Context, i *core.Incident, tried bool) error {
	if tried {
		found, err := e.Pager.FindIncident(ctx, i.Account, i.ServiceID, i.Key)
		if err != nil {
			return err
		}
		if found != nil {
			i.PagerDutyID, i.URL, i.State = found.ID, found.URL, core.IncidentOpen
			return nil
		}
	}
	made, err := e.Pager.CreateIncident(ctx, i.Account, *i)
	if err != nil {
		return err
	}
	i.PagerDutyID, i.URL, i.State = made.ID, made.URL, core.IncidentOpen
	return nil
}

// postNotes posts the notes that are missing, in order.
func (e *Engine) postNotes(ctx context.Context, i *core.Incident, before core.Incident) error {
	var there []string
	for _, n := range before.Notes {
		if !n.Tried || n.Posted {
			continue
		}
		notes, err := e.Pager.Notes(ctx, i.Account, i.PagerDutyID)
		if err != nil && core.KindOf(err) != core.NotFound {
			return err
		}
		there = notes
		break
	}
	for n := range i.Notes {
		note := &i.Notes[n]
		if note.Posted {
			continue
		}
		if !isThere(there, note.Text) {
			if err := e.Pager.AddNote(ctx, i.Account, i.PagerDutyID, note.Text); err != nil && core.KindOf(err) != core.NotFound {
				return err
			}
		}
		note.Posted = true
	}
	return nil
}

func isThere(notes []string, text string) bool {
	for _, n := range notes {
		if strings.TrimSpace(n) == strings.TrimSpace(text) {
			return true
		}
	}
	return false
}

// storeIncident commits what came of the calls. Notes and wishes that were added meanwhile stay,
// and so does what another run has done that took this one for dead.
func (e *Engine) storeIncident(ctx context.Context, did core.Incident, trouble error) error {
	// The caller may be gone; what PagerDuty has done must be known all the same.
	err := e.writeAnyway(ctx, func(tx *txn) error {
		i, err := tx.Incident(did.ID)
		if err != nil {
			return err
		}
		was := i
		i.Notes = slices.Clone(was.Notes)
		merge(&i, did)
		if i.TriedAt.Equal(did.TriedAt) { // nobody took it over
			i.RetryAt, i.Error, i.Failures = time.Time{}, "", 0
			if trouble != nil {
				i.Failures = was.Failures + 1
				i.Error, i.RetryAt = trouble.Error(), tx.now.Add(incidentBackOff(i.Failures, trouble))
				tx.wakeAt(i.RetryAt)
			}
		}
		if err := tx.PutIncident(i); err != nil {
			return err
		}
		if err := e.auditIncident(tx, was, i); err != nil {
			return err
		}
		if trouble == nil && !i.Done() {
			return tx.Enqueue(core.Job{Kind: core.JobIncident, ID: i.ID})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return trouble
}

// merge adds to an incident what a run has done. Nothing in it ever goes back.
func merge(i *core.Incident, did core.Incident) {
	if i.ServiceID == "" {
		i.ServiceID = did.ServiceID
	}
	if i.PagerDutyID == "" {
		i.PagerDutyID, i.URL = did.PagerDutyID, did.URL
	}
	if i.State == core.IncidentWanted || did.State == core.IncidentResolved {
		i.State = did.State
	}
	for n := range did.Notes {
		i.Notes[n].Posted = i.Notes[n].Posted || did.Notes[n].Posted
	}
}

func (e *Engine) auditIncident(tx *txn, was, is core.Incident) error {
	about := detail{"service": is.Service, "pagerduty_id": is.PagerDutyID, "request": is.RequestID}
	if was.State == core.IncidentWanted && is.State != core.IncidentWanted {
		if err := tx.audit(engineActor, "incident.opened", "incident/"+is.ID, about); err != nil {
			return err
		}
	}
	if was.State != core.IncidentResolved && is.State == core.IncidentResolved {
		return tx.audit(engineActor, "incident.resolved", "incident/"+is.ID, about)
	}
	if is.Error != "" && was.Error == "" {
		return tx.audit(engineActor, "incident.hindered", "incident/"+is.ID, detail{"service": is.Service, "error": is.Error, "request": is.RequestID})
	}
	return nil
}

// incidentBackOff is as long as PagerDuty says; else it doubles from one second to half a
// minute. What only a person can mend is asked about once a minute.
func incidentBackOff(failures int, trouble error) time.Duration {
	var told interface{ RetryIn() time.Duration }
	switch {
	case permanent(trouble):
		return time.Minute
	case errors.As(trouble, &told) && told.RetryIn() > 0:
		return min(told.RetryIn(), longestWait)
	}
	return backOff(failures)
}

// longestWait bounds what we let PagerDuty tell us to wait: its limits are by the minute.
const longestWait = 15 * time.Minute
