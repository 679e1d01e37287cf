package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
)

// asvs: 8.2.1
func TestB120EveryNameOfAKindHasTheSameCheck(t *testing.T) {
	h, _, _ := operation{rule: permission{Who: whoNeeds, Resource: "{kind}", Verbs: []string{"list", "read"}}}.world(t)
	for _, kind := range []string{"role", "roles", "Role", "ROLES", "%72ole"} {
		for _, path := range []string{"/v1/resources/" + kind, "/v1/resources/" + kind + "/spare"} {
			into[struct{ Kind, Version, Metadata, Spec, Items, Partial any }](h.as("just", "GET", path, ""))
			for _, who := range []string{"none", "denied", "auditor", "requester", "reviewer"} {
				h.as(who, "GET", path, "").wantProblem(http.StatusForbidden, client.KindRefused, "role")
			}
		}
		h.as("just", "DELETE", "/v1/resources/"+kind+"/spare", "").wantProblem(http.StatusForbidden, client.KindRefused, "may not delete role")
	}
	for _, kind := range []string{"user", "users", "User", "target", "pagerduty_accounts", "account"} {
		h.as("just", "GET", "/v1/resources/"+kind, "").wantProblem(http.StatusForbidden, client.KindRefused, "may not list")
	}
}

// Every list tells a caller the same things, and says so where they are not all.
func TestB121ListsAreFilteredAlikeAndSayThatTheyAreNotTheWhole(t *testing.T) {
	h, theirs, own := operation{rule: permission{Who: whoNeeds, Resource: "{kind}", Verbs: []string{"list"}}}.world(t)
	for _, query := range []string{"", "?user=owner@example.com", "?state=PENDING", "?limit=1", "?after=" + theirs.request} {
		r := h.as("requester", "GET", "/v1/requests"+query, "")
		page := into[client.RequestPage](r)
		if !page.Partial || strings.Contains(r.Body.String(), theirs.request) {
			t.Errorf("requests%s for who may see their own: %s", query, r.Body)
		}
	}
	for _, query := range []string{"", "?target=db", "?request=" + theirs.request, "?state=active", "?limit=1"} {
		page := into[client.GrantPage](h.as("requester", "GET", "/v1/grants"+query, ""))
		for _, g := range page.Items {
			if g.User != "requester" {
				t.Errorf("grants%s show %+v", query, g)
			}
		}
		if !page.Partial {
			t.Errorf("grants%s do not say that they are not the whole", query)
		}
	}
	some := into[client.ResourceList](h.as("just", "GET", "/v1/resources", ""))
	for _, r := range some.Items {
		if r.Kind != "role" {
			t.Errorf("all resources show a %s to who may list roles", r.Kind)
		}
	}
	if all := into[client.ResourceList](h.local("GET", "/v1/resources", "")); !some.Partial || all.Partial || len(some.Items) >= len(all.Items) {
		t.Errorf("%d of %d resources, partial: %v and %v", len(some.Items), len(all.Items), some.Partial, all.Partial)
	}
	if seen := into[client.RequestPage](h.as("auditor", "GET", "/v1/requests", "")); seen.Partial || len(seen.Items) != 4 {
		t.Errorf("an auditor sees %d requests, partial: %v", len(seen.Items), seen.Partial)
	}
	into[client.Request](h.as("requester", "GET", "/v1/requests/"+own.request, ""))
}
