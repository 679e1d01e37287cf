package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

const (
	lockRev = `{kind: user, version: v2, metadata: {name: rev@example.com}, spec: {roles: [editor-reviewer], locked: true}}`
	freeRev = `{kind: user, version: v2, metadata: {name: rev@example.com}, spec: {roles: [editor-reviewer]}}`
)

func TestB106WhatALockedPersonSaidDoesNotCountAnyMore(t *testing.T) {
	h := newHarness(t)
	h.apply(twoApprovals)
	h.apply(`{kind: user, version: v2, metadata: {name: revs-bot}, spec: {roles: [editor-reviewer], bot: true, owner: rev@example.com}}`)
	own, bots, through3 := h.asked("cy@example.com", "editor"), h.asked("cy@example.com", "editor"), h.asked("cy@example.com", "editor")
	decided := h.asked("cy@example.com", "editor")
	h.review("rev@example.com", own, core.Approved)
	h.review("revs-bot", bots, core.Approved)
	_, err := h.Review(t.Context(), through("robot", "rev@example.com"), through3, engine.Opinion{State: core.Approved})
	h.must(err)
	h.review("rev@example.com", decided, core.Approved)
	h.review("second@example.com", decided, core.Approved)
	h.wantState(decided, core.Approved)
	h.apply(lockRev)
	for _, id := range []string{own, bots, through3} {
		if s := h.story(id); !strings.Contains(s.Void[0], "rev@example.com is locked") {
			t.Errorf("of the review by %s it is said: %q", s.Reviews[0].Author, s.Void[0])
		}
		h.review("second@example.com", id, core.Approved)
		h.wantState(id, core.Pending)
		h.review("third@example.com", id, core.Approved)
		h.wantState(id, core.Approved)
	}
	h.wantState(decided, core.Approved) // what was decided stays decided
	if _, err := h.Review(t.Context(), as("revs-bot"), h.asked("cy@example.com", "editor"), engine.Opinion{State: core.Approved}); core.KindOf(err) != core.Refused {
		t.Errorf("the bot of who is locked reviews: %v", err)
	}
}

func TestB106WhatALockedPersonAskedForAnotherIsNotApproved(t *testing.T) {
	h := newHarness(t)
	h.apply(twoApprovals)
	r, err := h.Submit(t.Context(), as("second@example.com"), engine.Submission{Ask: core.Ask{User: "ann@example.com", Roles: []string{"demo-role"}}})
	h.must(err)
	h.apply(`{kind: user, version: v2, metadata: {name: second@example.com}, spec: {roles: [editor-reviewer, for-others], locked: true}}`)
	h.run()
	h.wantState(r.ID, core.Pending)
	h.wantSaid(r.ID, "second@example.com, who asked for this, is locked")
}

// asvs: 7.4.1, 7.4.2, 7.4.5
func TestB106AStreamUnderWayEndsWhenItsWatcherIsLockedOrSignedOut(t *testing.T) {
	h := newHarness(t)
	eye := `{kind: user, version: v2, metadata: {name: eye@example.com}, spec: {roles: [auditor]}}`
	for name, end := range map[string]func(){
		"locked":  func() { h.apply(strings.Replace(eye, "[auditor]", "[auditor], locked: true", 1)) },
		"removed": func() { h.must(h.Delete(t.Context(), admin, "user", "eye@example.com")) },
		"lost the role": func() {
			h.apply(strings.Replace(eye, "[auditor]", "[]", 1))
		},
		"signed out": func() {
			h.must(h.EndSession(t.Context(), as("eye@example.com"), core.CredentialSession, "cafe"))
		},
		"no time left": func() { h.clock.advance(time.Hour) },
	} {
		h.apply(eye)
		a := as("eye@example.com")
		a.Session.Credential = core.Credential{
			Kind: core.CredentialSession, ID: "cafe", User: a.User, Body: "{}", CreatedAt: h.clock.Now(), ExpiresAt: h.clock.Now().Add(time.Hour),
		}
		h.must(h.store.Write(t.Context(), func(tx engine.Tx) error { return tx.PutCredential(a.Session.Credential) }))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		ended := make(chan error, 1)
		listening := make(chan struct{})
		go func() {
			var once sync.Once
			ended <- h.Watch(ctx, a, 0, func(core.AuditEntry) error { once.Do(func() { close(listening) }); return nil })
		}()
		<-listening
		end()
		if err := <-ended; core.KindOf(err) != core.Refused && core.KindOf(err) != core.Unauthenticated {
			t.Errorf("%s: the stream ends with %v", name, err)
		}
		cancel()
	}
}

// A tribunal is a request that two have to approve, seen from outside, and whether the first
// of them is locked.
type tribunal struct {
	first, locked, approved bool
}

// reviewAndLock is how a lock and an approval may meet: the one who is locked first says nothing,
// and what they said before counts no more, but what was decided by then stays decided.
func reviewAndLock() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return tribunal{} },
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := map[string][]porcupine.Operation{}
			for _, o := range history {
				parts[o.Input.(move).request] = append(parts[o.Input.(move).request], o)
			}
			var out [][]porcupine.Operation
			for _, p := range parts {
				out = append(out, p)
			}
			return out
		},
		Step: func(was, input, output any) (bool, any) {
			s := was.(tribunal)
			switch input.(move).does {
			case "lock":
				s.locked = true
				return true, s
			case "first":
				if output.(bool) != !s.locked {
					return false, s
				}
				s.first = s.first || !s.locked
				return true, s
			case "second":
				s.approved = s.first && !s.locked
				return output.(bool), s
			default:
				return output == s.approved, s
			}
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " → ", output) },
	}
}

func TestALockAndTheApprovalsItRacesWithFitOneOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		h.apply(twoApprovals)
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
		seen := map[core.RequestState]int{}
		for round := range 24 {
			h.apply(freeRev)
			id := h.asked("cy@example.com", "editor")
			approve := func(on *harness, who string) func() any {
				return func() any {
					_, err := on.Review(t.Context(), as(who), id, engine.Opinion{State: core.Approved})
					return err == nil
				}
			}
			var all sync.WaitGroup
			reviewed := make(chan struct{})
			all.Go(func() {
				note(0, move{id, "first"}, approve(a, "rev@example.com"))
				close(reviewed)
				note(0, move{id, "second"}, approve(a, "second@example.com"))
			})
			all.Go(func() {
				if round%3 > 0 {
					<-reviewed
				}
				note(1, move{id, "lock"}, func() any { b.apply(lockRev); return nil })
			})
			all.Wait()
			note(2, move{id, "read"}, func() any { return h.story(id).State == core.Approved })
			seen[h.story(id).State]++
		}
		if !porcupine.CheckOperations(reviewAndLock(), history) {
			t.Error("what the callers saw fits no order of their calls")
		}
		if seen[core.Pending] == 0 {
			t.Errorf("no lock came in time: %v", seen)
		}
		h.wantChain()
	})
}
