package core

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport/sallyport/internal/predicate"
)

// A Directory is who there is and what they may do: the roles and users of one moment,
// compiled once and then only read. It may be shared.
//
// Only the roles that users hold statically are in it. A role that came by a grant gives
// its entitlements and nothing else, so it never lets its holder ask for more or review.
type Directory struct {
	roles   map[string]*compiledRole
	names   []string // of the roles, sorted
	users   map[string]int
	list    []User
	filters map[string]*predicate.Expr // by text; nil where it cannot be read
}

// A compiledRole is a role with everything in it parsed.
type compiledRole struct {
	Role
	request, denyRequest         nameSet
	review, denyReview           compiledReview
	impersonate, denyImpersonate impersonation
	annotations, denyAnnotations []annotation
	thresholds                   []Threshold // never empty
}

// A compiledReview is a ReviewRule with everything in it parsed.
type compiledReview struct {
	names nameSet
	where *predicate.Expr // nil where there is none, or none that can be read
	err   error           // why the where cannot be read
}

// defaultThreshold is that of a role that names none. (Teleport's thresholdCollector.)
var defaultThreshold = Threshold{Name: "default", Approve: 1, Deny: 1}

// NewDirectory compiles roles and users. Of two with one name the later counts, so that
// what is edited can follow what is built in.
//
// A part of a role that cannot be read gives nothing where it would allow, refuses
// everything where it would deny, and is reported. CheckRole keeps such roles out; one can
// still come from a store that an older release wrote.
func NewDirectory(roles []Role, users []User) (*Directory, []error) {
	d := &Directory{
		roles:   make(map[string]*compiledRole, len(roles)),
		users:   make(map[string]int, len(users)),
		list:    users,
		filters: map[string]*predicate.Expr{},
	}
	var errs []error
	wheres := map[string]*predicate.Expr{}
	for _, r := range roles {
		c := compileRole(r, wheres, d.filters, func(field string, err error) {
			errs = append(errs, Errorf(Invalid, "role %s: %s: %w", r.Name, field, err))
		})
		d.roles[r.Name] = c
	}
	for i, u := range users {
		d.users[u.Name] = i
	}
	d.names = slices.Sorted(maps.Keys(d.roles))
	return d, errs
}

// compileRole parses everything in a role. What cannot be read is reported by the path of its field.
func compileRole(r Role, wheres, filters map[string]*predicate.Expr, report func(field string, err error)) *compiledRole {
	under := func(path string) func(string, error) {
		return func(field string, err error) { report(path+"."+field, err) }
	}
	c := &compiledRole{Role: r, thresholds: r.Allow.Request.Thresholds}
	if len(c.thresholds) == 0 {
		c.thresholds = []Threshold{defaultThreshold}
	}
	for i, t := range c.thresholds {
		if t.Filter == "" {
			continue
		}
		if _, err := compileExpr(predicate.Threshold, t.Filter, filters); err != nil {
			report(fmt.Sprintf("allow.request.thresholds[%d].filter", i), err)
		}
	}
	c.request = newNameSet(r.Allow.Request.Roles, r.Allow.Request.ClaimsToRoles, under("allow.request"))
	c.denyRequest = newNameSet(r.Deny.Request.Roles, r.Deny.Request.ClaimsToRoles, under("deny.request"))
	c.review = newCompiledReview(r.Allow.Review, wheres, under("allow.review_requests"))
	c.denyReview = newCompiledReview(r.Deny.Review, wheres, under("deny.review_requests"))
	c.impersonate = newImpersonation(r.Allow.Impersonate, under("allow.impersonate"))
	c.denyImpersonate = newImpersonation(r.Deny.Impersonate, under("deny.impersonate"))
	c.annotations = compileAnnotations(r.Allow.Request.Annotations)
	c.denyAnnotations = compileAnnotations(r.Deny.Request.Annotations)
	return c
}

func newCompiledReview(r ReviewRule, wheres map[string]*predicate.Expr, report func(string, error)) compiledReview {
	c := compiledReview{names: newNameSet(r.Roles, r.ClaimsToRoles, report)}
	if r.Where != "" {
		if c.where, c.err = compileExpr(predicate.Review, r.Where, wheres); c.err != nil {
			report("where", c.err)
		}
	}
	return c
}

// compileExpr parses an expression once; equal texts share the result.
func compileExpr(kind predicate.Kind, text string, known map[string]*predicate.Expr) (*predicate.Expr, error) {
	if e, ok := known[text]; ok && e != nil {
		return e, nil
	}
	e, err := predicate.Parse(kind, text)
	known[text] = e
	return e, err
}

// filter returns the expression of a threshold. A request's thresholds are frozen, so the
// text may stand in no role any more.
func (d *Directory) filter(text string) (*predicate.Expr, error) {
	if e, ok := d.filters[text]; ok && e != nil {
		return e, nil
	}
	return predicate.Parse(predicate.Threshold, text)
}

// User returns a user by name.
func (d *Directory) User(name string) (User, bool) {
	if i, ok := d.users[name]; ok {
		return d.list[i], true
	}
	return User{}, false
}

// Role returns a role by name.
func (d *Directory) Role(name string) (Role, bool) {
	if c, ok := d.roles[name]; ok {
		return c.Role, true
	}
	return Role{}, false
}

// RoleNames returns the names of all roles, sorted. The caller must not change the list.
func (d *Directory) RoleNames() []string { return d.names }

// Locked returns the names of the users who are locked.
func (d *Directory) Locked() []string {
	var out []string
	for _, u := range d.list {
		if u.Locked {
			out = append(out, u.Name)
		}
	}
	return out
}

// user returns a user who may act: one that exists and is not locked.
func (d *Directory) user(name string) (*User, error) {
	i, ok := d.users[name]
	if !ok {
		return nil, Errorf(NotFound, "there is no user %q", name).WithHint("the users there are: sallyport get users")
	}
	u := &d.list[i]
	if u.Locked {
		return nil, Errorf(Refused, "user %s is locked", name).WithHint("an administrator can unlock a user: sallyport edit user/%s", name)
	}
	return u, nil
}

// held appends the roles that a user holds and that exist, in the user's order, each once.
func (d *Directory) held(u *User, to []*compiledRole) []*compiledRole {
	for _, name := range u.Roles {
		if c, ok := d.roles[name]; ok && !slices.Contains(to, c) {
			to = append(to, c)
		}
	}
	return to
}

// fewHeld is room on the stack for the roles that people usually hold.
const fewHeld = 16

// MayRequest reports whether a role exists and a user may ask for it.
func (d *Directory) MayRequest(user, role string) bool {
	u, err := d.user(user)
	if err != nil {
		return false
	}
	var room [fewHeld]*compiledRole
	_, exists := d.roles[role]
	return exists && mayRequest(d.held(u, room[:0]), role, u.Traits)
}

// mayRequest reports whether some held role allows asking for a role and none denies it.
func mayRequest(held []*compiledRole, role string, traits map[string][]string) bool {
	for _, h := range held {
		if h.denyRequest.denies(role, traits) {
			return false
		}
	}
	for _, h := range held {
		if h.request.match(role, traits) {
			return true
		}
	}
	return false
}

// Requestable returns the roles that a user does not hold and may ask for, sorted. It is
// what roles=* stands for in a request.
func (d *Directory) Requestable(user string) []string {
	u, err := d.user(user)
	if err != nil {
		return nil
	}
	return d.requestable(u)
}

func (d *Directory) requestable(u *User) []string {
	held := d.held(u, nil)
	var out []string
	for _, name := range d.names {
		if !slices.Contains(u.Roles, name) && mayRequest(held, name, u.Traits) {
			out = append(out, name)
		}
	}
	return out
}

// RequestableResources returns the resources that a user may ask for, sorted: what the roles
// that they may search as give.
func (d *Directory) RequestableResources(user string) []Resource {
	u, err := d.user(user)
	if err != nil {
		return nil
	}
	var out []Resource
	held := d.held(u, nil)
	for _, name := range searchable(held) {
		if c, ok := d.roles[name]; ok && maySearch(held, name, u.Traits) {
			out = append(out, c.Entitlements...)
		}
	}
	slices.SortFunc(out, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(out)
}

// searchable returns the roles that the held ones name in search_as_roles, sorted.
func searchable(held []*compiledRole) []string {
	var names []string
	for _, h := range held {
		names = append(names, h.Allow.Request.SearchAsRoles...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// maySearch reports whether resources may be asked for through a role. Names in
// search_as_roles are literal; deny.request.roles applies as well. (Teleport's CanSearchAsRole.)
func maySearch(held []*compiledRole, role string, traits map[string][]string) bool {
	for _, h := range held {
		if slices.Contains(h.Deny.Request.SearchAsRoles, role) || h.denyRequest.denies(role, traits) {
			return false
		}
	}
	return slices.ContainsFunc(held, func(h *compiledRole) bool {
		return slices.Contains(h.Allow.Request.SearchAsRoles, role)
	})
}
