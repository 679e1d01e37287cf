package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// reviewers names who may review a request that is not decided yet. Whoever may see the
// request may know that, so the names are read on the API's own behalf.
func (a *API) reviewers(ctx context.Context, r core.Request) ([]string, error) {
	if r.State != core.Pending {
		return nil, nil
	}
	dir, err := a.Engine.Directory(ctx)
	if err != nil {
		return nil, err
	}
	docs, err := a.Engine.Documents(ctx, engine.Actor{Admin: true, Via: "explain"}, "user")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range docs {
		u, known := dir.User(d.Name)
		if known && !u.Locked && !u.Bot && d.Name != a.Engine.Reviewer && dir.MayReview(d.Name, r) == nil {
			out = append(out, d.Name)
		}
	}
	return out, nil
}

// An explainer collects lines for people who would rather be asleep.
type explainer struct {
	s         engine.Story
	reviewers []string
	now       time.Time
	lines     []string
	next      []string
}

// explain says why a request stands where it stands, and what to do next.
func explain(s engine.Story, reviewers []string, now time.Time) client.Explanation {
	e := &explainer{s: s, reviewers: reviewers, now: now}
	e.say("request %s: %s asks for %s for %s", s.ID, s.User, e.what(), s.Duration)
	if s.Author != s.User {
		e.say("asked by %s, for %s", s.Author, s.User)
	}
	if s.Reason != "" {
		e.say("reason given: %s", s.Reason)
	}
	e.state()
	e.onCall()
	e.reviews()
	e.missing()
	e.access()
	e.paging()
	e.advise()
	for _, text := range e.next {
		e.say("next: %s", text)
	}
	return client.Explanation{Lines: e.lines, Next: list(e.next, same), Request: viewStory(s)}
}

func (e *explainer) say(format string, args ...any) {
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
}

func (e *explainer) todo(format string, args ...any) {
	e.next = append(e.next, fmt.Sprintf(format, args...))
}

// what is asked for.
func (e *explainer) what() string {
	if len(e.s.Resources) > 0 {
		return strings.Join(list(e.s.Resources, core.Resource.String), ", ")
	}
	return strings.Join(e.s.Roles, ", ")
}

func (e *explainer) state() {
	if e.s.State == core.Pending || e.s.Decision == nil {
		e.say("%s: nobody has decided it yet; undecided, it expires at %s", e.s.State, clock(e.s.ExpiresAt))
		return
	}
	d := e.s.Decision
	how := "by " + d.By
	if d.Override {
		how += ", who overrode the reviews as administrator"
	}
	e.say("%s at %s %s", d.State, clock(d.At), how)
	for _, r := range d.Reasons {
		e.say("  %s%s", mark(r.OK), r.Text)
	}
	for _, v := range d.Evidence {
		e.say("  evidence: PagerDuty user %s, %s", v.User, v)
	}
}

func mark(ok bool) string {
	if ok {
		return "yes: "
	}
	return "no: "
}

// onCall says what the on-call reviewer found.
func (e *explainer) onCall() {
	ev := e.s.Evaluation
	if d := e.s.Decision; d != nil && (len(d.Evidence) > 0 || e.s.State != core.Approved && e.s.State != core.Denied) {
		return // it stands among the reasons, or does not matter any more
	}
	lead := ""
	switch ev.Outcome {
	case "":
		if e.s.State == core.Pending {
			e.say("the on-call reviewer has not looked at it yet")
		}
		return
	case core.OutcomeApprove:
		return
	case core.OutcomeWait:
		lead = "on-call status could not be asked for: "
	case core.OutcomePeople:
		lead = "not approved by on-call status: "
	}
	for _, r := range ev.Reasons {
		if !r.OK {
			e.say("%s%s", lead, r.Text)
		}
	}
}

func (e *explainer) reviews() {
	for i, v := range e.s.Reviews {
		text := fmt.Sprintf("%s said %s at %s", v.Author, v.State, clock(v.CreatedAt))
		if v.Reason != "" {
			text += ": " + v.Reason
		}
		if why := e.void(i); why != "" {
			text += " (it does not count: " + why + ")"
		} else if len(v.CountsFor) == 0 {
			text += " (it counts for no threshold)"
		}
		e.say("%s", text)
	}
}

// void says why a review does not count any more.
func (e *explainer) void(i int) string {
	if i < len(e.s.Void) {
		return e.s.Void[i]
	}
	return ""
}

// missing says what a pending request waits for: of every set, one threshold must be met.
func (e *explainer) missing() {
	if e.s.State != core.Pending {
		return
	}
	var said []string
	for _, role := range e.s.Roles {
		for _, set := range e.s.Sets[role] {
			var ways []string
			for _, i := range set {
				if i < len(e.s.Thresholds) && e.s.Thresholds[i].Approve > 0 {
					ways = append(ways, e.threshold(i))
				}
			}
			text := "waits for " + strings.Join(ways, ", or for ")
			if len(ways) > 0 && !slices.Contains(said, text) {
				said = append(said, text)
				e.say("%s", text)
			}
		}
	}
}

// threshold says how many approvals one threshold still lacks.
func (e *explainer) threshold(i int) string {
	t := e.s.Thresholds[i]
	got := 0
	for n, v := range e.s.Reviews {
		if v.State == core.Approved && e.void(n) == "" && slices.Contains(v.CountsFor, i) {
			got++
		}
	}
	left := max(t.Approve-got, 0)
	name := t.Name
	if name == "" {
		name = fmt.Sprint(i + 1)
	}
	text := fmt.Sprintf("%s (threshold %s: %d of %d still missing", count(left, "approval"), name, left, t.Approve)
	if t.Filter != "" {
		text += ", counted by " + t.Filter
	}
	return text + ")"
}

func (e *explainer) access() {
	for _, g := range e.s.Grants {
		text := fmt.Sprintf("access to %s (%s) is %s", g.Resource, g.ID, g.State)
		switch g.State {
		case core.GrantPending:
			if g.NotBefore.After(e.now) {
				text += ": it begins at " + clock(g.NotBefore)
			}
		case core.GrantActive:
			text += fmt.Sprintf(" until %s, for another %s", clock(g.EndsAt), g.EndsAt.Sub(e.now).Round(time.Second))
			if g.Rule.UntilOffCall {
				text += ", and no longer than the shift"
			}
		case core.GrantEnding, core.GrantEnded:
			text += fmt.Sprintf(" since %s: %s", clock(g.EndedAt), causes[g.EndCause])
		case core.GrantFailed:
		}
		if g.Error != "" {
			text += "; trouble: " + g.Error
		}
		e.say("%s", text)
	}
}

var causes = map[core.EndCause]string{
	core.EndTime:             "its time was up",
	core.EndOffCall:          "the shift ended",
	core.EndIncidentResolved: "its incident was resolved",
	core.EndRevoked:          "it was revoked",
	core.EndLocked:           "the user was locked",
	core.EndUserRemoved:      "the user was removed",
}

func (e *explainer) paging() {
	for _, i := range e.s.Incidents {
		var text string
		switch i.State {
		case core.IncidentWanted:
			text = fmt.Sprintf("an incident on %s is not yet at PagerDuty", i.Service)
		default:
			text = fmt.Sprintf("PagerDuty incident %s on %s is %s", i.PagerDutyID, i.Service, i.State)
		}
		if i.URL != "" {
			text += ": " + i.URL
		}
		if i.Error != "" {
			text += "; trouble: " + i.Error
		}
		e.say("%s", text)
	}
}

// clock writes a moment for people.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
