package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

const (
	soakClients = 64
	soakPause   = time.Second     // of a client between two requests, on average
	killAfter   = 5 * time.Second // at least, of a server
	soakGrace   = time.Minute     // in which everything comes to its end afterwards
	loudOnes    = 8               // of so many users one asks for what is notified
)

// A soaking is a server that is killed again and again while people ask for short access.
type soaking struct {
	*world
	files string // the target: it outlives the server

	mu      sync.Mutex
	acked   map[string]bool // requests that were answered with 201
	kills   int
	trouble error // the first answer that should not have been
}

// soak keeps asking for a while, and kills the server every few seconds. At the end there
// must be: a decision for every request, acknowledged or not; exactly one incident for each
// that notifies, resolved; no access; and an audit chain without a gap.
func soak(ctx context.Context, l *lab, long time.Duration) (figure, error) {
	s, err := l.openSoak(ctx)
	if err != nil {
		return figure{}, err
	}
	begun := time.Now()
	run, cancel := context.WithTimeout(ctx, long)
	var group sync.WaitGroup
	for n := range soakClients {
		group.Go(func() { s.client(run, n) })
	}
	for run.Err() == nil {
		if pause(run, killAfter+rand.N(2*killAfter)); run.Err() == nil { //nolint:gosec // see client
			err = errors.Join(err, s.again(ctx))
		}
	}
	group.Wait()
	cancel()
	took := time.Since(begun)
	found, err2 := s.examine(ctx)
	if err := errors.Join(err, err2, s.close()); err != nil {
		return figure{}, err
	}
	s.heard()
	found["seconds"], found["kills"] = round(took.Seconds()), s.kills
	f := figure{ID: "soak", Value: float64(len(s.acked)) / took.Seconds(), Unit: "1/s", Goal: "nothing undecided, doubled, lost or left", Met: s.trouble == nil && found["audit_ok"] == true, More: found}
	for _, what := range []string{"undecided", "lost", "incidents_missing", "incidents_doubled", "incidents_open", "left"} {
		f.Met = f.Met && found[what] == 0
	}
	if s.trouble != nil {
		f.Note = s.trouble.Error()
	}
	return f, nil
}

func (l *lab) openSoak(ctx context.Context) (*soaking, error) {
	s := &soaking{world: &world{}, acked: map[string]bool{}}
	var err error
	if s.data, err = l.folder(); err != nil {
		return nil, err
	}
	if s.files, err = l.folder(); err != nil {
		return nil, err
	}
	s.argv = []string{os.Args[0], asServer, "-data", s.data, "-files", s.files}
	annotations := []string{`{pagerduty_services: ["My Critical Service"], pagerduty_notify_service: ["Access Requests"]}`}
	for len(annotations) < loudOnes {
		annotations = append(annotations, `{pagerduty_services: ["My Critical Service"]}`)
	}
	return s, s.begin(ctx, everybodyOnCall(someUsers), rolesToAsk(someUsers, someRoles, annotations...))
}

// again kills the server and starts it anew.
func (s *soaking) again(ctx context.Context) error {
	s.kill()
	s.kills++
	s.heard()
	s.sim.ClearCalls() // nobody counts them, and there may be many
	return s.serve(ctx)
}

// heard looks for what the race detector has to say, where there is one.
func (s *soaking) heard() {
	if strings.Contains(s.log.String(), "DATA RACE") {
		s.wrong(errors.New(s.log.String()))
	}
}

func (s *soaking) client(ctx context.Context, n int) {
	c, err := client.New(client.Options{Socket: filepath.Join(s.data, "sallyport.sock")})
	if err != nil {
		s.wrong(err)
		return
	}
	defer c.Close()
	chance := rand.New(rand.NewPCG(1, uint64(n))) //nolint:gosec // nothing is to be guarded against being guessed
	for i := 0; ctx.Err() == nil; i++ {
		in := client.Ask{User: email(chance.IntN(someUsers)), Roles: []string{fmt.Sprintf("prod-%d", chance.IntN(someRoles))}, Reason: "soak", Duration: "2s"}
		o := client.SubmitOptions{Key: fmt.Sprintf("soak-%d-%d", n, i)}
		if i%2 == 0 {
			o.Wait = 10 * time.Second
		}
		s.submit(ctx, c, in, o)
		pause(ctx, time.Duration(chance.Int64N(int64(2*soakPause))))
	}
}

// submit repeats a call until it is answered: that is what the idempotency key is for.
func (s *soaking) submit(ctx context.Context, c *client.Client, in client.Ask, o client.SubmitOptions) {
	for ctx.Err() == nil {
		r, err := c.Submit(ctx, in, o)
		if err == nil {
			s.mu.Lock()
			s.acked[r.ID] = true
			s.mu.Unlock()
			return
		}
		var refused *client.Error
		refusal := errors.As(err, &refused) && refused.Kind != client.KindUnavailable && refused.Kind != client.KindConflict
		if refusal && ctx.Err() == nil {
			s.wrong(err)
			return
		}
		pause(ctx, 50*time.Millisecond) // it is away, or the first call with this key still runs
	}
}

func (s *soaking) wrong(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble == nil {
		s.trouble = err
	}
}

// examine counts what is not as it should be, once everything had time to come to its end.
func (s *soaking) examine(ctx context.Context) (map[string]any, error) {
	requests, err := s.settle(ctx)
	if err != nil {
		return nil, err
	}
	undecided, loud, lost := 0, map[string]int{}, 0
	there := make(map[string]bool, len(requests))
	for _, r := range requests {
		there[r.ID] = true
		if r.State == "PENDING" {
			undecided++
		}
		if len(r.Incidents) > 0 {
			loud["sallyport/request/"+r.ID] = 0
		}
	}
	for id := range s.acked {
		if !there[id] {
			lost++
		}
	}
	missing, doubled, open := 0, 0, 0
	for _, i := range s.sim.Incidents() {
		loud[i.Key]++
		if i.Status != pdsim.Resolved {
			open++
		}
	}
	for _, n := range loud {
		if n == 0 {
			missing++
		} else if n > 1 {
			doubled++
		}
	}
	left, err := os.ReadDir(s.files)
	if err != nil {
		return nil, err
	}
	proof, err := s.VerifyAudit(ctx)
	return map[string]any{
		"requests": len(requests), "acknowledged": len(s.acked), "undecided": undecided, "lost": lost, "left": len(left),
		"incidents": len(loud), "incidents_missing": missing, "incidents_doubled": doubled, "incidents_open": open, "audit_entries": proof.Entries, "audit_ok": proof.OK,
	}, err
}

// settle waits until nothing is under way, and returns all requests.
func (s *soaking) settle(ctx context.Context) ([]client.Request, error) {
	ctx, cancel := context.WithTimeout(ctx, soakGrace)
	defer cancel()
	for ctx.Err() == nil {
		state, err := s.Status(ctx)
		if err == nil && state.Pending+state.Active+state.Unfinished == 0 {
			grants, err := s.Grants(ctx, client.GrantQuery{State: "pending,active,ending", Limit: 1})
			if err == nil && len(grants.Items) == 0 {
				break
			}
		}
		pause(ctx, 100*time.Millisecond)
	}
	all, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
	defer cancel()
	var out []client.Request
	q := client.RequestQuery{Limit: 1000}
	for {
		page, err := s.Requests(all, q)
		out = append(out, page.Items...)
		if err != nil || page.Next == "" {
			return out, err
		}
		q.After = page.Next
	}
}
