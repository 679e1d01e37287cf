package api

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

func TestARequestOfSomebodyOnCallIsApprovedAndItsStoryTold(t *testing.T) {
	h := newHarness(t)
	got := into[client.Request](h.as("ann@example.com", "POST", "/v1/requests?wait=30s", `{"roles":["prod-db"],"reason":"mend it","duration":"90"}`))
	if got.State != "APPROVED" || got.Duration != "1h30m0s" || got.Author != "ann@example.com" {
		t.Fatalf("got %s for %s by %s", got.State, got.Duration, got.Author)
	}
	if len(got.Grants) != 2 || got.Grants[0].State != "active" || got.Grants[1].State != "active" {
		t.Errorf("grants %+v", got.Grants)
	}
	if got.Decision == nil || len(got.Decision.Evidence) != 1 || got.Decision.Evidence[0].Service != "Payments" {
		t.Errorf("decision %+v", got.Decision)
	}
	if len(got.Reviews) != 1 || got.Reviews[0].Author != "access-plugin" || !slices.Equal(got.Reviews[0].CountsFor, []int{0}) {
		t.Errorf("reviews %+v", got.Reviews)
	}
	if len(got.Incidents) != 1 || got.Incidents[0].Service != "Requests" {
		t.Errorf("incidents %+v", got.Incidents)
	}
}

func TestAbsentListsAreEmptyAndAbsentTimesAreLeftOut(t *testing.T) {
	h := newHarness(t)
	h.jobs.held.Store(true)
	body := h.as("bob@example.com", "POST", "/v1/requests", `{"roles":["prod-db"]}`).Body.String()
	for _, want := range []string{`"resources":[]`, `"reviews":[]`, `"grants":[]`, `"pagerduty_services":["Payments"]`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	for _, never := range []string{"null", "0001-01-01", "start_at", `"decision"`, `"evaluation"`} {
		if strings.Contains(body, never) {
			t.Errorf("%s in %s", never, body)
		}
	}
}

func TestReviewsDecideRequests(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bob@example.com")
	h.as("bob@example.com", "POST", "/v1/requests/"+r.ID+"/reviews", `{"state":"APPROVED"}`).wantProblem(403, "refused", "own request")
	h.as("rev@example.com", "POST", "/v1/requests/"+r.ID+"/reviews", `{"state":"MAYBE"}`).wantProblem(400, "invalid", "APPROVED or DENIED")
	got := into[client.Request](h.as("rev@example.com", "POST", "/v1/requests/"+r.ID+"/reviews", `{"state":"APPROVED","reason":"fine"}`))
	if got.State != "APPROVED" || got.Decision.Override || got.Decision.By != "rev@example.com" {
		t.Errorf("got %s by %+v", got.State, got.Decision)
	}
	h.local("POST", "/v1/requests/"+r.ID+"/reviews", `{"state":"DENIED"}`).wantProblem(409, "conflict", "already APPROVED")
}

func TestTheLocalAdministratorOverrides(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bob@example.com")
	got := into[client.Request](h.local("POST", "/v1/requests/"+r.ID+"/reviews", `{"state":"DENIED","reason":"no"}`))
	if got.State != "DENIED" || !got.Decision.Override {
		t.Errorf("got %s, %+v", got.State, got.Decision)
	}
}

func TestRequestsAreListedInPages(t *testing.T) {
	h := newHarness(t)
	var asked []string
	for range 5 {
		asked = append([]string{h.ask("bob@example.com").ID}, asked...)
	}
	var got []string
	after := ""
	for range 3 {
		page := into[client.RequestPage](h.local("GET", "/v1/requests?state=pending&limit=2&after="+after, ""))
		for _, r := range page.Items {
			got = append(got, r.ID)
		}
		after = page.Next
	}
	if !slices.Equal(got, asked) || after != "" {
		t.Errorf("got %v and then %q, want %v", got, after, asked)
	}
	if page := into[client.RequestPage](h.as("ann@example.com", "GET", "/v1/requests", "")); len(page.Items) != 0 {
		t.Errorf("ann sees %d requests of bob's", len(page.Items))
	}
	h.as("ann@example.com", "GET", "/v1/requests/"+asked[0], "").wantProblem(404, "not_found", asked[0])
}

func TestARequestCanBeCancelledOnce(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bob@example.com")
	h.as("rev@example.com", "POST", "/v1/requests/"+r.ID+"/cancel", "").wantProblem(403, "refused", "may not cancel")
	if got := into[client.Request](h.as("bob@example.com", "POST", "/v1/requests/"+r.ID+"/cancel", "")); got.State != "CANCELLED" {
		t.Errorf("got %s", got.State)
	}
	h.as("bob@example.com", "POST", "/v1/requests/"+r.ID+"/cancel", "{}").wantProblem(409, "conflict", "already CANCELLED")
}

func TestTryingStoresNothing(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{"/v1/try", "/v1/requests"} {
		got := into[client.Request](h.local("POST", path, `{"user":"ann@example.com","roles":["prod-db"],"dry_run":true}`))
		if got.Evaluation == nil || got.Evaluation.Outcome != "approve" || len(got.Evaluation.Evidence) != 1 {
			t.Errorf("%s: evaluation %+v", path, got.Evaluation)
		}
	}
	if page := into[client.RequestPage](h.local("GET", "/v1/requests", "")); len(page.Items) != 0 {
		t.Errorf("%d requests were stored", len(page.Items))
	}
}

func TestTheWordsOfARequestAreChecked(t *testing.T) {
	h := newHarness(t)
	tests := []struct{ name, body, words string }{
		{"a role that nobody knows", `{"roles":["prod-bd"]}`, "prod-db"},
		{"no role", `{}`, "role"},
		{"a duration that is none", `{"roles":["prod-db"],"duration":"soon"}`, "duration"},
		{"a resource without a target", `{"resources":["readers"]}`, "target/name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := h.as("bob@example.com", "POST", "/v1/requests", test.body)
			if p := r.wantProblem(r.Code, client.Kind(kindOf(r)), test.words); p.Kind == "internal" || r.Code < 400 {
				t.Errorf("got %s", r.Body)
			}
		})
	}
	h.as("bob@example.com", "POST", "/v1/requests?wait=soon", `{"roles":["prod-db"]}`).wantProblem(400, "invalid", "wait")
	h.local("GET", "/v1/requests?state=PENDNG", "").wantProblem(400, "invalid", `did you mean "PENDING"?`)
}

func kindOf(r reply) string {
	_, rest, _ := strings.Cut(r.Body.String(), `"kind":"`)
	kind, _, _ := strings.Cut(rest, `"`)
	return kind
}

func TestExplainTellsWhyAndWhatToDo(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bob@example.com")
	got := into[client.Explanation](h.as("bob@example.com", "GET", "/v1/requests/"+r.ID+"/explain", ""))
	text := strings.Join(got.Lines, "\n")
	for _, want := range []string{
		"bob@example.com asks for prod-db for 1h0m0s", "PENDING: nobody has decided it yet",
		"not approved by on-call status: bob@example.com is not on call for service Payments",
		"waits for 1 approval (threshold default: 1 of 1 still missing)",
		"PagerDuty incident Q1 on Requests is open: https://acme.example/incidents/Q1",
		"next: ask a reviewer: rev@example.com; they decide with: sallyport request approve " + r.ID,
		"next: nothing, if a shift of yours begins: once on call, it is looked at again by itself",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "access-plugin") || len(got.Next) != 2 {
		t.Errorf("the bot is named as a reviewer, or the advice is not there:\n%s", text)
	}
}

func TestExplainKnowsHowRequestsEnd(t *testing.T) {
	h := newHarness(t)
	explained := func(id string) string {
		return strings.Join(into[client.Explanation](h.local("GET", "/v1/requests/"+id+"/explain", "")).Lines, "\n")
	}
	approved := into[client.Request](h.as("ann@example.com", "POST", "/v1/requests?wait=30s", `{"roles":["prod-db"]}`))
	denied := h.ask("bob@example.com")
	into[client.Request](h.as("rev@example.com", "POST", "/v1/requests/"+denied.ID+"/reviews", `{"state":"DENIED","reason":"not today"}`))
	h.oncall.fail(core.Errorf(core.Unavailable, "PagerDuty does not answer"))
	waiting := h.ask("bob@example.com")
	tests := []struct{ id, words string }{
		{approved.ID, "APPROVED at 2026-03-02 09:00:00 UTC by access-plugin"},
		{approved.ID, "evidence: PagerDuty user Ann (PANN), service Payments"},
		{approved.ID, "is active until 2026-03-02 13:00:00 UTC, for another 4h0m0s, and no longer than the shift"},
		{approved.ID, "next: when more time is needed: sallyport grant extend gr_"},
		{denied.ID, "rev@example.com said DENIED at 2026-03-02 09:00:00 UTC: not today"},
		{denied.ID, "next: ask anew where the access is still needed: sallyport request create --roles prod-db"},
		{waiting.ID, "on-call status could not be asked for: on-call data is stale"},
		{waiting.ID, "next: wait: it is tried again when PagerDuty answers"},
	}
	for _, test := range tests {
		if text := explained(test.id); !strings.Contains(text, test.words) {
			t.Errorf("nothing of %q in:\n%s", test.words, text)
		}
	}
}

func TestWhoWaitsForWhatTheyAskedForIsToldWhatIsThere(t *testing.T) {
	h := newHarness(t)
	quiet, err := manifest.Read([]byte(`{kind: role, version: v7, metadata: {name: engineer}, spec: {allow: {request: {roles: [prod-db], annotations: {pagerduty_services: [Payments]}}}}}`))
	must(t, err)
	_, err = h.engine.Apply(t.Context(), engine.Actor{Admin: true, Via: "test"}, quiet, false)
	must(t, err)
	for _, key := range [][]string{nil, {"Idempotency-Key", "k1"}, {"Idempotency-Key", "k1"}} {
		told := h.as("ann@example.com", "POST", "/v1/requests?wait=30s", `{"roles":["prod-db"],"reason":"mend it"}`, key...)
		r := into[client.Request](told)
		there := h.as("ann@example.com", "GET", "/v1/requests/"+r.ID, "")
		if told.Body.String() != there.Body.String() || len(r.Grants) != 2 || !r.Settled() {
			t.Errorf("ann was told\n%s\nand there is\n%s", told.Body, there.Body)
		}
	}
}

func TestWaitingEndsWhenTheRequestIsDecided(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bob@example.com")
	looked := make(chan reply, 1)
	go func() { looked <- h.as("bob@example.com", "GET", "/v1/requests/"+r.ID+"?wait=40s", "") }()
	into[client.Request](h.as("rev@example.com", "POST", "/v1/requests/"+r.ID+"/reviews", `{"state":"APPROVED"}`))
	if got := into[client.Request](<-looked); got.State != "APPROVED" || !got.Settled() {
		t.Errorf("the wait ended with %s", got.State)
	}
	if got := into[client.Request](h.as("ann@example.com", "POST", "/v1/requests?wait=1ms", `{"roles":["prod-db"]}`)); got.ID == "" {
		t.Error("a short wait answers nothing")
	}
}

func TestWhatBreaksOnOurSideIsInTheLogAndNotInTheAnswer(t *testing.T) {
	h := newHarness(t)
	h.oncall.mu.Lock()
	h.oncall.roster = nil
	h.oncall.mu.Unlock()
	h.oncall.fail(errors.New("the password is swordfish"))
	p := h.local("GET", "/v1/oncall", "").wantProblem(500, "internal", "something broke on our side")
	if strings.Contains(p.Detail+p.Hint, "swordfish") || !strings.Contains(p.Hint, p.RequestID) {
		t.Errorf("got %q, hint %q", p.Detail, p.Hint)
	}
	if log := h.log.String(); !strings.Contains(log, "swordfish") || !strings.Contains(log, p.RequestID) {
		t.Errorf("the log says %q", log)
	}
	h.oncall.fail(core.Errorf(core.Unavailable, "PagerDuty does not answer"))
	r := h.local("GET", "/v1/oncall", "")
	r.wantProblem(503, "unavailable", "PagerDuty does not answer")
	if r.Header().Get("Retry-After") == "" {
		t.Error("nothing tells when to try again")
	}
}
