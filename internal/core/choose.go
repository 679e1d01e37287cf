package core

import (
	"slices"
	"strings"
)

// chooseRoles settles which roles are asked for, and refuses those that may not be.
// One that may not be asked for refuses the whole.
func (a *asking) chooseRoles() error {
	asked := a.ask.Roles
	switch {
	case len(asked) == 0 && len(a.resources) == 0:
		return Errorf(Invalid, "nothing is asked for").WithHint("name roles or resources: %s", a.mayAskFor())
	case len(asked) > maxRoles:
		return Errorf(Invalid, "%d roles are asked for; at most %d may be named in one request", len(asked), maxRoles)
	case len(asked) == 0:
		if err := a.rolesForResources(); err != nil {
			return err
		}
	case len(asked) == 1 && asked[0] == "*" && len(a.resources) == 0:
		if a.roles = a.d.requestable(a.user); len(a.roles) == 0 {
			return Errorf(Refused, "there is no role that %s does not hold and may ask for", a.ask.User).WithHint("%s", a.mayAskFor())
		}
	default:
		a.roles = slices.Clone(asked)
		slices.Sort(a.roles)
		a.roles = slices.Compact(a.roles)
	}
	for _, role := range a.roles {
		if _, ok := a.d.roles[role]; !ok {
			return Errorf(Invalid, "there is no role %q", role).WithHint("%s", didYouMean(role, a.d.names, a.mayAskFor()))
		}
	}
	a.findWays()
	for i, role := range a.roles {
		if err := a.mayAsk(i, role); err != nil {
			return err
		}
	}
	return a.checkResources()
}

// mayAsk refuses a role that is denied, or that no held role leads to in the way that counts.
// (Teleport's CanRequestRole and CanSearchAsRole.)
func (a *asking) mayAsk(i int, role string) error {
	search := a.kind() == bySearch
	for _, c := range a.held {
		if c.denyRequest.denies(role, a.user.Traits) || search && slices.Contains(c.Deny.Request.SearchAsRoles, role) {
			return Errorf(Refused, "%s may not ask for role %s: role %s denies it", a.ask.User, role, c.Name).WithHint("%s", a.mayAskFor())
		}
	}
	for h := range a.held {
		if a.way(h, i)&a.kind() != 0 {
			return nil
		}
	}
	if search {
		return Errorf(Refused, "%s may not ask for resources through role %s", a.ask.User, role).
			WithHint("only roles in search_as_roles of a role one holds; leave --roles out to have them worked out")
	}
	return Errorf(Refused, "%s may not ask for role %s", a.ask.User, role).WithHint("%s", a.mayAskFor())
}

// mayAskFor is the hint that lists what may be asked for.
func (a *asking) mayAskFor() string {
	const shown = 10
	roles := a.d.requestable(a.user)
	switch {
	case len(roles) == 0:
		return "you may ask for no role; an administrator can give you one with allow.request.roles"
	case len(roles) > shown:
		return "what you may ask for: " + strings.Join(roles[:shown], ", ") + ", …"
	}
	return "what you may ask for: " + strings.Join(roles, ", ")
}

// rolesForResources works out the roles through which resources are asked for: of the
// search_as_roles of the held roles those that give one of them. The others are pruned.
// (Teleport's applicableSearchAsRoles.)
func (a *asking) rolesForResources() error {
	candidates := searchable(a.held)
	if len(candidates) == 0 {
		return Errorf(Refused, "%s may not ask for resources: no role they hold has search_as_roles", a.ask.User).WithHint("%s", a.mayAskFor())
	}
	for _, name := range candidates {
		c, ok := a.d.roles[name]
		if ok && slices.ContainsFunc(a.resources, c.gives) && maySearch(a.held, name, a.user.Traits) {
			a.roles = append(a.roles, name)
		}
	}
	return nil
}

// checkResources refuses a resource that none of the roles gives. Both names compare
// literally: a pattern in either is only a name.
func (a *asking) checkResources() error {
	for _, r := range a.resources {
		if slices.ContainsFunc(a.roles, func(role string) bool { return a.d.roles[role].gives(r) }) {
			continue
		}
		var known []string
		for _, k := range a.d.RequestableResources(a.ask.User) {
			known = append(known, k.String())
		}
		return Errorf(Refused, "no role that %s may ask through gives %s", a.ask.User, r).
			WithHint("%s", didYouMean(r.String(), known, "what roles give: sallyport get roles"))
	}
	return nil
}

// gives reports whether holding the role gives a resource.
func (h *compiledRole) gives(r Resource) bool { return slices.Contains(h.Entitlements, r) }

// distinctResources returns resources without duplicates, and refuses too many.
func distinctResources(all []Resource) ([]Resource, error) {
	if len(all) == 0 {
		return nil, nil
	}
	if len(all) > maxResources {
		return nil, Errorf(Invalid, "%d resources are asked for; at most %d may be", len(all), maxResources).WithHint("make several requests")
	}
	out, size := make([]Resource, 0, len(all)), 0
	for _, r := range all {
		if r.Target == "" || r.Name == "" {
			return nil, Errorf(Invalid, "%q is not a resource", r.String()).WithHint("write target/name, for example aws/prod-admin")
		}
		if slices.Contains(out, r) {
			continue
		}
		if size += len(r.Target) + len("/") + len(r.Name); size > maxResourceBytes {
			return nil, Errorf(Invalid, "the names of the resources are more than %d bytes together", maxResourceBytes).WithHint("make several requests")
		}
		out = append(out, r)
	}
	return out, nil
}
