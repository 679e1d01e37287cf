package core

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The limits of a request. Those on the reason and on resources are Teleport's.
const (
	maxReason        = 4096 // bytes
	maxResources     = 300
	maxResourceBytes = 2048 // of all resources together, written as target/name
	maxRoles         = 300  // named in one request; roles=* may come to more
)

// An Ask is what somebody asks for.
type Ask struct {
	User, Author string     // who shall have the access, and who asks; empty Author: the user
	Roles        []string   // names, taken literally; the one entry "*" is every role that may be asked for and is not held
	Resources    []Resource // instead of roles: those are worked out
	Reason       string
	Duration     time.Duration // zero: not given
	StartAt      time.Time     // zero: at once
	SessionLeft  time.Duration // what is left of the session it is asked in; zero: nothing binds it
	DryRun       bool          // everything is checked as ever; the caller stores nothing
	Extends      string        // the grant to lengthen
}

// Terms are the settings of this installation for requests.
type Terms struct {
	NotifyAnnotations   []string      // names that mean "open an incident on"; none: pagerduty_notify_service
	ServicesAnnotations []string      // names that mean "approve who is on call for"; none: pagerduty_services
	Default             time.Duration // of access, where none is asked for; zero: 4 h
	Pending             time.Duration // that a request waits for its decision; zero: 7 d
	Grace               time.Duration // of access after a shift; zero: none
	MaxGlobal           time.Duration // of any access; zero: 14 d
}

// DefaultTerms are the terms of an installation that sets none.
func DefaultTerms() Terms { return Terms{Grace: 15 * time.Minute}.complete() }

// complete puts the default in the place of every zero that has one.
func (t Terms) complete() Terms {
	if len(t.NotifyAnnotations) == 0 {
		t.NotifyAnnotations = notifyAnnotations
	}
	if len(t.ServicesAnnotations) == 0 {
		t.ServicesAnnotations = servicesAnnotations
	}
	if t.Default <= 0 {
		t.Default = 4 * time.Hour
	}
	if t.Pending <= 0 {
		t.Pending = 7 * 24 * time.Hour
	}
	if t.MaxGlobal <= 0 {
		t.MaxGlobal = maxAccess
	}
	return t
}

// The annotation names of Teleport's PagerDuty plugin.
var (
	notifyAnnotations   = []string{"pagerduty_notify_service"}
	servicesAnnotations = []string{"pagerduty_services"}
)

// NewRequest makes a request of what somebody asks for, or refuses it: who may ask for what,
// the annotations and thresholds it carries, the rules by which it can be approved, and how
// long it waits and lasts. All of that is frozen into it; later edits of roles do not change it.
//
// The rules are Teleport's (RequestValidator of its package lib/services, as of 2025), but
// for the durations, which are ours. Nothing of what is asked for is read as a pattern, and
// an ask carries no annotations: those come from roles alone.
func (d *Directory) NewRequest(id string, ask Ask, terms Terms, now time.Time) (Request, error) {
	if err := checkText("reason", ask.Reason); err != nil {
		return Request{}, err
	}
	return d.newRequest(id, &ask, terms, now)
}

// newRequest is NewRequest without its own rules about the letters of a reason.
func (d *Directory) newRequest(id string, ask *Ask, terms Terms, now time.Time) (Request, error) {
	if len(ask.Reason) > maxReason {
		return Request{}, Errorf(Invalid, "the reason is %d bytes long; at most %d are kept", len(ask.Reason), maxReason)
	}
	u, err := d.user(ask.User)
	if err != nil {
		return Request{}, err
	}
	var room [fewHeld]*compiledRole
	a := asking{d: d, ask: ask, terms: terms.complete(), user: u, held: d.held(u, room[:0])}
	if a.resources, err = distinctResources(ask.Resources); err != nil {
		return Request{}, err
	}
	if err := a.chooseRoles(); err != nil {
		return Request{}, err
	}
	if err := a.checkReason(); err != nil {
		return Request{}, err
	}
	r := Request{
		ID: id, User: ask.User, Author: ask.Author, Roles: a.roles, Resources: a.resources, Reason: ask.Reason,
		State: Pending, CreatedAt: now, StartAt: ask.StartAt, Extends: ask.Extends,
	}
	if r.Author == "" {
		r.Author = r.User
	}
	if err := a.setTimes(&r, now); err != nil {
		return Request{}, err
	}
	if err := a.setThresholds(&r); err != nil {
		return Request{}, err
	}
	if err := a.setRules(&r); err != nil {
		return Request{}, err
	}
	a.setSuggested(&r)
	return r, nil
}

// A way is how a held role leads to a requested one.
type way uint8

const (
	byRoles  way = 1 << iota // its request.roles or claims_to_roles match
	bySearch                 // its search_as_roles name it
)

// An asking is a request in the making.
type asking struct {
	d         *Directory
	ask       *Ask
	terms     Terms
	user      *User
	held      []*compiledRole
	resources []Resource
	roles     []string // sorted, each once
	ways      []way    // of held role h to requested role i, at h*len(roles)+i
	room      [32]way  // for ways, usually
}

func (a *asking) way(h, i int) way { return a.ways[h*len(a.roles)+i] }

// kind is the way that counts for this request: resources are asked for through search_as_roles.
func (a *asking) kind() way {
	if len(a.resources) > 0 {
		return bySearch
	}
	return byRoles
}

// findWays fills the table of ways.
func (a *asking) findWays() {
	if n := len(a.held) * len(a.roles); n <= len(a.room) {
		a.ways = a.room[:n]
	} else {
		a.ways = make([]way, n)
	}
	for h, c := range a.held {
		for i, role := range a.roles {
			w := way(0)
			if c.request.match(role, a.user.Traits) {
				w = byRoles
			}
			if len(c.Allow.Request.SearchAsRoles) > 0 && slices.Contains(c.Allow.Request.SearchAsRoles, role) {
				w |= bySearch
			}
			a.ways[h*len(a.roles)+i] = w
		}
	}
}

// checkReason refuses a request without a reason where one is wanted: by
// options.request_access "reason" of any held role, or by reason.mode "required" of a held
// role that names a requested one. The names compare literally, so a pattern there never
// asks for a reason. Blank is none. (Teleport's isReasonRequired.)
func (a *asking) checkReason() error {
	if strings.TrimSpace(a.ask.Reason) != "" {
		return nil
	}
	for _, c := range a.held {
		if c.Options.RequestAccess == "reason" {
			return Errorf(Invalid, "a reason is required: role %s wants one for every request", c.Name).WithHint("add --reason")
		}
		if c.Allow.Request.ReasonMode != "required" {
			continue
		}
		for _, role := range a.roles {
			if slices.Contains(c.Allow.Request.Roles, role) || slices.Contains(c.Allow.Request.SearchAsRoles, role) {
				return Errorf(Invalid, "a reason is required: role %s wants one for %s", c.Name, role).WithHint("add --reason")
			}
		}
	}
	return nil
}

// setThresholds collects the thresholds: for each requested role, in the order of names, one
// set from each held role that leads to it, in the user's order. As in Teleport both ways
// lead there, whatever kind of request it is, so that no threshold is lost.
func (a *asking) setThresholds(r *Request) error {
	var list thresholdList
	r.Sets = make(map[string][][]int, len(a.roles))
	for i, role := range a.roles {
		var sets [][]int
		for h, c := range a.held {
			if a.way(h, i) == 0 {
				continue
			}
			set, err := list.add(c.thresholds)
			if err != nil {
				return err
			}
			sets = append(sets, set)
		}
		r.Sets[role] = sets
	}
	r.Thresholds = list.all
	return nil
}

// setRules fills in the annotations of the roles that lead to what is asked for, and makes a
// rule of each. What other held roles carry stays away (Teleport since its change 41821);
// what any held role denies is left out everywhere.
func (a *asking) setRules(r *Request) error {
	var denied []filled
	for _, c := range a.held {
		denied = append(denied, fillAnnotations(c.denyAnnotations, a.user.Traits, nil)...)
	}
	for h, c := range a.held {
		if len(c.annotations) == 0 {
			continue
		}
		var roles []string
		for i, role := range a.roles {
			if a.way(h, i)&a.kind() != 0 {
				roles = append(roles, role)
			}
		}
		if len(roles) == 0 {
			continue
		}
		annotations := fillAnnotations(c.annotations, a.user.Traits, denied)
		rule, some, err := approvalRule(c.Name, annotations, roles, &a.terms)
		if err != nil {
			return err
		}
		if some {
			r.Rules = append(r.Rules, rule)
		}
		r.Annotations = mergeAnnotations(r.Annotations, annotations)
	}
	return nil
}

// setSuggested collects the reviewers whom the roles that lead to what is asked for suggest.
func (a *asking) setSuggested(r *Request) {
	for h, c := range a.held {
		for i := range a.roles {
			if a.way(h, i)&a.kind() == 0 {
				continue
			}
			for _, name := range c.Allow.Request.SuggestedReviewers {
				if !slices.Contains(r.Suggested, name) {
					r.Suggested = append(r.Suggested, name)
				}
			}
		}
	}
}

// checkText refuses what could make a text say something else than it seems to: broken
// UTF-8, control characters, line breaks included, and marks that turn the direction of writing.
func checkText(what, s string) error {
	if len(s) > maxReason {
		return Errorf(Invalid, "the %s is %d bytes long; at most %d are kept", what, len(s), maxReason)
	}
	if !utf8.ValidString(s) {
		return Errorf(Invalid, "the %s is not valid UTF-8", what)
	}
	for _, r := range s {
		if unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u2028' || r == '\u2029' {
			return Errorf(Invalid, "the %s contains the control character %U", what, r).WithHint("write it on one line")
		}
	}
	return nil
}
