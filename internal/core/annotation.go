package core

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The annotations of a role that narrow which duties count. They are ours; the names of
// the two that Teleport's plugin knows stand in Terms, because they can be configured.
const (
	levelsAnnotation    = "pagerduty_levels"
	schedulesAnnotation = "pagerduty_schedules"
	policiesAnnotation  = "pagerduty_escalation_policies"
	teamsAnnotation     = "pagerduty_teams"
)

// An annotation is one key of a role's annotations with its templates.
type annotation struct {
	key    string
	values []template
}

// compileAnnotations reads annotations, sorted by key. A value that is no template is left
// out, as in Teleport; a key that had values stays, so that their loss can be seen.
func compileAnnotations(src map[string][]string) []annotation {
	var out []annotation
	for _, key := range slices.Sorted(maps.Keys(src)) {
		if len(src[key]) == 0 {
			continue
		}
		a := annotation{key: key}
		for _, v := range src[key] {
			if t, err := newTemplate(v); err == nil {
				a.values = append(a.values, t)
			}
		}
		out = append(out, a)
	}
	return out
}

// A filled is an annotation filled in for one requester: its values, sorted, each once.
type filled struct {
	key    string
	values []string // may be empty
}

// fillAnnotations fills in annotations and leaves out what a role of the requester denies.
func fillAnnotations(from []annotation, traits map[string][]string, denied []filled) []filled {
	if len(from) == 0 {
		return nil
	}
	out := make([]filled, len(from))
	for i, a := range from {
		values := make([]string, 0, len(a.values))
		for _, t := range a.values {
			values = t.values(traits, values)
		}
		if len(denied) > 0 {
			values = slices.DeleteFunc(values, func(v string) bool { return denies(denied, a.key, v) })
		}
		if len(values) > 1 {
			slices.Sort(values)
			values = slices.Compact(values)
		}
		out[i] = filled{key: a.key, values: values}
	}
	return out
}

// denies compares trimmed: names of PagerDuty things are, so a space must not save a value.
func denies(denied []filled, key, value string) bool {
	value = strings.TrimSpace(value)
	return slices.ContainsFunc(denied, func(f filled) bool {
		return f.key == key && slices.ContainsFunc(f.values, func(v string) bool { return strings.TrimSpace(v) == value })
	})
}

// mergeAnnotations adds a role's annotations to those of the request, which keep the lists.
func mergeAnnotations(into map[string][]string, annotations []filled) map[string][]string {
	for _, f := range annotations {
		if len(f.values) == 0 {
			continue
		}
		if into == nil {
			into = make(map[string][]string, len(annotations))
		}
		old, ok := into[f.key]
		if !ok {
			into[f.key] = f.values
			continue
		}
		all := append(old, f.values...)
		slices.Sort(all)
		into[f.key] = slices.Compact(all)
	}
	return into
}

// approvalRule makes the one rule that a role's annotations come to, and reports whether
// they come to any.
//
// Where a condition is written and nothing of it is left, because a trait is missing or a
// value is denied, the role approves nobody by on-call status: without that condition the
// rule would be wider than anybody wrote.
func approvalRule(role string, annotations []filled, roles []string, terms *Terms) (ApprovalRule, bool, error) {
	rule := ApprovalRule{Notify: pick(annotations, terms.NotifyAnnotations...)}
	lost := func(names ...string) bool {
		written := slices.ContainsFunc(annotations, func(f filled) bool { return slices.Contains(names, f.key) })
		return written && len(pick(annotations, names...)) == 0
	}
	onCall := OnCallRule{
		Services:           pick(annotations, terms.ServicesAnnotations...),
		Schedules:          pick(annotations, schedulesAnnotation),
		EscalationPolicies: pick(annotations, policiesAnnotation),
		Teams:              pick(annotations, teamsAnnotation),
	}
	for _, v := range pick(annotations, levelsAnnotation) {
		level, err := parseLevel(v)
		if err != nil {
			return ApprovalRule{}, false, Errorf(Invalid, "role %s: annotation %s: %w", role, levelsAnnotation, err).
				WithHint("levels are those of PagerDuty's escalation policies, counted from 1")
		}
		onCall.Levels = append(onCall.Levels, level)
	}
	slices.Sort(onCall.Levels)
	some := len(onCall.Services)+len(onCall.Levels)+len(onCall.Schedules)+len(onCall.EscalationPolicies)+len(onCall.Teams) > 0
	if some && !lost(terms.ServicesAnnotations...) && !lost(levelsAnnotation) && !lost(schedulesAnnotation) &&
		!lost(policiesAnnotation) && !lost(teamsAnnotation) {
		rule.OnCall, rule.UntilOffCall, rule.Grace = &onCall, true, terms.Grace
	}
	if rule.OnCall == nil && len(rule.Notify) == 0 {
		return ApprovalRule{}, false, nil
	}
	rule.Origin, rule.Roles = "role "+role, roles
	return rule, true, nil
}

// pick returns the values under some keys, trimmed, each once, none empty.
func pick(annotations []filled, keys ...string) []string {
	var out []string
	for _, f := range annotations {
		if !slices.Contains(keys, f.key) {
			continue
		}
		for _, v := range f.values {
			if v = strings.TrimSpace(v); v != "" && !slices.Contains(out, v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// parseLevel reads an escalation level.
func parseLevel(s string) (int, error) {
	level, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || level < 1 {
		return 0, fmt.Errorf("%q is not an escalation level; write a whole number from 1", s)
	}
	return level, nil
}
