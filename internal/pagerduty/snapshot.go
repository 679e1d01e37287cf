package pagerduty

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	// lookAhead is how far beyond now duties are asked for, at least. A roster may be used until
	// it is two minutes old, so whoever comes on call meanwhile must be in it already; a wider
	// window makes more pages.
	lookAhead = 5 * time.Minute
	// policiesPerQuery keeps the address of a filtered query well below 8 KiB.
	policiesPerQuery = 100
)

// Everything is the name of interest that means every schedule of the account.
const Everything = "*"

// A snapshot is who is on call, as PagerDuty said it at one moment.
type snapshot struct {
	fetchedAt time.Time // before the first question
	duties    []core.Duty
	policies  []Ref // as the duties name them
	schedules []Ref
	skipped   int
	missing   []string        // schedules that the key may not read
	until     time.Time       // the end of what was asked about
	alone     map[string]bool // schedules that were asked by themselves
}

// readDuties asks for all duties of the account: one set of pages of /oncalls for what hangs on
// escalation policies, and one call for each schedule of interest that hangs on none, which
// /oncalls does not know. Any part that fails fails the whole.
func readDuties(ctx context.Context, c *Client, d *directory, interest []string, before *snapshot, ahead time.Duration) (*snapshot, error) {
	s := &snapshot{fetchedAt: c.now(), alone: map[string]bool{}}
	s.until = s.fetchedAt.Add(ahead)
	entries, err := s.readPolicies(ctx, c, d)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 && before != nil && len(before.duties) > 0 {
		// Nobody on call at all, a moment after somebody was, is possible, and also what a
		// fault looks like. It is believed when it is said twice.
		if entries, err = s.readPolicies(ctx, c, d); err != nil {
			return nil, err
		}
	}
	v3 := false
	seen := map[string]bool{}
	for _, o := range entries {
		s.duties = append(s.duties, core.Duty{
			Account: c.account.Name, UserID: o.User.ID, EscalationPolicy: o.Policy.ID, Level: o.Level,
			Schedule: o.scheduleID(), Start: o.Start.UTC(), End: o.End.UTC(),
		})
		if o.Policy.ID != "" && !seen[o.Policy.ID] {
			seen[o.Policy.ID] = true
			s.policies = append(s.policies, o.Policy)
		}
		if o.Schedule != nil && !seen[o.Schedule.ID] {
			seen[o.Schedule.ID] = true
			s.schedules = append(s.schedules, *o.Schedule)
			v3 = v3 || o.Schedule.Type == "schedule_v3_reference" || d.schedule[o.Schedule.ID].V3
		}
	}
	named := map[string]bool{}
	for _, name := range interest {
		for _, id := range d.schedulesNamed(name) {
			named[id] = true
		}
	}
	for _, x := range d.schedules {
		if !seen[x.ID] && d.askAlone(x, named[x.ID], v3) {
			s.alone[x.ID] = true
			if err := s.readSchedule(ctx, c, d, x); err != nil {
				return nil, err
			}
		}
	}
	s.since(before)
	return s, nil
}

// A seat is what a duty is about, whenever it begins and ends.
type seat struct {
	user, policy, schedule string
	level                  int
}

func seatOf(d core.Duty) seat { return seat{d.UserID, d.EscalationPolicy, d.Schedule, d.Level} }

// edgeSlack is how near to the end of what was asked about a duty may begin and not be shown.
const edgeSlack = 2 * time.Second

// since says of each duty when it was first seen, if that was later than it should have been.
//
// PagerDuty says neither who made an override nor when. But a shift that was planned is seen
// well before it begins, so one that covers a moment about which PagerDuty was asked before,
// and was not shown then, has been made meanwhile.
func (s *snapshot) since(before *snapshot) {
	if before == nil {
		return
	}
	known := make(map[seat][]core.Duty, len(before.duties))
	for _, d := range before.duties {
		known[seatOf(d)] = append(known[seatOf(d)], d)
	}
	for i := range s.duties {
		d := &s.duties[i]
		at := before.fetchedAt
		if d.Start.After(at) {
			at = d.Start
		}
		if at.After(before.until.Add(-edgeSlack)) || s.alone[d.Schedule] && !before.alone[d.Schedule] {
			continue // nobody had asked
		}
		if j := slices.IndexFunc(known[seatOf(*d)], func(k core.Duty) bool { return k.Covers(at) }); j >= 0 {
			d.FirstSeen = known[seatOf(*d)][j].FirstSeen
		} else {
			d.FirstSeen = s.fetchedAt.Truncate(time.Microsecond)
		}
	}
}

// askAlone reports whether a schedule that /oncalls did not mention must be asked by itself.
// PagerDuty's guide to v3 schedules contradicts its description of /oncalls on whether that
// endpoint covers them. So where it shows no v3 schedule at all, those on policies are asked too.
func (d *directory) askAlone(x Schedule, named, v3Shown bool) bool {
	if len(d.places[x.ID]) > 0 {
		return x.V3 && !v3Shown
	}
	return named
}

// readPolicies reads /oncalls. One so long that paging does not reach its end is read in parts.
func (s *snapshot) readPolicies(ctx context.Context, c *Client, d *directory) ([]OnCall, error) {
	q := OnCallQuery{Since: s.fetchedAt, Until: s.until}
	l, err := c.onCalls(ctx, laneSync, q)
	s.skipped = l.skipped
	if !errors.Is(err, ErrTooMany) || len(d.policies) == 0 {
		return l.items, err
	}
	var all []OnCall
	s.skipped = 0
	for part := range slices.Chunk(d.policies, policiesPerQuery) {
		q.Policies = nil
		for _, p := range part {
			q.Policies = append(q.Policies, p.ID)
		}
		l, err := c.onCalls(ctx, laneSync, q)
		if err != nil {
			return nil, err
		}
		all = append(all, l.items...)
		s.skipped += l.skipped
	}
	return all, nil
}

// readSchedule adds the duties of one schedule, on every place where it hangs.
func (s *snapshot) readSchedule(ctx context.Context, c *Client, d *directory, x Schedule) error {
	found, err := c.shifts(ctx, laneSync, x.ID, s.fetchedAt, s.until, x.V3)
	switch {
	case missing(err):
		s.missing = append(s.missing, "schedule "+x.Name+": "+err.Error())
		return nil
	case err != nil:
		return err
	}
	places := slices.DeleteFunc(slices.Clone(d.places[x.ID]), func(p place) bool { return p.level == 0 })
	if len(places) == 0 {
		places = []place{{}}
	}
	for _, f := range found {
		for _, p := range places {
			s.duties = append(s.duties, core.Duty{
				Account: c.account.Name, UserID: f.UserID, EscalationPolicy: p.policy, Level: p.level,
				Schedule: x.ID, Start: f.Start.UTC(), End: f.End.UTC(),
			})
		}
	}
	return nil
}

// boundary is the first moment after the snapshot at which a known duty begins or ends.
func (s *snapshot) boundary() (first time.Time) {
	for _, d := range s.duties {
		for _, t := range []time.Time{d.Start, d.End} {
			if t.After(s.fetchedAt) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
	}
	return first
}

// unknown lists what the duties and the rules mention and the directory lacks.
func (s *snapshot) unknown(d *directory, interest []string) []string {
	var out []string
	for _, n := range interest {
		if !d.knows(n) {
			out = append(out, n)
		}
	}
	for _, x := range s.duties {
		if !d.knows(x.UserID) {
			out = append(out, x.UserID)
		}
	}
	for _, r := range slices.Concat(s.policies, s.schedules) {
		if !d.knows(r.ID) {
			out = append(out, r.ID)
		}
	}
	return out
}
