package core

import "time"

// An impersonation is an Impersonate with its matchers parsed.
type impersonation struct{ users, roles nameSet }

func newImpersonation(i Impersonate, report func(field string, err error)) impersonation {
	return impersonation{
		users: newNameSet(i.Users, nil, func(_ string, err error) { report("users", err) }),
		roles: newNameSet(i.Roles, nil, func(_ string, err error) { report("roles", err) }),
	}
}

// MayImpersonate refuses a user who may not have an identity made for another. One role has to
// allow both the other's name and all their roles; a deny that meets either is enough to
// refuse. (Teleport's CheckImpersonate.)
func (d *Directory) MayImpersonate(user, other string) error {
	u, err := d.user(user)
	if err != nil {
		return err
	}
	target, err := d.user(other)
	if err != nil {
		return err
	}
	held := d.held(u, nil)
	for _, h := range held {
		if h.denyImpersonate.meets(target) {
			return Errorf(Refused, "%s may not have an identity made for %s: role %s denies it", user, other, h.Name)
		}
	}
	for _, h := range held {
		if h.impersonate.covers(target) {
			return nil
		}
	}
	return Errorf(Refused, "%s may not have an identity made for %s: no role of theirs allows both that user and all their roles", user, other).
		WithHint("a role allows it with allow: {impersonate: {users: [%s], roles: [...]}}", other)
}

func (i *impersonation) covers(u *User) bool {
	if !i.users.match(u.Name, nil) {
		return false
	}
	for _, role := range u.Roles {
		if !i.roles.match(role, nil) {
			return false
		}
	}
	return true
}

func (i *impersonation) meets(u *User) bool {
	if i.users.denies(u.Name, nil) || i.roles.broken {
		return true
	}
	for _, role := range u.Roles {
		if i.roles.match(role, nil) {
			return true
		}
	}
	return false
}

// LongestSession is how long an identity of a user may last: the smallest max_session_ttl of
// their roles, and Teleport's 30 hours where none says.
func (d *Directory) LongestSession(user string) time.Duration {
	u, ok := d.User(user)
	if !ok {
		return 0
	}
	var most time.Duration
	for _, h := range d.held(&u, nil) {
		if ttl := h.Options.MaxSessionTTL; ttl > 0 && (most == 0 || ttl < most) {
			most = ttl
		}
	}
	if most == 0 {
		return maxSession
	}
	return most
}
