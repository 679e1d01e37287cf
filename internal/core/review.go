package core

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/predicate"
)

// MayReview returns nil if somebody may review a request, and otherwise an error that says
// why not. It does not look at the request's state, nor at the reviews that it has.
//
// Nobody reviews what they asked for, for themselves or for another, under any name of
// theirs or through a bot of theirs. Everything else is mayReview.
func (d *Directory) MayReview(reviewer string, r Request) error {
	if err := d.independent(reviewer, &r); err != nil {
		return err
	}
	return d.mayReview(reviewer, &r)
}

// Independent returns nil if somebody, under any name of theirs, has no part in a request. It
// is asked of whoever acts behind a reviewer's name.
func (d *Directory) Independent(name string, r Request) error { return d.independent(name, &r) }

// independent refuses a reviewer who is behind the request.
func (d *Directory) independent(reviewer string, r *Request) error {
	if reviewer == r.User || reviewer == r.Author {
		return Errorf(Refused, "%s asked for this; nobody reviews their own request", reviewer).WithHint("somebody else has to review it")
	}
	var room [3][4]string
	own := d.selves(reviewer, room[0][:0])
	for i, name := range [...]string{r.User, r.Author} {
		if name != "" && (i == 0 || name != r.User) && samePerson(own, d.selves(name, room[1+i][:0])) {
			return Errorf(Refused, "%s and %s are the same person; nobody reviews their own request", reviewer, name).WithHint("somebody else has to review it")
		}
	}
	return nil
}

// mayReview holds a request against the review_requests of the reviewer's roles.
//
// Rules that deny come first, and one is enough. Then every requested role has to be covered
// by a rule that allows and whose where holds; coverage adds up over roles. A where that
// cannot be evaluated refuses the review. (Teleport's ReviewPermissionChecker. It stops at
// the first allowing rules that cover everything, in random order, so that a failing where is
// sometimes met and sometimes not; here each that would cover something is always asked.)
func (d *Directory) mayReview(reviewer string, r *Request) error {
	u, err := d.user(reviewer)
	if err != nil {
		return err
	}
	var room [fewHeld]*compiledRole
	held := d.held(u, room[:0])
	var c predicate.Context
	c.Reviewer.Roles, c.Reviewer.Traits = u.Roles, u.Traits
	c.Request.Roles, c.Request.Reason, c.Request.SystemAnnotations = r.Roles, r.Reason, r.Annotations
	for _, h := range held {
		if err := h.refusesReview(u, r, &c); err != nil {
			return err
		}
	}
	var few [8]bool
	covered := append(few[:0], make([]bool, len(r.Roles))...)
	var failed, unmet *compiledRole
	for _, h := range held {
		if !slices.ContainsFunc(r.Roles, func(role string) bool { return h.review.names.match(role, u.Traits) }) {
			continue
		}
		holds, err := h.review.holds(&c)
		switch {
		case err != nil:
			failed = h
		case !holds:
			unmet = h
		default:
			for i, role := range r.Roles {
				covered[i] = covered[i] || h.review.names.match(role, u.Traits)
			}
		}
	}
	if failed != nil {
		_, err := failed.review.holds(&c)
		return whereFails(failed.Name, "allow", err)
	}
	if i := slices.Index(covered, false); i >= 0 || len(r.Roles) == 0 {
		return uncovered(reviewer, r, i, unmet, &c)
	}
	return nil
}

// refusesReview refuses what a role denies. The where of a deny rule is asked even where
// the rule covers nothing that is requested, as in Teleport.
func (h *compiledRole) refusesReview(u *User, r *Request, c *predicate.Context) error {
	rule := &h.denyReview
	if rule.names.empty() && !rule.names.broken && rule.where == nil && rule.err == nil {
		return nil
	}
	holds, err := rule.holds(c)
	if err != nil {
		return whereFails(h.Name, "deny", err)
	}
	if !holds {
		return nil
	}
	for _, role := range r.Roles {
		if rule.names.denies(role, u.Traits) {
			return Errorf(Refused, "%s may not review requests for %s: role %s denies it", u.Name, role, h.Name).
				WithHint("somebody else has to review it")
		}
	}
	return nil
}

// holds evaluates the where of a rule; a rule without one always holds.
func (c *compiledReview) holds(about *predicate.Context) (bool, error) {
	if c.err != nil {
		return false, c.err
	}
	if c.where == nil {
		return true, nil
	}
	return c.where.Eval(about)
}

func whereFails(role, side string, err error) error {
	return Errorf(Refused, "role %s: %s.review_requests.where cannot be evaluated: %w", role, side, err).
		WithHint("an administrator can mend it: sallyport edit role/%s", role)
}

// uncovered says why a reviewer may not review requested role i. unmet is a role that would
// cover some of the requested roles, if its where held; it may be nil.
func uncovered(reviewer string, r *Request, i int, unmet *compiledRole, c *predicate.Context) error {
	if i < 0 {
		return Errorf(Refused, "the request names no roles, so nobody may review it")
	}
	err := Errorf(Refused, "no role of %s lets them review a request for %s", reviewer, r.Roles[i])
	if unmet != nil {
		err = Errorf(Refused, "role %s lets %s review only where a condition holds, and here %s", unmet.Name, reviewer, unmet.review.where.Explain(c))
	}
	return err.WithHint("a role with allow.review_requests.roles for %s is needed", strings.Join(r.Roles, ", "))
}

// AddReview returns the request with one more review, and decided if that review decides it.
// The request that is given does not change. Whether the author may review it is for MayReview.
//
// The filters of the thresholds are evaluated now, and what the review counts for is kept
// with it. A review that counts for nothing is kept as well and is its author's only one. Two
// reviews of one person, under whatever names, would count once: the second is refused. Human
// of the review, where it is set, is who acted behind the author's name, and is held to the
// same. What was said by people who are locked or gone now does not count any more.
func (d *Directory) AddReview(r Request, rev Review, now time.Time) (Request, error) {
	if err := checkText("reason", rev.Reason); err != nil {
		return r, err
	}
	if rev.State == Promoted {
		return r, badProposal(rev.State)
	}
	if err := d.independent(rev.Author, &r); err != nil {
		return r, err
	}
	if rev.Human != "" {
		if err := d.independent(rev.Human, &r); err != nil {
			return r, err
		}
	}
	if r.State == Pending && !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt) {
		return r, Errorf(Refused, "the request expired at %s", r.ExpiresAt.UTC().Format("2006-01-02 15:04:05 UTC")).WithHint("ask again")
	}
	if err := d.firstOfPerson(&rev, &r); err != nil {
		return r, err
	}
	return d.addReview(r, rev, now, d.stands)
}

// addReview is AddReview as in Teleport (ApplyAccessReview of its package lib/services):
// names are people, and PROMOTED, which ends a request at once, may be proposed. stands tells
// which of the earlier reviews count still.
func (d *Directory) addReview(r Request, rev Review, now time.Time, stands func(*Review) bool) (Request, error) {
	switch {
	case rev.State != Approved && rev.State != Denied && rev.State != Promoted:
		return r, badProposal(rev.State)
	case r.State != Pending:
		return r, Errorf(Conflict, "request %s is already %s", r.ID, r.State).WithHint("a decision stands; see why: sallyport request explain %s", r.ID)
	case slices.ContainsFunc(r.Reviews, func(old Review) bool { return old.Author == rev.Author }):
		return r, Errorf(Refused, "%s has already reviewed this request", rev.Author).WithHint("a review cannot be changed")
	}
	var c predicate.Context
	if u, ok := d.User(rev.Author); ok {
		c.Reviewer.Roles, c.Reviewer.Traits = u.Roles, u.Traits
	}
	c.Request.Roles, c.Request.Reason, c.Request.SystemAnnotations = r.Roles, r.Reason, r.Annotations
	c.Review.Reason = rev.Reason
	var err error
	if rev.CountsFor, err = d.countsFor(&r, &c); err != nil {
		return r, err
	}
	rev.Human, rev.CreatedAt = d.Human(cmp.Or(rev.Human, rev.Author)), now
	r.Reviews = append(slices.Clip(r.Reviews), rev)
	if rev.State == Promoted {
		r.State, r.Decision = Promoted, &Decision{State: Promoted, At: now, By: rev.Author, Reasons: []Reason{reviewReason(rev)}}
		return r, nil
	}
	var few [8]tally
	tallies := count(&r, stands, few[:0])
	if state := resolve(&r, tallies); state != Pending {
		reasons := append(make([]Reason, 0, 1+len(r.Roles)), reviewReason(rev))
		r.State, r.Decision = state, &Decision{State: state, At: now, By: rev.Author, Reasons: standing(&r, tallies, reasons)}
	}
	return r, nil
}

func badProposal(state RequestState) error {
	return Errorf(Invalid, "a review proposes %s or %s, not %q", Approved, Denied, string(state))
}

// firstOfPerson refuses a second review by one person under another name.
func (d *Directory) firstOfPerson(rev *Review, r *Request) error {
	if len(r.Reviews) == 0 {
		return nil
	}
	var room [2][8]string
	own := d.selves(rev.Author, room[0][:0])
	if rev.Human != "" {
		own = d.selves(rev.Human, own)
	}
	for _, old := range r.Reviews {
		if old.Author == rev.Author {
			continue // addReview has better words for it
		}
		others := append(d.selves(old.Author, room[1][:0]), personKey(old.Human))
		if samePerson(own, others) {
			return Errorf(Refused, "%s and %s are the same person, who has already reviewed this request", cmp.Or(rev.Human, rev.Author), old.Author).
				WithHint("two reviews by one person count once; somebody else has to review it")
		}
	}
	return nil
}

// reviewReason says a review in words.
func reviewReason(rev Review) Reason {
	verb := " approved"
	switch rev.State {
	case Denied:
		verb = " denied"
	case Promoted:
		verb = " promoted"
	}
	text := rev.Author + verb
	if rev.Reason != "" {
		text = rev.Author + verb + ": " + rev.Reason
	}
	return Reason{Check: "review", OK: rev.State == Approved, Text: text}
}
