// Package notary takes the audit log to places outside: signed checkpoints, by which a cut
// tail and a restored database are seen, and the entries themselves.
//
// Nothing here holds anybody up. Each place has a goroutine, its own mark in the database and
// its own back-off; a place that is slow or gone falls behind, and says so. Of several replicas
// one works on a mark at a time.
package notary

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// Options configure a notary.
type Options struct {
	Engine *engine.Engine
	Sealer Sealer
	Log    *slog.Logger
	HTTP   *http.Client // for https:// places
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Roots  *x509.CertPool // of syslog+tls://; default: the system's
	Host   string         // by which the syslog knows this server

	Replica      string
	Every        time.Duration // between checkpoints, where there is something new
	CheckpointTo []string      // file:PATH, https://…
	Export       []string      // syslog://…, syslog+tcp://…, syslog+tls://…, https://…
}

// A Sealer keeps the private half of a key.
type Sealer interface {
	Seal(name string, plain []byte) (string, error)
	Open(name, sealed string) ([]byte, error)
}

// A Place is how it stands with one place outside.
type Place struct {
	Name  string    // "checkpoint to file:/mnt/audit/checkpoints.jsonl"
	Seq   int64     // the last entry that arrived there, or that is vouched for there
	At    time.Time // when; zero: never
	Lag   int64     // entries that it does not have yet
	Error string    // the last trouble; empty: none since
}

// A Notary works until Run ends.
type Notary struct {
	Options
	places []place

	mu     sync.Mutex
	key    ed25519.PrivateKey // nil: none that this server could open
	keyErr error
	state  map[string]Place
}

// A place is somewhere outside.
type place struct {
	name string // of its mark
	send func(ctx context.Context, n *Notary, p place, m engine.Mark) (engine.Mark, error)
	to   string
	file bool // on this host, so that every replica has its own
}

// New returns a notary. Nothing is opened yet.
func New(o Options) (*Notary, error) {
	n := &Notary{Options: o, state: map[string]Place{}}
	for _, to := range o.CheckpointTo {
		p := place{name: "checkpoint to " + to, to: to, send: postCheckpoint}
		if path, ok := strings.CutPrefix(to, "file:"); ok {
			p.to, p.send, p.file = path, writeCheckpoint, true
		}
		n.places = append(n.places, p)
	}
	for _, to := range o.Export {
		p := place{name: "export to " + to, to: to, send: postEntries}
		if strings.HasPrefix(to, "syslog") {
			send, err := syslogTo(to)
			if err != nil {
				return nil, err
			}
			p.send = send
		}
		n.places = append(n.places, p)
	}
	return n, nil
}

// idle reports whether there is nowhere to take anything.
func (n *Notary) idle() bool { return len(n.places) == 0 }

// tick is how often the head of the log is looked at.
const tick = time.Second

// Run works until ctx ends.
func (n *Notary) Run(ctx context.Context) {
	if n.idle() {
		return
	}
	var group sync.WaitGroup
	if len(n.CheckpointTo) > 0 {
		group.Go(func() { n.repeat(ctx, "make a checkpoint", n.checkpoint) })
	}
	for _, p := range n.places {
		group.Go(func() { n.repeat(ctx, p.name, func(ctx context.Context) error { return n.serve(ctx, p) }) })
	}
	group.Wait()
}

// The waits after a failure, in a row.
const (
	firstWait = time.Second
	lastWait  = 2 * time.Minute
)

// repeat does something every tick, and less often while it fails.
func (n *Notary) repeat(ctx context.Context, what string, do func(context.Context) error) {
	wait, failing := time.Duration(0), false
	for {
		err := do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			n.Log.ErrorContext(ctx, "the audit log is not taken outside", "what", what, "error", err)
		case err == nil && failing:
			n.Log.InfoContext(ctx, "the audit log is taken outside again", "what", what)
		}
		if failing = err != nil; failing {
			wait = min(max(2*wait, firstWait), lastWait)
		} else {
			wait = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(wait, tick)):
		}
	}
}

// sendTime is what one delivery may take; leaseTime is after which its replica is taken for dead.
const (
	sendTime  = 10 * time.Second
	leaseTime = 3 * sendTime
)

// serve brings one place up to date.
func (n *Notary) serve(ctx context.Context, p place) error {
	for {
		m, head, err := n.claim(ctx, p)
		if err != nil {
			return err
		}
		if m.Owner != n.Replica {
			n.note(p, m, head)
			return nil // there is nothing to do, or another replica does it
		}
		sending, cancel := context.WithTimeout(ctx, sendTime)
		next, err := p.send(sending, n, p, m)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			m.Error = words(err)
			n.note(p, m, head)
			return errors.Join(err, n.move(ctx, p, m))
		}
		more := next.Seq != m.Seq
		next.Error = ""
		if err := n.move(ctx, p, next); err != nil {
			return err
		}
		n.note(p, next, head)
		if !more {
			return nil
		}
	}
}

// claim returns the mark of a place with this replica as its owner, if there is anything to do
// and nobody else is at it.
func (n *Notary) claim(ctx context.Context, p place) (m engine.Mark, head int64, err error) {
	if p.file { // nobody else has it
		m = n.known(p)
		head, err = n.goal(ctx, p)
		if err == nil && (m.Seq < head || m.Error != "" || !n.seen(p)) {
			m.Owner = n.Replica
		}
		return m, head, err
	}
	err = n.Engine.Store.Read(ctx, func(v engine.View) (err error) {
		m, err = v.Mark(p.name)
		return err
	})
	if err != nil {
		return m, 0, err
	}
	now := n.Engine.Clock.Now()
	if head, err = n.goal(ctx, p); err != nil || m.Seq >= head || (m.Owner != n.Replica && now.Before(m.OwnedUntil)) {
		m.Owner = ""
		return m, head, err
	}
	err = n.Engine.Store.Write(ctx, func(tx engine.Tx) error {
		there, err := tx.Mark(p.name)
		if err != nil {
			return err
		}
		if there.Owner != n.Replica && now.Before(there.OwnedUntil) {
			m = there
			return nil
		}
		m = there
		m.Name, m.Owner, m.OwnedUntil = p.name, n.Replica, now.Add(leaseTime)
		return tx.PutMark(m)
	})
	return m, head, err
}

// goal is how far a place can come now.
func (n *Notary) goal(ctx context.Context, p place) (seq int64, err error) {
	err = n.Engine.Store.Read(ctx, func(v engine.View) error {
		if strings.HasPrefix(p.name, "checkpoint") {
			m, err := v.Mark(checkpointMark)
			seq = m.Seq
			return err
		}
		seq, _, err = v.AuditHead()
		return err
	})
	return seq, err
}

// move writes down how far a place has come, unless another replica took over.
func (n *Notary) move(ctx context.Context, p place, m engine.Mark) error {
	if p.file {
		return nil
	}
	return n.Engine.Store.Write(ctx, func(tx engine.Tx) error {
		there, err := tx.Mark(p.name)
		if err != nil {
			return err
		}
		if there.Owner != n.Replica {
			return core.Errorf(core.Conflict, "another replica goes on with %s", p.name)
		}
		m.OwnedUntil = n.Engine.Clock.Now().Add(leaseTime)
		return tx.PutMark(m)
	})
}

func (n *Notary) note(p place, m engine.Mark, head int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state[p.name] = Place{Name: p.name, Seq: m.Seq, At: m.At, Lag: max(head-m.Seq, 0), Error: m.Error}
}

func (n *Notary) known(p place) engine.Mark {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.state[p.name]
	return engine.Mark{Name: p.name, Seq: s.Seq, At: s.At, Error: s.Error}
}

func (n *Notary) seen(p place) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, seen := n.state[p.name]
	return seen
}

// Places returns how it stands with each place.
func (n *Notary) Places() []Place {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]Place, 0, len(n.places))
	for _, p := range n.places {
		s := n.state[p.name]
		s.Name = p.name
		out = append(out, s)
	}
	return out
}

// Troubles says what keeps the log from being taken outside. Anybody may read it.
func (n *Notary) Troubles() []string {
	var out []string
	if err := n.keyTrouble(); err != nil {
		out = append(out, "audit: no checkpoint is signed by this server: "+words(err))
	}
	for _, p := range n.Places() {
		if p.Error != "" {
			named := WithoutPath(p.Name)
			text := strings.ReplaceAll(p.Error, strings.TrimPrefix(p.Name, "file:"), named)
			out = append(out, fmt.Sprintf("audit: %s, %d entries behind: %s", named, p.Lag, text))
		}
	}
	return out
}

// WithoutPath leaves out of a place what may be secret in it.
func WithoutPath(name string) string {
	scheme, rest, isURL := strings.Cut(name, "://")
	if !isURL {
		return "file:…/" + filepath.Base(name)
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// CanSign reports whether nothing is wrong with the key.
func (n *Notary) CanSign() bool { return n.keyTrouble() == nil }

// words are an error with its hint, on one line.
func words(err error) string {
	var known *core.Error
	if errors.As(err, &known) && known.Hint != "" {
		return err.Error() + "; " + known.Hint
	}
	return err.Error()
}
