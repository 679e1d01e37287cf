package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// measureSync counts the calls to PagerDuty that read everything about an organisation with
// 200 schedules, and with ten times as many. Each schedule hangs on a policy of a service, and
// has somebody on call. The peer is what paging allows: 100 things a page, of six lists of who
// and what there is and one of who is on call.
func measureSync(ctx context.Context, _ *lab) ([]figure, error) {
	small, err := syncCalls(ctx, 200)
	if err != nil {
		return nil, err
	}
	large, err := syncCalls(ctx, 2000)
	if err != nil {
		return nil, err
	}
	return []figure{{
		ID: "P10", Value: float64(small.all), Unit: "calls", Peer: float64(small.pages), Goal: "<= 12 for 200 schedules, linear in pages",
		Met:  small.all <= 12 && large.all <= large.pages+small.all-small.pages,
		Note: "peer: the pages that there are",
		More: map[string]any{
			"again": small.again, "of_2000": large.all, "pages_of_2000": large.pages, "again_of_2000": large.again,
			"seconds_of_2000": round(large.took.Seconds()),
		},
	}}, nil
}

// A syncing is what reading an organisation takes.
type syncing struct {
	all, pages int // the first time, and what paging allows
	again      int // when only who is on call is read again
	took       time.Duration
}

func syncCalls(ctx context.Context, n int) (syncing, error) {
	w := &world{}
	if err := w.simulate(organisation(n)); err != nil {
		return syncing{}, err
	}
	defer func() { _ = w.close() }()
	c, err := pagerduty.New(pagerduty.Options{
		Account: core.Account{Name: "default", RESTURL: w.pd, EventsURL: w.pd},
		Token:   func(context.Context) (string, error) { return token, nil },
	})
	if err != nil {
		return syncing{}, err
	}
	x := pagerduty.NewIndex(pagerduty.IndexOptions{Client: c})
	defer x.Close()
	begun := time.Now()
	roster, err := x.Roster(ctx, time.Minute)
	if err != nil {
		return syncing{}, err
	}
	if len(roster.Schedules) != n || len(roster.Duties) != n || len(roster.Services) != n {
		return syncing{}, fmt.Errorf("the roster has %d schedules, %d services and %d duties, and not %d of each", len(roster.Schedules), len(roster.Services), len(roster.Duties), n)
	}
	lists := (n + 99) / 100
	out := syncing{all: len(w.sim.Calls()), pages: 5*lists + 2, took: time.Since(begun)} // v3 schedules and teams: none, which takes a call to know
	w.sim.ClearCalls()
	if _, err := x.Roster(ctx, time.Nanosecond); err != nil {
		return syncing{}, err
	}
	out.again = len(w.sim.Calls())
	return out, nil
}

// organisation has n services, each with a policy and a schedule of its own, and a person on call for each.
func organisation(n int) pdsim.Data {
	org := pdsim.Data{Subdomain: "acme"}
	for i := range n {
		id := fmt.Sprintf("%05d", i)
		org.Users = append(org.Users, pdsim.User{ID: "PU" + id, Name: "Person " + id, Email: email(i)})
		org.Schedules = append(org.Schedules, pdsim.Schedule{ID: "PS" + id, Name: "Schedule " + id, Shifts: []pdsim.Shift{{User: "PU" + id, Start: "now-1h", End: "now+10h"}}})
		org.EscalationPolicies = append(org.EscalationPolicies, pdsim.EscalationPolicy{ID: "PE" + id, Name: "Policy " + id, Rules: [][]pdsim.Target{{{Schedule: "PS" + id}}}})
		org.Services = append(org.Services, pdsim.Service{ID: "PV" + id, Name: "Service " + id, EscalationPolicy: "PE" + id})
	}
	return org
}
