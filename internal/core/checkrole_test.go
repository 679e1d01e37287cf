package core

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// wholeRole is a role in which everything is used and nothing is wrong.
func wholeRole() Role {
	claims := []ClaimMapping{{Claim: "g", Value: "team-*", Roles: []string{"$1-db", "prod-*"}}}
	return Role{
		Name: "whole",
		Allow: Conditions{
			Request: RequestRule{
				Roles: []string{"db", "db-*", "^db-(a|b)$", `x-{{regexp.match("1")}}`}, ClaimsToRoles: claims, SearchAsRoles: []string{"reader"},
				Annotations: map[string][]string{"pagerduty_services": {"A", "{{external.svc}}"}, "pagerduty_levels": {"1", "{{external.level}}"}},
				Thresholds:  []Threshold{{Approve: 2, Deny: 1, Filter: `contains(reviewer.roles, "sre")`}, {Deny: 1}}, MaxDuration: time.Hour, ReasonMode: "optional",
			},
			Review: ReviewRule{Roles: []string{"*"}, ClaimsToRoles: claims, Where: `contains(request.system_annotations["k"], "v")`},
			Rules:  []Rule{{Resources: []string{"access_request"}, Verbs: []string{"list"}}},
		},
		Deny: Conditions{
			Request: RequestRule{Roles: []string{"root"}, Annotations: map[string][]string{"k": {"{{internal.logins}}"}}},
			Review:  ReviewRule{Roles: []string{"root"}, Where: `equals(request.reason, "")`},
		},
		Options:      RoleOptions{MaxSessionTTL: time.Hour, RequestAccess: "reason"},
		Entitlements: []Resource{{"aws", "admin"}},
	}
}

func TestCheckRole(t *testing.T) {
	if warnings, err := CheckRole(wholeRole()); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	if warnings, err := CheckRole(Role{Name: "empty"}); err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	tests := []struct {
		name    string
		change  func(*Role)
		refused string // what follows "role whole: "; or, with a "~" before it, what is warned of
	}{
		{"no name", func(r *Role) { r.Name = " " }, "metadata.name: "},
		{"star", func(r *Role) { r.Name = "*" }, "metadata.name: * stands for every role"},
		{"where", func(r *Role) { r.Allow.Review.Where = `contains(request.roles "x")` }, "allow.review_requests.where: column "},
		{"where on two lines", func(r *Role) {
			r.Allow.Review.Where = "contains(request.roles, \"x\") &&\n  contains(request.rolse, \"x\")"
		}, "allow.review_requests.where: line 2, column 12: "},
		{"deny where", func(r *Role) { r.Deny.Review.Where = "true" }, "deny.review_requests.where: column 1"},
		{"where with review", func(r *Role) { r.Allow.Review.Where = `equals(review.reason, "x")` }, "allow.review_requests.where: column "},
		{"where that never works", func(r *Role) { r.Allow.Review.Where = `equals(request.roles, "x")` }, "allow.review_requests.where: can never be evaluated: column "},
		{"where that may fail", func(r *Role) {
			r.Allow.Review.Where = `equals(request.reason, "x") || equals(request.roles, "x")`
		}, "~allow.review_requests.where: column "},
		{"filter", func(r *Role) { r.Allow.Request.Thresholds[1].Filter = "x" }, "allow.request.thresholds[1].filter: column 1"},
		{"filter that never works", func(r *Role) { r.Allow.Request.Thresholds[0].Filter = `equals(reviewer.traits, "x")` }, "allow.request.thresholds[0].filter: can never be evaluated"},
		{"request matcher", func(r *Role) { r.Allow.Request.Roles[2] = "^($" }, "allow.request.roles[2]: error parsing regexp"},
		{"deny matcher", func(r *Role) { r.Deny.Request.Roles[0] = "{{x}}" }, "deny.request.roles[0]: "},
		{"review matcher", func(r *Role) { r.Allow.Review.Roles[0] = `{{regexp.match("(")}}` }, "allow.review_requests.roles[0]: "},
		{"deny review matcher", func(r *Role) { r.Deny.Review.Roles[0] = "a{{" }, "deny.review_requests.roles[0]: "},
		{"claim value", func(r *Role) {
			r.Deny.Request.ClaimsToRoles = []ClaimMapping{{Claim: "g", Value: "^($", Roles: []string{"x"}}}
		}, "deny.request.claims_to_roles[0].value: "},
		{"claim role", func(r *Role) { r.Allow.Request.ClaimsToRoles[0].Roles[1] = "^($" }, "allow.request.claims_to_roles[0].roles[1]: "},
		{"claim without a trait", func(r *Role) { r.Allow.Review.ClaimsToRoles[0].Claim = "" }, "allow.request.claims_to_roles[0].claim: "},
		{"claim without roles", func(r *Role) { r.Deny.Request.ClaimsToRoles = []ClaimMapping{{Claim: "g", Value: "x"}} }, "~deny.request.claims_to_roles[0].roles: "},
		{"loose regexp", func(r *Role) { r.Deny.Review.Roles[0] = "^a|b$" }, "~deny.review_requests.roles[0]: ^a|b$ matches everything"},
		{"negative approve", func(r *Role) { r.Allow.Request.Thresholds[0].Approve = -1 }, "allow.request.thresholds[0]: a count is negative"},
		{"negative deny", func(r *Role) { r.Allow.Request.Thresholds[1].Deny = -1 }, "allow.request.thresholds[1]: a count is negative"},
		{"decides nothing", func(r *Role) { r.Allow.Request.Thresholds[1].Deny = 0 }, "allow.request.thresholds[1]: it can never decide anything"},
		{"only denies", func(r *Role) { r.Allow.Request.Thresholds[0].Approve = 0 }, "~allow.request.thresholds: no number of approvals is enough"},
		{"too many", func(r *Role) { r.Allow.Request.Thresholds = slices.Repeat(r.Allow.Request.Thresholds, 2049) }, "allow.request.thresholds: 4098 thresholds"},
		{"under deny", func(r *Role) { r.Deny.Request.Thresholds = []Threshold{{Approve: 1}} }, "deny.request.thresholds: a deny rule has no thresholds"},
		{"negative max_duration", func(r *Role) { r.Allow.Request.MaxDuration = -1 }, "allow.request.max_duration: "},
		{"long max_duration", func(r *Role) { r.Allow.Request.MaxDuration = 15 * 24 * time.Hour }, "~allow.request.max_duration: "},
		{"reason mode", func(r *Role) { r.Allow.Request.ReasonMode = "always" }, `allow.request.reason.mode: "always"`},
		{"reason mode on a pattern", func(r *Role) {
			r.Allow.Request.ReasonMode, r.Allow.Request.Roles = "required", []string{"db", "db-*"}
		}, `~allow.request.reason.mode: names compare literally here, so "db-*"`},
		{"request_access", func(r *Role) { r.Options.RequestAccess = "never" }, `options.request_access: "never"`},
		{"max_session_ttl", func(r *Role) { r.Options.MaxSessionTTL = -1 }, "options.max_session_ttl: "},
		{"search pattern", func(r *Role) { r.Allow.Request.SearchAsRoles[0] = "re*" }, "~allow.request.search_as_roles: names are literal"},
		{"level", func(r *Role) { r.Allow.Request.Annotations["pagerduty_levels"][0] = "0" }, `allow.request.annotations.pagerduty_levels: "0" is not an escalation level`},
		{"level alone", func(r *Role) { delete(r.Allow.Request.Annotations, "pagerduty_services") }, "~allow.request.annotations.pagerduty_levels: "},
		{"template", func(r *Role) { r.Allow.Request.Annotations["pagerduty_services"][1] = "{{internal.foo}}" }, "~allow.request.annotations.pagerduty_services: the value is left out"},
		{"deny template", func(r *Role) { r.Deny.Request.Annotations["k"][0] = "{{internal.foo}}" }, "deny.request.annotations.k: "},
		{"where about nothing", func(r *Role) { r.Deny.Review.Roles = nil }, "~deny.review_requests.where: "},
		{"rule without kinds", func(r *Role) { r.Allow.Rules[0].Resources = nil }, "allow.rules[0].resources: it is empty"},
		{"rule without verbs", func(r *Role) { r.Allow.Rules[0].Verbs = nil }, "allow.rules[0].verbs: it is empty"},
		{"half an entitlement", func(r *Role) { r.Entitlements[0].Name = "" }, "entitlements[0]: "},
		{"reserved target", func(r *Role) { r.Entitlements[0].Target = RoleTarget }, "entitlements[0]: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := wholeRole()
			tt.change(&r)
			warnings, err := CheckRole(r)
			if want, ok := strings.CutPrefix(tt.refused, "~"); ok {
				if err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "role whole: "+want) {
					t.Errorf("warnings %q, error %v; want %q", warnings, err, want)
				}
				return
			}
			wantRefusal(t, err, Invalid, "role "+r.Name+": "+tt.refused)
			if hintOf(err) == "" {
				t.Error("no hint")
			}
		})
	}
}
