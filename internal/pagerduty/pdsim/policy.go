package pdsim

import (
	"fmt"
	"slices"
)

func (s *Server) listPolicies(q *request) (answer, error) {
	var found []*EscalationPolicy
	for i := range s.account.data.EscalationPolicies {
		p := &s.account.data.EscalationPolicies[i]
		if named(q.query("query"), p.Name) && wanted(q.list("team_ids"), p.Teams...) && wanted(q.list("user_ids"), p.users()...) {
			found = append(found, p)
		}
	}
	return paged(q, "escalation_policies", found, func(p *EscalationPolicy) obj { return s.account.policy(p, q) })
}

func (s *Server) getPolicy(q *request) (answer, error) {
	p := s.account.policies[q.PathValue("id")]
	if p == nil {
		return answer{}, failNotFound
	}
	return ok(obj{"escalation_policy": s.account.policy(p, q)})
}

// users are the policy's direct targets.
func (p *EscalationPolicy) users() []string {
	var ids []string
	for _, targets := range p.Rules {
		for _, t := range targets {
			if t.User != "" {
				ids = append(ids, t.User)
			}
		}
	}
	return ids
}

// covers reports whether the policy has the schedule as a target.
func (p *EscalationPolicy) covers(schedule string) bool {
	return slices.ContainsFunc(p.Rules, func(targets []Target) bool {
		return slices.ContainsFunc(targets, func(t Target) bool { return t.Schedule == schedule })
	})
}

func (a *account) policy(p *EscalationPolicy, q *request) obj {
	o := a.thing("escalation_policy", p.ID, p.Name, "/escalation_policies/"+p.ID, "/escalation_policies/"+p.ID)
	o["name"], o["num_loops"], o["on_call_handoff_notifications"] = p.Name, 0, "if_has_services"
	rules := make([]obj, len(p.Rules))
	for i, targets := range p.Rules {
		rules[i] = obj{
			"id": fmt.Sprintf("%sR%d", p.ID, i+1), "escalation_delay_in_minutes": 30,
			"escalation_rule_assignment_strategy": "assign_to_everyone",
			"targets":                             each(targets, func(t Target) obj { return a.target(t, q) }),
		}
	}
	o["escalation_rules"] = rules
	services := []obj{}
	for _, v := range a.data.Services {
		if v.EscalationPolicy == p.ID {
			services = append(services, a.serviceRef(v.ID))
		}
	}
	o["services"] = services
	o["teams"] = a.teamViews(p.Teams, q)
	return o
}

func (a *account) target(t Target, q *request) obj {
	if t.User != "" {
		return a.person(t.User, q.includes("targets"))
	}
	return a.scheduleRef(a.schedules[t.Schedule])
}
