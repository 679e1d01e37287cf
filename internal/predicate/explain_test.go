package predicate

import (
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	tests := []struct{ src, want string }{
		{
			`contains(request.system_annotations.pagerduty_notify_service, "My Critical Service")`,
			`contains(request.system_annotations["pagerduty_notify_service"], "My Critical Service") is false: the list is [Teleport Access Request Notifications]`,
		},
		{`contains(reviewer.traits["absent"], "x")`, `contains(reviewer.traits["absent"], "x") is false: reviewer.traits has no "absent"`},
		{`contains(request.system_annotations["empty"], "x")`, `contains(request.system_annotations["empty"], "x") is false: the list is empty`},
		{`contains(reviewer.traits[request.reason], "x")`, `contains(reviewer.traits[request.reason], "x") is false: reviewer.traits has no "resolve an incident"`},
		{`contains(request.roles, request.reason)`, `contains(request.roles, request.reason) is false: request.roles is [demo-role, db-admin] and request.reason is "resolve an incident"`},
		{`equals(request.roles, request.roles)`, `equals(request.roles, request.roles) is true: request.roles is [demo-role, db-admin]`},
		{"request.reason != `x`", `request.reason != "x" is true: request.reason is "resolve an incident"`},
		{`"a" == "b"`, `"a" == "b" is false`},
		{`contains(request.system_annotations["quote"], "x")`, `contains(request.system_annotations["quote"], "x") is false: the list is ["say \"hi\""]`},
		{`equals(request.roles, "x")`, `equals(request.roles, "x") cannot be evaluated: equals compares two strings or two lists, but request.roles is a list and "x" is a string; write contains(request.roles, "x")`},
		{
			`!(contains(reviewer.roles, "a") && request.reason == "b") && equals(1, 1)`,
			"the condition cannot be evaluated:\n" +
				"  contains(reviewer.roles, \"a\") is false: the list is [access-plugin, oncall-bot]\n" +
				"  request.reason == \"b\" was not asked\n" +
				"  equals(1, 1) cannot be evaluated: equals compares two strings or two lists, but 1 is a number",
		},
		{
			`"a" == "a" || (!equals(1, 1) && "b" == "b")`,
			"the condition is true:\n" +
				"  \"a\" == \"a\" is true\n" +
				"  equals(1, 1) was not asked\n" +
				"  \"b\" == \"b\" was not asked",
		},
	}
	c := loadContext(t, "pagerduty")
	for _, tc := range tests {
		e, err := Parse(Review, tc.src)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Explain(c); got != tc.want {
			t.Errorf("%s:\n%s\nwant:\n%s", tc.src, got, tc.want)
		}
	}
}

func TestExplainCutsAndQuotesWhatOthersWrote(t *testing.T) {
	var c Context
	c.Request.Reason = strings.Repeat("é", 5000)
	c.Request.Roles = append([]string{"a\x1b[31m\nb", "c, d", ""}, make([]string, 50)...)
	e, err := Parse(Review, `contains(request.roles, request.reason)`)
	if err != nil {
		t.Fatal(err)
	}
	got := e.Explain(&c)
	if len(got) > 1000 || strings.ContainsAny(got, "\x1b\n") {
		t.Errorf("%q", got)
	}
	for _, want := range []string{`"a\x1b[31m\nb", "c, d", "", `, "and 33 more", "é\"…"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}
