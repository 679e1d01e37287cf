package pdsim

import (
	"fmt"
	"strings"
	"time"
)

// A schedule is a Schedule with its moments fixed and its overrides.
type schedule struct {
	*Schedule
	shifts    []shift
	overrides []shift // in order of creation: the last one has priority
}

// A shift is a time of duty of one user, or of nobody.
type shift struct {
	id         string // of an override
	user       string
	start, end time.Time
}

// covers reports whether the shift has a moment in common with the window. A
// window of no length is one moment.
func (s shift) covers(since, until time.Time) bool {
	if !since.Before(until) {
		return !s.start.After(since) && since.Before(s.end)
	}
	return s.start.Before(until) && since.Before(s.end)
}

func (a *account) addSchedules(now time.Time) error {
	for i := range a.data.Schedules {
		s := &schedule{Schedule: &a.data.Schedules[i]}
		if err := add(a.schedules, "schedule", s.ID, s); err != nil {
			return err
		}
		if s.Kind == "" {
			s.Kind = "v2"
		}
		if s.Kind != "v2" && s.Kind != "v3" {
			return fmt.Errorf("schedule %s: kind %q: use v2 or v3", s.ID, s.Kind)
		}
		if s.TimeZone == "" {
			s.TimeZone = "Etc/UTC"
		}
		if err := known(a.teams, "schedule "+s.ID, "team", s.Teams...); err != nil {
			return err
		}
		for k := range s.Shifts {
			if err := a.addShift(s, &s.Shifts[k], now); err != nil {
				return fmt.Errorf("schedule %s, shift %d: %w", s.ID, k+1, err)
			}
		}
	}
	return nil
}

func (a *account) addShift(s *schedule, in *Shift, now time.Time) error {
	start, err := moment(in.Start, now)
	if err != nil {
		return err
	}
	end, err := moment(in.End, now)
	if err != nil {
		return err
	}
	if !start.Before(end) {
		return fmt.Errorf("it ends at %s, not after its start at %s", in.End, in.Start)
	}
	if in.User == "" && s.Kind != "v3" {
		return fmt.Errorf("it has no user; empty slots are for kind v3")
	}
	if in.User != "" {
		if err := known(a.users, "it", "user", in.User); err != nil {
			return err
		}
	}
	in.Start, in.End = stamp(start), stamp(end)
	s.shifts = append(s.shifts, shift{user: in.User, start: start, end: end})
	return nil
}

// moment reads RFC 3339, or now with a duration. PagerDuty's moments are whole seconds.
func moment(text string, now time.Time) (time.Time, error) {
	rest, relative := strings.CutPrefix(text, "now")
	if !relative {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return time.Time{}, fmt.Errorf("%q is no moment: write 2026-11-22T08:00:00Z, now, now-1h or now+1h30m", text)
		}
		return t.UTC().Truncate(time.Second), nil
	}
	if rest == "" {
		return now.Truncate(time.Second), nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || (rest[0] != '+' && rest[0] != '-') {
		return time.Time{}, fmt.Errorf("%q is no moment: after now comes + or - and a duration such as 1h30m", text)
	}
	return now.Add(d).Truncate(time.Second), nil
}

// final is the schedule as it is worked: the shifts, with each override in the
// place of what it lies on.
func (x *schedule) final() []shift {
	worked := append([]shift(nil), x.shifts...)
	for _, o := range x.overrides {
		var kept []shift
		for _, w := range worked {
			kept = append(kept, w.without(o.start, o.end)...)
		}
		worked = append(kept, o)
	}
	return worked
}

// without is what is left of the shift outside the window.
func (s shift) without(start, end time.Time) []shift {
	if !s.covers(start, end) {
		return []shift{s}
	}
	var left []shift
	if s.start.Before(start) {
		head := s
		head.end = start
		left = append(left, head)
	}
	if end.Before(s.end) {
		tail := s
		tail.start = end
		left = append(left, tail)
	}
	return left
}

// clip cuts the shift at the borders of the window.
func (s shift) clip(since, until time.Time) shift {
	if s.start.Before(since) {
		s.start = since
	}
	if s.end.After(until) {
		s.end = until
	}
	return s
}

// coverage is how much of the window somebody works, in percent.
func coverage(worked []shift, since, until time.Time) float64 {
	window := until.Sub(since)
	if window <= 0 {
		return 0
	}
	free := []shift{{start: since, end: until}}
	for _, w := range worked {
		if w.user == "" {
			continue
		}
		var left []shift
		for _, f := range free {
			left = append(left, f.without(w.start, w.end)...)
		}
		free = left
	}
	open := time.Duration(0)
	for _, f := range free {
		open += f.end.Sub(f.start)
	}
	return 100 * float64(window-open) / float64(window)
}
