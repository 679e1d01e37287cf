package pdsim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An account is Data with its references followed and its moments fixed.
type account struct {
	data      Data // shifts as RFC 3339
	tokens    map[string]credential
	users     map[string]*User
	emails    map[string]*User // by lower-case address
	teams     map[string]*Team
	schedules map[string]*schedule
	policies  map[string]*EscalationPolicy
	services  map[string]*Service
	keys      map[string]*Service // by integration key
}

// newAccount checks d and follows its references.
func newAccount(d Data, now time.Time) (*account, error) {
	d = d.clone()
	if d.Subdomain == "" {
		d.Subdomain = "acme"
	}
	if d.Region == "" {
		d.Region = "us"
	}
	if d.Region != "us" && d.Region != "eu" {
		return nil, fmt.Errorf("region %q: use us or eu", d.Region)
	}
	if d.Limits.RESTPerMinute <= 0 {
		d.Limits.RESTPerMinute = 960
	}
	if d.Limits.EventsPerMinute <= 0 {
		d.Limits.EventsPerMinute = 120
	}
	a := &account{
		data: d, tokens: map[string]credential{}, users: map[string]*User{}, emails: map[string]*User{},
		teams: map[string]*Team{}, schedules: map[string]*schedule{}, policies: map[string]*EscalationPolicy{},
		services: map[string]*Service{}, keys: map[string]*Service{},
	}
	for _, add := range []func() error{
		a.addUsers, a.addTeams, a.addTokens, func() error { return a.addSchedules(now) }, a.addPolicies, a.addServices,
	} {
		if err := add(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// clone copies what newAccount writes to, so that the caller's Data stays its own.
func (d Data) clone() Data {
	d.Tokens, d.OAuth, d.Webhooks = list(d.Tokens), list(d.OAuth), list(d.Webhooks)
	d.Users, d.Teams, d.Services = list(d.Users), list(d.Teams), list(d.Services)
	d.EscalationPolicies, d.Schedules = list(d.EscalationPolicies), list(d.Schedules)
	for i := range d.Schedules {
		d.Schedules[i].Shifts = list(d.Schedules[i].Shifts)
	}
	return d
}

// list copies a list; none is an empty one, in JSON too.
func list[T any](of []T) []T { return append([]T{}, of...) }

// add puts v under id, which must be new.
func add[T any](m map[string]T, what, id string, v T) error {
	if id == "" {
		return fmt.Errorf("a %s without id: give each one an id of its own", what)
	}
	if _, taken := m[id]; taken {
		return fmt.Errorf("%s %s stands there twice: give each one an id of its own", what, id)
	}
	m[id] = v
	return nil
}

// known checks that all ids are in m.
func known[T any](m map[string]T, where, what string, ids ...string) error {
	for _, id := range ids {
		if _, ok := m[id]; !ok {
			return fmt.Errorf("%s names the %s %q, which is not in the account", where, what, id)
		}
	}
	return nil
}

func (a *account) addUsers() error {
	for i := range a.data.Users {
		u := &a.data.Users[i]
		if err := add(a.users, "user", u.ID, u); err != nil {
			return err
		}
		if !strings.Contains(u.Email, "@") {
			return fmt.Errorf("user %s: email %q is not an e-mail address", u.ID, u.Email)
		}
		if u.Role == "" {
			u.Role = "user"
		}
		if u.TimeZone == "" {
			u.TimeZone = "Etc/UTC"
		}
		if err := add(a.emails, "e-mail address", strings.ToLower(u.Email), u); err != nil {
			return err
		}
	}
	return nil
}

func (a *account) addTeams() error {
	for i := range a.data.Teams {
		t := &a.data.Teams[i]
		if err := add(a.teams, "team", t.ID, t); err != nil {
			return err
		}
		if err := known(a.users, "team "+t.ID, "user", t.Members...); err != nil {
			return err
		}
	}
	return nil
}

func (a *account) addTokens() error {
	for i, t := range a.data.Tokens {
		where := fmt.Sprintf("token %d", i+1) // never the token itself
		c := credential{key: "token:" + t.Token, write: t.Access != "read"}
		if t.Access != "" && t.Access != "full" && t.Access != "read" {
			return fmt.Errorf("%s: access %q: use full or read", where, t.Access)
		}
		if t.User != "" {
			if err := known(a.users, where, "user", t.User); err != nil {
				return err
			}
			c.user, c.key = t.User, "user:"+t.User
		}
		if _, taken := a.tokens[t.Token]; taken || t.Token == "" {
			return fmt.Errorf("%s is empty or stands there twice", where)
		}
		a.tokens[t.Token] = c
	}
	return nil
}

func (a *account) addPolicies() error {
	for i := range a.data.EscalationPolicies {
		p := &a.data.EscalationPolicies[i]
		if err := add(a.policies, "escalation policy", p.ID, p); err != nil {
			return err
		}
		where := "escalation policy " + p.ID
		if err := known(a.teams, where, "team", p.Teams...); err != nil {
			return err
		}
		for level, targets := range p.Rules {
			if err := a.checkLevel(fmt.Sprintf("%s, level %d", where, level+1), targets); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *account) checkLevel(where string, targets []Target) error {
	if len(targets) == 0 || len(targets) > 10 {
		return fmt.Errorf("%s has %d targets: PagerDuty allows 1 to 10", where, len(targets))
	}
	for _, t := range targets {
		if (t.Schedule == "") == (t.User == "") {
			return fmt.Errorf("%s: a target is either a schedule or a user", where)
		}
		if t.User != "" {
			continue // who left the account may still stand here: see strangers
		}
		if err := known(a.schedules, where, "schedule", t.Schedule); err != nil {
			return err
		}
	}
	return nil
}

func (a *account) addServices() error {
	for i := range a.data.Services {
		s := &a.data.Services[i]
		if err := add(a.services, "service", s.ID, s); err != nil {
			return err
		}
		where := "service " + s.ID
		if err := known(a.policies, where, "escalation policy", s.EscalationPolicy); err != nil {
			return err
		}
		if err := known(a.teams, where, "team", s.Teams...); err != nil {
			return err
		}
		if s.IntegrationKey == "" {
			continue
		}
		if len(s.IntegrationKey) != 32 {
			return fmt.Errorf("%s: an integration key has 32 characters, not %d", where, len(s.IntegrationKey))
		}
		if err := add(a.keys, "integration key of", s.IntegrationKey, s); err != nil {
			return fmt.Errorf("%s: its integration key is another service's too", where)
		}
	}
	return nil
}

// teamsOf returns the teams that a user is in.
func (a *account) teamsOf(user string) []string {
	var ids []string
	for _, t := range a.data.Teams {
		if slices.Contains(t.Members, user) {
			ids = append(ids, t.ID)
		}
	}
	return ids
}

// strangers are targets of escalation policies who are not among the users. As
// with somebody who left, only the id is known of them.
func (a *account) strangers() []string {
	var ids []string
	for i := range a.data.EscalationPolicies {
		for _, id := range a.data.EscalationPolicies[i].users() {
			if a.users[id] == nil && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
