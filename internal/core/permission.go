package core

import (
	"fmt"
	"slices"
)

// The verbs of a role's rules.
const (
	VerbList   = "list"
	VerbRead   = "read"
	VerbCreate = "create"
	VerbUpdate = "update"
	VerbDelete = "delete"
)

// The built-in roles.
const (
	RoleAccess  = "access"
	RoleAuditor = "auditor"
	RoleEditor  = "editor"
	RoleAdmin   = "admin"
)

// editable are the kinds of resources that people apply, in lower case.
var editable = []string{
	"role", "user", "policy", "target", "resource", "pagerduty_account", "secret",
	"env", "vaultprovider", "awssecretsmanager", "sealed",
	"handler", "mutator", "filter", "asset", "check", "pipeline", "response_plan", "webhook",
}

// BuiltinRoles returns the roles that are always there. They can be asked for and edited,
// not deleted. The first three are Teleport's, as its PagerDuty guide assumes them; access
// gives nothing in Sallyport itself.
func BuiltinRoles() []Role {
	rules := func(resources []string, verbs ...string) Conditions {
		return Conditions{Rules: []Rule{{Resources: slices.Clone(resources), Verbs: verbs}}}
	}
	return []Role{
		{Name: RoleAccess},
		{Name: RoleAuditor, Allow: rules([]string{"audit", "access_request", "grant"}, VerbList, VerbRead)},
		{Name: RoleEditor, Allow: rules(editable, VerbList, VerbRead, VerbCreate, VerbUpdate, VerbDelete)},
		{Name: RoleAdmin, Allow: rules([]string{"*"}, "*")},
	}
}

// Allowed reports whether a user may do something to resources of a kind: some role they
// hold allows it and none denies it.
func (d *Directory) Allowed(user, resource, verb string) bool {
	allows, denies, err := d.permission(user, resource, verb)
	return err == nil && allows != nil && denies == nil
}

// Permission is Allowed with the reason, in words.
func (d *Directory) Permission(user, resource, verb string) Reason {
	allows, denies, err := d.permission(user, resource, verb)
	no := fmt.Sprintf("%s may not %s %s: ", user, verb, resource)
	reason := Reason{Check: "permission"}
	switch {
	case err != nil:
		reason.Text = no + err.Error()
	case denies != nil:
		reason.Text = no + "role " + denies.Name + " denies it"
	case allows == nil:
		reason.Text = no + "no role they hold allows it"
	default:
		reason.OK, reason.Text = true, fmt.Sprintf("%s may %s %s: role %s allows it", user, verb, resource, allows.Name)
	}
	return reason
}

// permission finds a role that allows and one that denies.
func (d *Directory) permission(user, resource, verb string) (allows, denies *compiledRole, err error) {
	u, err := d.user(user)
	if err != nil {
		return nil, nil, err
	}
	var room [fewHeld]*compiledRole
	for _, c := range d.held(u, room[:0]) {
		if denies == nil && touches(c.Deny.Rules, resource, verb) {
			denies = c
		}
		if allows == nil && covers(c.Allow.Rules, resource, verb) {
			allows = c
		}
	}
	return allows, denies, nil
}

// touches reports whether some rule speaks of a part of what is asked for: who asks for
// everything is denied it by whatever denies something.
func touches(rules []Rule, resource, verb string) bool {
	meet := func(named []string, asked string) bool {
		return asked == "*" && len(named) > 0 || slices.Contains(named, asked) || slices.Contains(named, "*")
	}
	return slices.ContainsFunc(rules, func(r Rule) bool { return meet(r.Resources, resource) && meet(r.Verbs, verb) })
}

// Administrators returns up to most of the users who may do everything, by whom a permission
// can be given.
func (d *Directory) Administrators(most int) []string {
	var out []string
	for i := range d.list {
		u := &d.list[i]
		if len(u.Roles) > 0 && !u.Bot && d.Allowed(u.Name, "*", "*") {
			if out = append(out, u.Name); len(out) == most {
				break
			}
		}
	}
	return out
}

// covers reports whether some rule names both the resource and the verb; "*" names all.
func covers(rules []Rule, resource, verb string) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool {
		return (slices.Contains(r.Resources, resource) || slices.Contains(r.Resources, "*")) &&
			(slices.Contains(r.Verbs, verb) || slices.Contains(r.Verbs, "*"))
	})
}
