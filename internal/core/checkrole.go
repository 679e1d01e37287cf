package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/sallyport/sallyport/internal/predicate"
)

// CheckRole says what is wrong with a role that shall be stored.
//
// An error is of kind Invalid and names the role, the path of the field and, within an
// expression, the position. Warnings are about what is valid and hardly meant. Everything
// that Teleport refuses is refused; so is what Teleport stores although it can never work,
// such as a where that fails whenever it is evaluated.
func CheckRole(r Role) (warnings []string, err error) {
	c := roleCheck{role: r}
	for _, step := range []func(){c.name, c.compile, c.thresholds, c.request, c.annotations, c.reviews, c.rules} {
		if step(); c.err != nil {
			return c.warnings, c.err
		}
	}
	return c.warnings, nil
}

// A roleCheck looks at one role. The first fault counts.
type roleCheck struct {
	role     Role
	warnings []string
	err      error
}

func (c *roleCheck) refuse(field, hint, format string, args ...any) {
	if c.err == nil {
		args = append([]any{c.role.Name, field}, args...)
		c.err = Errorf(Invalid, "role %s: %s: "+format, args...).WithHint("%s", hint)
	}
}

func (c *roleCheck) warn(field, format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf("role %s: %s: ", c.role.Name, field)+fmt.Sprintf(format, args...))
}

func (c *roleCheck) name() {
	name := c.role.Name
	switch {
	case strings.TrimSpace(name) == "" || name != strings.TrimSpace(name) || strings.ContainsFunc(name, unicode.IsControl):
		c.refuse("metadata.name", "a name begins and ends with a letter", "%q is not a name", name)
	case name == "*":
		c.refuse("metadata.name", "choose another name", "* stands for every role")
	}
}

// compile refuses matchers and expressions that cannot be read, or never evaluated.
func (c *roleCheck) compile() {
	wheres, filters := map[string]*predicate.Expr{}, map[string]*predicate.Expr{}
	compiled := compileRole(c.role, wheres, filters, func(field string, err error) {
		c.refuse(field, hintFor(field, err), "%w", err)
	})
	if c.err != nil {
		return
	}
	for i, t := range c.role.Allow.Request.Thresholds {
		if t.Filter != "" {
			c.expression(fmt.Sprintf("allow.request.thresholds[%d].filter", i), filters[t.Filter])
		}
	}
	c.expression("allow.review_requests.where", compiled.review.where)
	c.expression("deny.review_requests.where", compiled.denyReview.where)
}

// UnknownRoles warns of roles that a role names literally in its requests and that do not
// exist. They may be made later; until then they are most likely misspelt.
func (d *Directory) UnknownRoles(r Role) (warnings []string) {
	names := slices.Concat(r.Allow.Request.Roles, r.Allow.Request.SearchAsRoles)
	for _, name := range names {
		if _, there := d.Role(name); there || strings.ContainsAny(name, "*^${}") {
			continue
		}
		text := fmt.Sprintf("role %s: allow.request: there is no role %q", r.Name, name)
		if near := Nearest(name, d.RoleNames()); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		}
		warnings = append(warnings, text)
	}
	return warnings
}

func hintFor(field string, err error) string {
	var parse *predicate.ParseError
	switch {
	case errors.As(err, &parse) && strings.HasSuffix(field, ".where"):
		return "try it with: sallyport predicate eval --kind review --context FILE EXPR"
	case errors.As(err, &parse):
		return "try it with: sallyport predicate eval --kind threshold --context FILE EXPR"
	}
	return `an entry is a name, a name with *, a regular expression ^…$, or {{regexp.match("…")}}`
}

// expression refuses one that can never be evaluated; Teleport stores it and blocks every review.
func (c *roleCheck) expression(field string, e *predicate.Expr) {
	if e == nil {
		return
	}
	if err := e.NeverEvaluates(); err != nil {
		c.refuse(field, "to look for a value in a list write contains(list, value)", "%w", err)
	}
	for _, w := range e.Warnings() {
		c.warn(field, "%s", w)
	}
}

func (c *roleCheck) thresholds() {
	all := c.role.Allow.Request.Thresholds
	if len(c.role.Deny.Request.Thresholds) > 0 {
		c.refuse("deny.request.thresholds", "set denial counts in allow.request.thresholds", "a deny rule has no thresholds")
	}
	if len(all) > maxThresholds {
		c.refuse("allow.request.thresholds", "a role rarely needs more than two", "%d thresholds; at most %d may be", len(all), maxThresholds)
	}
	approves := len(all) == 0
	for i, t := range all {
		field := fmt.Sprintf("allow.request.thresholds[%d]", i)
		switch {
		case t.Approve < 0 || t.Deny < 0:
			c.refuse(field, "counts are whole numbers from 0", "a count is negative")
		case t.Approve == 0 && t.Deny == 0:
			c.refuse(field, "set approve, deny or both", "it can never decide anything: approve and deny are both 0")
		}
		approves = approves || t.Approve > 0
	}
	if !approves {
		c.warn("allow.request.thresholds", "no number of approvals is enough, so what is asked for through this role is never approved")
	}
}

func (c *roleCheck) request() {
	allow, deny := c.role.Allow.Request, c.role.Deny.Request
	for _, side := range []struct {
		name string
		rule RequestRule
	}{{"allow", allow}, {"deny", deny}} {
		field := side.name + ".request"
		if side.rule.MaxDuration < 0 {
			c.refuse(field+".max_duration", "for example 4h", "%s is not a length of time", side.rule.MaxDuration)
		}
		if !slices.Contains([]string{"", "optional", "required"}, side.rule.ReasonMode) {
			c.refuse(field+".reason.mode", "write optional or required", "%q is not a mode", side.rule.ReasonMode)
		}
		c.names(field, side.rule.Roles, side.rule.ClaimsToRoles)
		for _, name := range side.rule.SearchAsRoles {
			if strings.Contains(name, "*") || isRegexp(name) || strings.Contains(name, "{{") {
				c.warn(field+".search_as_roles", "names are literal here, and %q looks like a pattern", name)
			}
		}
	}
	if allow.MaxDuration > maxAccess {
		c.warn("allow.request.max_duration", "no access lasts longer than %s, whatever a role allows", maxAccess)
	}
	if allow.ReasonMode == "required" {
		for _, name := range allow.Roles {
			if m, err := newMatcher(name); err == nil && m.literal != name {
				c.warn("allow.request.reason.mode", "names compare literally here, so %q never asks for a reason; options.request_access: reason does", name)
			}
		}
	}
	o := c.role.Options
	if o.RequestAccess == "always" {
		c.warn("options.request_access", "always has no effect yet: nobody signs in here, so that nothing is asked for by itself")
	}
	if !slices.Contains([]string{"", "optional", "denied", "always", "reason"}, o.RequestAccess) {
		c.refuse("options.request_access", "write optional, denied, always or reason", "%q is not known", o.RequestAccess)
	}
	if o.MaxSessionTTL < 0 {
		c.refuse("options.max_session_ttl", "for example 8h", "%s is not a length of time", o.MaxSessionTTL)
	}
}

// names looks at lists of roles that can be read.
func (c *roleCheck) names(field string, roles []string, claims []ClaimMapping) {
	for i, name := range roles {
		if looseRegexp(name) {
			c.warn(fmt.Sprintf("%s.roles[%d]", field, i), "%s matches everything that only begins or ends so; write ^(…)$", name)
		}
	}
	for i, m := range claims {
		at := fmt.Sprintf("%s.claims_to_roles[%d]", field, i)
		if m.Claim == "" {
			c.refuse(at+".claim", "write the name of a trait", "it is empty")
		}
		if len(m.Roles) == 0 {
			c.warn(at+".roles", "it is empty, so the mapping does nothing")
		}
	}
}

// annotations refuses levels that are none. A template that cannot be read loses its value
// only, as in Teleport; under deny that would let through what is meant to be kept out.
func (c *roleCheck) annotations() {
	allow := c.role.Allow.Request.Annotations
	for _, key := range slices.Sorted(maps.Keys(allow)) {
		for _, v := range allow[key] {
			t, err := newTemplate(v)
			switch field := "allow.request.annotations." + key; {
			case err != nil:
				c.warn(field, "the value is left out: %v", err)
			case key == levelsAnnotation && t.fill == nil:
				if _, err := parseLevel(v); err != nil {
					c.refuse(field, "levels are those of PagerDuty's escalation policies, counted from 1", "%w", err)
				}
			}
		}
	}
	if len(allow[levelsAnnotation]) > 0 && len(allow[servicesAnnotations[0]])+len(allow[schedulesAnnotation])+
		len(allow[policiesAnnotation])+len(allow[teamsAnnotation]) == 0 {
		c.warn("allow.request.annotations."+levelsAnnotation, "with nothing beside it, the level of any escalation policy counts")
	}
	deny := c.role.Deny.Request.Annotations
	for _, key := range slices.Sorted(maps.Keys(deny)) {
		for _, v := range deny[key] {
			if _, err := newTemplate(v); err != nil {
				c.refuse("deny.request.annotations."+key, `write a value or {{external.NAME}}`, "%w", err)
			}
		}
	}
}

func (c *roleCheck) reviews() {
	for _, side := range []struct {
		name string
		rule ReviewRule
	}{{"allow", c.role.Allow.Review}, {"deny", c.role.Deny.Review}} {
		field := side.name + ".review_requests"
		c.names(field, side.rule.Roles, side.rule.ClaimsToRoles)
		if side.rule.Where != "" && len(side.rule.Roles)+len(side.rule.ClaimsToRoles) == 0 {
			c.warn(field+".where", "the rule names no roles, so it is about no request")
		}
	}
}

func (c *roleCheck) rules() {
	for _, side := range []struct {
		name  string
		rules []Rule
	}{{"allow", c.role.Allow.Rules}, {"deny", c.role.Deny.Rules}} {
		for i, r := range side.rules {
			field := fmt.Sprintf("%s.rules[%d]", side.name, i)
			if len(r.Resources) == 0 {
				c.refuse(field+".resources", "name kinds of resources, or *", "it is empty")
			}
			if len(r.Verbs) == 0 {
				c.refuse(field+".verbs", "write list, read, create, update, delete, or *", "it is empty")
			}
		}
	}
	for i, e := range c.role.Entitlements {
		field := fmt.Sprintf("entitlements[%d]", i)
		switch {
		case e.Target == "" || e.Name == "":
			c.refuse(field, "write target and resource", "the target or the resource is missing")
		case e.Target == RoleTarget:
			c.refuse(field, "choose another name for the target", "the target %q is reserved", RoleTarget)
		}
	}
}
