package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	warmUp   = 3 * time.Second
	measured = 10 * time.Second
)

// measureRequests is a request until its grant is active, by HTTP over the Unix socket: 64
// clients, each with one call in flight that answers when the target shows the access.
//
// The server is the program that is shipped, in a process of its own on a disk, as at home.
// The clients are in this process, and so they take from the two of us what the peer need not
// share with anybody. The peer is what the request comes to in the end: the same rows, in the
// same number of commits, written into the same schema with the same durability by a loop
// over prepared statements that knows everything beforehand and answers nobody.
func measureRequests(ctx context.Context, l *lab) ([]figure, error) {
	w, err := l.open(ctx, everybodyOnCall(someUsers), rolesToAsk(someUsers, someRoles, `{pagerduty_services: ["My Critical Service"]}`))
	if err != nil {
		return nil, err
	}
	load, cost, err := drive(ctx, w)
	if err := errors.Join(err, w.close()); err != nil {
		return nil, err
	}
	n := len(load.times)
	rate := float64(n) / measured.Seconds()
	b, err := openBare(ctx, w.data, l, n)
	if err != nil {
		return nil, err
	}
	took, err := b.write(ctx, cost.commits)
	if err != nil {
		return nil, fmt.Errorf("the peer: %w", err)
	}
	peer := float64(n) / took.Seconds()
	p99 := load.times.at(0.99)
	return []figure{{
		ID: "P2", Value: rate, Unit: "1/s", Peer: peer, Goal: "ratio >= 0.6, p99 <= 25 ms",
		Met: rate/peer >= 0.6 && p99 <= 25*time.Millisecond,
		P50: ms(load.times.at(0.5)), P99: ms(p99), Max: ms(load.times.at(1)),
		Note: "p50, p99 and max in ms, of 64 clients without a pause; peer: the same rows in as many commits by a bare loop",
		More: map[string]any{
			"requests": n, "commits": cost.commits, "server_cpu_ms_per_request": round(ms(cost.cpu) / float64(n)), "statements_per_request": round(float64(b.statements) / float64(n)),
		},
	}}, nil
}

// A cost is what the server spent on the measured part of the load.
type cost struct {
	commits int
	cpu     time.Duration
}

// drive puts the load on for a while.
func drive(ctx context.Context, w *world) (*load, cost, error) {
	load := newLoad(w.socket)
	stop := load.run(ctx)
	pause(ctx, warmUp)
	before, err := w.spent(ctx)
	load.timing.Store(true)
	pause(ctx, measured)
	load.timing.Store(false)
	after, err2 := w.spent(ctx)
	return load, cost{after.commits - before.commits, after.cpu - before.cpu}, errors.Join(stop(), err, err2, ctx.Err())
}

// spent is the cost since the server's start.
func (s *server) spent(ctx context.Context) (cost, error) {
	m, err := s.metrics(ctx)
	cpu, err2 := s.cpu()
	return cost{int(m["sallyport_commits_total"]), cpu}, errors.Join(err, err2)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
