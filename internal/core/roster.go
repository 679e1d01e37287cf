package core

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Roster is the on-call index of one account: everything that a decision needs to
// know from PagerDuty, as it was at one moment. It is built once, indexed, and then only read.
type Roster struct {
	Account   string
	FetchedAt time.Time // when the oldest part of the duties was asked for
	Users     []PagerUser
	Services  []PagerService
	Policies  []PagerPolicy
	Schedules []Named
	Teams     []Named
	Duties    []Duty

	users     map[string]*PagerUser // by id, and by folded e-mail
	services  map[string]*PagerService
	policies  map[string]*PagerPolicy
	schedules map[string]*Named
	teams     map[string]*Named
	duties    map[string][]Duty // by user id
}

// Index prepares the roster for questions. It must be called once, before the roster is shared.
func (r *Roster) Index() *Roster {
	r.users = make(map[string]*PagerUser, 2*len(r.Users))
	for i := range r.Users {
		u := &r.Users[i]
		r.users[u.ID] = u
		if key, ok := foldEmail(u.Email); ok {
			r.users[key] = u
		}
	}
	r.services = byName(r.Services, func(s *PagerService) Named { return Named{s.ID, s.Name} })
	r.policies = byName(r.Policies, func(p *PagerPolicy) Named { return Named{p.ID, p.Name} })
	r.schedules = byName(r.Schedules, func(n *Named) Named { return *n })
	r.teams = byName(r.Teams, func(n *Named) Named { return *n })
	r.duties = make(map[string][]Duty, len(r.Users))
	for _, d := range r.Duties {
		r.duties[d.UserID] = append(r.duties[d.UserID], d)
	}
	return r
}

// byName maps trimmed names and ids to things. An id wins over a thing that is named like it.
func byName[T any](list []T, named func(*T) Named) map[string]*T {
	m := make(map[string]*T, 2*len(list))
	for i := range list {
		m[strings.TrimSpace(named(&list[i]).Name)] = &list[i]
	}
	for i := range list {
		m[named(&list[i]).ID] = &list[i]
	}
	return m
}

// foldEmail returns the form under which an address is compared, and whether it is a plain address at all.
//
// Addresses compare without regard to the case of ASCII letters, and of no others: Unicode
// folding would make a Kelvin sign a "k". Quoted local parts, comments, display names and a
// second "@" are refused, because two systems rarely read them alike.
func foldEmail(s string) (string, bool) {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(s, "\"<>()[]\\,;: \t\r\n") || strings.Contains(domain, "@") {
		return "", false
	}
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			return "", false
		}
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b), true
}

// UserByEmail finds a person by e-mail address.
func (r *Roster) UserByEmail(email string) (PagerUser, bool) {
	key, ok := foldEmail(email)
	if !ok {
		return PagerUser{}, false
	}
	u, ok := r.users[key]
	if !ok {
		return PagerUser{}, false
	}
	return *u, true
}

// UserByID finds a person by PagerDuty's id.
func (r *Roster) UserByID(id string) (PagerUser, bool) {
	u, ok := r.users[id]
	if !ok || u.ID != id {
		return PagerUser{}, false
	}
	return *u, true
}

// Service finds a service by its exact name or its id; both are trimmed.
func (r *Roster) Service(name string) (PagerService, bool) {
	s, ok := r.services[strings.TrimSpace(name)]
	if !ok {
		return PagerService{}, false
	}
	return *s, true
}

// OnCall returns the duties of a person that cover an instant.
func (r *Roster) OnCall(userID string, at time.Time) []Duty {
	var on []Duty
	for _, d := range r.duties[userID] {
		if d.Covers(at) {
			on = append(on, d)
		}
	}
	return on
}

// Describe names a duty's parts, as they go into evidence. service may be empty.
func (r *Roster) Describe(d Duty, service string) Evidence {
	e := Evidence{Account: r.Account, Service: service, Level: d.Level, Start: d.Start, End: d.End, FetchedAt: r.FetchedAt}
	if u, ok := r.users[d.UserID]; ok {
		e.User = fmt.Sprintf("%s (%s)", u.Name, u.ID)
	}
	if p, ok := r.policies[d.EscalationPolicy]; ok {
		e.EscalationPolicy = p.Name
	}
	if s, ok := r.schedules[d.Schedule]; ok {
		e.Schedule = s.Name
	}
	return e
}

// Unknown returns the names in a rule that PagerDuty does not know, each as "service X".
func (r *Roster) Unknown(rule OnCallRule) []string {
	var out []string
	out = append(out, missing("service", rule.Services, r.services)...)
	out = append(out, missing("schedule", rule.Schedules, r.schedules)...)
	out = append(out, missing("escalation policy", rule.EscalationPolicies, r.policies)...)
	return append(out, missing("team", rule.Teams, r.teams)...)
}

func missing[T any](what string, names []string, known map[string]*T) []string {
	var out []string
	for _, n := range names {
		if known[strings.TrimSpace(n)] != nil {
			continue
		}
		text := fmt.Sprintf("%s %q", what, n)
		if near := Nearest(n, keys(known)); near != "" {
			text += fmt.Sprintf(" (did you mean %q?)", near)
		}
		out = append(out, text)
	}
	return out
}

func keys[T any](m map[string]*T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Match returns the evidence that a person is on call in the sense of a rule at an instant:
// one entry for each duty and service that fit. No evidence means not on call.
func (r *Roster) Match(rule OnCallRule, userID string, at time.Time) []Evidence {
	var found []Evidence
	for _, d := range r.duties[userID] {
		if !d.Covers(at) || !r.fits(rule, d) {
			continue
		}
		if len(rule.Services) == 0 {
			if len(rule.Teams) == 0 || r.ofTeam(rule.Teams, r.policyTeams(d.EscalationPolicy)) {
				found = append(found, r.Describe(d, ""))
			}
			continue
		}
		for _, s := range r.servicesOn(rule, d) {
			found = append(found, r.Describe(d, s))
		}
	}
	return found
}

// fits holds a duty against the parts of a rule that speak of the duty alone.
func (r *Roster) fits(rule OnCallRule, d Duty) bool {
	if len(rule.Levels) > 0 && !slices.Contains(rule.Levels, d.Level) {
		return false
	}
	if len(rule.Schedules) > 0 && !r.isOneOf(d.Schedule, rule.Schedules, func(n string) string {
		if s := r.schedules[n]; s != nil {
			return s.ID
		}
		return ""
	}) {
		return false
	}
	if len(rule.EscalationPolicies) > 0 && !r.isOneOf(d.EscalationPolicy, rule.EscalationPolicies, func(n string) string {
		if p := r.policies[n]; p != nil {
			return p.ID
		}
		return ""
	}) {
		return false
	}
	// A rule that names no place means any schedule, which a person on a policy directly is not on.
	anyPlace := len(rule.Services)+len(rule.Schedules)+len(rule.EscalationPolicies)+len(rule.Teams) == 0
	return !anyPlace || d.Schedule != ""
}

func (r *Roster) isOneOf(id string, names []string, resolve func(string) string) bool {
	if id == "" {
		return false
	}
	for _, n := range names {
		if resolve(strings.TrimSpace(n)) == id {
			return true
		}
	}
	return false
}

// servicesOn returns the names of the rule's services whose escalation policy the duty stands on.
func (r *Roster) servicesOn(rule OnCallRule, d Duty) []string {
	var out []string
	for _, n := range rule.Services {
		s := r.services[strings.TrimSpace(n)]
		if s == nil || d.EscalationPolicy == "" || s.EscalationPolicy != d.EscalationPolicy {
			continue
		}
		if len(rule.Teams) == 0 || r.ofTeam(rule.Teams, s.Teams) || r.ofTeam(rule.Teams, r.policyTeams(d.EscalationPolicy)) {
			out = append(out, s.Name)
		}
	}
	return out
}

func (r *Roster) policyTeams(id string) []string {
	if p := r.policies[id]; p != nil {
		return p.Teams
	}
	return nil
}

func (r *Roster) ofTeam(names, ids []string) bool {
	for _, n := range names {
		if t := r.teams[strings.TrimSpace(n)]; t != nil && slices.Contains(ids, t.ID) {
			return true
		}
	}
	return false
}
