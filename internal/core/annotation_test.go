package core

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func annotated(name string, annotations map[string][]string, roles ...string) Role {
	r := requester(name, roles...)
	r.Allow.Request.Annotations = annotations
	return r
}

func TestEachGrantingRoleBringsOneRule(t *testing.T) {
	denying := Role{Name: "denying", Deny: Conditions{Request: RequestRule{Annotations: map[string][]string{"pagerduty_services": {"Search "}}}}}
	d := mustDirectory(t, []Role{
		annotated("pay", map[string][]string{"pagerduty_services": {" Payments ", "Search", "{{external.svc}}"}, "pagerduty_levels": {"2", "1"}}, "db"),
		annotated("web", map[string][]string{"pagerduty_services": {"Web"}, "pagerduty_notify_service": {"Requests", "Audit"}, "other": {"x"}}, "db", "front"),
		annotated("noise", map[string][]string{"pagerduty_services": {"Never"}}, "elsewhere"),
		annotated("notify", map[string][]string{"pagerduty_notify_service": {"Desk"}}, "front"),
		annotated("sched", map[string][]string{"pagerduty_schedules": {"DBA"}, "pagerduty_escalation_policies": {"EP"}, "pagerduty_teams": {"T"}}, "db"),
		annotated("plain", map[string][]string{"other": {"y"}}, "db"),
		denying, {Name: "db"}, {Name: "front"}, {Name: "elsewhere"},
	}, []User{{Name: "ann", Roles: []string{"pay", "web", "noise", "notify", "sched", "plain", "denying"}}})
	r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"front", "db"}})
	grace := 15 * time.Minute
	want := []ApprovalRule{
		{Origin: "role pay", Roles: []string{"db"}, OnCall: &OnCallRule{Services: []string{"Payments"}, Levels: []int{1, 2}}, UntilOffCall: true, Grace: grace},
		{Origin: "role web", Roles: []string{"db", "front"}, OnCall: &OnCallRule{Services: []string{"Web"}}, Notify: []string{"Audit", "Requests"}, UntilOffCall: true, Grace: grace},
		{Origin: "role notify", Roles: []string{"front"}, Notify: []string{"Desk"}},
		{Origin: "role sched", Roles: []string{"db"}, OnCall: &OnCallRule{Schedules: []string{"DBA"}, EscalationPolicies: []string{"EP"}, Teams: []string{"T"}}, UntilOffCall: true, Grace: grace},
	}
	if diff := cmp.Diff(want, r.Rules); diff != "" {
		t.Error(diff)
	}
	annotations := map[string][]string{
		"pagerduty_services": {" Payments ", "Web"}, "pagerduty_levels": {"1", "2"}, "pagerduty_notify_service": {"Audit", "Desk", "Requests"}, "other": {"x", "y"},
		"pagerduty_schedules": {"DBA"}, "pagerduty_escalation_policies": {"EP"}, "pagerduty_teams": {"T"},
	}
	if diff := cmp.Diff(annotations, r.Annotations); diff != "" {
		t.Error(diff)
	}
}

// A condition that is written and comes to nothing must not leave a wider rule behind.
func TestALostConditionApprovesNobody(t *testing.T) {
	for name, annotations := range map[string]map[string][]string{
		"trait missing":   {"pagerduty_services": {"{{external.none}}"}, "pagerduty_levels": {"1"}},
		"level missing":   {"pagerduty_services": {"A"}, "pagerduty_levels": {"{{external.none}}"}},
		"unreadable":      {"pagerduty_services": {"{{"}, "pagerduty_teams": {"T"}},
		"blank":           {"pagerduty_services": {"  "}, "pagerduty_teams": {"T"}},
		"denied":          {"pagerduty_schedules": {"Night"}, "pagerduty_services": {"A"}},
		"nothing at all":  {"pagerduty_services": {"{{external.none}}"}},
		"unrelated alone": {"team": {"a"}},
	} {
		denying := Role{Name: "d", Deny: Conditions{Request: RequestRule{Annotations: map[string][]string{"pagerduty_schedules": {"Night"}}}}}
		d := mustDirectory(t, []Role{annotated("req", annotations, "x"), denying, {Name: "x"}}, []User{{Name: "ann", Roles: []string{"req", "d"}}})
		if r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"x"}}); len(r.Rules) != 0 {
			t.Errorf("%s: %+v", name, r.Rules[0].OnCall)
		}
	}
}

func TestAnEmptyListIsNotWritten(t *testing.T) {
	d := mustDirectory(t, []Role{annotated("req", map[string][]string{"pagerduty_services": {"A"}, "pagerduty_levels": {}}, "x"), {Name: "x"}}, []User{{Name: "ann", Roles: []string{"req"}}})
	if r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"x"}}); len(r.Rules) != 1 || r.Rules[0].OnCall == nil {
		t.Errorf("rules %+v", r.Rules)
	}
}

func TestALevelThatIsNoneRefusesTheRequest(t *testing.T) {
	for _, level := range []string{"0", "-1", "one", "1.5", "99999999999999999999"} {
		role := annotated("req", map[string][]string{"pagerduty_services": {"A"}, "pagerduty_levels": {"{{external.level}}"}}, "x")
		d := mustDirectory(t, []Role{role, {Name: "x"}}, []User{{Name: "ann", Roles: []string{"req"}, Traits: map[string][]string{"level": {level}}}})
		_, err := d.NewRequest("r", Ask{User: "ann", Roles: []string{"x"}}, Terms{}, testNow)
		wantRefusal(t, err, Invalid, `role req: annotation pagerduty_levels: "`+level+`" is not an escalation level`)
	}
}

func TestAnnotationNamesCanBeConfigured(t *testing.T) {
	role := annotated("req", map[string][]string{"svc": {"A"}, "svc2": {"B", "A"}, "page": {"N"}, "pagerduty_services": {"ignored"}}, "x")
	d := mustDirectory(t, []Role{role, {Name: "x"}}, []User{{Name: "ann", Roles: []string{"req"}}})
	r, err := d.NewRequest("r", Ask{User: "ann", Roles: []string{"x"}}, Terms{ServicesAnnotations: []string{"svc", "svc2"}, NotifyAnnotations: []string{"page"}}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	want := []ApprovalRule{{Origin: "role req", Roles: []string{"x"}, OnCall: &OnCallRule{Services: []string{"A", "B"}}, Notify: []string{"N"}, UntilOffCall: true}}
	if diff := cmp.Diff(want, r.Rules); diff != "" {
		t.Error(diff)
	}
}

// B026: what the requester writes is never an annotation: an Ask has no field for one, and
// a trait fills in only what a role's template names.
//
// asvs: 1.3.7, 15.3.3
func TestB026RequestersCannotBringAnnotations(t *testing.T) {
	d := mustDirectory(t, []Role{annotated("req", map[string][]string{"pagerduty_services": {"Payments"}}, "x"), {Name: "x"}},
		[]User{{Name: "ann", Roles: []string{"req"}, Traits: map[string][]string{"pagerduty_services": {"Mine"}}}})
	r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"x"}, Reason: `pagerduty_services: ["Mine"] {{external.pagerduty_services}}`})
	if diff := cmp.Diff(map[string][]string{"pagerduty_services": {"Payments"}}, r.Annotations); diff != "" {
		t.Error(diff)
	}
	if got := r.Rules[0].OnCall.Services; len(got) != 1 || got[0] != "Payments" {
		t.Errorf("services %v", got)
	}
}
