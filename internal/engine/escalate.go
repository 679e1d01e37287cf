package engine

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// reserved are the names that Sallyport itself signs with.
var reserved = []string{LocalAdmin, engineActor.User, reviewerActor.User, "system", "*"}

// guard refuses what somebody may not store although they may store documents of the kind:
// whoever may edit roles and users could else make themselves anything. before are the roles
// and users as they were.
func (e *Engine) guard(before *core.Directory, a Actor, applied Applied) error {
	if a.Admin || applied.Action == "unchanged" {
		return nil
	}
	if isAdministrator(before, a) {
		return e.guardToken(a, applied)
	}
	switch applied.Kind {
	case "pagerduty_account":
		return administratorsOnly(a, "change a PagerDuty account: its address gets the credentials, and its answers decide who is on call")
	case "target":
		return administratorsOnly(a, "change a target: its address gets the credentials")
	case "role":
		role, err := manifest.Role(applied.Document)
		if err != nil {
			return err
		}
		return guardRole(before, a, role)
	case "user":
		return guardUser(before, a, applied)
	default:
		return nil
	}
}

// guardToken keeps the credentials of PagerDuty accounts from hosts that nobody on the
// server's own host has vouched for. A reference says only where a value is, so that whoever
// may write one could have any variable of the server sent anywhere.
func (e *Engine) guardToken(a Actor, applied Applied) error {
	if applied.Kind != "pagerduty_account" {
		return nil
	}
	now, err := manifest.Account(applied.Document)
	if err != nil {
		return err
	}
	var old core.Account
	if applied.Before != "" {
		before := applied.Document
		before.Body = applied.Before
		if old, err = manifest.Account(before); err != nil {
			return err
		}
	}
	for _, address := range now.Elsewhere() {
		vouched := now.APIToken == old.APIToken && slices.Contains(old.Elsewhere(), address)
		if !vouched && !e.MayHaveToken(address) {
			return core.Errorf(core.Refused, "%s may not have the credentials of pagerduty_account %s sent to %s, which is not PagerDuty's", a.Name(), now.Name, address).
				WithHint("name the host in the server's configuration, as in egress.allow: [proxy.example.com:443], or apply this on the server's own host")
		}
	}
	return nil
}

// guardDelete keeps the connections to the outside with the administrators.
func (e *Engine) guardDelete(tx *txn, a Actor, kind string) error {
	if a.Admin || (kind != "pagerduty_account" && kind != "target") {
		return nil
	}
	dir, err := e.dir(tx)
	if err != nil || isAdministrator(dir, a) {
		return err
	}
	return administratorsOnly(a, "delete a "+kind)
}

// isAdministrator tells whether a role lets somebody do everything.
func isAdministrator(dir *core.Directory, a Actor) bool { return dir.Allowed(a.User, "*", "*") }

func administratorsOnly(a Actor, what string) error {
	return core.Errorf(core.Refused, "%s may not %s; only administrators may", a.Name(), what)
}

// guardRole refuses to put into a role more than the caller may do, and keeps with the
// administrators for whom its holders may have identities made: whoever may be anybody may do
// anything.
func guardRole(before *core.Directory, a Actor, role core.Role) error {
	old, _ := before.Role(role.Name)
	if !sameImpersonate(old.Allow.Impersonate, role.Allow.Impersonate) || !sameImpersonate(old.Deny.Impersonate, role.Deny.Impersonate) {
		return administratorsOnly(a, "change whom the holders of role "+role.Name+" may impersonate")
	}
	return mayGiveRules(before, a, "role "+role.Name, role)
}

func sameImpersonate(a, b core.Impersonate) bool {
	return slices.Equal(a.Users, b.Users) && slices.Equal(a.Roles, b.Roles)
}

// guardUser keeps who somebody is at PagerDuty, and whose bot they are, with the
// administrators, and refuses roles that allow more than the caller may do.
func guardUser(before *core.Directory, a Actor, applied Applied) error {
	user, err := manifest.User(applied.Document)
	if err != nil {
		return err
	}
	old, _ := before.User(user.Name)
	caller, _ := before.User(a.User)
	if !slices.Equal(old.Traits["pagerduty_email"], user.Traits["pagerduty_email"]) {
		return administratorsOnly(a, "set pagerduty_email of "+user.Name+": it says who is on call")
	}
	if old.Owner != user.Owner || old.Bot != user.Bot {
		return administratorsOnly(a, "change whose bot "+user.Name+" is: nobody reviews their own request through one")
	}
	for _, name := range user.Roles {
		if slices.Contains(old.Roles, name) {
			continue
		}
		if role, ok := before.Role(name); ok {
			if !sameImpersonate(role.Allow.Impersonate, core.Impersonate{}) && !slices.Contains(caller.Roles, name) {
				return administratorsOnly(a, "give user "+user.Name+" the role "+name+", whose holders may impersonate others")
			}
			if err := mayGiveRules(before, a, "user "+user.Name, role); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayGiveRules refuses to hand on a permission that the caller does not have.
func mayGiveRules(dir *core.Directory, a Actor, to string, role core.Role) error {
	for _, rule := range role.Allow.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if dir.Allowed(a.User, resource, verb) {
					continue
				}
				return core.Errorf(core.Refused, "%s may not give %s the permission to %s %s, which %s does not have", a.Name(), to, verb, resource, a.Name()).
					WithHint("an administrator can")
			}
		}
	}
	return nil
}

// checkName refuses names that would be taken for Sallyport's own in the audit log.
func checkName(user string) error {
	if slices.Contains(reserved, strings.ToLower(strings.TrimSpace(user))) {
		return core.Errorf(core.Invalid, "user %q cannot be: Sallyport itself goes by that name", user).WithHint("choose another name")
	}
	return nil
}
