package predicate

import (
	"strings"
	"testing"
)

// rows are further expressions of the language, asked about the context
// "pagerduty". What they come to follows from the rules: Go's grammar, and a
// type for everything.
type row struct{ kind, expr, want string }

func checkRows(t *testing.T, rows []row) {
	t.Helper()
	c := loadContext(t, "pagerduty")
	for _, r := range rows {
		if r.kind == "" {
			r.kind = "review"
		}
		if got, err := Outcome(r.kind, r.expr, c); got != r.want {
			t.Errorf("%s: got %s (%v), want %s", r.expr, got, err, r.want)
		}
	}
}

func TestMapsAndLists(t *testing.T) {
	checkRows(t, []row{
		{"", `!contains(request.system_annotations["absent"], "x")`, "true"},
		{"", `contains(request.system_annotations["pagerduty_services"], "My Critical Service ")`, "false"},
		{"", `contains(request.system_annotations["pagerduty_services"], "Critical")`, "false"},
		{"", `contains(request.system_annotations["pagerduty_services"], "My Critical Service")`, "true"},
		{"", `equals(request.system_annotations["absent"], request.system_annotations["empty"])`, "true"},
		{"", `contains(reviewer.traits.team, "sre")`, "true"},
		{"", `contains(reviewer.traits.absent, "sre")`, "false"},
		{"", `contains(reviewer.traits . team, "sre")`, "true"},
		{"", `contains(request.system_annotations.ünï, "çödé")`, "true"},
		{"", `contains(request.system_annotations["ünï"], "çödé")`, "true"},
		{"", `contains(request.system_annotations["\u00fcnï"], "\u00e7ödé")`, "true"},
		{"", `contains(request.system_annotations["quote"], "say \"hi\"")`, "true"},
		{"", "contains(request.system_annotations[`quote`], `say \"hi\"`)", "true"},
		{"", `contains(request.system_annotations["quote"], 'say "hi"')`, "parse_error"},
		{"", `contains(request.system_annotations['quote'], "x")`, "parse_error"},
		{"", `contains(request.system_annotations["sp\x20ace"], "x\040y")`, "true"},
		{"", `contains(request.system_annotations["sp\qace"], "x")`, "parse_error"},
		{"", `contains(request.system_annotations."a.b", "dot")`, "parse_error"},
		{"", `contains(request.system_annotations.type, "dot")`, "parse_error"},
		{"", `contains(request.system_annotations[""], "dot")`, "false"},
		{"", `contains(reviewer.traits[""], "")`, "false"},
		{"", `contains(reviewer.traits["team"]["x"], "y")`, "parse_error"},
		{"", `contains(reviewer.traits["team"].x, "y")`, "parse_error"},
		{"", `contains(reviewer.traits[reviewer.traits], "y")`, "parse_error"},
		{"", `contains(reviewer.traits[equals("a","a")], "y")`, "parse_error"},
		{"", `contains(reviewer.traits["team":], "y")`, "parse_error"},
		{"", `contains(reviewer.traits["team", "x"], "y")`, "parse_error"},
		{"", `contains(reviewer.traits[], "y")`, "parse_error"},
		{"", `contains(reviewer.traits, "team")`, "parse_error"},
		{"", `contains(request.reason["x"], "y")`, "parse_error"},
		{"", `contains(request.reason.x, "y")`, "parse_error"},
		{"", `contains(reviewer.roles.x, "y")`, "parse_error"},
		{"", `contains((reviewer.traits)["team"], "sre")`, "parse_error"},
		{"", `contains((reviewer).roles, "sre")`, "parse_error"},
		{"threshold", `contains(reviewer.traits[review.reason], "x")`, "false"},
	})
}

func TestFunctions(t *testing.T) {
	checkRows(t, []row{
		{"", `equals("demo-role", request.roles)`, "eval_error"},
		{"", `equals(request.roles, reviewer.roles)`, "false"},
		{"", `equals(reviewer.traits["team"], reviewer.traits.team)`, "true"},
		{"", `equals(1, 1)`, "eval_error"},
		{"", `equals(1, "1")`, "eval_error"},
		{"", `equals(request.system_annotations, "x")`, "eval_error"},
		{"", `equals(0x10, 16)`, "parse_error"},
		{"", `equals(1_000, 1000)`, "parse_error"},
		{"", `equals(99999999999999999999, 1)`, "parse_error"},
		{"", `equals(1e999, 1)`, "parse_error"},
		{"", `equals(1e3, 1)`, "eval_error"},
		{"", `equals(-1, -1)`, "parse_error"},
		{"", `equals(2i, 2i)`, "parse_error"},
		{"", `equals(equals("a","a"), equals("a","a"))`, "eval_error"},
		{"", `equals(equals("a",true), "a")`, "parse_error"},
		{"", `equals(!equals("a","a"), "a")`, "parse_error"},
		{"", `equals("a" == "a", "a")`, "parse_error"},
		{"", `equals(("a"), "a")`, "parse_error"},
		{"", `contains(equals("a","a"), "a")`, "parse_error"},
		{"", `contains(reviewer.roles, equals("a","a"))`, "parse_error"},
		{"", `contains("a", reviewer.roles)`, "parse_error"},
		{"", `contains(2, "2")`, "parse_error"},
		{"", `contains(1.5, "2")`, "parse_error"},
		{"", `contains(reviewer.traits["level"], 2.0)`, "parse_error"},
		{"", `contains(request.reason, "incident")`, "false"},
		{"", `contains(request.reason, "resolve an incident")`, "true"},
		{"", `contains("", "")`, "true"},
		{"", `contains()`, "parse_error"},
		{"", `equals()`, "parse_error"},
		{"", `equals("a")`, "parse_error"},
		{"", `contains(reviewer.roles, "a", "b")`, "parse_error"},
		{"", `regexp.match(reviewer.roles)`, "parse_error"},
		{"", `contains(reviewer.roles, "access-plugin"...)`, "true"}, // Teleport does not look at the dots
		{"", `(contains)(reviewer.roles, "access-plugin")`, "parse_error"},
		{"", `contains(reviewer.roles, "x")("y")`, "parse_error"},
		{"", `reviewer.roles.contains("access-plugin")`, "parse_error"},
		{"", `reviewer.roles("access-plugin")`, "parse_error"},
		{"", `"contains"(reviewer.roles, "x")`, "parse_error"},
		{"", `set("a")`, "parse_error"},
		{"", `contains_any(reviewer.roles, "x")`, "parse_error"},
		{"", `match(reviewer.roles, "x")`, "parse_error"},
		{"", `regexp(reviewer.roles, "x")`, "parse_error"},
		{"", `regexp.Match(reviewer.roles, "x")`, "parse_error"},
		{"", `a.regexp.match(reviewer.roles, "x")`, "parse_error"},
	})
}

func TestOperators(t *testing.T) {
	checkRows(t, []row{
		{"", `request.roles != "x"`, "parse_error"},
		{"", `"x" != request.roles`, "parse_error"},
		{"", `request.system_annotations == request.system_annotations`, "parse_error"},
		{"", `reviewer.traits["team"] == "sre"`, "parse_error"},
		{"", `"1" == 1`, "parse_error"},
		{"", `"a" != "b"`, "true"},
		{"", `("a") == ((("a")))`, "true"},
		{"", `("a" == "a") == ("b" == "b")`, "parse_error"},
		{"", `"a" == "a" == "a"`, "parse_error"},
		{"", `request.reason <= "z"`, "parse_error"},
		{"", `request.reason > "z"`, "parse_error"},
		{"", `request.reason + "x" == "z"`, "parse_error"},
		{"", `request.reason = "z"`, "parse_error"},
		{"", `(equals("t","t") || equals("t","f")) && equals("t","f")`, "false"},
		{"", `equals("t","f") && equals("t","f") || equals("t","t")`, "true"},
		{"", `equals("t","f") && (equals("t","f") || equals("t","t"))`, "false"},
		{"", `!(equals("t","f") && equals("t","f"))`, "true"},
		{"", `!equals("t","f") == equals("t","f")`, "parse_error"},
		{"", `!"a" == "a"`, "parse_error"},
		{"", `!("a" == "b")`, "true"},
		{"", `!(!(!("a" == "b")))`, "true"},
		{"", `! ! equals("t","t")`, "true"},
		{"", `((((equals("t","t")))))`, "true"},
		{"", `"a" == "b" || "a" == "a" && "b" == "b"`, "true"},
		{"", `!"x"`, "parse_error"},
		{"", `!request.reason`, "parse_error"},
		{"", `-request.reason`, "parse_error"},
		{"", `"x" && equals("t","t")`, "parse_error"},
		{"", `equals("t","t") && "x"`, "parse_error"},
		{"", `equals("t","t") || reviewer.roles`, "parse_error"},
		{"", `equals("t","t") and equals("t","t")`, "parse_error"},
		{"", `equals("t","t") OR equals("t","t")`, "parse_error"},
		{"", `equals("t","t") | equals("t","t")`, "parse_error"},
		{"", `equals("t","t") &&`, "parse_error"},
		{"", `|| equals("t","t")`, "parse_error"},
		{"", `equals("t","t") && && equals("t","t")`, "parse_error"},
		{"", `equals("t","t") equals("t","t")`, "parse_error"},
	})
}

func TestShortCircuitSkipsErrorsOfEvaluationOnly(t *testing.T) {
	checkRows(t, []row{
		{"", `equals("t","t") && equals(request.roles, "x")`, "eval_error"},
		{"", `equals(request.roles, "x") || equals("t","t")`, "eval_error"},
		{"", `equals(request.roles, "x") && equals("t","f")`, "eval_error"},
		{"", `!equals(request.roles, "x")`, "eval_error"},
		{"", `equals("t","f") && (equals(1,1) || regexp.match("a", "^($"))`, "false"},
		{"", `equals("t","f") && unknown("y")`, "parse_error"},
		{"", `equals("t","f") && contains(unknown, "y")`, "parse_error"},
		{"", `equals("t","t") || contains(review.annotations["x"], "y")`, "parse_error"},
		{"", `equals("t","t") || equals("a")`, "parse_error"},
	})
}

func TestRegexpMatch(t *testing.T) {
	checkRows(t, []row{
		{"", `regexp.match("demo-role", "demo-*")`, "true"},
		{"", `regexp.match(request.reason, "*incident")`, "true"},
		{"", `regexp.match(request.reason, "incident")`, "false"},
		{"", `regexp.match(request.roles, "demo-*")`, "true"},
		{"", `regexp.match(request.roles, "*-*")`, "true"},
		{"", `regexp.match(request.roles, "demo-")`, "false"},
		{"", `regexp.match(request.roles, "")`, "false"},
		{"", `regexp.match("", "")`, "true"},
		{"", `regexp.match("", "*")`, "true"},
		{"", `regexp.match("a\nb", "a*b")`, "false"},
		{"", `regexp.match("a\n", "^a$")`, "false"},
		{"", `regexp.match(request.roles, "^demo")`, "false"},
		{"", `regexp.match(request.roles, "role$")`, "false"},
		{"", `regexp.match("^demo", "^demo")`, "true"},
		{"", `regexp.match(request.roles, "^$")`, "false"},
		{"", `regexp.match(request.roles, "^(demo-role|x)$")`, "true"},
		{"", `regexp.match(request.roles, "(demo-role|x)")`, "false"},
		{"", `regexp.match(request.roles, "^demo|x$")`, "true"}, // taken as it stands, not anchored as a whole
		{"", `regexp.match(request.roles, "^(?i)DEMO-ROLE$")`, "true"},
		{"", `regexp.match(request.roles, "^.*(?=role)$")`, "eval_error"}, // RE2 does not look ahead
		{"", `regexp.match(request.roles, "(")`, "false"},
		{"", `regexp.match(request.roles, "\xff")`, "eval_error"},
		{"", `regexp.match(reviewer.traits["absent"], "*")`, "false"},
		{"", `regexp.match(reviewer.traits["absent"], "^($")`, "eval_error"},
		{"", `regexp.match("db.admin", "db.admin")`, "true"},
		{"", `regexp.match("db\\x", "db\\*")`, "true"},
		{"", `regexp.match("resolve an incident", request.reason)`, "true"},
		{"", `regexp.match(request.roles, request.reason)`, "false"},
		{"", `regexp.match(request.roles, reviewer.traits["team"])`, "parse_error"},
		{"", `regexp.match(request.roles, request.roles)`, "parse_error"},
		{"", `regexp.match(request.system_annotations, "x")`, "parse_error"},
		{"", `regexp.match(request.roles, 1)`, "parse_error"},
		{"", `regexp.match("aaa", "^a{1000}a{1000}$")`, "false"},
		{"", `regexp.match("aaa", "^` + strings.Repeat("a{1000}", 500) + `$")`, "eval_error"},
		{"", `regexp.match("aaa", "^((a{10}){10}){11}$")`, "eval_error"}, // RE2's own bound
		{"", "regexp.match(request.roles, `^demo-\\w+$`)", "true"},
	})
}

func TestPatternFromTheContextMayFailToo(t *testing.T) {
	e, err := Parse(Review, `regexp.match(reviewer.roles, request.reason)`)
	if err != nil {
		t.Fatal(err)
	}
	var c Context
	c.Reviewer.Roles = []string{"oncall"}
	for reason, want := range map[string]string{"on*": "true", "^on$": "false", "^($": "error", "": "false", strings.Repeat("on*", 200): "false"} {
		c.Request.Reason = reason
		for range 2 { // the second is from the cache
			v, err := e.Eval(&c)
			if got := resultOf(v, err); got != want {
				t.Errorf("%.20q: got %s, want %s", reason, got, want)
			}
		}
	}
}

func resultOf(v bool, err error) string {
	switch {
	case err != nil:
		return "error"
	case v:
		return "true"
	}
	return "false"
}

func TestText(t *testing.T) {
	const yes = `contains(reviewer.roles, "access-plugin")`
	checkRows(t, []row{
		{"", yes + " &&\n" + yes, "true"},
		{"", yes + "\n&& " + yes, "parse_error"},
		{"", yes + "\n", "true"},
		{"", "\n\t" + yes + "\r\n\n", "true"},
		{"", yes + " // on call", "true"},
		{"", yes + " // on call\n", "true"},
		{"", "// on call\n" + yes, "true"},
		{"", yes + " /* a */ && /* b\n */ " + yes, "true"},
		{"", yes + " /* a\n */ && " + yes, "parse_error"}, // a comment over two lines is a line break
		{"", yes + " /* a", "parse_error"},
		{"", "// nothing else", "parse_error"},
		{"", yes + ";", "parse_error"},
		{"", "contains(\n\treviewer.roles,\n\t\"access-plugin\",\n)", "true"},
		{"", "contains(\n\treviewer.roles,\n\t\"access-plugin\"\n)", "parse_error"},
		{"", `contains(reviewer.roles, "access-plugin",,)`, "parse_error"},
		{"", `contains(,reviewer.roles, "access-plugin")`, "parse_error"},
		{"", `contains(reviewer.roles "access-plugin")`, "parse_error"},
		{"", `contains(reviewer.roles, "access-plugin"))`, "parse_error"},
		{"", `(contains(reviewer.roles, "access-plugin")`, "parse_error"},
		{"", `contains(reviewer.roles, "access-plugin"]`, "parse_error"},
		{"", `contains(reviewer.roles, "access-plugin`, "parse_error"},
		{"", "contains(reviewer.roles, `access-plugin", "parse_error"},
		{"", "contains(reviewer.roles, \"access-\nplugin\")", "parse_error"},
		{"", "contains(reviewer.roles, `access-\nplugin`)", "false"},
		{"", `contains(reviewer.roles, “access-plugin”)`, "parse_error"},
		{"", "contains(reviewer.roles, \"\xff\")", "parse_error"},
		{"", "contains(reviewer.roles, \"\x00\")", "parse_error"},
		{"", "\ufeff" + yes, "true"},
		{"", `"a" == "a" ? "b" : "c"`, "parse_error"},
		{"", "contains ( reviewer.roles , \"access-plugin\" )", "true"},
		{"", `REVIEWER.roles == "a"`, "parse_error"},
		{"", `contains`, "parse_error"},
		{"", `regexp.match`, "parse_error"},
		{"", `reviewer`, "parse_error"},
		{"", `reviewer.roles`, "parse_error"},
		{"", `"a"`, "parse_error"},
		{"", `1`, "parse_error"},
		{"", `equals(true, true)`, "parse_error"},
		{"", `contains(map[string]string, "a")`, "parse_error"},
		{"", `contains(map[string]string{}, "a")`, "parse_error"},
		{"", `contains([]string{"a"}...)`, "parse_error"},
		{"", `reviewer.roles.(string) == "a"`, "parse_error"},
		{"", `*reviewer.roles`, "parse_error"},
		{"", `<-reviewer.roles`, "parse_error"},
		{"", `if equals("a","a") { }`, "parse_error"},
		{"", `contains(external.email, "a")`, "parse_error"},
		{"", `contains(user.spec.traits["x"], "a")`, "parse_error"},
		{"", `equals(request.user, "a")`, "parse_error"},
		{"", `contains(reviewer.traits.`, "parse_error"},
	})
	if got, _ := Outcome("filter", yes, new(Context)); got != OutcomeParseError {
		t.Errorf("an unknown kind is %s", got)
	}
}

func TestAKindKnowsItsVariables(t *testing.T) {
	checkRows(t, []row{
		{"threshold", `review.reason == "resolve an incident"`, "true"},
		{"threshold", `contains(review.annotations.x, "y")`, "false"},
		{"threshold", `equals(request.reason, review.reason)`, "true"},
		{"threshold", `contains(review.roles, "y")`, "parse_error"},
		{"review", `review.reason == "resolve an incident"`, "parse_error"},
		{"review", `contains(reviewer.traits[review.reason], "x")`, "parse_error"},
	})
}

func TestListsAreEqualElementByElement(t *testing.T) {
	e, err := Parse(Threshold, `equals(reviewer.roles, request.roles)`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		a, b []string
		want bool
	}{
		{[]string{"a", "b"}, []string{"a", "b"}, true},
		{[]string{"b", "a"}, []string{"a", "b"}, false},
		{[]string{"a"}, []string{"a", "a"}, false},
		{nil, []string{}, true},
		{nil, []string{""}, false},
	} {
		var c Context
		c.Reviewer.Roles, c.Request.Roles = tc.a, tc.b
		if got, err := e.Eval(&c); got != tc.want || err != nil {
			t.Errorf("%q, %q: %t, %v", tc.a, tc.b, got, err)
		}
	}
}

func TestContextIsReadStrictly(t *testing.T) {
	for text, ok := range map[string]bool{
		`{}`: true,
		` {"reviewer": {"roles": ["a"]}, "request": {"reason": "x"}} `: true,
		`{"reviewer": {"role": ["a"]}}`:                                false,
		`{"requester": {}}`:                                            false,
		`{"reviewer": {"roles": "a"}}`:                                 false,
		`{} {}`:                                                        false,
		`{} x`:                                                         false,
		`null`:                                                         false,
		`[]`:                                                           false,
		``:                                                             false,
	} {
		if _, err := DecodeContext([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
