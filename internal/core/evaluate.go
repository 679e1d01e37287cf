package core

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A RosterAnswer is what could be learned about one account's duties.
type RosterAnswer struct {
	Roster *Roster // the newest there is; nil where there is none
	Err    error   // why nothing fresh enough is to be had; nil when Roster is fresh
}

// An EvaluateInput is everything that the on-call reviewer looks at.
type EvaluateInput struct {
	Request  Request
	Email    string                  // the address by which PagerDuty knows the requester
	Pinned   map[string]string       // account → PagerDuty's user id, where the requester is already matched
	Taken    map[string]string       // account + "/" + PagerDuty's user id → the user who is matched with it
	Rosters  map[string]RosterAnswer // by account
	Reviewer string                  // the name the review would be given by
	MayNot   error                   // why the reviewer may not review this request; nil if it may
	MaxAge   time.Duration           // of the answer that an approval may rest on
	MinAge   time.Duration           // of a duty that was made on the spot; zero: it counts at once
}

// Evaluate is the on-call reviewer: it says whether on-call status approves a request, and why.
//
// Every requested role must be covered by a rule whose on-call condition holds; each rule is
// looked at by itself, so that the services of one role never meet the levels of another.
func Evaluate(in EvaluateInput, now time.Time) Evaluation {
	ev := Evaluation{At: now, Outcome: OutcomePeople, Reasons: make([]Reason, 0, 4)}
	if !slices.ContainsFunc(in.Request.Rules, byOnCall) {
		ev.say("on call", false, "no role that grants %s names a PagerDuty service, schedule or escalation policy", list(wanted(in.Request)))
		return ev
	}
	if in.MayNot != nil {
		ev.say("reviewer", false, "the on-call reviewer cannot approve this: %v", in.MayNot)
		return ev
	}
	ev.add("reviewer", true, in.Reviewer+" may review this request")
	waits := false
	for i := range in.Request.Rules {
		rule := &in.Request.Rules[i]
		if !byOnCall(*rule) {
			continue
		}
		held, wait := ev.look(&in, rule, now)
		waits = waits || wait
		if held {
			bound := in.Rosters[rule.OnCall.Account].Roster.Bind(*rule.OnCall)
			ev.Rules = append(ev.Rules, *rule)
			ev.Rules[len(ev.Rules)-1].OnCall = &bound
		}
	}
	for _, role := range wanted(in.Request) {
		if slices.ContainsFunc(ev.Rules, func(held ApprovalRule) bool { return slices.Contains(held.Roles, role) }) {
			continue
		}
		if len(ev.Rules) > 0 {
			ev.say("coverage", false, "on-call status does not cover %s", role)
		}
		if waits {
			ev.Outcome = OutcomeWait
		}
		return ev
	}
	ev.Outcome = OutcomeApprove
	return ev
}

// look holds one rule against the duties, and reports whether it holds and whether the answer has to wait for PagerDuty.
func (ev *Evaluation) look(in *EvaluateInput, rule *ApprovalRule, now time.Time) (held, wait bool) {
	account := rule.OnCall.Account
	answer := in.Rosters[account]
	if answer.Err != nil || answer.Roster == nil {
		ev.say("on call", false, "on-call data is stale, so people decide until PagerDuty answers: %s", stale(answer.Err))
		return false, true
	}
	roster := answer.Roster
	if ahead := roster.FetchedAt.Sub(now); ahead > time.Second {
		ev.say("on call", false, "on-call data is stale: it is from %s in the future, so one of the clocks is wrong; people decide until PagerDuty answers", ahead.Round(time.Second))
		return false, true
	}
	if age := now.Sub(roster.FetchedAt); age > in.MaxAge {
		ev.say("on call", false, "on-call data is stale: it is %s old, at most %s may be used; people decide until PagerDuty answers", age.Round(time.Second), in.MaxAge)
		return false, true
	}
	for _, what := range roster.Unknown(*rule.OnCall) {
		ev.say("on call", false, "PagerDuty knows no %s, which %s names", what, rule.Origin)
	}
	person, problem := identify(in, roster)
	if problem != "" {
		ev.say("identity", false, "%s", problem)
		return false, false
	}
	if in.Pinned[roster.Account] == person.ID && person.Email != "" && !sameEmail(person.Email, in.Email) {
		ev.say("identity", true, "%s is PagerDuty user %s by an earlier match, although PagerDuty's address for that user is now %s", in.Request.User, person.ID, person.Email)
	}
	evidence := roster.Match(*rule.OnCall, person.ID, now)
	if len(evidence) == 0 {
		ev.say("on call", false, "%s is not on call for %s (%s, asked %s ago)", in.Request.User, rule.OnCall, rule.Origin, now.Sub(roster.FetchedAt).Round(time.Second))
		return false, false
	}
	if evidence = ev.ripe(in, evidence, now); len(evidence) == 0 {
		return false, false
	}
	if ev.Evidence == nil {
		ev.Evidence = evidence[:0] // usually all of it is new
	}
	for _, e := range evidence {
		if slices.Contains(ev.Evidence, e) {
			continue
		}
		ev.Evidence = append(ev.Evidence, e)
		b := append(append(make([]byte, 0, 256), in.Request.User...), " is on call: "...)
		ev.add("on call", true, string(e.appendTo(b)))
	}
	return true, false
}

// ripe leaves out duties that were made too short a time ago for an approval to rest on them.
func (ev *Evaluation) ripe(in *EvaluateInput, evidence []Evidence, now time.Time) []Evidence {
	return slices.DeleteFunc(evidence, func(e Evidence) bool {
		if e.FirstSeen.IsZero() || now.Sub(e.FirstSeen) >= in.MinAge {
			return false
		}
		ev.say("new duty", false, "%s is on call by a duty that was made on the spot, an override or an edit that PagerDuty first showed at %s: until %s people decide (%s)",
			in.Request.User, clockTime(e.FirstSeen), clockTime(e.FirstSeen.Add(in.MinAge)), e)
		return true
	})
}

func clockTime(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }

// identify finds the PagerDuty user who is the requester.
func identify(in *EvaluateInput, roster *Roster) (PagerUser, string) {
	if id := in.Pinned[roster.Account]; id != "" {
		if u, ok := roster.UserByID(id); ok {
			return u, ""
		}
		return PagerUser{}, fmt.Sprintf("%s was matched with PagerDuty user %s, whom PagerDuty no longer has; an administrator can clear the match", in.Request.User, id)
	}
	key, ok := foldEmail(in.Email)
	if !ok {
		return PagerUser{}, fmt.Sprintf("PagerDuty finds people by e-mail address, and %q is none; an administrator can set the trait pagerduty_email of %s", in.Email, in.Request.User)
	}
	u := roster.emails[key]
	if u == nil {
		return PagerUser{}, fmt.Sprintf("PagerDuty has no user with the e-mail address %s; an administrator can set the trait pagerduty_email of %s", in.Email, in.Request.User)
	}
	if other := in.Taken[roster.Account+"/"+u.ID]; other != "" && other != in.Request.User {
		return PagerUser{}, fmt.Sprintf("PagerDuty user %s (%s) is already matched with %s; only an administrator can change that", u.Name, u.ID, other)
	}
	return u.PagerUser, ""
}

// sameEmail reports whether two addresses are one, in the sense of foldEmail.
func sameEmail(a, b string) bool {
	x, ok := foldEmail(a)
	y, alike := foldEmail(b)
	return ok && alike && x == y
}

func (ev *Evaluation) say(check string, ok bool, format string, args ...any) {
	ev.add(check, ok, fmt.Sprintf(format, args...))
}

// add is say for what is said of every approval, where formatting would take most of the time.
func (ev *Evaluation) add(check string, ok bool, text string) {
	ev.Reasons = append(ev.Reasons, Reason{Check: check, OK: ok, Text: text})
}

// byOnCall reports whether a rule approves by on-call status.
func byOnCall(rule ApprovalRule) bool { return rule.OnCall != nil }

func wanted(r Request) []string { return r.Roles }

// Accounts returns the accounts that a request's on-call rules speak of, each once.
func (r Request) Accounts() []string {
	var out []string
	for _, rule := range r.Rules {
		if byOnCall(rule) && !slices.Contains(out, rule.OnCall.Account) {
			out = append(out, rule.OnCall.Account)
		}
	}
	return out
}

// PagerDutyEmail returns the address by which PagerDuty knows a user: the trait
// pagerduty_email, else the name. Only administrators set the trait.
func (u User) PagerDutyEmail() string {
	if v := u.Traits["pagerduty_email"]; len(v) > 0 && strings.TrimSpace(v[0]) != "" {
		return strings.TrimSpace(v[0])
	}
	return u.Name
}

// String says for what a rule wants somebody to be on call.
func (o *OnCallRule) String() string {
	var parts []string
	add := func(one, many string, values []string) {
		switch len(values) {
		case 0:
		case 1:
			parts = append(parts, one+" "+values[0])
		default:
			parts = append(parts, "one of the "+many+" "+list(values))
		}
	}
	add("service", "services", o.Services)
	add("schedule", "schedules", o.Schedules)
	add("escalation policy", "escalation policies", o.EscalationPolicies)
	add("team", "teams", o.Teams)
	if len(parts) == 0 {
		parts = append(parts, "any schedule")
	}
	if len(o.Levels) > 0 {
		levels := make([]string, len(o.Levels))
		for i, l := range o.Levels {
			levels[i] = fmt.Sprint(l)
		}
		parts = append(parts, "on level "+strings.Join(levels, " or "))
	}
	return strings.Join(parts, ", ")
}

// String says what the evidence shows.
func (e Evidence) String() string { return string(e.appendTo(make([]byte, 0, 256))) }

// appendTo appends what String says.
func (e *Evidence) appendTo(b []byte) []byte {
	if e.Service != "" {
		b = append(append(append(b, "service "...), e.Service...), ", "...)
	}
	if e.EscalationPolicy != "" {
		b = append(append(append(b, "escalation policy "...), e.EscalationPolicy...), ", level "...)
		b = append(strconv.AppendInt(b, int64(e.Level), 10), ", "...)
	}
	if e.Schedule != "" {
		b = append(append(append(b, "schedule "...), e.Schedule...), ", "...)
	}
	if e.End.IsZero() {
		b = append(b, "without an end"...)
	} else {
		b = appendTime(append(b, "until "...), e.End)
		b[len(b)-10] = ' '
		b = append(b[:len(b)-4], " UTC"...) // 2026-03-01 15:04 UTC
	}
	b = append(b, " (PagerDuty asked at "...)
	from := len(b)
	b = appendTime(b, e.FetchedAt)
	b = append(append(b[:from], b[len(b)-9:len(b)-1]...), ')') // 15:04:05
	if !e.FirstSeen.IsZero() {
		b = append(append(b, "; a new duty: PagerDuty first showed it at "...), clockTime(e.FirstSeen)...)
	}
	return b
}

// appendTime appends a moment as 2026-03-01T15:04:05Z, the one form that package time writes fast.
func appendTime(b []byte, t time.Time) []byte { return t.UTC().AppendFormat(b, time.RFC3339) }

func list(names []string) string { return strings.Join(names, ", ") }

// stale is why there is no fresh answer, without the words that are said anyway.
func stale(err error) string {
	if err == nil {
		return "there is no answer yet"
	}
	return strings.TrimPrefix(err.Error(), "on-call data is stale: ")
}
