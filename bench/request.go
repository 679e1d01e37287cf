package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
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
//
// The rate is that of clients without a pause, whose times say no more than that: 64 of them
// at R/s wait for 64/R on average. The times are those of the same clients at half that rate,
// each from the moment at which the request was due.
func measureRequests(ctx context.Context, l *lab) ([]figure, error) {
	w, err := l.open(ctx, everybodyOnCall(someUsers), rolesToAsk(someUsers, someRoles, `{pagerduty_services: ["My Critical Service"]}`))
	if err != nil {
		return nil, err
	}
	load := newLoad(w.socket)
	full, err := load.drive(ctx, w, 0)
	rate := full.rate()
	var half driven
	if err == nil {
		half, err = load.drive(ctx, w, rate/2)
	}
	if err := errors.Join(err, w.close()); err != nil {
		return nil, err
	}
	n := len(full.times)
	b, err := openBare(ctx, w.data, l, n)
	if err != nil {
		return nil, err
	}
	own, err := ownCPU()
	if err != nil {
		return nil, err
	}
	took, err := b.write(ctx, full.commits)
	if err != nil {
		return nil, fmt.Errorf("the peer: %w", err)
	}
	all, err := ownCPU()
	if err != nil {
		return nil, err
	}
	peer := float64(n) / took.Seconds()
	p99 := half.times.at(0.99)
	return []figure{{
		ID: "P2", Value: rate, Unit: "1/s", Peer: peer, Goal: "ratio >= 0.6, p99 <= 25 ms",
		Met: rate/peer >= 0.6 && p99 <= 25*time.Millisecond,
		P50: ms(half.times.at(0.5)), P99: ms(p99), Max: ms(half.times.at(1)),
		Note: "value: 64 clients without a pause; p50, p99 and max in ms: the same clients with evenly spaced requests at half that rate; peer: the same rows in as many commits by a bare loop",
		More: map[string]any{
			"requests": n, "commits": full.commits, "server_cpu_ms_per_request": full.each(full.server), "client_cpu_ms_per_request": full.each(full.client),
			"full_p50": round(ms(full.times.at(0.5))), "full_p99": round(ms(full.times.at(0.99))),
			"half_rate": round(half.rate()), "half_commits": half.commits, "half_server_cpu_ms_per_request": half.each(half.server),
			"peer_cpu_ms_per_request": full.each(all - own), "peer_statements_per_request": round(float64(b.statements) / float64(n)),
		},
	}}, nil
}

// A cost is what the measured part of a load took.
type cost struct {
	commits        int
	server, client time.Duration // processor time; the client's is that of this process
}

// A driven is a load that was on for a while.
type driven struct {
	times spread
	cost
}

func (d driven) rate() float64 { return float64(len(d.times)) / measured.Seconds() }

func (d driven) each(cpu time.Duration) float64 { return round(ms(cpu) / float64(len(d.times))) }

// drive puts the load on for a while.
func (l *load) drive(ctx context.Context, w *world, rate float64) (driven, error) {
	l.times = nil
	stop := l.run(ctx, rate)
	pause(ctx, warmUp)
	before, err := w.spent(ctx)
	l.timing.Store(true)
	pause(ctx, measured)
	l.timing.Store(false)
	after, err2 := w.spent(ctx)
	err = errors.Join(stop(), err, err2, ctx.Err())
	return driven{l.times, cost{after.commits - before.commits, after.server - before.server, after.client - before.client}}, err
}

// spent is the cost since the server's start.
func (s *server) spent(ctx context.Context) (cost, error) {
	m, err := s.metrics(ctx)
	cpu, err2 := s.cpu()
	own, err3 := ownCPU()
	return cost{int(m["sallyport_commits_total"]), cpu, own}, errors.Join(err, err2, err3)
}

// ownCPU returns the processor time that this process has taken.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

// pause waits.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
