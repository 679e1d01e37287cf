package world

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

//go:embed work.yaml
var work string

// Work gives the server the roles and users of a ledger's work. The target db is the caller's
// to give; its resources are prefix_prod and prefix_manual.
func (s *Server) Work(prefix, target string) {
	s.t.Helper()
	s.Account()
	s.Apply(target)
	s.Apply(strings.ReplaceAll(work, "PREFIX", prefix))
}

// A Ledger makes calls on servers that are killed, and keeps what was acknowledged, so that
// they can be held to it.
//
// A call that got no answer may have been carried out or not; either is right.
type Ledger struct {
	Lasts  string // access of those on call; default 1h
	Beside int    // requests that others make on the same servers

	mu      sync.Mutex
	count   int
	lost    []submission      // got no answer; see Repeat
	asked   map[string]bool   // requests; whether the on-call reviewer approves them
	open    []string          // requests that wait for people
	decided map[string]string // what was acknowledged as the decision
	granted []string          // requests whose grants may be revoked
	revoked map[string]bool   // grants
}

type submission struct {
	key string
	client.Ask
	onCall bool
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{asked: map[string]bool{}, decided: map[string]string{}, revoked: map[string]bool{}}
}

// Asked is how many requests were acknowledged.
func (l *Ledger) Asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.asked)
}

// Decided is how many decisions and revocations of people were acknowledged.
func (l *Ledger) Decided() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.decided) + len(l.revoked)
}

// Run makes calls until ctx ends, one every pace. Trouble is expected and left aside.
func (l *Ledger) Run(ctx context.Context, s *Server, pace time.Duration) {
	c := s.Client()
	defer c.Close()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := l.Asked(); ; n++ { // not always the same call first
		switch n % 6 {
		case 0:
			_ = l.submit(ctx, c, l.next(true))
		case 1:
			_ = l.submit(ctx, c, l.next(false))
		case 2, 4:
			l.decide(ctx, c)
		case 3, 5:
			l.revoke(ctx, c)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Ask makes one request of somebody who is not on call.
func (l *Ledger) Ask(ctx context.Context, s *Server) error {
	c := s.Client()
	defer c.Close()
	return l.submit(ctx, c, l.next(false))
}

// Live plays one whole life: somebody on call asks, somebody else asks and is refused, and
// the access ends. It returns early where the server dies, or ctx ends.
func (l *Ledger) Live(ctx context.Context, s *Server) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	c := s.Client()
	defer c.Close()
	_ = l.submit(ctx, c, l.next(true))
	_ = l.submit(ctx, c, l.next(false))
	l.decide(ctx, c)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		live, err := c.Grants(ctx, client.GrantQuery{State: "pending,active,ending"})
		if err == nil && len(live.Items) == 0 && l.quiet(ctx, c) == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Ledger) submit(ctx context.Context, c *client.Client, in submission) error {
	r, err := c.Submit(ctx, in.Ask, client.SubmitOptions{Key: in.key})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lost = append(l.lost, in)
		return err
	}
	l.asked[r.ID] = in.onCall
	if in.onCall {
		l.granted = append(l.granted, r.ID)
	} else {
		l.open = append(l.open, r.ID)
	}
	return nil
}

// next is what to ask for.
func (l *Ledger) next(onCall bool) submission {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	in := submission{key: "ledger-" + strconv.Itoa(l.count), onCall: onCall}
	in.Ask = client.Ask{Reason: in.key, Duration: cmp.Or(l.Lasts, "1h")}
	if onCall {
		in.Roles, in.User = []string{"prod"}, []string{"ann@example.com", "cy@example.com", "dee@example.com", "eve@example.com"}[l.count%4]
	} else {
		in.Roles, in.User = []string{"manual"}, []string{"bob@example.com", "fay@example.com"}[l.count%2]
	}
	return in
}

func (l *Ledger) decide(ctx context.Context, c *client.Client) {
	l.mu.Lock()
	if len(l.open) == 0 {
		l.mu.Unlock()
		return
	}
	id := l.open[0]
	l.open = l.open[1:]
	l.mu.Unlock()
	state := "APPROVED"
	if id[len(id)-1]%2 == 0 {
		state = "DENIED"
	}
	if _, err := c.Review(ctx, id, client.Opinion{State: state, Reason: "decided"}); err != nil {
		return // nobody said that it was decided; it may be
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.decided[id] = state
}

func (l *Ledger) revoke(ctx context.Context, c *client.Client) {
	l.mu.Lock()
	if len(l.granted) < 2 {
		l.mu.Unlock()
		return
	}
	id := l.granted[0]
	l.granted = l.granted[1:]
	l.mu.Unlock()
	r, err := c.Request(ctx, id, 0)
	if err != nil {
		return
	}
	for _, g := range r.Grants {
		if _, err := c.Revoke(ctx, g.ID, "not needed"); err == nil {
			l.mu.Lock()
			l.revoked[g.ID] = true
			l.mu.Unlock()
		}
	}
}

// Check waits until a server has done everything that is left to do, and holds it to the
// ledger: nothing that was acknowledged is lost, every request has exactly one incident, and
// the target shows what the grants say.
func (l *Ledger) Check(t testing.TB, s *Server, within time.Duration) {
	t.Helper()
	c := s.Client()
	Eventually(t, within, "all work is done", func() error { return l.quiet(t.Context(), c) })
	all := map[string]client.Request{}
	err := eachRequest(t.Context(), c, "", func(r client.Request) error {
		all[r.ID] = r
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	l.checkRequests(t, all)
	l.checkIncidents(t, s.PD, all)
	l.checkTarget(t, c)
	if proof, err := c.VerifyAudit(t.Context()); err != nil || !proof.OK {
		t.Errorf("the audit log is broken: %+v, %v", proof, err)
	}
}

// Repeat makes the last submissions that got no answer again, at most as many as there are
// places, each with its idempotency key, as a careful client does. Each is then there once.
func (l *Ledger) Repeat(t testing.TB, s *Server, places int, within time.Duration) {
	t.Helper()
	c := s.Client()
	l.mu.Lock()
	n := max(0, len(l.lost)-places)
	todo := slices.Clone(l.lost[n:])
	l.lost = l.lost[:n]
	l.mu.Unlock()
	for _, in := range todo {
		Eventually(t, within, "a submission is answered", func() error {
			err := l.submit(t.Context(), c, in)
			if err != nil { // it is lost once more
				l.mu.Lock()
				l.lost = l.lost[:len(l.lost)-1]
				l.mu.Unlock()
			}
			return err
		})
	}
}

// quiet reports what is still under way.
func (l *Ledger) quiet(ctx context.Context, c *client.Client) error {
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if status.Unfinished > 0 {
		return fmt.Errorf("%d incidents are unfinished", status.Unfinished)
	}
	moving, err := c.Grants(ctx, client.GrantQuery{State: "pending,ending"})
	if err != nil {
		return err
	}
	if n := len(moving.Items); n > 0 {
		return fmt.Errorf("%d grants are neither active nor ended", n)
	}
	return eachRequest(ctx, c, "PENDING", func(r client.Request) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.asked[r.ID] {
			return fmt.Errorf("request %s of somebody on call is pending", r.ID)
		}
		return nil
	})
}

// eachRequest goes over all requests in a state; empty: in any.
func eachRequest(ctx context.Context, c *client.Client, state string, each func(client.Request) error) error {
	for after := ""; ; {
		page, err := c.Requests(ctx, client.RequestQuery{State: state, Limit: 1000, After: after})
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			if err := each(r); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

func (l *Ledger) checkRequests(t testing.TB, all map[string]client.Request) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(all) - l.Beside; n < l.count-len(l.lost) || n > l.count {
		t.Errorf("%d requests; %d were asked for, and %d of those got no answer", n, l.count, len(l.lost))
	}
	for id, onCall := range l.asked {
		r, there := all[id]
		switch {
		case !there:
			t.Errorf("request %s was acknowledged and is lost", id)
		case onCall && r.State != "APPROVED":
			t.Errorf("request %s of somebody on call is %s", id, r.State)
		case onCall && len(r.Decision.Evidence) == 0:
			t.Errorf("request %s was approved without evidence", id)
		}
	}
	for id, state := range l.decided {
		if all[id].State != state {
			t.Errorf("request %s was acknowledged as %s and is %s", id, state, all[id].State)
		}
	}
	ended := map[string]bool{}
	for _, r := range all {
		for _, g := range r.Grants {
			ended[g.ID] = g.State == "ended" && g.EndCause == "revoked"
		}
	}
	for id := range l.revoked {
		if !ended[id] {
			t.Errorf("the end of grant %s was acknowledged, and it has not ended so", id)
		}
	}
}

func (l *Ledger) checkIncidents(t testing.TB, pd *PagerDuty, all map[string]client.Request) {
	t.Helper()
	of := map[string][]pdsim.Incident{}
	for _, i := range pd.Incidents() {
		id := strings.TrimPrefix(i.Key, "sallyport/request/")
		of[id] = append(of[id], i)
		seen := map[string]bool{}
		for _, n := range i.Notes {
			if seen[n.Content] {
				t.Errorf("incident %s of request %s has a note twice: %q", i.ID, id, n.Content)
			}
			seen[n.Content] = true
		}
	}
	for id, r := range all {
		incidents := of[id]
		delete(of, id)
		if len(incidents) != 1 {
			t.Errorf("request %s has %d incidents, want 1", id, len(incidents))
			continue
		}
		if done := incidents[0].Status == pdsim.Resolved; done == r.Pending() {
			t.Errorf("request %s is %s and its incident is %s", id, r.State, incidents[0].Status)
		}
	}
	if len(of) > 0 {
		t.Errorf("there are incidents about what nobody asked for: %v", slices.Sorted(maps.Keys(of)))
	}
}

// checkTarget compares what the target shows with what the grants say.
func (l *Ledger) checkTarget(t testing.TB, c *client.Client) {
	t.Helper()
	Eventually(t, Patience, "the target shows what the grants say", func() error {
		want := map[string]bool{}
		for after, more := "", true; more; more = after != "" {
			active, err := c.Grants(t.Context(), client.GrantQuery{State: "active", Target: "db", Limit: 1000, After: after})
			if err != nil {
				return err
			}
			for _, g := range active.Items {
				want[g.User+" "+g.Entitlement] = true
			}
			after = active.Next
		}
		shown, err := c.Entitlements(t.Context(), "db")
		if err != nil {
			return err
		}
		for _, e := range shown.Items {
			if !want[e.User+" "+e.Entitlement] {
				return fmt.Errorf("it shows %s for %s, which no grant covers", e.Entitlement, e.User)
			}
			delete(want, e.User+" "+e.Entitlement)
		}
		if len(want) > 0 {
			return fmt.Errorf("it does not show %v", slices.Sorted(maps.Keys(want)))
		}
		return nil
	})
}
