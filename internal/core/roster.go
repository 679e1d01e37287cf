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

	people    map[string]*person // by id; also those who are on duty and not among Users
	emails    map[string]*person // by folded e-mail
	services  map[string]*PagerService
	policies  map[string]*PagerPolicy
	schedules map[string]*Named
	teams     map[string]*Named
}

// A person is somebody with their duties.
type person struct {
	PagerUser        // zero where only duties are known
	label     string // as evidence names them
	duties    []Duty
}

// Index prepares the roster for questions. It must be called once, before the roster is shared.
func (r *Roster) Index() *Roster {
	r.people = make(map[string]*person, len(r.Users))
	r.emails = make(map[string]*person, len(r.Users))
	for _, u := range r.Users {
		p := &person{PagerUser: u, label: u.Name + " (" + u.ID + ")"}
		r.people[u.ID] = p
		if key, ok := foldEmail(u.Email); ok {
			if other, there := r.emails[key]; there && (other == nil || other.ID != u.ID) {
				p = nil // an address of two people finds neither
			}
			r.emails[key] = p
		}
	}
	for _, d := range r.Duties {
		p := r.people[d.UserID]
		if p == nil {
			p = &person{}
			r.people[d.UserID] = p
		}
		p.duties = append(p.duties, d)
	}
	r.services = byName(r.Services, func(s *PagerService) Named { return Named{s.ID, s.Name} })
	r.policies = byName(r.Policies, func(p *PagerPolicy) Named { return Named{p.ID, p.Name} })
	r.schedules = byName(r.Schedules, func(n *Named) Named { return *n })
	r.teams = byName(r.Teams, func(n *Named) Named { return *n })
	return r
}

// byName maps trimmed names and ids to things. A name of two things finds neither, and an id
// wins over a thing that is named like it.
func byName[T any](list []T, named func(*T) Named) map[string]*T {
	m := make(map[string]*T, 2*len(list))
	for i := range list {
		thing := &list[i]
		name := strings.TrimSpace(named(thing).Name)
		if other, there := m[name]; there && (other == nil || named(other).ID != named(thing).ID) {
			thing = nil
		}
		m[name] = thing
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
	at, folded := -1, true
	for i := range len(s) {
		switch c := s[i]; c {
		case '@':
			if at >= 0 {
				return "", false
			}
			at = i
		case '"', '<', '>', '(', ')', '[', ']', '\\', ',', ';', ':', ' ', 0x7f:
			return "", false
		default:
			if c < ' ' {
				return "", false
			}
			folded = folded && (c < 'A' || c > 'Z')
		}
	}
	if at <= 0 || at == len(s)-1 {
		return "", false
	}
	if folded {
		return s, true
	}
	b := []byte(s)
	for i, c := range b {
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
	p := r.emails[key]
	if p == nil {
		return PagerUser{}, false
	}
	return p.PagerUser, true
}

// UserByID finds a person by PagerDuty's id.
func (r *Roster) UserByID(id string) (PagerUser, bool) {
	p, ok := r.people[id]
	if !ok || p.label == "" {
		return PagerUser{}, false
	}
	return p.PagerUser, true
}

// dutiesOf returns all duties of a person. Nobody has none.
func (r *Roster) dutiesOf(userID string) []Duty {
	if p := r.people[userID]; p != nil && userID != "" {
		return p.duties
	}
	return nil
}

// Service finds a service by its exact name or its id; both are trimmed.
func (r *Roster) Service(name string) (PagerService, bool) {
	s := r.services[strings.TrimSpace(name)]
	if s == nil {
		return PagerService{}, false
	}
	return *s, true
}

// OnCall returns the duties of a person that cover an instant. Nobody has none.
func (r *Roster) OnCall(userID string, at time.Time) []Duty {
	var on []Duty
	for _, d := range r.dutiesOf(userID) {
		if d.Covers(at) {
			on = append(on, d)
		}
	}
	return on
}

// Describe names a duty's parts, as they go into evidence. service may be empty.
func (r *Roster) Describe(d Duty, service string) Evidence {
	e := Evidence{Account: r.Account, Service: service, Level: d.Level, Start: d.Start, End: d.End, FetchedAt: r.FetchedAt.Truncate(time.Microsecond), FirstSeen: d.FirstSeen}
	if p, ok := r.people[d.UserID]; ok {
		e.User = p.label
	}
	if p := r.policies[d.EscalationPolicy]; p != nil {
		e.EscalationPolicy = p.Name
	}
	if s := r.schedules[d.Schedule]; s != nil {
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
		thing, several := known[strings.TrimSpace(n)]
		if thing != nil {
			continue
		}
		text := fmt.Sprintf("%s %q", what, n)
		if several {
			text += " (several have that name; write the id)"
		} else if near := Nearest(n, keys(known)); near != "" {
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
	for _, d := range r.dutiesOf(userID) {
		if !d.Covers(at) || !r.fits(&rule, &d) {
			continue
		}
		if len(rule.Services) == 0 {
			if len(rule.Teams) == 0 || r.ofTeam(rule.Teams, r.policyTeams(d.EscalationPolicy)) {
				found = append(found, r.Describe(d, ""))
			}
			continue
		}
		for _, n := range rule.Services {
			if s := r.services[strings.TrimSpace(n)]; s != nil && r.serves(&rule, s, &d) {
				found = append(found, r.Describe(d, s.Name))
			}
		}
	}
	return found
}

// Bind returns a rule as it stands in this roster: with its account, and with ids for names, so
// that it goes on meaning the same things when somebody renames them or makes another account
// the default one. A name that is not known stays.
func (r *Roster) Bind(rule OnCallRule) OnCallRule {
	rule.Account = r.Account
	rule.Services = ids(rule.Services, r.services, func(s *PagerService) string { return s.ID })
	rule.Schedules = ids(rule.Schedules, r.schedules, func(n *Named) string { return n.ID })
	rule.EscalationPolicies = ids(rule.EscalationPolicies, r.policies, func(p *PagerPolicy) string { return p.ID })
	rule.Teams = ids(rule.Teams, r.teams, func(n *Named) string { return n.ID })
	return rule
}

func ids[T any](names []string, known map[string]*T, id func(*T) string) []string {
	if len(names) == 0 {
		return nil
	}
	out := make([]string, len(names))
	for i, n := range names {
		if thing := known[strings.TrimSpace(n)]; thing != nil {
			n = id(thing)
		}
		out[i] = n
	}
	return out
}

// fits holds a duty against the parts of a rule that speak of the duty alone.
func (r *Roster) fits(rule *OnCallRule, d *Duty) bool {
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

// serves reports whether a duty stands on the escalation policy of a service of the rule's teams.
func (r *Roster) serves(rule *OnCallRule, s *PagerService, d *Duty) bool {
	if d.EscalationPolicy == "" || s.EscalationPolicy != d.EscalationPolicy {
		return false
	}
	return len(rule.Teams) == 0 || r.ofTeam(rule.Teams, s.Teams) || r.ofTeam(rule.Teams, r.policyTeams(d.EscalationPolicy))
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
