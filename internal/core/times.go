package core

import "time"

// The lengths that Teleport sets.
const (
	maxAccess     = 14 * 24 * time.Hour  // of any access
	maxPending    = 7 * 24 * time.Hour   // that a request waits
	maxStartAhead = 7 * 24 * time.Hour   // of a start
	maxSession    = 30 * time.Hour       // of a certificate
	longestAsk    = 366 * 24 * time.Hour // more is taken for a slip of the pen
	shortestAsk   = time.Second
)

// setTimes settles how long the access lasts and how long the request waits.
//
// The access lasts the least of what is asked for, what the roles allow, what is left of the
// session and what this installation allows. It is counted from when it is active, so the
// request may wait longer than the access lasts; with a start, until that access were over.
func (a *asking) setTimes(r *Request, now time.Time) error {
	asked := a.ask.Duration
	switch {
	case asked < 0:
		return Errorf(Invalid, "%s is not a length of time", asked).WithHint("for example --for 2h")
	case asked > 0 && asked < shortestAsk:
		return Errorf(Invalid, "%s is too short; access lasts at least %s", asked, shortestAsk).WithHint("for example --for 2h")
	case asked > longestAsk:
		return Errorf(Invalid, "%s is too long; access lasts at most %s", asked, a.terms.MaxGlobal).WithHint("for example --for 2h")
	case a.ask.SessionLeft < 0:
		return Errorf(Refused, "the session of %s is over", a.ask.User).WithHint("sign in again")
	}
	if r.Duration = asked; asked == 0 {
		r.Duration = a.terms.Default
	}
	r.Duration = min(r.Duration, a.terms.MaxGlobal)
	if a.ask.SessionLeft > 0 {
		r.Duration = min(r.Duration, a.ask.SessionLeft)
	}
	for i := range a.roles {
		if most := a.longest(i); most > 0 {
			r.Duration = min(r.Duration, most)
		}
	}
	r.ExpiresAt = now.Add(a.terms.Pending)
	if r.StartAt.IsZero() {
		return nil
	}
	if err := CheckStart(r.StartAt, now, r.Duration); err != nil {
		return err
	}
	if end := r.StartAt.Add(r.Duration); end.Before(r.ExpiresAt) {
		r.ExpiresAt = end
	}
	return nil
}

// longest is the cap on requested role i, zero where there is none: the largest max_duration
// of the held roles that lead to it; without any, the role's own max_session_ttl, as in
// Teleport, where such access ends with the session.
func (a *asking) longest(i int) time.Duration {
	var most time.Duration
	for h, c := range a.held {
		if a.way(h, i) != 0 {
			most = max(most, c.Allow.Request.MaxDuration)
		}
	}
	if most > 0 {
		return most
	}
	return a.d.roles[a.roles[i]].Options.MaxSessionTTL
}

// CheckStart refuses a start that cannot be: before the request is made, at or after the end
// of access that were counted from then, or more than seven days ahead. (Teleport's
// ValidateAssumeStartTime.)
func CheckStart(start, created time.Time, access time.Duration) error {
	const form = "2006-01-02 15:04:05 UTC"
	end, latest := created.Add(access), created.Add(maxStartAhead)
	switch {
	case start.Before(created):
		return Errorf(Invalid, "the start, %s, is in the past", start.UTC().Format(form))
	case !start.Before(end):
		return Errorf(Invalid, "the start, %s, is too far ahead: access may begin at most its own length after it is asked for, which is before %s", start.UTC().Format(form), end.UTC().Format(form)).
			WithHint("ask for longer than %s with --for, or nearer to the start", access)
	case start.After(latest):
		return Errorf(Invalid, "the start, %s, is more than 7 days ahead", start.UTC().Format(form)).WithHint("the latest start is %s", latest.UTC().Format(form))
	}
	return nil
}

// TeleportTimes is what Teleport looks at to settle how long access lasts.
type TeleportTimes struct {
	Asked       time.Duration // the max_duration of the request
	AskedGiven  bool          // it was given; zero is then a length
	RoleCap     time.Duration // the smallest cap of the requested roles; zero: none
	RoleSession time.Duration // the shortest max_session_ttl of the requested roles; zero: none
	SessionLeft time.Duration // of the requester's login
	DryRun      bool
}

// AccessTimes answers as Teleport does (as of 2025), for those who speak to us as to a
// Teleport cluster: how long access lasts, how long a session with it lasts, and how long
// the request waits. Teleport refuses to be asked for more than 14 days; here that is 14 days.
func AccessTimes(t TeleportTimes) (access, session, pending time.Duration) {
	session = maxSession
	for _, limit := range []time.Duration{t.SessionLeft, t.RoleSession} {
		if limit > 0 {
			session = min(session, limit)
		}
	}
	asked := min(t.Asked, maxAccess)
	if t.DryRun {
		asked = maxAccess
	}
	access = t.RoleCap
	if t.AskedGiven {
		access = min(access, asked)
	}
	if access == 0 && t.AskedGiven && asked < session {
		access = asked
	}
	if access <= 0 {
		access = session
	} else {
		session = min(session, access)
	}
	return access, session, min(maxPending, access)
}
