// Package pdsim is PagerDuty as a program: its REST API, Events API v2, Scoped
// OAuth and webhooks v3 on one port, from a YAML file. Tests, the command
// "sallyport pdsim" and the demo talk to it as they would to PagerDuty.
//
// The one thing to know: time, data and trouble are given from outside. The
// clock is turned, the account is replaced and faults are ordered through the
// methods of Server, or over HTTP below /_sim/; everything else on the port
// answers as PagerDuty does, and never says more than PagerDuty would.
//
// The shapes follow PagerDuty's own OpenAPI description; a test under the build
// tag verifysim plays every operation against it.
package pdsim

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody is more than any call may carry: Events API v2 allows 512 KB.
const maxBody = 1 << 20

// Options configure a simulator. The zero value of a field means its default.
type Options struct {
	Data   Data             // the account; an empty one knows nobody
	Now    func() time.Time // the clock under the simulator's own; default time.Now
	Logger *slog.Logger     // default: silent
	Token  string           // when set, what /_sim/ demands; otherwise it is open on loopback
}

// A Server is one simulated PagerDuty account. It is an http.Handler, and all
// its methods may be called at the same time.
type Server struct {
	log   *slog.Logger
	token string
	base  func() time.Time
	mux   *http.ServeMux
	done  chan struct{} // closed by Close: nobody waits any longer

	mu            sync.Mutex // guards everything below
	offset        time.Duration
	account       *account
	calls         []*Call
	faults        []*Fault
	incidents     []*Incident
	events        []Event
	issued        map[string]credential // OAuth tokens
	windows       map[string]*window    // REST budget, by credential
	arrivals      map[string][]time.Time
	subscriptions []*subscription
	configured    int // how many of the subscriptions stand in the data
	sequence      int
	posts         *posts
}

// New returns a simulator of the account in o.Data, or what is wrong with it.
func New(o Options) (*Server, error) {
	s := &Server{
		log:      o.Logger,
		token:    o.Token,
		base:     o.Now,
		done:     make(chan struct{}),
		issued:   map[string]credential{},
		windows:  map[string]*window{},
		arrivals: map[string][]time.Time{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.base == nil {
		s.base = time.Now
	}
	s.posts = newPosts(s.log)
	s.mux = s.routing()
	if err := s.Replace(o.Data); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends waiting faults and the delivery of webhooks.
func (s *Server) Close() {
	s.mu.Lock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	s.mu.Unlock()
	s.posts.close()
}

// Replace puts d in the place of the account's tokens, people, shifts,
// services and webhooks. Incidents, events and calls stay; overrides go with
// the shifts that they lay on.
func (s *Server) Replace(d Data) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replace(d)
}

func (s *Server) replace(d Data) error {
	a, err := newAccount(d, s.now())
	if err != nil {
		return err
	}
	for _, id := range a.strangers() {
		s.log.Warn("an escalation policy names a user who is not in the account", "user", id)
	}
	s.account = a
	s.subscriptions = append(configuredSubscriptions(a.data.Webhooks), s.subscriptions[s.configured:]...)
	s.configured = len(a.data.Webhooks)
	return nil
}

// ServeHTTP answers control calls below /_sim/, and everything else as PagerDuty.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_sim" || strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.serveControl(w, r)
		return
	}
	call := s.record(r)
	// The whole body first: a fault may act after the caller has gone.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	d := newDraft()
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		d.fail(failTooLarge)
	} else if err != nil {
		panic(http.ErrAbortHandler) // the caller hung up in the middle of its request
	} else {
		r.Body = io.NopCloser(bytes.NewReader(body))
		d = s.play(r)
	}
	if d == nil {
		panic(http.ErrAbortHandler) // net/http closes the connection and answers nothing
	}
	s.mu.Lock()
	call.Status = d.status
	s.mu.Unlock()
	d.send(w)
}

// play lets the call act, around the fault that was ordered for it. It returns
// nil when the connection is to be dropped.
func (s *Server) play(r *http.Request) *draft {
	f, ordered := s.takeFault(r)
	if !ordered {
		return s.act(r)
	}
	if f.When == After {
		d := s.act(r)
		s.wait(f.Delay)
		if f.Drop {
			return nil
		}
		if f.answers() {
			return s.faultAnswer(f, r)
		}
		return d
	}
	s.wait(f.Delay)
	switch {
	case f.Drop:
		return nil
	case f.answers():
		return s.faultAnswer(f, r)
	default:
		return s.act(r)
	}
}

func (s *Server) act(r *http.Request) *draft {
	d := newDraft()
	s.mux.ServeHTTP(d, r)
	return d
}

func (s *Server) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
}
