package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

func entry(text string) core.AuditEntry {
	return core.AuditEntry{At: T0, Actor: "ann", Action: "test", Subject: text}
}

// wantAudit checks the whole chain, and that these entries are in it and no others.
func (b *bench) wantAudit(want ...string) {
	b.Helper()
	var entries []core.AuditEntry
	b.read(func(v engine.View) {
		entries = value[[]core.AuditEntry](b)(v.Audit(0, 100_000))
		b.no(core.VerifyChain(entries...))
		seq, hash, err := v.AuditHead()
		b.no(err)
		if n := len(entries); n > 0 && (seq != int64(n) || hash != entries[n-1].Hash) {
			b.Errorf("the audit head is at %d %s", seq, hash)
		}
	})
	got := map[string]int{}
	for _, e := range entries {
		got[e.Subject]++
	}
	expected := map[string]int{}
	for _, w := range want {
		expected[w]++
	}
	b.same("audit entries", got, expected)
}

// auditSelected appends an entry a minute, by two people in turn.
func auditSelected(b *bench) {
	b.write(func(tx engine.Tx) {
		for i := range 10 {
			b.no(tx.Append(core.AuditEntry{
				At: T0.Add(time.Duration(i) * time.Minute), Actor: []string{"ann", "bo"}[i%2],
				Action: []string{"grant.end", "gränt.end", "grant.ended"}[i%3], Subject: fmt.Sprint("grant/", i%4),
			}))
		}
	})
	for _, test := range []struct {
		q    engine.AuditQuery
		want []int64
	}{
		{engine.AuditQuery{Actor: "bo"}, []int64{2, 4, 6, 8, 10}},
		{engine.AuditQuery{Action: "grant.end", Newest: true}, []int64{10, 9, 7, 6, 4, 3, 1}},
		{engine.AuditQuery{Action: "gränt"}, []int64{2, 5, 8}},
		{engine.AuditQuery{Subject: "grant/1", Newest: true, Limit: 2}, []int64{10, 6}},
		{engine.AuditQuery{Newest: true, After: 4}, []int64{3, 2, 1}},
		{engine.AuditQuery{Since: T0.Add(2 * time.Minute), Until: T0.Add(5 * time.Minute)}, []int64{3, 4, 5}},
		{engine.AuditQuery{Since: T0.Add(time.Hour)}, nil},
		{engine.AuditQuery{Until: T0}, nil},
		{engine.AuditQuery{Actor: "cy"}, nil},
	} {
		b.read(func(v engine.View) {
			var got []int64
			for _, e := range value[[]core.AuditEntry](b)(v.AuditEntries(test.q)) {
				got = append(got, e.Seq)
			}
			b.same(fmt.Sprintf("%+v", test.q), got, test.want)
		})
	}
}

func auditChain(b *bench) {
	var want []string
	for i := range 5 {
		b.write(func(tx engine.Tx) {
			for k := range i {
				b.no(tx.Append(entry(fmt.Sprint(i, "-", k))))
			}
		})
		for k := range i {
			want = append(want, fmt.Sprint(i, "-", k))
		}
	}
	b.wantAudit(want...)
	b.read(func(v engine.View) {
		page := value[[]core.AuditEntry](b)(v.Audit(3, 2))
		if len(page) != 2 || page[0].Seq != 4 || page[1].Seq != 5 {
			b.Errorf("two entries after 3: %+v", page)
		}
	})
}

func writeSeesItself(b *bench) {
	b.write(func(tx engine.Tx) {
		b.no(tx.PutRequest(core.Request{ID: "req_1", State: core.Pending}))
		b.same("request", value[core.Request](b)(tx.Request("req_1")).State, core.Pending)
		b.no(tx.PutRequest(core.Request{ID: "req_1", State: core.Denied}))
		b.same("request again", value[core.Request](b)(tx.Request("req_1")).State, core.Denied)
		b.same("list", requestIDs(b, tx, engine.RequestQuery{State: core.Denied}), []string{"req_1"})
		b.no(tx.Append(entry("one")))
		seq, _, err := tx.AuditHead()
		b.no(err)
		b.same("audit head", seq, int64(1))
		b.same("audit", len(value[[]core.AuditEntry](b)(tx.Audit(0, 0))), 1)
	})
}

func errorUndoes(b *bench) {
	err := b.Store.Write(b.context(), func(tx engine.Tx) error {
		b.no(tx.PutRequest(core.Request{ID: "req_1"}))
		b.no(tx.Append(entry("undone")))
		b.no(tx.Enqueue(core.Job{Kind: core.JobDecide, ID: "req_1"}))
		return errMine
	})
	if !errors.Is(err, errMine) {
		b.Errorf("got %v", err)
	}
	b.wantAudit()
	b.same("jobs", b.Jobs(b), []core.Job{})
	b.read(func(v engine.View) { b.same("requests", requestIDs(b, v, engine.RequestQuery{}), []string{}) })
}

func groupOutcomes(b *bench) {
	ok := func(name string) func(engine.Tx) error {
		return func(tx engine.Tx) error {
			return errors.Join(tx.PutRequest(core.Request{ID: name}), tx.Append(entry(name)),
				tx.Enqueue(core.Job{Kind: core.JobDecide, ID: name}))
		}
	}
	bad := func(name string, end func() error) func(engine.Tx) error {
		return func(tx engine.Tx) error {
			b.no(ok(name)(tx))
			return end()
		}
	}
	gone, cancel := context.WithCancel(b.context())
	all := b.context()
	outcomes := b.groupWith([]context.Context{all, all, all, gone, all, all, all}, cancel,
		ok("first"),
		bad("error", func() error { return errMine }),
		bad("panic", func() error { panic("oh no") }),
		ok("cancelled"),
		func(tx engine.Tx) error { _, err := tx.Request("nobody"); return err },
		func(tx engine.Tx) error { return nil },
		ok("last"),
	)
	if outcomes[0] != nil || outcomes[5] != nil || outcomes[6] != nil {
		b.Errorf("writes that went well came to %v, %v and %v", outcomes[0], outcomes[5], outcomes[6])
	}
	if !errors.Is(outcomes[1], errMine) {
		b.Errorf("the error came out as %v", outcomes[1])
	}
	if outcomes[2] == nil || !strings.Contains(outcomes[2].Error(), "oh no") {
		b.Errorf("the panic came out as %v", outcomes[2])
	}
	if !errors.Is(outcomes[3], context.Canceled) {
		b.Errorf("the one that was cancelled came out as %v", outcomes[3])
	}
	b.wantKind(outcomes[4], core.NotFound)
	b.wantAudit("first", "last")
	b.same("jobs", b.Jobs(b), []core.Job{{Kind: core.JobDecide, ID: "first"}, {Kind: core.JobDecide, ID: "last"}})
	b.read(func(v engine.View) {
		b.same("requests", requestIDs(b, v, engine.RequestQuery{}), []string{"last", "first"})
	})
}

func ranLearnsOutcome(b *bench) {
	ctx, cancel := context.WithCancel(b.context())
	err := b.Store.Write(ctx, func(tx engine.Tx) error {
		cancel()
		return tx.Append(entry("done"))
	})
	b.no(err)
	b.wantAudit("done")
	if err := b.Store.Write(ctx, func(engine.Tx) error { panic("it ran") }); !errors.Is(err, context.Canceled) {
		b.Errorf("a write whose context had ended came to %v", err)
	}
}

func transactionCannotBeKept(b *bench) {
	var kept engine.Tx
	b.write(func(tx engine.Tx) { kept = tx })
	if err := kept.Append(entry("too late")); err == nil {
		b.Error("a transaction took an entry after its end")
	}
	b.wantAudit()
}

func writesAreSerial(b *bench) {
	const writers, each = 16, 25
	b.write(func(tx engine.Tx) { b.no(tx.PutDocument(core.Document{Kind: "counter", Name: "c", Body: "0"})) })
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range each {
				b.no(b.Store.Write(b.context(), func(tx engine.Tx) error {
					d, err := tx.Document("counter", "c")
					if err != nil {
						return err
					}
					n, _ := strconv.Atoi(d.Body)
					d.Body = strconv.Itoa(n + 1)
					return tx.PutDocument(d)
				}))
			}
		})
	}
	wait.Wait()
	b.read(func(v engine.View) {
		b.same("count", value[core.Document](b)(v.Document("counter", "c")).Body, strconv.Itoa(writers*each))
	})
}

func readIsSnapshot(b *bench) {
	b.write(func(tx engine.Tx) { b.no(tx.Append(entry("before"))) })
	b.read(func(v engine.View) {
		seq, _, err := v.AuditHead()
		b.no(err)
		b.write(func(tx engine.Tx) {
			b.no(tx.Append(entry("meanwhile")))
			b.no(tx.PutRequest(core.Request{ID: "req_1"}))
		})
		again, _, err := v.AuditHead()
		b.no(err)
		b.same("head", again, seq)
		b.same("audit", len(value[[]core.AuditEntry](b)(v.Audit(0, 0))), int(seq))
		b.same("requests", requestIDs(b, v, engine.RequestQuery{}), []string{})
	})
}

func glanceAnswersOnce(b *bench) {
	b.write(func(tx engine.Tx) {
		b.no(tx.PutGrant(core.Grant{ID: "gr_1", RequestID: "req_1", Entitlement: core.Entitlement{User: "ann"}}))
		b.no(tx.PutRequest(core.Request{ID: "req_1", Reviews: []core.Review{{Author: "bob"}}}))
	})
	glance := func(ask func(engine.View) error) error { return b.Store.Glance(b.context(), ask) }
	for range 2 { // the first time unprepared
		b.no(glance(func(v engine.View) error {
			b.same("grants", len(value[[]core.Grant](b)(v.Grants(engine.GrantQuery{User: "ann"}))), 1)
			return nil
		}))
	}
	b.wantKind(glance(func(v engine.View) error { _, err := v.Grant("gr_2"); return err }), core.NotFound)
	for what, ask := range map[string]func(engine.View) error{
		"two questions": func(v engine.View) error {
			_, err := v.Revision()
			_, again := v.Grant("gr_1")
			return errors.Join(err, again)
		},
		"a request and its reviews": func(v engine.View) error { _, err := v.Request("req_1"); return err },
		"an error not looked at": func(v engine.View) error {
			_, _ = v.Revision()
			_, _ = v.Revision()
			return nil
		},
	} {
		if err := glance(ask); err == nil || !strings.Contains(err.Error(), "second question") {
			b.Errorf("a glance at %s came to %v", what, err)
		}
	}
}

func jobsWithTheirCause(b *bench) {
	settle := "ann\x1faws\x1fprod"
	b.write(func(tx engine.Tx) {
		b.no(tx.Enqueue(core.Job{Kind: core.JobSettle, ID: settle}))
		b.no(tx.Enqueue(core.Job{Kind: core.JobIncident, ID: "in_1", At: time.Now().Add(time.Hour)}))
		b.wantKind(tx.Enqueue(core.Job{Kind: core.JobDecide}), core.Internal)
	})
	b.same("jobs", b.Jobs(b), []core.Job{{Kind: core.JobIncident, ID: "in_1"}, {Kind: core.JobSettle, ID: settle}})
}

func equalJobsAreOne(b *bench) {
	job := core.Job{Kind: core.JobDecide, ID: "req_1"}
	twice := func(tx engine.Tx) error { return errors.Join(tx.Enqueue(job), tx.Enqueue(job)) }
	for _, err := range b.group(twice, twice) {
		b.no(err)
	}
	b.write(func(tx engine.Tx) { b.no(tx.Enqueue(job)) })
	b.same("jobs", b.Jobs(b), []core.Job{job})
}

func everythingAtOnce(b *bench) {
	const writers, each = 8, 30
	var mu sync.Mutex
	var want []string
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d-%d", w, i)
				err := b.Store.Write(b.context(), func(tx engine.Tx) error { return storm(tx, name, i) })
				if i%5 == 0 {
					if err == nil {
						b.Errorf("%s should have failed", name)
					}
					continue
				}
				b.no(err)
				mu.Lock()
				want = append(want, name)
				mu.Unlock()
			}
		})
		wait.Go(func() { readDuring(b, each) })
	}
	wait.Wait()
	b.wantAudit(want...)
	b.read(func(v engine.View) { b.same("grants", len(grantIDs(b, v, engine.GrantQuery{})), len(want)) })
}

// storm writes a bit of everything; every fifth fails, half of those by a panic.
func storm(tx engine.Tx, name string, i int) error {
	if _, err := tx.Grants(engine.GrantQuery{User: name}); err != nil {
		return err
	}
	err := errors.Join(
		tx.PutRequest(core.Request{ID: "req_" + name, User: name, CreatedAt: T0, Reviews: []core.Review{{Author: "bob"}}}),
		tx.PutGrant(core.Grant{ID: "gr_" + name, RequestID: "req_" + name, State: core.GrantActive, EndsAt: T0}),
		tx.Append(entry(name)),
		tx.Enqueue(core.Job{Kind: core.JobDecide, ID: "req_" + name}),
	)
	switch {
	case i%10 == 0:
		panic(name)
	case i%5 == 0:
		return errMine
	}
	return err
}

// readDuring checks that whoever reads meanwhile sees whole transactions.
func readDuring(b *bench, times int) {
	for range times {
		b.read(func(v engine.View) {
			seq, _, err := v.AuditHead()
			b.no(err)
			b.same("grants and audit", len(value[[]core.Grant](b)(v.Grants(engine.GrantQuery{}))), int(seq))
		})
	}
}
