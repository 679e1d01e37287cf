package core

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// CheckReason refuses a reason that is over-long, or that could say something else than it seems to.
func CheckReason(reason string) error { return checkText("reason", reason) }

// LookAlike returns another user whose name looks like this one: it differs in case alone, or
// in letters of other scripts that people cannot tell apart; empty where there is none.
func (d *Directory) LookAlike(name string) string {
	mine := skeleton(name)
	for _, u := range d.list {
		if u.Name != name && skeleton(u.Name) == mine {
			return u.Name
		}
	}
	return ""
}

// The letters of other scripts that look like Latin ones, and those, in the same order. They
// are the common ones of Unicode's list of confusables (UTS 39); each pair is one in most fonts.
var (
	foreign = []rune("аеорсухіјѕԁһԛԝѵАВЕКМНОРСТУХІЈЅԚԜ" + "ανορικυϲγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" + "օոսց" + "ıɡɑ")
	latin   = []rune("aeopcyxijsdhqwvABEKMHOPCTYXIJSQW" + "avopikucyABEZHIKMNOPTYX" + "onug" + "iga")
)

// skeleton is what all names that look alike have in common.
func skeleton(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return foldRune(r)
		}
		if r >= '！' && r <= '～' { // the full-width forms of ASCII
			r -= '！' - '!'
		}
		if i := slices.Index(foreign, r); i >= 0 {
			r = latin[i]
		}
		return foldRune(r)
	}, strings.TrimSpace(name))
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

// Misspelt returns, for each annotation of a role that looks like one of ours and is none,
// what it may have been meant to be.
func (t Terms) Misspelt(r Role) []string {
	t = t.complete()
	known := slices.Concat(t.ServicesAnnotations, t.NotifyAnnotations,
		[]string{levelsAnnotation, schedulesAnnotation, policiesAnnotation, teamsAnnotation})
	var out []string
	for key := range r.Allow.Request.Annotations {
		if slices.Contains(known, key) || !strings.HasPrefix(key, "pagerduty") {
			continue
		}
		text := "role " + r.Name + ": the annotation " + key + " means nothing here"
		if near := Nearest(key, known); near != "" {
			text += "; did you mean " + near + "?"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// Empty reports whether the rule names nothing.
func (o OnCallRule) Empty() bool {
	return len(o.Services)+len(o.Levels)+len(o.Schedules)+len(o.EscalationPolicies)+len(o.Teams) == 0
}
