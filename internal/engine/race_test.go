package engine_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// A move is what somebody tries with one request.
type move struct {
	request string
	does    string // "approve", "deny", "cancel", "late" (the time for a decision is over), "sweep", "read"
}

// A register is what one request has come to.
type register struct {
	state core.RequestState
	late  bool
}

// oneDecision is a request as it should be, seen from outside: whoever is first decides it.
func oneDecision() porcupine.Model {
	decides := map[string]core.RequestState{"approve": core.Approved, "deny": core.Denied, "cancel": core.Cancelled}
	return porcupine.Model{
		Init: func() any { return register{state: core.Pending} },
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := map[string][]porcupine.Operation{}
			for _, o := range history {
				id := o.Input.(move).request
				parts[id] = append(parts[id], o)
			}
			var out [][]porcupine.Operation
			for _, p := range parts {
				out = append(out, p)
			}
			return out
		},
		Step: func(was, input, output any) (bool, any) {
			r, open := was.(register), was.(register).state == core.Pending
			switch does := input.(move).does; does {
			case "late":
				r.late = true
				return true, r
			case "sweep":
				if open && r.late {
					r.state = core.Expired
				}
				return true, r
			case "read":
				return output == r.state, r
			default:
				if worked := output.(bool); !worked {
					return !open || r.late, r
				}
				r.state = decides[does]
				return open && !was.(register).late, r
			}
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " → ", output) },
	}
}

// asvs: 2.3.4
func TestF025ApproveDenyCancelAndExpireAtOnceEndInOneState(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		race(t, h, 25, "approve", "deny", "cancel", "late")
	}, func(o *engine.Options) { o.Terms.Pending = time.Hour })
}

func TestB095ApproveAndCancelAtOnceEndInOneState(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		race(t, h, 25, "approve", "cancel")
	}, func(o *engine.Options) { o.Terms.Pending = time.Hour })
}

// race has several people, on two replicas, do something with a request at once, many times,
// and holds what they saw to the model.
func race(t *testing.T, h *harness, rounds int, does ...string) {
	h.apply(notifying)
	h.apply(`
{kind: role, version: v5, metadata: {name: editor-reviewer}, spec: {allow: {review_requests: {roles: [demo-role]}}}}
---
{kind: user, version: v2, metadata: {name: second@example.com}, spec: {roles: [editor-reviewer]}}`)
	a, b := h.replica("a"), h.replica("b")
	var mu sync.Mutex
	var history []porcupine.Operation
	note := func(client int, m move, do func() any) {
		call := time.Now().UnixNano()
		output := do()
		back := time.Now().UnixNano()
		mu.Lock()
		history = append(history, porcupine.Operation{ClientId: client, Input: m, Call: call, Output: output, Return: back})
		mu.Unlock()
	}
	try := func(does string, id string) func() any {
		worked := func(_ core.Request, err error) any { return err == nil }
		switch does {
		case "approve":
			return func() any {
				return worked(a.Review(t.Context(), as("rev@example.com"), id, engine.Opinion{State: core.Approved}))
			}
		case "deny":
			return func() any {
				return worked(b.Review(t.Context(), as("second@example.com"), id, engine.Opinion{State: core.Denied}))
			}
		case "cancel":
			return func() any { return worked(b.Cancel(t.Context(), as("cy@example.com"), id)) }
		case "late":
			return func() any { h.clock.advance(time.Hour); return nil }
		default:
			return func() any { _, err := a.Sweep(t.Context()); return err }
		}
	}
	seen, decided := map[core.RequestState]int{}, []engine.Story(nil)
	for round := range rounds {
		r := a.ask("cy@example.com", "demo-role", within(10*time.Minute))
		var all sync.WaitGroup
		start, first := make(chan struct{}), make(chan struct{})
		for n, what := range does {
			all.Go(func() {
				<-start
				if round%10 == n { // now and then one of them is far ahead
					defer close(first)
				} else if round%10 < len(does) {
					<-first
				}
				note(n, move{r.ID, what}, try(what, r.ID))
				if what == "late" {
					note(n, move{r.ID, "sweep"}, try("sweep", r.ID))
				}
			})
		}
		close(start)
		all.Wait()
		note(9, move{r.ID, "read"}, func() any { return h.story(r.ID).State })
		a.run()
		b.run()
		s := h.story(r.ID)
		seen[s.State]++
		if s.State == core.Pending || (len(s.Grants) > 0) != (s.State == core.Approved) {
			t.Fatalf("request %s is %s with %d grants", r.ID, s.State, len(s.Grants))
		}
		h.wantOneIncident(r.ID, pdsim.Resolved)
		decided = append(decided, s)
	}
	h.advance(10 * time.Minute)
	for _, s := range decided {
		if now := h.story(s.ID); now.State != s.State || !now.Decision.At.Equal(s.Decision.At) {
			t.Errorf("request %s was %s and is %s", s.ID, s.State, now.State)
		}
	}
	if !porcupine.CheckOperations(oneDecision(), history) {
		t.Error("what the callers saw fits no order of their calls")
	}
	h.wantNothing()
	h.wantChain()
	if len(seen) < len(does) {
		t.Errorf("in %d rounds there were only the ends %v", rounds, seen)
	}
}

// asvs: 2.3.4
func TestB096ADoubleSubmitWithOneKeyMakesOneRequest(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		a, b := h.replica("a"), h.replica("b")
		for n := range 20 {
			ids := make([]string, 6)
			var all sync.WaitGroup
			for i := range ids {
				all.Go(func() {
					who := []*harness{a, b}[i%2]
					r, err := who.Submit(t.Context(), as("cy@example.com"), engine.Submission{
						Ask: core.Ask{Roles: []string{"editor"}, Reason: "once"}, Key: fmt.Sprint("key", n),
					})
					if err != nil {
						t.Error(err)
					}
					ids[i] = r.ID
				})
			}
			all.Wait()
			for _, id := range ids {
				if id != ids[0] {
					t.Fatalf("one key made the requests %v", ids)
				}
			}
		}
		list, err := h.Stories(t.Context(), admin, engine.RequestQuery{})
		h.must(err)
		if len(list) != 20 {
			t.Errorf("20 keys made %d requests", len(list))
		}
	})
}

func TestTwoReviewersAtOnceBothCountAndOneHumanDoesNotCountTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.apply(`
{kind: role, version: v5, metadata: {name: editor-requester}, spec: {allow: {request: {roles: [editor], thresholds: [{approve: 2, deny: 1}]}}}}
---
{kind: user, version: v2, metadata: {name: rev+2@example.com}, spec: {roles: [editor-reviewer]}}
---
{kind: user, version: v2, metadata: {name: second@example.com}, spec: {roles: [editor-reviewer]}}`)
		a, b := h.replica("a"), h.replica("b")
		for _, tt := range []struct {
			second string
			want   core.RequestState
			worked int
		}{{"second@example.com", core.Approved, 2}, {"rev+2@example.com", core.Pending, 1}, {"rev@example.com", core.Pending, 1}} {
			for range 8 {
				r := h.ask("cy@example.com", "editor")
				errs := make([]error, 2)
				var both sync.WaitGroup
				both.Go(func() {
					_, errs[0] = a.Review(t.Context(), as("rev@example.com"), r.ID, engine.Opinion{State: core.Approved})
				})
				both.Go(func() { _, errs[1] = b.Review(t.Context(), as(tt.second), r.ID, engine.Opinion{State: core.Approved}) })
				both.Wait()
				worked := 0
				for _, err := range errs {
					if err == nil {
						worked++
					} else if core.KindOf(err) != core.Refused {
						t.Errorf("rev and %s at once: %v", tt.second, err)
					}
				}
				if s := h.wantState(r.ID, tt.want); worked != tt.worked || len(s.Reviews) != tt.worked {
					t.Errorf("rev and %s at once: %d reviews worked, %d are kept, want %d", tt.second, worked, len(s.Reviews), tt.worked)
				}
			}
		}
	})
}
