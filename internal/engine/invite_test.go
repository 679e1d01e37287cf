package engine_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

const people = `
{kind: role, version: v5, metadata: {name: short}, spec: {options: {max_session_ttl: 2h}}}
---
{kind: role, version: v5, metadata: {name: helpdesk}, spec: {allow: {rules: [{resources: [user], verbs: [read, update]}]}}}
---
{kind: role, version: v5, metadata: {name: asker}, spec: {allow: {request: {roles: [short]}}}}
---
{kind: user, version: v2, metadata: {name: new@example.com}, spec: {roles: [short]}}
---
{kind: user, version: v2, metadata: {name: desk@example.com}, spec: {roles: [helpdesk]}}
---
{kind: user, version: v2, metadata: {name: asks@example.com}, spec: {roles: [asker]}}
---
{kind: user, version: v2, metadata: {name: root@example.com}, spec: {roles: [admin]}}
---
{kind: user, version: v2, metadata: {name: robot}, spec: {roles: [short], bot: true, owner: root@example.com}}
`

func aPasskey(id string) engine.Proof {
	return engine.Proof{Kind: core.CredentialPasskey, ID: id, Body: `{"label":"a laptop"}`}
}

func (h *harness) invite(user string) engine.Invitation {
	h.t.Helper()
	i, err := h.Invite(h.t.Context(), admin, engine.Invitation{User: user}, 0)
	h.must(err)
	return i
}

// asvs: 6.4.1, 6.5.1, 6.5.2
func TestAnInvitationWorksOnceAndGivesASessionAndAPasskey(t *testing.T) {
	h := newHarness(t)
	h.apply(people)
	old := h.invite("new@example.com")
	i := h.invite("new@example.com")
	if _, err := h.Invitation(t.Context(), old.Token); core.KindOf(err) != core.NotFound {
		t.Errorf("the older invitation: %v", err)
	}
	in, err := h.AcceptInvitation(t.Context(), i.Token, aPasskey("k1"), engine.Visit{Address: "192.0.2.1"})
	h.must(err)
	if got := in.ExpiresAt.Sub(h.clock.Now()); got != 2*time.Hour {
		t.Errorf("the session lasts %s, and a role allows 2h", got)
	}
	a, err := h.Identify(t.Context(), core.CredentialSession, engine.Digest(in.Token), "192.0.2.1")
	if err != nil || a.User != "new@example.com" {
		t.Fatalf("the session is of %q, %v", a.User, err)
	}
	if _, err := h.AcceptInvitation(t.Context(), i.Token, aPasskey("k2"), engine.Visit{}); core.KindOf(err) != core.NotFound {
		t.Errorf("used again: %v", err)
	}
	if err := h.RemoveProof(t.Context(), a, core.CredentialPasskey, "k1"); core.KindOf(err) != core.Conflict {
		t.Errorf("the last passkey was removed: %v", err)
	}
	h.must(h.SignOut(t.Context(), a))
	if _, err := h.Identify(t.Context(), core.CredentialSession, engine.Digest(in.Token), ""); core.KindOf(err) != core.Unauthenticated {
		t.Errorf("after signing out: %v", err)
	}
	h.wantChain()
}

func TestAnInvitationIsMadeByThoseOnlyWhoGainNothingByIt(t *testing.T) {
	h := newHarness(t)
	h.apply(people)
	tests := []struct {
		by, user string
		want     core.Kind // empty: it is made
	}{
		{"root@example.com", "asks@example.com", ""},
		{"desk@example.com", "new@example.com", ""},
		{"desk@example.com", "asks@example.com", core.Refused},
		{"desk@example.com", "root@example.com", core.Refused},
		{"new@example.com", "new@example.com", core.Refused},
		{"root@example.com", "robot", core.Invalid},
		{"root@example.com", "nobody@example.com", core.NotFound},
	}
	for _, tt := range tests {
		_, err := h.Invite(t.Context(), as(tt.by), engine.Invitation{User: tt.user}, 0)
		if (err == nil) != (tt.want == "") || err != nil && core.KindOf(err) != tt.want {
			t.Errorf("%s invites %s: %v", tt.by, tt.user, err)
		}
	}
}

// asvs: 6.5.5
func TestAnInvitationEndsWithItsTimeItsMakerAndItsUser(t *testing.T) {
	for name, end := range map[string]func(*harness){
		"its time is over": func(h *harness) { h.advance(25 * time.Hour) },
		"the user is locked": func(h *harness) {
			h.apply(strings.Replace(people, "roles: [short]}}\n---\n{kind: user, version: v2, metadata: {name: desk", "roles: [short], locked: true}}\n---\n{kind: user, version: v2, metadata: {name: desk", 1))
		},
		"its maker is locked": func(h *harness) {
			h.apply("{kind: user, version: v2, metadata: {name: root@example.com}, spec: {roles: [admin], locked: true}}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.apply(people)
			i, err := h.Invite(t.Context(), as("root@example.com"), engine.Invitation{User: "new@example.com"}, 0)
			h.must(err)
			end(h)
			if _, err := h.AcceptInvitation(t.Context(), i.Token, aPasskey("k1"), engine.Visit{}); core.KindOf(err) != core.NotFound {
				t.Errorf("accepted: %v", err)
			}
		})
	}
}

func TestOfTwoWhoUseATicketAtOnceOneWins(t *testing.T) {
	h := newHarness(t)
	token, err := h.IssueTicket(t.Context(), engine.Ticket{Purpose: "test", Data: "x", TTL: time.Minute})
	h.must(err)
	if _, err := h.RedeemTicket(t.Context(), "another", token); core.KindOf(err) != core.Unauthenticated {
		t.Errorf("for another purpose: %v", err)
	}
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() { _, errs[i] = h.RedeemTicket(t.Context(), "test", token) })
	}
	group.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d won: %v", won, errors.Join(errs...))
	}
}

func TestWhoIsNotLetInHearsTheSameWhateverTheReason(t *testing.T) {
	h := newHarness(t)
	h.apply(people)
	_, err := h.AcceptInvitation(t.Context(), h.invite("new@example.com").Token, aPasskey("k1"), engine.Visit{})
	h.must(err)
	known := aPasskey("k1")
	known.Before = known.Body
	cloned, stale := known, known
	cloned.Cloned, stale.Before = true, `{"label":"before"}`
	for name, p := range map[string]engine.Proof{"unknown": aPasskey("k9"), "cloned": cloned, "overtaken": stale} {
		_, err := h.SignIn(t.Context(), p, engine.Visit{})
		if core.KindOf(err) != core.Unauthenticated || err.Error() != "this does not sign anybody in" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = h.SignIn(t.Context(), known, engine.Visit{})
	h.must(err)
	h.apply("{kind: user, version: v2, metadata: {name: new@example.com}, spec: {roles: [short], locked: true}}")
	if _, err := h.SignIn(t.Context(), known, engine.Visit{}); err == nil || err.Error() != "this does not sign anybody in" {
		t.Errorf("locked: %v", err)
	}
}

func TestAProofThatIsNotAcceptedStandsInTheAuditLogWithItsReason(t *testing.T) {
	h := newHarness(t)
	at := engine.Visit{Address: "192.0.2.9"}
	for range 3 { // of one address once a minute
		err := h.RefuseSignIn(t.Context(), engine.Proof{Kind: core.CredentialPasskey}, at, errors.New("the origin is another one"))
		if core.KindOf(err) != core.Unauthenticated || strings.Contains(err.Error(), "origin") {
			t.Errorf("everybody hears: %v", err)
		}
	}
	entries, err := h.Audit(t.Context(), admin, 0, 0)
	h.must(err)
	var found []core.AuditEntry
	for _, e := range entries {
		if e.Action == "session.begin.refused" {
			found = append(found, e)
		}
	}
	if len(found) != 1 || !strings.Contains(found[0].Detail, "the origin is another one") || !strings.Contains(found[0].Via, "192.0.2.9") {
		t.Errorf("the log has %+v", found)
	}
}
