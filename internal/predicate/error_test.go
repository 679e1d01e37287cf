package predicate

import (
	"errors"
	"strings"
	"testing"
)

func TestAnErrorSaysWhereAndWhatToWriteInstead(t *testing.T) {
	tests := []struct {
		src    string
		offset int
		msg    string // a part of it
	}{
		{`contain(reviewer.roles, "x")`, 0, "unknown function contain; write contains"},
		{`CONTAINS(reviewer.roles, "x")`, 0, "write contains"},
		{`match(reviewer.roles, "x")`, 0, "write regexp.match"},
		{`regexp.not_match(reviewer.roles, "x")`, 0, "write !regexp.match("},
		{`contains(reviewer.rolls, "x")`, 9, "write reviewer.roles"},
		{`contains(roles, "x")`, 9, "write reviewer.roles or request.roles"},
		{`contains(request.annotations["a"], "x")`, 9, "write request.system_annotations"},
		{`contains(request.annotations.a, "x")`, 9, "write request.system_annotations"},
		{`contains(reviewer["roles"], "x")`, 9, "write reviewer.roles"},
		{`contains(reviewer.traits.a.b, "x")`, 9, `reviewer.traits["a.b"]`},
		{`contains(review.annotations["a"], "x")`, 9, "filter of a threshold only"},
		{`contains(reviewer.traits, "x")`, 9, `write a key: reviewer.traits["…"]`},
		{`contains(reviewer.traits["a"], 2)`, 31, `write "2"`},
		{`contains(reviewer.roles.x, "y")`, 9, "reviewer.roles is a list of strings and has nothing inside it"},
		{`contains["a"]`, 0, "contains is a function; call it"},
		{`contains[a, "b"]`, 12, "a function is called with round ones"},
		{`contains(a, "b", )`, 9, "unknown variable a"},
		{`"a" == "a" && contains(reviewer.roles)`, 14, "takes two arguments and is given 1"},
		{`request.roles == "x"`, 0, "write contains(list, string)"},
		{`"x" == request.roles`, 7, "request.roles is a list of strings"},
		{`request.reason = "x"`, 15, "write =="},
		{`request.reason`, 0, `write request.reason == "…"`},
		{`reviewer.roles`, 0, `write contains(reviewer.roles, "…")`},
		{`reviewer.roles[0]`, 0, `write contains(reviewer.roles, "…")`},
		{`"a" == "a" & "b" == "b"`, 11, "write &&"},
		{`"a" == "a" and "b" == "b"`, 11, "write &&"},
		{`not contains(reviewer.roles, "x")`, 0, "write !"},
		{`contains(reviewer.roles, 'x')`, 25, "double quotes"},
		{`contains(reviewer.roles, 'oncall')`, 25, "double quotes"},
		{`contains(reviewer.roles, "x`, 25, "never closed"},
		{`contains(reviewer.roles, "x"`, 8, "this ( is never closed"},
		{`contains(reviewer.roles, "x"))`, 29, ") closes nothing"},
		{`contains(reviewer.roles, "x"]`, 28, "] does not close the ( before it"},
		{`"a" == "a" &&`, 13, "found the end"},
		{"\"a\" == \"a\"\n  && \"b\" == \"b\"", 13, "end of the line before"},
		{"contains(reviewer.roles,\n\"x\"\n)", 28, "put a comma or the closing bracket before it"},
		{`{{external.x}}`, 0, "templates"},
		{`true`, 0, "true is not part of the language"},
		{`contains(reviewer.traits.type, "x")`, 25, "keyword"},
		{`contains(reviewer.traits.1, "x")`, 24, ""},
		{`reviewer.roles("x")`, 0, "is a variable"},
		{`equals(!equals("a","a"), "a")`, 7, "operators stand outside"},
		{``, 0, "empty"},
		{" \n ", 0, "empty"},
	}
	for _, tc := range tests {
		_, err := Parse(Review, tc.src)
		var p *ParseError
		if !errors.As(err, &p) {
			t.Errorf("%s: %v", tc.src, err)
			continue
		}
		if p.Offset != tc.offset || !strings.Contains(p.Msg, tc.msg) {
			t.Errorf("%s: at %d: %s; want at %d: %s", tc.src, p.Offset, p.Msg, tc.offset, tc.msg)
		}
	}
}

func TestPositionsCountLinesAndCharacters(t *testing.T) {
	_, err := Parse(Review, "contains(reviewer.roles, \"ü\") &&\n\tcontains(reviewer.traits[\"ünï\"], oops)")
	var p *ParseError
	if !errors.As(err, &p) {
		t.Fatal(err)
	}
	if p.Line != 2 || p.Column != 35 {
		t.Errorf("line %d, column %d", p.Line, p.Column)
	}
	if got, want := p.Snippet(), "\tcontains(reviewer.traits[\"ünï\"], oops)\n\t"+strings.Repeat(" ", 33)+"^"; got != want {
		t.Errorf("snippet:\n%s\nwant:\n%s", got, want)
	}
	if !strings.HasPrefix(p.Error(), "line 2, column 35: unknown variable oops") {
		t.Error(p.Error())
	}
}

func TestLineCommentsDoNotMovePositions(t *testing.T) {
	for _, src := range []string{"//line x.go:700\n\"a\" == \"a\" && && \"b\"", "//line x.go:700\n\"a\" == \"a\" && oops"} {
		_, err := Parse(Review, src)
		var p *ParseError
		if !errors.As(err, &p) {
			t.Fatal(err)
		}
		if p.Line != 2 || p.Column != 15 || p.Offset != 30 {
			t.Errorf("%q: line %d, column %d, offset %d", src, p.Line, p.Column, p.Offset)
		}
	}
}

func TestEvaluationErrorsPointAtTheCall(t *testing.T) {
	_, err := Outcome("review", `"a" == "b" || equals("x", request.roles)`, new(Context))
	var e *EvalError
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if want := `column 15: equals compares two strings or two lists, but "x" is a string and request.roles is a list; write contains(request.roles, "x")`; e.Error() != want {
		t.Errorf("got %s", e)
	}
	if !strings.HasSuffix(e.Snippet(), "\n"+strings.Repeat(" ", 14)+"^") {
		t.Errorf("snippet:\n%s", e.Snippet())
	}
}

// asvs: 1.3.2, 15.2.2
func TestLimits(t *testing.T) {
	atom := `"a" == "a"`
	chain := atom + strings.Repeat(" && "+atom, (MaxSource-len(atom))/(4+len(atom)))
	tests := []struct {
		name, src, want string
	}{
		{"a long chain", chain, OutcomeTrue},
		{"too long", chain + strings.Repeat(" ", MaxSource), OutcomeParseError},
		{"as long as can be", chain + strings.Repeat(" ", MaxSource-len(chain)), OutcomeTrue},
		{"deep", strings.Repeat("(", MaxDepth) + atom + strings.Repeat(")", MaxDepth), OutcomeTrue},
		{"too deep", strings.Repeat("(", MaxDepth+1) + atom + strings.Repeat(")", MaxDepth+1), OutcomeParseError},
		{"many negations", strings.Repeat("!", MaxDepth-1) + "(" + atom + ")", OutcomeFalse},
		{"too many negations", strings.Repeat("!", MaxDepth) + "(" + atom + ")", OutcomeParseError},
		{"both", strings.Repeat("!(", MaxDepth/2) + atom + strings.Repeat(")", MaxDepth/2), OutcomeTrue},
		{"too much of both", strings.Repeat("!(", MaxDepth/2+1) + atom + strings.Repeat(")", MaxDepth/2+1), OutcomeParseError},
		{"wide", "(" + atom + ")" + strings.Repeat("&&!!("+atom+")", 200), OutcomeTrue},
		{"calls in calls", strings.Repeat("equals(", MaxDepth+1) + strings.Repeat(")", MaxDepth+1), OutcomeParseError},
		{"keys in keys", strings.Repeat("reviewer.traits[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), OutcomeParseError},
		{"only brackets", strings.Repeat("(", MaxSource), OutcomeParseError},
		{"only negations", strings.Repeat("!", MaxSource), OutcomeParseError},
		{"only dots", "a" + strings.Repeat(".a", 8000), OutcomeParseError},
		{"only calls", "a" + strings.Repeat("()", 8000), OutcomeParseError},
	}
	for _, tc := range tests {
		got, err := Outcome("review", tc.src, new(Context))
		if got != tc.want {
			t.Errorf("%s: %s", tc.name, got)
		}
		if err != nil && len(err.Error()) > maxMessage+50 {
			t.Errorf("%s: an error of %d bytes", tc.name, len(err.Error()))
		}
	}
}
