package api

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
)

func TestAReviewThatDoesNotCountAnyMoreIsSaidToBeOne(t *testing.T) {
	h := newHarness(t)
	apply := func(text string) {
		t.Helper()
		into[client.AppliedList](h.send(h.Socket(), "POST", "/v1/resources", text, "Content-Type", "application/yaml"))
	}
	apply(`{kind: role, metadata: {name: engineer}, spec: {allow: {request: {roles: [prod-db], thresholds: [{approve: 2, deny: 2}]}}}}`)
	r := into[client.Request](h.as("boss@example.com", "POST", "/v1/requests", `{"user":"bob@example.com","roles":["prod-db"],"reason":"mend it"}`))
	h.jobs.wg.Wait()
	into[client.Request](h.as("rev@example.com", "POST", "/v1/requests/"+r.ID+"/reviews", `{"state":"APPROVED"}`))
	apply(`{kind: user, metadata: {name: rev@example.com}, spec: {roles: [reviewer], locked: true}}`)
	got := into[client.Explanation](h.as("bob@example.com", "GET", "/v1/requests/"+r.ID+"/explain", ""))
	text := strings.Join(got.Lines, "\n")
	for _, want := range []string{
		"asked by boss@example.com, for bob@example.com",
		"(it does not count: rev@example.com is locked)",
		"2 of 2 still missing",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it says nothing of %q:\n%s", want, text)
		}
	}
	if void := got.Request.Reviews[0].Void; void != "rev@example.com is locked" {
		t.Errorf("the review is void because %q", void)
	}
}
