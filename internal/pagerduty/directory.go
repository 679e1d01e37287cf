package pagerduty

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A directory is who and what there is in an account. It is built once and then only read.
type directory struct {
	fetchedAt time.Time
	users     []User
	services  []Service
	policies  []EscalationPolicy
	schedules []Schedule
	teams     []Named
	skipped   int
	cut       bool     // PagerDuty's paging did not reach the end of users or services
	missing   []string // parts that the account does not let us read, with the reason

	names       map[string]bool // every name, id and folded address, of everything
	service     map[string]string
	schedule    map[string]Schedule // by id
	places      map[string][]place  // schedule id → where it hangs
	scheduleIDs map[string][]string // by name
}

// A place is one level of an escalation policy.
type place struct {
	policy string
	level  int
}

// readDirectory reads all parts, one after the other: PagerDuty advises serial requests.
// Users and services must be there. A plan or a key without the rest (teams, v3 schedules, …)
// costs only what needs it; names then come from /oncalls.
func readDirectory(ctx context.Context, c *Client) (*directory, error) {
	d := &directory{fetchedAt: c.now()}
	if err := d.readPeople(ctx, c); err != nil {
		return nil, err
	}
	optional := []struct {
		what string
		read func() (int, error)
	}{
		{"escalation policies", func() (int, error) { l, err := c.policies(ctx, laneBulk); d.policies = l.items; return l.skipped, err }},
		{"schedules", func() (int, error) {
			l, err := c.schedules(ctx, laneBulk, "/schedules")
			d.schedules = l.items
			return l.skipped, err
		}},
		{"v3 schedules", func() (int, error) {
			l, err := c.schedules(ctx, laneBulk, "/v3/schedules")
			d.schedules = append(d.schedules, l.items...)
			return l.skipped, err
		}},
		{"teams", func() (int, error) {
			l, err := c.named(ctx, laneBulk, "/teams", "teams")
			d.teams = l.items
			return l.skipped, err
		}},
	}
	for _, part := range optional {
		skipped, err := part.read()
		switch {
		case err == nil:
		case missing(err):
			d.missing = append(d.missing, part.what+": "+err.Error())
		case errors.Is(err, ErrTooMany):
			d.cut = true
		default:
			return nil, err
		}
		d.skipped += skipped
	}
	d.index()
	return d, nil
}

func (d *directory) readPeople(ctx context.Context, c *Client) error {
	users, err := c.users(ctx, laneBulk, nil)
	if err != nil && !errors.Is(err, ErrTooMany) {
		return err
	}
	d.cut = err != nil
	if len(users.items) == 0 {
		return c.odd(call{op: "GET /users"}, "the list is empty, but an account has at least its owner")
	}
	services, err := c.services(ctx, laneBulk, nil)
	if err != nil && !errors.Is(err, ErrTooMany) {
		return err
	}
	d.cut = d.cut || err != nil
	d.users, d.services, d.skipped = users.items, services.items, users.skipped+services.skipped
	return nil
}

func (d *directory) index() {
	d.names, d.service = map[string]bool{}, map[string]string{}
	d.schedule, d.places, d.scheduleIDs = map[string]Schedule{}, map[string][]place{}, map[string][]string{}
	for _, u := range d.users {
		d.know(u.ID, strings.ToLower(strings.TrimSpace(u.Email)))
	}
	for _, s := range d.services {
		d.know(s.ID, s.Name)
		d.service[strings.TrimSpace(s.Name)] = s.ID
	}
	for _, s := range d.services { // an id wins over a service that is named like it
		d.service[s.ID] = s.ID
	}
	for _, s := range d.schedules {
		d.know(s.ID, s.Name)
		d.schedule[s.ID] = s
		d.scheduleIDs[strings.TrimSpace(s.Name)] = append(d.scheduleIDs[strings.TrimSpace(s.Name)], s.ID)
		for _, p := range s.Policies {
			d.places[s.ID] = append(d.places[s.ID], place{policy: p.ID})
		}
	}
	for _, p := range d.policies {
		d.know(p.ID, p.Name)
		for i, rule := range p.Rules {
			for _, t := range rule.Targets {
				d.places[t.ID] = append(d.places[t.ID], place{policy: p.ID, level: i + 1})
			}
		}
	}
	for _, t := range d.teams {
		d.know(t.ID, t.Name)
	}
}

func (d *directory) know(names ...string) {
	for _, n := range names {
		d.names[strings.TrimSpace(n)] = true
	}
}

// knows reports whether a name, an id or an address is in the account.
func (d *directory) knows(name string) bool {
	name = strings.TrimSpace(name)
	return name == "" || name == Everything || d.names[name] || (strings.Contains(name, "@") && d.names[strings.ToLower(name)])
}

// schedulesNamed returns the ids of the schedules with a name or an id.
func (d *directory) schedulesNamed(name string) []string {
	name = strings.TrimSpace(name)
	if name == Everything {
		return slices.Collect(maps.Keys(d.schedule))
	}
	if _, ok := d.schedule[name]; ok {
		return []string{name}
	}
	return d.scheduleIDs[name]
}

func (d *directory) serviceNames() []string {
	return slices.Sorted(maps.Keys(d.service))
}

// buildRoster makes what decisions read of a directory and of duties. Names that the directory
// lacks, because the key may not read them, come from the duties' own references.
func buildRoster(account string, d *directory, s *snapshot) *core.Roster {
	r := &core.Roster{Account: account, FetchedAt: s.fetchedAt, Duties: s.duties}
	for _, u := range d.users {
		r.Users = append(r.Users, core.PagerUser{ID: u.ID, Name: u.Name, Email: u.Email})
	}
	for _, v := range d.services {
		r.Services = append(r.Services, core.PagerService{ID: v.ID, Name: v.Name, EscalationPolicy: v.Policy.ID, Teams: ids(v.Teams)})
	}
	for _, p := range d.policies {
		r.Policies = append(r.Policies, core.PagerPolicy{ID: p.ID, Name: p.Name, Teams: ids(p.Teams)})
	}
	for _, v := range d.schedules {
		r.Schedules = append(r.Schedules, core.Named{ID: v.ID, Name: v.Name})
	}
	for _, t := range d.teams {
		r.Teams = append(r.Teams, core.Named{ID: t.ID, Name: t.Name})
	}
	for _, p := range s.policies {
		if !d.names[p.ID] {
			r.Policies = append(r.Policies, core.PagerPolicy{ID: p.ID, Name: p.Summary})
		}
	}
	for _, v := range s.schedules {
		if !d.names[v.ID] {
			r.Schedules = append(r.Schedules, core.Named{ID: v.ID, Name: v.Summary})
		}
	}
	return r.Index()
}

func ids(refs []Ref) []string {
	var out []string
	for _, r := range refs {
		out = append(out, r.ID)
	}
	return out
}
