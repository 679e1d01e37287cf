package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/predicate"
)

const (
	people    = 1000
	schedules = 200
	reviewer  = "access-plugin"
	where     = `contains(request.system_annotations["pagerduty_services"], "Service 7") || !equals(request.reason, "")`
)

// measureRule times one rule decision in process: what the engine asks of package core
// between reading a request and writing what came of it. That is who the requester is at
// PagerDuty, by e-mail; whether a duty of theirs covers now; whether the reviewer may review,
// predicate included; and the reasons and the evidence in words.
//
// The directory has 1,000 users, the roster 200 schedules with 1,000 duties. Every call is
// about the next user. Their request is made anew just before, outside of the time taken, as
// the engine has just read it from the store.
func measureRule(_ context.Context, _ *lab) ([]figure, error) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	dir, err := directory()
	if err != nil {
		return nil, err
	}
	roster := onCallRoster(now)
	var in core.EvaluateInput
	prepare := func(i int) (err error) {
		i %= people
		ask := core.Ask{User: email(i), Roles: []string{fmt.Sprintf("prod-%d", i%schedules)}, Reason: "INC-7: the queue is stuck"}
		in = core.EvaluateInput{Email: email(i), Reviewer: reviewer, MaxAge: time.Minute, Rosters: map[string]core.RosterAnswer{"": {Roster: roster}}}
		in.Request, err = dir.NewRequest("req_1", ask, core.DefaultTerms(), now)
		return err
	}
	var ev core.Evaluation
	ours, err := timed(100_000, prepare, func() {
		in.MayNot = dir.MayReview(reviewer, in.Request)
		ev = core.Evaluate(in, now)
	}, func() bool { return ev.Outcome == core.OutcomeApprove && len(ev.Evidence) == 1 })
	if err != nil {
		return nil, err
	}
	expr, err := predicate.Parse(predicate.Review, where)
	if err != nil {
		return nil, err
	}
	var asked predicate.Context
	var holds bool
	peer, err := timed(100_000, func(i int) error {
		err := prepare(i)
		asked.Request.Roles, asked.Request.Reason, asked.Request.SystemAnnotations = in.Request.Roles, in.Request.Reason, in.Request.Annotations
		return err
	}, func() { holds, err = expr.Eval(&asked) }, func() bool { return holds && err == nil })
	if err != nil {
		return nil, err
	}
	return []figure{{
		ID: "P1", Value: us(ours.at(0.5)), Unit: "us", Peer: us(peer.at(0.5)), Goal: "p50 <= 3 us",
		Met: ours.at(0.5) <= 3*time.Microsecond, P50: us(ours.at(0.5)), P99: us(ours.at(0.99)),
		Note: "peer: one evaluation of the review predicate alone; to read the clock takes about 0.05 us of both",
	}}, nil
}

// timed times every call by itself, after a tenth of them to warm up.
func timed(n int, prepare func(int) error, call func(), right func() bool) (spread, error) {
	all := make(spread, 0, n)
	for i := range n + n/10 {
		if err := prepare(i); err != nil {
			return nil, err
		}
		begun := time.Now()
		call()
		took := time.Since(begun)
		if !right() {
			return nil, fmt.Errorf("call %d has the wrong outcome", i)
		}
		if i >= n/10 {
			all = append(all, took)
		}
	}
	return all, nil
}

// directory has a role to ask for on each service, and five users who may.
func directory() (*core.Directory, error) {
	roles := []core.Role{{Name: reviewer, Allow: core.Conditions{Review: core.ReviewRule{Roles: []string{"prod-*"}, Where: where}}}}
	users := []core.User{{Name: reviewer, Roles: []string{reviewer}, Bot: true}}
	for i := range schedules {
		ask := core.RequestRule{Roles: []string{fmt.Sprintf("prod-%d", i)}, Annotations: map[string][]string{
			"pagerduty_services": {fmt.Sprintf("Service %d", i)},
		}}
		roles = append(roles, core.Role{Name: fmt.Sprintf("prod-%d", i)},
			core.Role{Name: fmt.Sprintf("asks-%d", i), Allow: core.Conditions{Request: ask}})
	}
	for i := range people {
		users = append(users, core.User{Name: email(i), Roles: []string{fmt.Sprintf("asks-%d", i%schedules)}})
	}
	dir, errs := core.NewDirectory(roles, users)
	return dir, errors.Join(errs...)
}

func email(i int) string { return fmt.Sprintf("u%04d@example.com", i) }

// onCallRoster has 200 services, each with a policy and a schedule, and five people on each.
func onCallRoster(now time.Time) *core.Roster {
	r := &core.Roster{FetchedAt: now.Add(-20 * time.Second)}
	for i := range schedules {
		id := fmt.Sprintf("%05d", i)
		r.Schedules = append(r.Schedules, core.Named{ID: "S" + id, Name: fmt.Sprintf("Schedule %d", i)})
		r.Policies = append(r.Policies, core.PagerPolicy{ID: "E" + id, Name: fmt.Sprintf("Policy %d", i)})
		r.Services = append(r.Services, core.PagerService{ID: "V" + id, Name: fmt.Sprintf("Service %d", i), EscalationPolicy: "E" + id})
	}
	for i := range people {
		id, place := fmt.Sprintf("U%05d", i), fmt.Sprintf("%05d", i%schedules)
		r.Users = append(r.Users, core.PagerUser{ID: id, Name: fmt.Sprintf("Person %d", i), Email: email(i)})
		r.Duties = append(r.Duties, core.Duty{UserID: id, EscalationPolicy: "E" + place, Level: 1 + i/schedules, Schedule: "S" + place,
			Start: now.Add(-time.Hour), End: now.Add(time.Hour)})
	}
	return r.Index()
}
