package core

import (
	"slices"
	"strings"
)

// CheckReason refuses a reason that is over-long, or that could say something else than it seems to.
func CheckReason(reason string) error { return checkText("reason", reason) }

// LookAlike returns another user whose name differs from name in case alone, Unicode's
// look-alike letters of one case family included; empty where there is none.
func (d *Directory) LookAlike(name string) string {
	fold := func(s string) string { return strings.Map(foldRune, strings.TrimSpace(s)) }
	mine := fold(name)
	for _, u := range d.list {
		if u.Name != name && fold(u.Name) == mine {
			return u.Name
		}
	}
	return ""
}

// Names returns the PagerDuty names that stand literally in a role's annotations, so that
// they can be checked when the role is stored. Values with a template are known only later.
func (t Terms) Names(r Role) OnCallRule {
	t = t.complete()
	literal := func(keys ...string) []string {
		var out []string
		for _, k := range keys {
			for _, v := range r.Allow.Request.Annotations[k] {
				if v = strings.TrimSpace(v); v != "" && !strings.Contains(v, "{{") {
					out = append(out, v)
				}
			}
		}
		return out
	}
	return OnCallRule{
		Services:           literal(slices.Concat(t.ServicesAnnotations, t.NotifyAnnotations)...),
		Schedules:          literal(schedulesAnnotation),
		EscalationPolicies: literal(policiesAnnotation),
		Teams:              literal(teamsAnnotation),
	}
}

// Empty reports whether the rule names nothing.
func (o OnCallRule) Empty() bool {
	return len(o.Services)+len(o.Levels)+len(o.Schedules)+len(o.EscalationPolicies)+len(o.Teams) == 0
}
