package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// token is the simulator's API token.
const token = "bench-token"

// A world is a server on an empty folder, and the simulator that it asks.
type world struct {
	*server
	sim  *pdsim.Server
	pd   string // the simulator's address
	data string
	argv []string // how the server is started
	web  *http.Server
}

// open makes a world with the program that is shipped.
func (l *lab) open(ctx context.Context, org pdsim.Data, resources string) (*world, error) {
	binary, err := l.build(ctx)
	if err != nil {
		return nil, err
	}
	w := &world{}
	if w.data, err = l.folder(); err != nil {
		return nil, err
	}
	w.argv = []string{binary, "serve", "--data", w.data, "--listen", "127.0.0.1:0"}
	if l.profile != "" {
		w.argv = []string{os.Args[0], asServer, "-data", w.data, "-profile", filepath.Join(l.profile, "server.pprof")}
	}
	return w, w.begin(ctx, org, resources)
}

// begin starts the simulator with an organisation, and the server with resources.
func (w *world) begin(ctx context.Context, org pdsim.Data, resources string) error {
	if err := w.simulate(org); err != nil {
		return err
	}
	if err := w.serve(ctx); err != nil {
		return errors.Join(err, w.close())
	}
	account := fmt.Sprintf("{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {default: true, region: us, api_token: 'env:PD_TOKEN', from_email: bot@example.com, rest_url: %q, events_url: %q}}\n---\n", w.pd, w.pd)
	_, err := w.Apply(ctx, []byte(account+resources), false)
	if err == nil {
		err = w.ready(ctx)
	}
	if err != nil {
		return errors.Join(err, w.close())
	}
	return nil
}

// simulate serves the simulator on a free port.
func (w *world) simulate(org pdsim.Data) (err error) {
	org.Tokens = []pdsim.Token{{Token: token, Access: "full"}}
	org.Limits.RESTPerMinute = 1_000_000 // the figures count calls; none shall wait
	if w.sim, err = pdsim.New(pdsim.Options{Data: org}); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.pd = "http://" + listener.Addr().String()
	w.web = &http.Server{Handler: w.sim, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = w.web.Serve(listener) }() // ends with close
	return nil
}

// serve starts the server, for the first time or again.
func (w *world) serve(ctx context.Context) (err error) {
	w.server, _, err = start(ctx, filepath.Join(w.data, "sallyport.sock"), w.argv[0], w.argv[1:]...)
	return err
}

// ready waits until on-call data is there.
func (w *world) ready(ctx context.Context) error {
	for {
		state, err := w.Ready(ctx)
		if err == nil && state.Ready {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w: %v", errors.Join(err, ctx.Err()), state.Reasons)
		}
	}
}

func (w *world) close() error {
	var err error
	if w.server != nil {
		err = w.stop()
	}
	w.sim.Close()
	return errors.Join(err, w.web.Close())
}

// everybodyOnCall is an organisation in which n people are on call at once, for two services.
func everybodyOnCall(n int) pdsim.Data {
	org := pdsim.Data{
		Subdomain: "acme",
		Users:     []pdsim.User{{ID: "PUBOT00", Name: "Bot", Email: "bot@example.com"}},
		EscalationPolicies: []pdsim.EscalationPolicy{
			{ID: "PE00001", Name: "Critical", Rules: [][]pdsim.Target{{{Schedule: "PS00001"}}}},
			{ID: "PE00002", Name: "Access", Rules: [][]pdsim.Target{{{User: "PUBOT00"}}}},
		},
		Services: []pdsim.Service{
			{ID: "PSV0001", Name: "My Critical Service", EscalationPolicy: "PE00001"},
			{ID: "PSV0002", Name: "Payments API", EscalationPolicy: "PE00001"},
			{ID: "PSV0003", Name: "Access Requests", EscalationPolicy: "PE00002"},
		},
	}
	s := pdsim.Schedule{ID: "PS00001", Name: "Everybody", Kind: "v3"}
	for i := range n {
		u := pdsim.User{ID: fmt.Sprintf("PU%05d", i), Name: fmt.Sprintf("Person %d", i), Email: email(i)}
		org.Users = append(org.Users, u)
		s.Shifts = append(s.Shifts, pdsim.Shift{User: u.ID, Start: "now-1h", End: "now+10h"})
	}
	org.Schedules = []pdsim.Schedule{s}
	return org
}

// rolesToAsk is resources by which users may ask for roles, prod-0 and so on. Each role gives
// one thing on the target "memory". There is a role that may ask for each of the annotations,
// and the users hold them in turn.
func rolesToAsk(users, roles int, annotations ...string) string {
	var b strings.Builder
	doc := func(kind, version, name, spec string) {
		fmt.Fprintf(&b, "{kind: %s, version: %s, metadata: {name: %q}, spec: %s}\n---\n", kind, version, name, spec)
	}
	doc("target", "v1", "memory", "{connector: memory}")
	for i := range roles {
		doc("role", "v5", fmt.Sprintf("prod-%d", i), fmt.Sprintf("{entitlements: [{target: memory, resource: prod-%d}]}", i))
	}
	for i, a := range annotations {
		doc("role", "v5", fmt.Sprintf("asks-%d", i), "{allow: {request: {roles: ['prod-*'], annotations: "+a+"}}}")
	}
	doc("role", "v5", reviewer, `{allow: {review_requests: {roles: ['prod-*'], where: 'contains(request.system_annotations["pagerduty_services"], "My Critical Service")'}}}`)
	doc("user", "v2", reviewer, "{roles: ["+reviewer+"], bot: true}")
	for i := range users {
		doc("user", "v2", email(i), fmt.Sprintf("{roles: [asks-%d]}", i%len(annotations)))
	}
	return strings.TrimSuffix(b.String(), "---\n")
}
