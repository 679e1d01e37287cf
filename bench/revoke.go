package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store"
)

const (
	live   = 100_000
	ending = 1_000
	lead   = 25 * time.Second // from the last row that is written to the first end
)

// measureRevokes is how late access is taken: with 100,000 live grants, all of them bound to a
// shift, 1,000 end within one second. The lag is from a grant's ends_at to the call of Revoke.
//
// The grants are written through the store, before the server starts. The server is the app
// in a process of its own, with a target that notes when it is called and keeps nothing else.
// The peer is the least that has to happen: a timer, and one commit that says what is about to
// be done, which the grants that are due at that time share.
func measureRevokes(ctx context.Context, l *lab) ([]figure, error) {
	w := &world{}
	if err := w.simulate(everybodyOnCall(people)); err != nil {
		return nil, err
	}
	defer func() { _ = w.close() }()
	data, err := l.folder()
	if err != nil {
		return nil, err
	}
	w.data = data
	taken := filepath.Join(l.dir, "taken")
	w.argv = []string{os.Args[0], asServer, "-data", data, "-held", fmt.Sprint(live), "-taken", taken}
	if l.profile != "" {
		w.argv = append(w.argv, "-profile", filepath.Join(l.profile, "revoke.pprof"))
	}
	first, err := w.prepare(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare %d grants: %w", live, err)
	}
	rss, peak, err := w.sit(ctx, first)
	if err != nil {
		return nil, err
	}
	lags, err := lagsOf(taken, first)
	if err != nil {
		return nil, err
	}
	peer, err := bareEnds(ctx, l)
	if err != nil {
		return nil, err
	}
	p99, worst := lags.at(0.99), lags.at(1)
	return []figure{{
		ID: "P7", Value: ms(p99), Unit: "ms", Peer: ms(peer.at(0.99)), Goal: "p99 <= 250 ms, max <= 1 s, memory <= 120 MB at the most",
		Met: p99 <= 250*time.Millisecond && worst <= time.Second && mb(peak) <= 120,
		P50: ms(lags.at(0.5)), P99: ms(p99), Max: ms(worst),
		Note: "peer: a timer and one shared commit for each end, without anything else",
		More: map[string]any{"live": live, "ended": len(lags), "rss_mb": round(mb(rss)), "peak_rss_mb": round(mb(peak)), "peer_max": round(ms(peer.at(1)))},
	}}, nil
}

// endOf is when the i-th of the grants that end does so.
func endOf(first time.Time, i int) time.Time {
	return first.Add(time.Duration(i) * time.Second / ending)
}

// prepare writes the live grants into an empty data folder, and returns when the first of them ends.
func (w *world) prepare(ctx context.Context) (first time.Time, err error) {
	st, err := store.Open(ctx, store.Options{Data: w.data})
	if err != nil {
		return first, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	now := time.Now().UTC().Truncate(time.Microsecond)
	write := func(from, to int, ends func(i int) time.Time) error {
		return st.Write(ctx, func(tx engine.Tx) error {
			for i := from; i < to; i++ {
				if err := putLive(tx, i, now, ends(i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for n := ending; n < live; n += 1000 {
		if err := write(n, n+1000, func(int) time.Time { return now.Add(10 * time.Hour) }); err != nil {
			return first, err
		}
	}
	err = st.Write(ctx, func(tx engine.Tx) error { return w.putDocuments(tx, now) })
	if err != nil {
		return first, err
	}
	first = time.Now().UTC().Truncate(time.Microsecond).Add(lead)
	return first, write(0, ending, func(i int) time.Time { return endOf(first, i) })
}

func putLive(tx engine.Tx, i int, now, ends time.Time) error {
	e := held(i)
	rule := core.ApprovalRule{Origin: "role asks", Roles: []string{"prod-1"}, UntilOffCall: true, Grace: 15 * time.Minute,
		OnCall: &core.OnCallRule{Account: "default", Services: []string{"PSV0001"}}}
	err := tx.PutGrant(core.Grant{
		ID: fmt.Sprintf("gr_%06d", i), RequestID: fmt.Sprintf("req_%06d", i), Entitlement: e, State: core.GrantActive,
		Duration: ends.Sub(now), StartsAt: now, EndsAt: ends, FirstAt: now, Rule: rule,
	})
	return errors.Join(err, tx.PutHolding(engine.Holding{Entitlement: e}))
}

// putDocuments puts the account, and matches the users with PagerDuty's.
func (w *world) putDocuments(tx engine.Tx, now time.Time) error {
	put := func(kind, name, version, body string) error {
		return tx.PutDocument(core.Document{Kind: kind, Name: name, Version: version, Body: body, CreatedAt: now, UpdatedAt: now})
	}
	err := errors.Join(
		put("target", "held", "v1", `{"connector":"memory"}`),
		put("pagerduty_account", "default", "v1", fmt.Sprintf(`{"api_token":"env:PD_TOKEN","default":true,"events_url":%q,"from_email":"bot@example.com","region":"us","rest_url":%q}`, w.pd, w.pd)),
	)
	for i := range people {
		err = errors.Join(err, put("user", email(i), "v2", "{}"),
			tx.PutPin(engine.Pin{User: email(i), Account: "default", PagerDutyUserID: fmt.Sprintf("PU%05d", i), Email: email(i), PinnedAt: now}))
	}
	return err
}

// sit runs the server until the ends are over, and returns its memory then and at the most.
func (w *world) sit(ctx context.Context, first time.Time) (rss, peak int64, err error) {
	if err := w.serve(ctx); err != nil {
		return 0, 0, err
	}
	if err := w.ready(ctx); err != nil {
		return 0, 0, err
	}
	if left := time.Until(first); left < 5*time.Second {
		return 0, 0, fmt.Errorf("the server was ready only %s before the first end", left.Round(time.Millisecond))
	}
	pause(ctx, time.Until(first.Add(time.Second)))
	for m := map[string]float64{}; err == nil && m[`sallyport_grants_ended_total{cause="time"}`] < ending; {
		pause(ctx, 500*time.Millisecond)
		m, err = w.metrics(ctx)
	}
	rss, err2 := w.memory("VmRSS")
	peak, err3 := w.memory("VmHWM")
	err = errors.Join(err, err2, err3, w.stop(), ctx.Err())
	w.server = nil
	return rss, peak, err
}

// lagsOf holds what was taken against what had to be.
func lagsOf(file string, first time.Time) (spread, error) {
	taken, err := readTaken(file)
	if err != nil {
		return nil, err
	}
	var lags spread
	for i := range ending {
		at, there := taken[held(i).Name]
		if !there {
			return nil, fmt.Errorf("%s was not taken", held(i).Name)
		}
		lags = append(lags, at.Sub(endOf(first, i)))
	}
	if len(taken) != ending {
		return nil, fmt.Errorf("%d entitlements were taken, and %d had ended", len(taken), ending)
	}
	if lags.at(0) < 0 {
		return nil, fmt.Errorf("access was taken %s before its end", -lags.at(0))
	}
	return lags, nil
}

// bareEnds waits for as many ends, and commits a row for each that is due.
func bareEnds(ctx context.Context, l *lab) (spread, error) {
	data, err := l.folder()
	if err != nil {
		return nil, err
	}
	db, err := openSQLite(data)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE said (id bigint PRIMARY KEY, detail text NOT NULL)"); err != nil {
		return nil, err
	}
	var lags spread
	first := time.Now().Add(100 * time.Millisecond)
	for len(lags) < ending {
		pause(ctx, time.Until(endOf(first, len(lags))))
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		from, now := len(lags), time.Now()
		to := from
		for ; to < ending && !endOf(first, to).After(now); to++ {
			if _, err := tx.ExecContext(ctx, "INSERT INTO said (id, detail) VALUES ($1, $2)", to, "entitlement.take "+held(to).Name); err != nil {
				return nil, errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return nil, err
		}
		for ; from < to; from++ {
			lags = append(lags, time.Since(endOf(first, from)))
		}
	}
	return lags, nil
}
