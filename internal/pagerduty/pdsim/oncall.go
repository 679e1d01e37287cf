package pdsim

import (
	"cmp"
	"slices"
	"time"
)

// An oncall is one entry of GET /oncalls: a person, on one level of one
// escalation policy, for one shift. Directly targeted users have no shift.
type oncall struct {
	policy *EscalationPolicy
	level  int
	user   string
	on     *schedule // nil for a direct target
	shift  shift
}

// listOncalls knows the schedules, of both kinds, that hang on an escalation
// policy, and no others. Without since and until it answers for now.
func (s *Server) listOncalls(q *request) (answer, error) {
	since, until, err := q.window()
	if err != nil {
		return answer{}, err
	}
	if since.IsZero() {
		since = q.now
	}
	if until.IsZero() {
		until = q.now
	}
	if until.Before(since) {
		return answer{}, invalid("The until time cannot be before the since time")
	}
	if horizon := q.now.AddDate(0, 0, 90); until.After(horizon) {
		until = horizon // shifts are known for 90 days
	}
	zone, err := q.zone()
	if err != nil {
		return answer{}, err
	}
	found := s.account.oncalls(since, until)
	found = slices.DeleteFunc(found, func(o oncall) bool { return !o.wanted(q) })
	if q.flag("earliest") {
		found = earliest(found)
	}
	return paged(q, "oncalls", found, func(o oncall) obj { return s.account.oncall(o, q, zone) })
}

// oncalls lists everybody who is on call in the window, by policy and level.
func (a *account) oncalls(since, until time.Time) []oncall {
	var all []oncall
	for i := range a.data.EscalationPolicies {
		p := &a.data.EscalationPolicies[i]
		for level, targets := range p.Rules {
			for _, t := range targets {
				all = append(all, a.onTarget(p, level+1, t, since, until)...)
			}
		}
	}
	return all
}

func (a *account) onTarget(p *EscalationPolicy, level int, t Target, since, until time.Time) []oncall {
	if t.User != "" {
		return []oncall{{policy: p, level: level, user: t.User}}
	}
	sched := a.schedules[t.Schedule]
	worked := sched.final()
	slices.SortStableFunc(worked, func(x, y shift) int { return x.start.Compare(y.start) })
	var found []oncall
	for _, w := range worked {
		if w.user != "" && w.covers(since, until) {
			found = append(found, oncall{policy: p, level: level, user: w.user, on: sched, shift: w})
		}
	}
	return found
}

// wanted applies the filters. "null" among the schedules stands for direct targets.
func (o oncall) wanted(q *request) bool {
	sched := "null"
	if o.on != nil {
		sched = o.on.ID
	}
	return wanted(q.list("user_ids"), o.user) &&
		wanted(q.list("escalation_policy_ids"), o.policy.ID) &&
		wanted(q.list("schedule_ids"), sched)
}

// earliest keeps the first entry of each policy, level and user.
func earliest(all []oncall) []oncall {
	type key struct {
		policy, user string
		level        int
	}
	slices.SortStableFunc(all, func(x, y oncall) int {
		return cmp.Or(cmp.Compare(x.policy.ID, y.policy.ID), cmp.Compare(x.level, y.level), x.shift.start.Compare(y.shift.start))
	})
	seen := map[key]bool{}
	return slices.DeleteFunc(all, func(o oncall) bool {
		k := key{o.policy.ID, o.user, o.level}
		again := seen[k]
		seen[k] = true
		return again
	})
}

func (a *account) oncall(o oncall, q *request, zone *time.Location) obj {
	v := obj{
		"escalation_policy": a.policyRef(o.policy.ID), "escalation_level": o.level,
		"user": a.person(o.user, q.includes("users")), "schedule": nil, "start": nil, "end": nil,
	}
	if q.includes("escalation_policies") {
		v["escalation_policy"] = a.policy(o.policy, plain)
	}
	if o.on == nil {
		return v
	}
	v["schedule"] = a.scheduleRef(o.on)
	if q.includes("schedules") && o.on.Kind == "v2" {
		v["schedule"] = a.schedule(o.on)
	}
	v["start"], v["end"] = o.shift.start.In(zone).Format(time.RFC3339), o.shift.end.In(zone).Format(time.RFC3339)
	return v
}

// firstLevel is who is told first: everybody on the lowest level that has anybody.
func (a *account) firstLevel(policy string, now time.Time) (level int, users []string) {
	p := a.policies[policy]
	if p == nil {
		return 0, nil
	}
	for i, targets := range p.Rules {
		if users := a.onLevel(p, i+1, targets, now); len(users) > 0 {
			return i + 1, users
		}
	}
	return 0, nil
}

func (a *account) onLevel(p *EscalationPolicy, level int, targets []Target, now time.Time) []string {
	var users []string
	for _, t := range targets {
		for _, o := range a.onTarget(p, level, t, now, now) {
			if !slices.Contains(users, o.user) {
				users = append(users, o.user)
			}
		}
	}
	return users
}
