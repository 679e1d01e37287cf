package engine_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// tryApply applies what may be refused, by manifest.Read already.
func (h *harness) tryApply(text string) ([]engine.Applied, error) {
	items, err := manifest.Read([]byte(text))
	if err != nil {
		return nil, err
	}
	return h.Apply(h.t.Context(), admin, items, false)
}

// annotated is a role with one annotation.
func annotated(key, value string) string {
	return `{kind: role, version: v5, metadata: {name: demo-role-requester}, spec: {allow: {request: {roles: [demo-role], annotations: {` + key + `: [` + value + `]}}}}}`
}

func TestWhatCanNeverWorkIsRefusedWhenItIsStored(t *testing.T) {
	h := newHarness(t)
	h.apply(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {region: us, api_token: "env:PD", from_email: bot@example.com, default: true}}`)
	role := func(spec string) string {
		return `{kind: role, version: v5, metadata: {name: new-role}, spec: ` + spec + `}`
	}
	user := func(name, spec string) string {
		return `{kind: user, version: v2, metadata: {name: "` + name + `"}, spec: ` + spec + `}`
	}
	tests := []struct{ name, text, says string }{
		{"an unknown role of a user", user("new", `{roles: [demo-rolle]}`), `did you mean "demo-role"?`},
		{"an unknown owner", user("new", `{bot: true, owner: zed}`), `"zed" does not exist`},
		{"an unknown target", role(`{entitlements: [{target: demoo, resource: db}]}`), `did you mean "demo"`},
		{"an unknown service", annotated("pagerduty_services", "My Critical Servise"), `did you mean "My Critical Service"`},
		{"a service in another case", annotated("pagerduty_services", "my critical service"), `does not know: service "my critical service" (did you mean "My Critical Service"?)`},
		{"B041 a pattern for a service", annotated("pagerduty_services", `".*"`), `service ".*"`},
		{"an unknown notify service", annotated("pagerduty_notify_service", "Nowhere"), `service "Nowhere"`},
		{"an unknown schedule", annotated("pagerduty_schedules", "Critikal"), `schedule "Critikal" (did you mean "Critical"?)`},
		{"an unknown escalation policy", annotated("pagerduty_escalation_policies", "Nowhere"), `escalation policy "Nowhere"`},
		{"an unknown team", annotated("pagerduty_teams", "Nowhere"), `team "Nowhere"`},
		{"a level that is none", annotated("pagerduty_levels", "first"), "not an escalation level"},
		{"a level below the first", annotated("pagerduty_levels", `"0"`), "not an escalation level"},
		{"a where that cannot be read", role(`{allow: {review_requests: {roles: [editor], where: "contains("}}}`), "where"},
		{"a where that never evaluates", role(`{allow: {review_requests: {roles: [editor], where: 'equals(request.roles, "x")'}}}`), "where"},
		{"a threshold that decides nothing", role(`{allow: {request: {roles: [editor], thresholds: [{name: none}]}}}`), "both 0"},
		{"a second default account", `{kind: pagerduty_account, version: v1, metadata: {name: second}, spec: {region: eu, api_token: "env:PD", from_email: bot@example.com, default: true}}`, "only one PagerDuty account can be the default"},
		{"a user in another case", user("Ann@Example.com", `{}`), `looks like user "ann@example.com"`},
		{"a user with a Kelvin sign", user("a\u212an@example.com", `{}`), ""},
		{"a user with Cyrillic letters", user("\u0430nn@ex\u0430mple.com", `{}`), `looks like user "ann@example.com"`},
		{"a user in full-width letters", user("\uff41nn@example.com", `{}`), `looks like user "ann@example.com"`},
		{"a user with a Greek letter", user("b\u03bf@example.com", `{}`), `looks like user "bo@example.com"`},
		{"a user with a dotless i", user("mikı", `{}`), ""},
	}
	h.apply(user("akn@example.com", `{}`) + "\n---\n" + user("miki", `{}`))
	before := h.kept()
	for _, tt := range tests {
		_, err := h.tryApply(tt.text)
		kind := core.KindOf(err)
		if kind == core.Conflict {
			h.wantRefused(tt.name, err, core.Conflict, tt.says, before)
			continue
		}
		h.wantRefused(tt.name, err, core.Invalid, tt.says, before)
	}
}

// asvs: 2.3.3
func TestB038ApplyTakesAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness) {
		before := h.kept()
		_, err := h.tryApply(`
{kind: user, version: v2, metadata: {name: eve@example.com}, spec: {roles: [demo-role-requester]}}
---
{kind: role, version: v5, metadata: {name: demo-role}, spec: {entitlements: []}}
---
{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {locked: true}}
---
{kind: role, version: v5, metadata: {name: broken}, spec: {allow: {review_requests: {roles: [editor], where: 'equals(request.roles, "x")'}}}}`)
		h.wantRefused("two good, one broken", err, core.Invalid, "broken", before)
		if r := h.ask("ann@example.com", "demo-role"); len(r.Gives["demo-role"]) != 1 {
			t.Errorf("after the refusal demo-role gives %v, want what it gave before", r.Gives)
		}
		if _, err := h.Submit(t.Context(), as("eve@example.com"), engine.Submission{Ask: core.Ask{Roles: []string{"demo-role"}}}); core.KindOf(err) != core.NotFound {
			t.Errorf("a user who was not stored asks: %v", err)
		}
		h.wantChain()
	})
}

func TestADryRunChecksEverythingAndKeepsNothing(t *testing.T) {
	h := newHarness(t)
	before := h.kept()
	items, err := manifest.Read([]byte(`{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {locked: true}}`))
	h.must(err)
	out, err := h.Apply(t.Context(), admin, items, true)
	h.must(err)
	if len(out) != 1 || out[0].Action != "updated" {
		t.Errorf("a dry run says %+v", out)
	}
	items, err = manifest.Read([]byte(annotated("pagerduty_services", "Nowhere")))
	h.must(err)
	_, err = h.Apply(t.Context(), admin, items, true)
	h.wantRefused("a dry run of what is wrong", err, core.Invalid, "Nowhere", before)
	h.wantState(h.asked("ann@example.com", "demo-role"), core.Approved)
}

func TestNamesThatPagerDutyCannotBeAskedAboutAreStoredWithAWarning(t *testing.T) {
	tests := map[string]func(h *harness){
		"no account": func(h *harness) { h.must(h.pd.Set(nil)) },
		"401":        func(h *harness) { h.fault(pdsim.Fault{Status: http.StatusUnauthorized}) },
		"500":        func(h *harness) { h.fault(pdsim.Fault{Status: http.StatusInternalServerError}) },
		"no answer":  func(h *harness) { h.fault(pdsim.Fault{Drop: true}) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.clock.advance(2 * time.Minute) // what is known is too old
			spoil(h)
			h.apply(`{kind: role, version: v5, metadata: {name: access-plugin}, spec: {allow: {review_requests: {roles: [demo-role]}}}}`)
			out := h.apply(annotated("pagerduty_services", "Nowhere"))
			if len(out[0].Warnings) != 1 || !strings.Contains(out[0].Warnings[0], "could not be checked") {
				t.Errorf("warnings are %q", out[0].Warnings)
			}
			r := h.ask("ann@example.com", "demo-role")
			h.run()
			h.wantState(r.ID, core.Pending)
			h.sim.ClearFaults()
			h.must(h.pd.Set([]core.Account{{Name: "default", Region: "us", Default: true, APIToken: "env:PD", FromEmail: "bot@example.com", RESTURL: h.url, EventsURL: h.url}}))
			h.advance(2 * time.Minute)
			h.wantState(r.ID, core.Pending)
			h.wantSaid(r.ID, `PagerDuty knows no service "Nowhere"`)
		})
	}
}

func TestANameThatIsNewInPagerDutyIsLookedForBeforeItIsRefused(t *testing.T) {
	h := newHarness(t)
	h.replace("name: Payments API", "name: Brand New")
	h.clock.advance(20 * time.Second) // on-call data is fresh still
	h.apply(annotated("pagerduty_services", "Brand New"))
}

func TestANameThatTwoThingsHaveMeansNeither(t *testing.T) {
	h := newHarness(t)
	h.replace("name: Modern, kind: v3", "name: Critical, kind: v3")
	h.advance(10 * time.Minute)
	h.must(h.pd.Refresh(t.Context(), ""))
	_, err := h.tryApply(annotated("pagerduty_schedules", "Critical"))
	if core.KindOf(err) != core.Invalid || !strings.Contains(err.Error(), "several have that name") {
		t.Errorf("a name of two schedules says %v", err)
	}
	h.apply(annotated("pagerduty_schedules", "PS00001"))
}

func TestWhatOthersRestOnIsNotDeleted(t *testing.T) {
	h := newHarness(t)
	r := h.ask("ann@example.com", "demo-role")
	h.run()
	before := h.kept()
	tests := []struct {
		kind, name string
		want       core.Kind
		says       string
	}{
		{"role", "demo-role-requester", core.Conflict, "is held by user"},
		{"role", "editor", core.Refused, "built in"},
		{"target", "demo", core.Conflict, "still has access on it"},
		{"role", "no-such-role", core.NotFound, "no-such-role"},
		{"user", "zed", core.NotFound, "zed"},
	}
	for _, tt := range tests {
		h.wantRefused(tt.name, h.Delete(t.Context(), admin, tt.kind, tt.name), tt.want, tt.says, before)
	}
	if err := h.Delete(t.Context(), as("ann@example.com"), "user", "bo@example.com"); core.KindOf(err) != core.Refused {
		t.Errorf("ann deletes bo: %v", err)
	}
	h.advance(time.Hour)
	h.wantGrant(r.ID, "demo/db", core.GrantEnded, core.EndTime)
	h.must(h.Delete(t.Context(), admin, "target", "demo"))
}
