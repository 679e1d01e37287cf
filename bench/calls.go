package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

const (
	approvals = 1000
	// Teleport's plugin makes 7 calls and one for each service: for the services, the incident,
	// the user, who is on call, two notes, and the end. (Its package access/pagerduty, counted
	// at a fake PagerDuty.)
	pluginCalls = 9 * approvals
)

// measureCalls counts the calls to PagerDuty for 1,000 requests that on-call status approves,
// each for a role that names two services and one to notify. The incidents' own writes are
// counted apart: there is an incident for each request, and its notes and its end are told.
func measureCalls(ctx context.Context, l *lab) ([]figure, error) {
	w, err := l.open(ctx, everybodyOnCall(100), rolesToAsk(100, 10,
		`{pagerduty_services: ["My Critical Service", "Payments API"], pagerduty_notify_service: ["Access Requests"]}`))
	if err != nil {
		return nil, err
	}
	w.sim.ClearCalls()
	begun := time.Now()
	err = approve(w.socket)
	if err == nil {
		err = w.told(ctx)
	}
	calls := w.sim.Calls()
	if err := errors.Join(err, w.close()); err != nil {
		return nil, err
	}
	var writes, reads int
	for _, c := range calls {
		if c.Method != "GET" && strings.HasPrefix(c.Path, "/incidents") {
			writes++
		} else {
			reads++
		}
	}
	return []figure{{
		ID: "P6", Value: float64(reads), Unit: "calls per 1000 requests", Peer: pluginCalls, Goal: "<= 50 besides the incidents' own writes", Met: reads <= 50,
		Note: "peer: Teleport's plugin, by its source, its writes among them; ours takes as long as the incidents' writes take",
		More: map[string]any{"incident_writes": writes, "incidents": len(w.sim.Incidents()), "seconds": round(time.Since(begun).Seconds())},
	}}, nil
}

// approve asks 1,000 times, one after the other.
func approve(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for i := range approvals {
		if err := ask(conn, in, email(i%100), fmt.Sprintf("prod-%d", i/100)); err != nil {
			return err
		}
	}
	return nil
}

// told waits until every incident is resolved at PagerDuty.
func (w *world) told(ctx context.Context) error {
	for {
		open := approvals
		for _, i := range w.sim.Incidents() {
			if i.Status == pdsim.Resolved {
				open--
			}
		}
		if open == 0 {
			return nil
		}
		if pause(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return fmt.Errorf("%d incidents are not resolved: %w", open, ctx.Err())
		}
	}
}
