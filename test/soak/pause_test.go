//go:build soak

package soak

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/test/world"
)

// F007, F054: the only server is stopped while access ends, and goes on later.
func TestF007WhatBecameDueWhileTheServerWasStoppedIsDoneWithinASecond(t *testing.T) {
	s := prepare(t, "stop", "")
	s.Start()
	c := s.Client()
	for _, pause := range []time.Duration{5 * time.Second, 12 * time.Second} {
		r, err := c.Submit(t.Context(), client.Ask{User: "ann@example.com", Roles: []string{"prod"}, Duration: "2s"}, client.SubmitOptions{Wait: world.Patience})
		if err != nil || r.State != "APPROVED" {
			t.Fatalf("%+v, %v", r, err)
		}
		s.Signal(syscall.SIGSTOP)
		over := time.NewTimer(pause)
		<-over.C
		s.Signal(syscall.SIGCONT)
		going := time.Now()
		world.Eventually(t, world.Patience, "the access is gone", func() error {
			shown, err := c.Entitlements(t.Context(), "db")
			if err == nil && len(shown.Items) > 0 {
				err = errors.New("it is there")
			}
			return err
		})
		took := time.Since(going)
		if took > time.Second {
			t.Errorf("stopped for %v, the access was gone only %v after it went on", pause, took)
		}
		t.Logf("stopped for %v, overdue access was gone %v after it went on", pause, took.Round(time.Millisecond))
	}
	s.Stop()
}

// F007, I7: of two replicas, the one that does the work is stopped in the middle of it for
// longer than what it has taken is its own, and then goes on.
func TestF007AReplicaThatWasStoppedDoesNothingTwiceWhenItGoesOn(t *testing.T) {
	dsn, resource := target(t, "stale")
	pd := world.Simulate(t)
	shared := settings + "database: " + database(t)
	var servers []*world.Server
	for range 2 {
		s := world.New(t, program, pd, shared)
		s.Env = append(s.Env, "TARGET_DSN="+dsn)
		servers = append(servers, s.Start())
	}
	servers[0].Work("stale", resource)
	ledger := world.NewLedger()
	for round, pause := range []time.Duration{5 * time.Second, 15 * time.Second, 15 * time.Second} {
		stopped, other := servers[round%2], servers[(round+1)%2]
		for _, f := range []pdsim.Fault{
			{Method: "POST", Path: "/incidents", When: pdsim.After, Delay: time.Second, Times: 10},
			{Method: "POST", Path: "/incidents", When: pdsim.Before, Delay: time.Second, Times: 10},
			{Method: "PUT", Path: "/incidents/*", When: pdsim.After, Delay: time.Second, Times: 10},
		} {
			pd.Order(t, f)
		}
		ctx, stop := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() { ledger.Run(ctx, stopped, 20*time.Millisecond) })
		}
		moment := time.NewTimer(1500 * time.Millisecond)
		<-moment.C
		stopped.Signal(syscall.SIGSTOP)
		stop()
		wait.Wait()
		ctx, stop = context.WithCancel(t.Context())
		for range 2 {
			wait.Go(func() { ledger.Run(ctx, other, 100*time.Millisecond) })
		}
		moment.Reset(pause)
		<-moment.C
		stop()
		wait.Wait()
		stopped.Signal(syscall.SIGCONT)
		pd.ClearFaults()
		for _, s := range servers {
			ledger.Check(t, s, 60*time.Second)
		}
		if t.Failed() {
			t.Fatalf("after a pause of %v", pause)
		}
		t.Logf("stopped for %v: %d requests and %d decisions acknowledged so far", pause, ledger.Asked(), ledger.Decided())
	}
	for _, s := range servers {
		s.Stop()
	}
}
