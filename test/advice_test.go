package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/test/world"
)

// A file brings the account together with the roles that name things of it: the names cannot be
// checked then, and are later.
func TestNamesThatCouldNotBeCheckedWhenTheyWereStoredAreToldLater(t *testing.T) {
	t.Parallel()
	s := start(t, "oncall: {max_staleness: 5s, sync_every: 1s}")
	r := s.Feed(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {default: true, api_token: "env:PD_TOKEN", from_email: bot@example.com, subdomain: umbrella, rest_url: "`+s.PD.URL+`", events_url: "`+s.PD.URL+`"}}
---
{kind: role, version: v7, metadata: {name: prod}, spec: {}}
---
{kind: role, version: v7, metadata: {name: asker}, spec: {options: {request_access: always}, allow: {request: {roles: [prod, porter, "team-*"], suggested_reviewers: [riley, eve], annotations: {pagerduty_services: [My Critcal Service]}}}}}
---
{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [asker]}}
`, "apply", "-f", "-")
	if r.Status != 0 {
		t.Fatalf("%+v", r)
	}
	for _, words := range []string{
		"warning: role asker: allow.request: there is no role \"porter\"",
		"warning: the PagerDuty names in role asker could not be checked", "sallyport status names those",
		"warning: role asker: options.request_access: always has no effect yet",
		"warning: spec.events_url at line 1 has no effect",
	} {
		if !strings.Contains(r.Out+r.Err, words) {
			t.Errorf("apply does not say %q:\n%s%s", words, r.Out, r.Err)
		}
	}
	if strings.Contains(r.Out+r.Err, "team-") {
		t.Errorf("a pattern is taken for a name:\n%s%s", r.Out, r.Err)
	}
	world.Eventually(t, world.Patience, "status names what PagerDuty does not know", func() error {
		if r := s.Run("status"); !strings.Contains(r.Err, `role asker: PagerDuty knows no service "My Critcal Service"`) {
			return fmt.Errorf("it says: %+v", r)
		}
		return nil
	})
	wantFinding(t, finding(t, s, "role asker"), "problem", `PagerDuty knows no service "My Critcal Service"`, "sallyport edit role/asker")
	wantFinding(t, finding(t, s, "subdomain of account default"), "problem", "not of umbrella.pagerduty.com", "correct its subdomain")

	id := ask(t, s, "ann@example.com", "--roles=prod")
	if out := s.Must("request", "show", id); !strings.Contains(out, "Suggested reviewers:") || !strings.Contains(out, "riley, eve") {
		t.Errorf("show says nothing of suggested reviewers:\n%s", out)
	}
}
