package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

func TestOneKeyMakesOneRequestHoweverOftenItIsSent(t *testing.T) {
	h := newHarness(t)
	const body = `{"roles":["prod-db"],"reason":"mend it"}`
	ids := make([]string, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r := h.as("bob@example.com", "POST", fmt.Sprintf("/v1/requests?wait=%dms", i), body, "Idempotency-Key", "k1")
			ids[i] = into[client.Request](r).ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got %s and %s", ids[0], id)
		}
	}
	if page := into[client.RequestPage](h.local("GET", "/v1/requests", "")); len(page.Items) != 1 {
		t.Errorf("%d requests were made", len(page.Items))
	}
	h.as("bob@example.com", "POST", "/v1/requests", `{"roles":["prod-db"],"reason":"another"}`, "Idempotency-Key", "k1").
		wantProblem(422, client.KindMismatch, "used with another call")
	h.as("bob@example.com", "POST", "/v1/try", body, "Idempotency-Key", "k1").wantProblem(422, client.KindMismatch, "used with another call")
}

func TestDifferentBodiesThatRaceForAKeyMakeOneRequest(t *testing.T) {
	h := newHarness(t)
	replies := make([]reply, 12)
	var wg sync.WaitGroup
	for i := range replies {
		wg.Go(func() {
			replies[i] = h.as("bob@example.com", "POST", "/v1/requests", fmt.Sprintf(`{"roles":["prod-db"],"reason":"number %d"}`, i), "Idempotency-Key", "k1")
		})
	}
	wg.Wait()
	made := 0
	for _, r := range replies {
		if r.Code == 201 {
			made++
			continue
		}
		r.wantProblem(422, client.KindMismatch, "used with another call")
	}
	if page := into[client.RequestPage](h.local("GET", "/v1/requests", "")); made != 1 || len(page.Items) != 1 {
		t.Errorf("%d were told yes, %d requests were made", made, len(page.Items))
	}
}

func TestKeysBelongToTheirCaller(t *testing.T) {
	h := newHarness(t)
	const body = `{"roles":["prod-db"]}`
	a := into[client.Request](h.as("ann@example.com", "POST", "/v1/requests", body, "Idempotency-Key", "k"))
	b := into[client.Request](h.as("bob@example.com", "POST", "/v1/requests", body, "Idempotency-Key", "k"))
	if a.ID == b.ID || b.User != "bob@example.com" {
		t.Errorf("bob got %s of %s", b.ID, b.User)
	}
}

func TestARepeatedCallGetsTheSameAnswer(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bob@example.com")
	path, body := "/v1/requests/"+r.ID+"/reviews", `{"state":"APPROVED"}`
	first := h.as("rev@example.com", "POST", path, body, "Idempotency-Key", "k")
	again := h.as("rev@example.com", "POST", path, body, "Idempotency-Key", "k")
	if first.Code != 200 || again.Code != 200 || first.Body.String() != again.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d %s\nand then %d %s", first.Code, first.Body, again.Code, again.Body)
	}
}

func TestWhatWasRefusedMayBeTriedAgainWithItsKey(t *testing.T) {
	h := newHarness(t)
	h.oncall.fail(core.Errorf(core.Unavailable, "PagerDuty does not answer"))
	for range 2 {
		h.as("rev@example.com", "POST", "/v1/requests", `{"roles":["prod-db"]}`, "Idempotency-Key", "k").wantProblem(403, client.KindRefused, "rev@example.com")
	}
	h.send(h.Socket(), "POST", "/v1/resources", "kind: user\nmetadata: {name: rev@example.com}\nspec: {roles: [engineer]}", "Content-Type", "application/yaml")
	into[client.Request](h.as("rev@example.com", "POST", "/v1/requests", `{"roles":["prod-db"]}`, "Idempotency-Key", "k"))
}

func TestKeysAreCheckedThemselves(t *testing.T) {
	h := newHarness(t)
	for _, key := range []string{"", strings.Repeat("k", 201), "a\tb", "schlüssel"} {
		h.as("bob@example.com", "POST", "/v1/requests", `{"roles":["prod-db"]}`, "Idempotency-Key", key).wantProblem(400, client.KindInvalid, "Idempotency-Key")
	}
}
