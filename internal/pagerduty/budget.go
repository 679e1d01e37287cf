package pagerduty

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	assumedLimit   = 960              // calls per minute and key, where no header tells (PagerDuty's documentation)
	assumedWindow  = time.Minute      // the same
	longestWindow  = 15 * time.Minute // a longer reset is taken for nonsense
	credentialWait = 15 * time.Second // between probes after 401, 402 and 403
	earlyProbe     = 15 * time.Second // after 429, one call looks whether a longer window still holds
	minBackoff     = time.Second
	maxBackoff     = 30 * time.Second
)

// A lane says what a call is for, and so what it may spend.
type lane int

const (
	laneRead  lane = iota // somebody waits: up to 90 % of the limit
	laneSync              // the bulk read of duties: as laneRead, and counted as background
	laneBulk              // the directory: waits once background reads have spent half of the limit
	laneWrite             // incidents: everything, the last 10 % included
)

// A Budget is what an account may still spend, as PagerDuty last said.
type Budget struct {
	Limit, Remaining int
	ResetAt          time.Time
	Known            bool // false: PagerDuty has sent no rate-limit header yet
	ClosedUntil      time.Time
	Closed           string // why no call is made now; empty when calls are made
}

// A budget admits calls. PagerDuty allows so many calls a minute, tells in headers how many
// are left, and answers 429 beyond that, sometimes for one operation alone, sometimes
// without any header.
type budget struct {
	now    func() time.Time
	random func() float64

	mu         sync.Mutex
	known      bool
	limit      int
	remaining  int
	resetAt    time.Time
	background int // our own background reads in this window
	gates      map[string]*gate
}

// A gate is closed after 429, 401, 402 or 403, for the account (key "") or one operation.
// Once its time is over one call goes first, and the others wait to see how it fares.
// A long window has one call in the middle that looks whether it still holds.
type gate struct {
	until    time.Time
	probeAt  time.Time // zero: not before until
	failures int
	token    string // the credentials that were refused; others pass
	why      *Error
	probe    chan struct{} // closed when the call that goes first is back; nil: none is under way
}

// next is when the gate lets a call through.
func (g *gate) next() time.Time {
	if !g.probeAt.IsZero() && g.probeAt.Before(g.until) {
		return g.probeAt
	}
	return g.until
}

// A pass is leave to make one call.
type pass struct {
	op, token string
	probes    []string // gates for which this call goes first
}

func newBudget(now func() time.Time, random func() float64) *budget {
	return &budget{now: now, random: random, limit: assumedLimit, remaining: assumedLimit, gates: map[string]*gate{}}
}

// wait returns a pass, or the reason why the call must not be made now. It waits only for
// a probe under way and, in the bulk lane, for the next window.
func (b *budget) wait(ctx context.Context, op string, l lane, token string) (pass, *Error) {
	for {
		p, probe, hold, e := b.enter(op, l, token)
		if e == nil {
			return p, nil
		}
		if deadline, ok := ctx.Deadline(); ok && hold > time.Until(deadline) {
			return pass{}, e
		}
		switch {
		case probe != nil:
			select {
			case <-probe:
			case <-ctx.Done():
				return pass{}, e
			}
		case hold > 0:
			if !pause(ctx, hold) {
				return pass{}, e
			}
		default:
			return pass{}, e
		}
	}
}

// enter admits a call, or says why not and what to wait for.
func (b *budget) enter(op string, l lane, token string) (p pass, probe <-chan struct{}, hold time.Duration, e *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.roll(now)
	p = pass{op: op, token: token}
	for _, key := range []string{"", op} {
		g := b.gates[key]
		switch {
		case g == nil || (g.token != "" && g.token != token):
		case g.probe != nil:
			return pass{}, g.probe, 0, refused(op, g.why, minBackoff)
		case now.Before(g.next()):
			return pass{}, nil, 0, refused(op, g.why, g.next().Sub(now))
		default:
			p.probes = append(p.probes, key)
		}
	}
	if len(p.probes) > 0 {
		return b.admit(p, l), nil, 0, nil
	}
	left := max(b.resetAt.Sub(now), minBackoff)
	spent := &Error{
		Op: op, Status: http.StatusTooManyRequests, RetryAfter: left, local: true,
		Message: "what is left of the limit is kept for incidents",
	}
	switch {
	case l == laneBulk && (b.background >= b.limit/2 || b.remaining <= b.limit/10):
		return pass{}, nil, left, spent
	case l != laneWrite && b.remaining <= b.limit/10:
		return pass{}, nil, 0, spent
	}
	return b.admit(p, l), nil, 0, nil
}

func (b *budget) admit(p pass, l lane) pass {
	for _, key := range p.probes {
		b.gates[key].probe = make(chan struct{})
	}
	if l == laneBulk || l == laneSync {
		b.background++
	}
	b.remaining = max(b.remaining-1, 0)
	return p
}

// roll begins a new window when the old one is over.
func (b *budget) roll(now time.Time) {
	if b.resetAt.IsZero() || !now.Before(b.resetAt) {
		b.remaining, b.background, b.resetAt = b.limit, 0, now.Add(assumedWindow)
	}
}

func refused(op string, why *Error, left time.Duration) *Error {
	e := *why
	e.Op, e.RetryAfter, e.local, e.Doubtful = op, left, true, false
	return &e
}

// leave notes how a call went.
func (b *budget) leave(p pass, h http.Header, e *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if len(p.probes) > 0 {
		b.known = false // what was counted down before says nothing about a window that is over
	}
	b.read(now, h, e)
	for _, key := range p.probes {
		if g := b.gates[key]; g != nil && g.probe != nil {
			close(g.probe)
			g.probe, g.probeAt = nil, time.Time{}
		}
	}
	switch {
	case e == nil:
		b.open(p)
	case e.Status == http.StatusTooManyRequests:
		b.limited(now, p, e)
	case e.Credentials:
		b.credentialsRefused(now, p, e)
	case e.Status != 0 && e.Status < 500 && !e.malformed:
		b.open(p) // an answer about the question itself: limits and credentials are fine
	}
}

// open removes the gates that this call went first for, and those of other credentials.
// A call that was under way before they closed proves nothing.
func (b *budget) open(p pass) {
	for _, key := range p.probes {
		delete(b.gates, key)
	}
	if len(p.probes) > 0 && !b.known {
		b.remaining, b.resetAt = b.limit, time.Time{}
	}
	for _, key := range []string{"", p.op} {
		if g := b.gates[key]; g != nil && g.token != "" && g.token != p.token {
			delete(b.gates, key)
		}
	}
}

// read takes over what the headers tell. Answers overtake each other, so within one window the lower count holds.
func (b *budget) read(now time.Time, h http.Header, e *Error) {
	limit, err1 := strconv.Atoi(h.Get("ratelimit-limit"))
	remaining, err2 := strconv.Atoi(h.Get("ratelimit-remaining"))
	reset, err3 := strconv.Atoi(h.Get("ratelimit-reset"))
	if err1 != nil || err2 != nil || err3 != nil || limit <= 0 || remaining < 0 || reset < 0 {
		return
	}
	if e != nil && e.Status == http.StatusTooManyRequests {
		e.scoped = remaining > 0
	}
	at := now.Add(min(time.Duration(reset)*time.Second, longestWindow))
	if b.known && b.limit == limit && at.Sub(b.resetAt).Abs() < 2*time.Second {
		remaining = min(remaining, b.remaining)
	}
	b.known, b.limit, b.remaining, b.resetAt = true, limit, remaining, at
}

// limited closes a gate after 429: until the reset where one is told, else for a time that
// doubles. PagerDuty limits some operations further than the account (its description marks
// GET /oncalls, POST and PUT /incidents); the account's headers then show calls left, their
// reset says nothing, and only that operation waits.
func (b *budget) limited(now time.Time, p pass, e *Error) {
	key := ""
	if e.scoped {
		key = p.op
	}
	g := b.gates[key]
	if g == nil {
		g = &gate{}
		b.gates[key] = g
	}
	if e.RetryAfter <= 0 && b.known && !e.scoped && b.remaining == 0 {
		e.RetryAfter = b.resetAt.Sub(now)
	}
	first := slices.Contains(p.probes, key)
	if first || !now.Before(g.until) {
		g.failures++ // others that were under way beside it tell nothing new
	}
	if e.RetryAfter > 0 {
		e.RetryAfter += time.Duration(b.random() * float64(500*time.Millisecond))
		early := now.Add(earlyProbe)
		if first && g.until.After(early) { // this was the early call: each window has one
			early = g.until
		}
		g.probeAt = early
	} else {
		e.RetryAfter = backoff(g.failures-1, minBackoff, maxBackoff, b.random())
		g.probeAt = time.Time{}
	}
	g.until, g.why, g.token = now.Add(e.RetryAfter), e, ""
	e.RetryAfter = g.next().Sub(now)
}

// credentialsRefused closes a gate after 401 for everything these credentials do, after 402 and 403
// for the operation alone: other scopes still work.
func (b *budget) credentialsRefused(now time.Time, p pass, e *Error) {
	key := p.op
	if e.Status == http.StatusUnauthorized {
		key = ""
	}
	e.RetryAfter = credentialWait
	b.gates[key] = &gate{until: now.Add(credentialWait), why: e, token: p.token}
}

// forgive lets calls through again after credentials were refused. Limits stay.
func (b *budget) forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, g := range b.gates {
		if g.token != "" && g.probe == nil {
			delete(b.gates, key)
		}
	}
}

func (b *budget) snapshot() Budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.roll(now)
	s := Budget{Limit: b.limit, Remaining: b.remaining, ResetAt: b.resetAt, Known: b.known}
	if g := b.gates[""]; g != nil && now.Before(g.next()) {
		s.ClosedUntil, s.Closed = g.until, g.why.Error()
	}
	return s
}

// backoff is the wait after so many failures in a row: it doubles from low to high, with jitter.
func backoff(failures int, low, high time.Duration, random float64) time.Duration {
	d := high
	if failures < 10 {
		d = min(low<<(failures+1), high)
	}
	return max(low, d/2+time.Duration(random*float64(d/2)))
}

// retryAfter reads Retry-After and, for 429 without it, nothing: PagerDuty documents ratelimit-reset instead.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, longestWindow)
	}
	if at, err := http.ParseTime(v); err == nil {
		if sent, err := http.ParseTime(h.Get("Date")); err == nil && at.After(sent) {
			return min(at.Sub(sent), longestWindow)
		}
	}
	return 0
}
