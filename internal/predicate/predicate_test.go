package predicate

import (
	"errors"
	"strings"
	"testing"
)

func TestAnExpressionThatIsNotThereIsNeverTrue(t *testing.T) {
	for _, e := range []*Expr{nil, {}} {
		v, err := e.Eval(new(Context))
		var fault *EvalError
		if v || !errors.As(err, &fault) {
			t.Errorf("%t, %v", v, err)
		}
		if e.NeverEvaluates() == nil || e.String() != "" || e.Warnings() != nil || e.Steps(new(Context)) != nil || e.Explain(new(Context)) == "" || e.Kind() != "" {
			t.Error("the rest of it says otherwise")
		}
	}
	e, err := Parse(Review, `"a" == "a"`)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := e.Eval(nil); v || err == nil {
		t.Errorf("about nothing: %t, %v", v, err)
	}
	if v, err := e.Eval(new(Context)); !v || err != nil {
		t.Errorf("%t, %v", v, err)
	}
	if e.String() != `"a" == "a"` || e.Kind() != Review {
		t.Error(e.String(), e.Kind())
	}
}

func TestNeverEvaluatesRefusesOnlyWhatAlwaysFails(t *testing.T) {
	const bad = `equals(request.roles, "x")`
	tests := []struct {
		src   string
		never bool
	}{
		{bad, true},
		{"!" + bad, true},
		{`equals(1.5, 1.5)`, true},
		{`equals(request.system_annotations, request.system_annotations)`, true},
		{`regexp.match(request.roles, "^($")`, true},
		{`regexp.match(request.roles, request.reason)`, false},
		{`regexp.match(request.roles, request.reason) && ` + bad, false}, // false when nothing matches
		{`equals("t","t") || ` + bad, false},
		{`equals("t","f") || ` + bad, true},
		{`equals("t","t") && ` + bad, true},
		{`equals("t","f") && ` + bad, false},
		{bad + ` || equals("t","t")`, true},
		{bad + ` && equals("t","f")`, true},
		{`contains(reviewer.roles, "a") && ` + bad, false},
		{`contains(reviewer.roles, "a") || ` + bad, false},
		{`(contains(reviewer.roles, "a") && ` + bad + `) || equals("t","f") || ` + bad, true},
		{`contains(reviewer.roles, "a") && ` + bad + ` || !contains(reviewer.roles, "a") && ` + bad, true},
		{`contains(reviewer.roles, "a") && ` + bad + ` || !contains(reviewer.roles, "b") && ` + bad, false},
		{`request.reason == "a" && ` + bad + ` || "a" != request.reason && ` + bad, true},
		{`request.reason == "a" && ` + bad + ` || !equals("a", request.reason) && ` + bad, true},
		{`reviewer.traits["a"] == "a"`, false}, // not even parsed
		{`contains(reviewer.traits.a, "x") && ` + bad + ` || !contains(reviewer.traits["a"], "x") && ` + bad, true},
		{`equals(request.roles, request.roles) && ` + bad, true},
		{`equals(request.roles, request.roles) || ` + bad, false},
		{`request.reason != request.reason && ` + bad, false},
		{`request.reason != request.reason || ` + bad, true},
		{`contains("abc", "b") || ` + bad, true},
		{`regexp.match("abc", "a*") && ` + bad, true},
		{`regexp.match(request.roles, "*") && ` + bad, false}, // there may be no roles
	}
	for _, tc := range tests {
		e, err := Parse(Review, tc.src)
		if err != nil {
			continue
		}
		err = e.NeverEvaluates()
		if (err != nil) != tc.never {
			t.Errorf("%s: %v", tc.src, err)
		}
		var fault *EvalError
		if err != nil && (!errors.As(err, &fault) || !strings.HasPrefix(err.Error(), "can never be evaluated: ")) {
			t.Errorf("%s: %v", tc.src, err)
		}
		if v, err := e.Eval(new(Context)); tc.never && (v || err == nil) {
			t.Errorf("%s: evaluated to %t", tc.src, v)
		}
	}
}

func TestNeverEvaluatesIsQuickOnALargeExpression(t *testing.T) {
	var parts []string
	for i := range 150 {
		parts = append(parts, `(contains(reviewer.roles, "`+strings.Repeat("r", i%30+1)+`") || request.reason == "x")`)
	}
	src := strings.Join(parts, " && ") + ` && equals(request.roles, "x") || equals(request.roles, "x")`
	e, err := Parse(Review, src)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.NeverEvaluates(); err != nil && !errors.As(err, new(*EvalError)) {
		t.Error(err)
	}
}

func TestWarningsNameWhatCanHardlyBeMeant(t *testing.T) {
	e, err := Parse(Threshold, `"a" == "a" || equals(request.roles, "x") || contains(review.reason, "INC-") || contains(reviewer.roles, "x"...)`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`column 15: equals compares two strings or two lists`,
		`column 45: review.reason is one string, so contains is true only if all of it is "INC-"`,
		`column 108: ... means nothing here`,
	}
	got := e.Warnings()
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i, w := range got {
		if !strings.HasPrefix(w.String(), want[i]) {
			t.Errorf("got %s, want %s", w, want[i])
		}
	}
}

func TestEvaluationAllocatesNothing(t *testing.T) {
	c := loadContext(t, "pagerduty")
	for _, src := range benchmarks {
		e, err := Parse(Review, src)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = e.Eval(c) }); n != 0 {
			t.Errorf("%s: %v allocations", src, n)
		}
	}
}

var benchmarks = map[string]string{
	"contains": `contains(request.system_annotations["pagerduty_services"], "Payments API")`,
	"team":     `contains(reviewer.traits["team"], "devops") && !contains(request.roles, "root") || request.reason == "x"`,
	"equals":   `equals(request.reason, "resolve an incident")`,
	"fails":    `equals(request.roles, "demo-role")`,
	"glob":     `regexp.match(request.roles, "demo-*")`,
	"lifted":   `contains("resolve an incident", request.reason)`,
}

func BenchmarkEval(b *testing.B) {
	c := loadContext(b, "pagerduty")
	for name, src := range benchmarks {
		e, err := Parse(Review, src)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = e.Eval(c)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, tc := range loadConformance(f).Cases {
		f.Add(tc.Expr, "oncall")
	}
	f.Add("//line a:7\n\"a\" == \"a\" && &&", "^($")
	f.Add("regexp.match(reviewer.roles, request.reason) != \"a\"", "^(a|b)$")
	f.Fuzz(func(t *testing.T, src, word string) {
		var c Context
		c.Reviewer.Roles, c.Request.Reason = []string{word}, word
		c.Reviewer.Traits = map[string][]string{word: {word}}
		for _, kind := range []Kind{Review, Threshold} {
			e, err := Parse(kind, src)
			if err != nil {
				checkPosition(t, src, err)
				continue
			}
			never := e.NeverEvaluates()
			for _, c := range []*Context{&c, {}, nil} {
				v, err := e.Eval(c)
				if v && err != nil || v && never != nil || err == nil && never != nil {
					t.Errorf("%q: %t, %v, and %v", src, v, err, never)
				}
				_ = e.Explain(c)
			}
		}
	})
}

func checkPosition(t *testing.T, src string, err error) {
	t.Helper()
	var p *ParseError
	if !errors.As(err, &p) {
		t.Fatalf("%q: %v is not a ParseError", src, err)
	}
	if p.Offset < 0 || p.Offset > len(src) || p.Line < 1 || p.Line > 1+strings.Count(src, "\n") || p.Column < 1 || p.Column > 1+len(src) {
		t.Errorf("%q: %+v is outside", src, p)
	}
	_ = p.Snippet()
}
