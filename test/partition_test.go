package test

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/test/world"
)

// A gate is a connection between two systems that can fall silent: what one side sends is kept
// and not passed on, and neither side is told. To a program that is a network that drops every packet.
type gate struct {
	to string
	l  net.Listener

	mu     sync.Mutex
	opened *sync.Cond
	shut   map[direction]bool
}

type direction string

const (
	there direction = "there"
	back  direction = "back"
)

// newGate puts a gate before an address.
func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{to: to, l: l, shut: map[direction]bool{}}
	g.opened = sync.NewCond(&g.mu)
	t.Cleanup(func() { l.Close(); g.set() })
	go g.serve()
	return g
}

// set shuts these directions and opens the others.
func (g *gate) set(shut ...direction) {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.shut)
	for _, d := range shut {
		g.shut[d] = true
	}
	g.opened.Broadcast()
}

func (g *gate) serve() {
	for {
		in, err := g.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", g.to)
		if err != nil {
			in.Close()
			continue
		}
		go g.carry(there, out, in)
		go g.carry(back, in, out)
	}
}

func (g *gate) carry(d direction, to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		g.mu.Lock()
		for g.shut[d] {
			g.opened.Wait()
		}
		g.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// F024, F070, I9, I12: the network between the server and PostgreSQL swallows everything, or
// only what comes back.
func TestF024AndF070ADatabaseThatFallsSilentDeniesWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	dsn, err := url.Parse(database(t))
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, dsn.Host)
	dsn.Host = g.l.Addr().String()
	s := start(t, "oncall: {max_staleness: 5s, sync_every: 1s}\ndatabase: "+dsn.String())
	s.Work("silent", "{kind: target, version: v1, metadata: {name: db}, spec: {connector: memory}}")
	isReady(t, s)
	asked := 0
	for _, shut := range [][]direction{{there, back}, {back}} {
		short, err := s.Client().Submit(t.Context(), client.Ask{User: "ann@example.com", Roles: []string{"prod"}, Duration: "3s"}, client.SubmitOptions{Wait: world.Patience})
		if err != nil || short.State != "APPROVED" {
			t.Fatalf("%+v, %v", short, err)
		}
		asked++
		g.set(shut...)
		var wait sync.WaitGroup
		for range 5 {
			wait.Go(func() {
				c := s.Client()
				began := time.Now()
				_, err := c.Submit(t.Context(), client.Ask{User: "bob@example.com", Roles: []string{"manual"}}, client.SubmitOptions{})
				var problem *client.Error
				if !errors.As(err, &problem) || problem.Kind != client.KindUnavailable || problem.Hint == "" {
					t.Errorf("%v: a request is answered with %v", shut, err)
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("%v: that took %v", shut, took)
				}
				began = time.Now()
				if h, err := c.Check(t.Context(), "ann@example.com", "db/silent_prod"); err == nil {
					t.Errorf("%v: a check is answered with %+v", shut, h)
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("%v: a check took %v", shut, took)
				}
			})
		}
		wait.Wait()
		readiness(t, s, false, "database: ", "does not answer")
		g.set()
		ended(t, s, short)
		isReady(t, s)
		s.Must("request", "create", "bob@example.com", "--roles=manual")
		asked++
	}
	all, err := s.Client().Requests(t.Context(), client.RequestQuery{})
	if err != nil || len(all.Items) < asked {
		t.Errorf("there are %d requests (%v), and %d were acknowledged", len(all.Items), err, asked)
	}
	s.Must("audit", "verify")
}
