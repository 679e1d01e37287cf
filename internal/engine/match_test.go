package engine_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// change puts an organisation at PagerDuty that differs in several places, and lets it be read.
func (h *harness) change(oldNew ...string) {
	h.t.Helper()
	data, err := pdsim.Parse([]byte(strings.NewReplacer(oldNew...).Replace(organisation)))
	h.must(err)
	h.must(h.sim.Replace(data))
	h.advance(6 * time.Minute)
	h.must(h.pd.Refresh(h.t.Context(), ""))
	h.advance(0)
}

func TestB017AMatchHoldsWhenAddressesChangeInPagerDuty(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		first := h.ask("ann@example.com", "demo-role")
		h.run()
		h.wantState(first.ID, core.Approved)
		// Cy, who is never on call, takes Ann's address; Ann has another one, which is Bo's name here.
		h.change("email: Ann@Example.com", "email: new@example.com", "email: cy@example.com", "email: ann@example.com")
		h.apply(`{kind: user, version: v2, metadata: {name: new@example.com}, spec: {roles: [demo-role-requester]}}`)
		still := h.ask("ann@example.com", "demo-role")
		h.run()
		if s := h.wantState(still.ID, core.Approved); !strings.Contains(s.Decision.Evidence[0].User, "PUANN01") {
			t.Errorf("the evidence is about %s, want PUANN01", s.Decision.Evidence[0].User)
		}
		h.wantSaid(still.ID, "PagerDuty's address for that user is now new@example.com")
		second := h.ask("new@example.com", "demo-role")
		h.run()
		h.wantState(second.ID, core.Pending)
		h.wantSaid(second.ID, "already matched with ann@example.com; only an administrator can change that")
	})
}

func TestAnotherAddressGivenByAnAdministratorIsMatchedAnewAndAudited(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {region: us, api_token: "env:PD", from_email: bot@example.com, default: true}}`)
	h.wantState(h.asked("ann@example.com", "demo-role"), core.Approved)
	h.apply(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [demo-role-requester], traits: {pagerduty_email: [cy@example.com]}}}`)
	h.wantState(h.asked("ann@example.com", "demo-role"), core.Pending) // cy is not on call
	h.apply(`{kind: user, version: v2, metadata: {name: myuser}, spec: {roles: [demo-role-requester], traits: {pagerduty_email: [ann@example.com]}}}`)
	h.wantState(h.asked("myuser", "demo-role"), core.Approved)
	h.must(h.Delete(t.Context(), admin, "user", "myuser"))
	h.apply(`{kind: user, version: v2, metadata: {name: heir}, spec: {roles: [demo-role-requester], traits: {pagerduty_email: [ann@example.com]}}}`)
	h.wantState(h.asked("heir", "demo-role"), core.Approved)
	if n := h.audited("user.unmatch"); n != 2 {
		t.Errorf("%d matches were audited as cleared, want 2", n)
	}
}

// audited counts the audit entries of an action.
func (h *harness) audited(action string) (n int) {
	h.t.Helper()
	for after := int64(0); ; {
		page, err := h.Audit(h.t.Context(), admin, after, 1000)
		h.must(err)
		if len(page) == 0 {
			return n
		}
		for _, e := range page {
			after = e.Seq
			if e.Action == action {
				n++
			}
		}
	}
}

func TestB019AnOddAddressMatchesNobody(t *testing.T) {
	h := newHarness(t)
	for _, odd := range []string{
		"ann@example.com@evil.com", "ann@evil.com@example.com", `"ann"@example.com`, "Ann <ann@example.com>", "ann@example.com(x)",
		"ann@example.com,bo@example.com", "ann@@example.com", "@example.com", "ann@", "ann", "ann+1@example.com",
		"\u0430nn@example.com", "ann@ex\u0430mple.com", "ann\u200b@example.com", "ann@example.com.", "ann@example\uff0ecom",
	} {
		h.apply(`{kind: user, version: v2, metadata: {name: myuser}, spec: {roles: [demo-role-requester], traits: {pagerduty_email: ['` + odd + `']}}}`)
		id := h.asked("myuser", "demo-role")
		h.wantState(id, core.Pending)
		h.wantSaid(id, "an administrator can set the trait pagerduty_email of myuser")
	}
}

func TestAnAddressOfTwoPagerDutyUsersMatchesNeither(t *testing.T) {
	twice := (&core.Roster{Account: "default", FetchedAt: time.Now(), Users: []core.PagerUser{
		{ID: "PU1", Email: "ann@example.com"}, {ID: "PU2", Email: "ANN@example.com"}, {ID: "PU3", Email: "bo@example.com"},
	}}).Index()
	if u, ok := twice.UserByEmail("ann@example.com"); ok {
		t.Errorf("an address of two is %s's", u.ID)
	}
	if u, ok := twice.UserByEmail("Bo@example.com"); !ok || u.ID != "PU3" {
		t.Errorf("bo is %+v, %v", u, ok)
	}
}

func TestB021AUserDeletedInPagerDutyIsNotApproved(t *testing.T) {
	h := newHarness(t)
	h.wantState(h.asked("bo@example.com", "demo-role"), core.Approved)
	h.change("  - {id: PUBO001, name: Bo, email: bo@example.com}\n", "", "[{user: PUBO001}]", "[{user: PUCY001}]")
	id := h.asked("bo@example.com", "demo-role")
	h.wantState(id, core.Pending)
	h.wantSaid(id, "whom PagerDuty no longer has")
}

func TestB022ADutyCoversItsStartAndNotItsEnd(t *testing.T) {
	h := newHarness(t)
	h.replace("start: now-1h, end: now+2h", "start: now+10m, end: now+20m")
	h.advance(9 * time.Minute)
	begin := h.clock.Now().Add(time.Minute)
	tests := []struct {
		at   time.Time
		want core.Outcome
	}{
		{begin.Add(-time.Microsecond), core.OutcomePeople},
		{begin, core.OutcomeApprove},
		{begin.Add(10*time.Minute - time.Microsecond), core.OutcomeApprove},
		{begin.Add(10 * time.Minute), core.OutcomePeople},
	}
	for _, tt := range tests {
		h.clock.advance(tt.at.Sub(h.clock.Now()))
		r, err := h.Try(t.Context(), as("ann@example.com"), core.Ask{Roles: []string{"demo-role"}})
		h.must(err)
		if r.Evaluation.Outcome != tt.want {
			t.Errorf("at %s: %s, want %s: %+v", tt.at.Format("15:04:05.000000"), r.Evaluation.Outcome, tt.want, r.Evaluation.Reasons)
		}
	}
}

func TestB024IdsOfOneAccountMeanNothingInAnother(t *testing.T) {
	h := newHarness(t)
	// A second account has the same ids, and under Ann's id a stranger who is on call for good.
	data, err := pdsim.Parse([]byte(strings.NewReplacer("Ann@Example.com", "stranger@example.com", "end: now+2h", "end: now+2000h").Replace(organisation)))
	h.must(err)
	sim, err := pdsim.New(pdsim.Options{Data: data, Now: h.clock.Now})
	h.must(err)
	t.Cleanup(sim.Close)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	account := func(name, url string, first bool) core.Account {
		return core.Account{Name: name, Region: "us", Default: first, APIToken: "env:PD", FromEmail: "bot@example.com", RESTURL: url, EventsURL: url}
	}
	accounts := func(other bool) {
		h.must(h.pd.Set([]core.Account{account("default", h.url, !other), account("other", server.URL, other)}))
	}
	accounts(false)
	r := h.ask("ann@example.com", "demo-role", within(10*time.Hour))
	h.run()
	h.wantState(r.ID, core.Approved)
	accounts(true) // the other account is the default one now; there Ann's id is on call for ever
	h.advance(2*time.Hour + time.Second)
	h.advance(15 * time.Minute)
	h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndOffCall)
	id := h.asked("ann@example.com", "demo-role")
	h.wantState(id, core.Pending)
	h.wantSaid(id, "has no user with the e-mail address ann@example.com")
}

func TestB025PeopleOnAPolicyDirectlyHaveNeitherScheduleNorEnd(t *testing.T) {
	h := newHarness(t)
	id := h.asked("bo@example.com", "demo-role")
	e := h.wantState(id, core.Approved).Decision.Evidence[0]
	if e.Schedule != "" || !e.End.IsZero() || !e.Start.IsZero() || e.Level != 2 || !strings.Contains(e.String(), "without an end") {
		t.Errorf("evidence is %+v, %s", e, e)
	}
	h.advance(59 * time.Minute)
	h.wantAccess("bo@example.com", true) // who is on call for good never goes off call
}

func TestF037AnAnswerWithANullUserApprovesNobody(t *testing.T) {
	h := newHarness(t)
	h.clock.advance(2 * time.Minute)
	policy := map[string]any{"id": "PE00001", "type": "escalation_policy_reference", "summary": "Critical"}
	h.fault(pdsim.Fault{Method: "GET", Path: "/oncalls", Status: 200, Body: map[string]any{
		"limit": 100, "offset": 0, "more": false,
		"oncalls": []any{map[string]any{"user": nil, "schedule": nil, "escalation_policy": policy, "escalation_level": 1, "start": nil, "end": nil}},
	}})
	for _, user := range []string{"ann@example.com", "cy@example.com"} {
		h.wantState(h.asked(user, "demo-role"), core.Pending)
	}
}

func TestNobodyIsMatchedByWhatPagerDutySaidLongAgo(t *testing.T) {
	h := newHarness(t)
	h.wantState(h.asked("cy@example.com", "demo-role"), core.Pending) // the roster is read, ann is not matched yet
	h.clock.advance(10 * time.Minute)
	h.fault(pdsim.Fault{Status: 500})
	h.wantState(h.asked("ann@example.com", "demo-role"), core.Pending)
	h.must(h.store.Read(context.Background(), func(v engine.View) error {
		pin, err := v.Pin("ann@example.com", "default")
		if pin.PagerDutyUserID != "" {
			t.Errorf("ann was matched with %s by stale data", pin.PagerDutyUserID)
		}
		return err
	}))
}
