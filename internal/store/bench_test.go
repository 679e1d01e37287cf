package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// aRequest is a request as they commonly are, with a frozen rule.
func aRequest(id string) core.Request {
	rule := core.ApprovalRule{
		Origin: "role demo-role-requester", Roles: []string{"demo-role"},
		OnCall: &core.OnCallRule{Services: []string{"My Critical Service"}}, Notify: []string{"Access"},
	}
	return core.Request{
		ID: id, User: "ann@example.com", Author: "ann@example.com", Roles: []string{"demo-role"},
		Resources: []core.Resource{{Target: "aws", Name: "prod-admin"}}, Reason: "INC-7: the queue is stuck",
		State: core.Pending, CreatedAt: now, ExpiresAt: now.Add(time.Hour), Duration: time.Hour,
		Annotations: map[string][]string{"pagerduty_services": {"My Critical Service"}},
		Thresholds:  []core.Threshold{{Name: "default", Approve: 1, Deny: 1}},
		Sets:        map[string][][]int{"demo-role": {{0}}}, Rules: []core.ApprovalRule{rule},
	}
}

func aGrant(id string) core.Grant {
	return core.Grant{
		ID: id, RequestID: "req_" + id, State: core.GrantActive, Duration: time.Hour,
		Entitlement: core.Entitlement{User: "ann@example.com", Resource: core.Resource{Target: "aws", Name: id}},
		StartsAt:    now, EndsAt: now.Add(time.Hour), FirstAt: now, Rule: core.ApprovalRule{UntilOffCall: true},
	}
}

// tenRows is about what one verb writes: a request with a review, two grants, a holding,
// an incident with a note, two audit entries, an answer and a job.
func tenRows(tx engine.Tx, id string) error {
	r := aRequest("req_" + id)
	r.Reviews = []core.Review{{Author: "@oncall", State: core.Approved, CreatedAt: now, CountsFor: []int{0}}}
	g := aGrant("gr_" + id)
	other := aGrant("gx_" + id)
	entry := core.AuditEntry{At: now, Actor: "ann@example.com", Via: "bench", Action: "access_request.create", Subject: "request/" + id, Detail: `{"a":1}`}
	for _, err := range []error{
		tx.PutRequest(r), tx.PutGrant(g), tx.PutGrant(other), tx.PutHolding(engine.Holding{Entitlement: g.Entitlement}),
		tx.PutIncident(core.Incident{ID: "in_" + id, RequestID: r.ID, CreatedAt: now, State: core.IncidentWanted, Notes: []core.Note{{Seq: 1, Text: "asked"}}}),
		tx.Append(entry), tx.Append(entry),
		tx.PutAnswer(engine.Answer{Key: id, Digest: "d", Status: 202, Body: `{"id":"req_1"}`, CreatedAt: now}),
		tx.Enqueue(core.Job{Kind: core.JobDecide, ID: r.ID}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func onEachB(b *testing.B, bench func(b *testing.B, s *store.Store)) {
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) { bench(b, open(b, d.options(b))) })
	}
}

// BenchmarkWriteGrouped is 64 callers who each write ten rows at a time.
func BenchmarkWriteGrouped(b *testing.B) {
	onEachB(b, func(b *testing.B, s *store.Store) {
		var n atomic.Int64
		b.SetParallelism(32) // times two processors
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				id := fmt.Sprint(n.Add(1))
				if err := s.Write(b.Context(), func(tx engine.Tx) error { return tenRows(tx, id) }); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkWriteBare is the same rows in the same number of commits, 64 at a time, by one
// caller, without anything that keeps callers apart.
func BenchmarkWriteBare(b *testing.B) {
	onEachB(b, func(b *testing.B, s *store.Store) {
		for n := 0; n < b.N; n += 64 {
			err := s.Write(b.Context(), func(tx engine.Tx) error {
				for i := n; i < min(n+64, b.N); i++ {
					if err := tenRows(tx, fmt.Sprint(i)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWriteAlone is one caller who waits for each commit.
func BenchmarkWriteAlone(b *testing.B) {
	onEachB(b, func(b *testing.B, s *store.Store) {
		for n := range b.N {
			if err := s.Write(b.Context(), func(tx engine.Tx) error { return tenRows(tx, fmt.Sprint(n)) }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRead is the question of /v1/check among 10,000 live grants.
func BenchmarkRead(b *testing.B) {
	onEachB(b, func(b *testing.B, s *store.Store) {
		err := s.Write(b.Context(), func(tx engine.Tx) error {
			for i := range 10_000 {
				if err := tx.PutGrant(aGrant(fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		var n atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				e := aGrant(fmt.Sprint(n.Add(1) % 10_000)).Entitlement
				err := s.Read(b.Context(), func(v engine.View) error {
					_, err := v.Grants(engine.GrantQuery{Entitlement: e, States: []core.GrantState{core.GrantActive}})
					return err
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}
