package core

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatcherForms(t *testing.T) {
	tests := []struct {
		src, name string
		want      bool
	}{
		{"prod", "prod", true}, {"prod", "Prod", false}, {"prod", "prod2", false}, {"", "", true}, {"", "x", false},
		{"*", "", true}, {"*", "anything", true}, {"a*", "a", true}, {"*a", "ba", true}, {"a*b*c", "a-b-c", true},
		{"a*b*c", "a-c-b", false}, {"aa*aa", "aaa", false}, {"a**b", "ab", true}, {"a.c*", "abc", false}, {"(a)*", "(a)b", true},
		{`a\*`, `a\b`, true}, {"[ab]*", "a1", false}, {"*.example.com", "x.example.com", true},
		{"^db-(a|b)$", "db-a", true}, {"^db-(a|b)$", "db-c", false}, {"^db", "db", false}, {"^db", "^db", true}, {"db$", "db$", true},
		{"^(?i)prod$", "PROD", true}, {"^a|b$", "axx", true},
		{`{{regexp.match("[0-9]+")}}`, "a1", true}, {`{{regexp.match("^[0-9]+$")}}`, "a1", false}, {"{{ regexp.match(`^a$`) }}", "a", true},
		{`{{regexp.not_match("^prod")}}`, "dev", true}, {`{{regexp.not_match("^prod")}}`, "prod-1", false},
		{`db-{{regexp.match("^[0-9]+$")}}-ro`, "db-12-ro", true}, {`db-{{regexp.match("^[0-9]+$")}}-ro`, "db-12", false},
		{`db-{{regexp.match("^[0-9]+$")}}-ro`, "db--ro", false}, {`db-{{regexp.not_match("x")}}`, "other", false},
		{`ab{{regexp.match("^a$")}}ba`, "aba", true}, // the prefix goes first, then the suffix finds nothing to take
	}
	for _, tt := range tests {
		m, err := newMatcher(tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if got := m.match(tt.name); got != tt.want {
			t.Errorf("%s on %q: %v", tt.src, tt.name, got)
		}
	}
}

func TestMatchersThatCannotBeRead(t *testing.T) {
	for _, src := range []string{
		"^($", "{{}}", "{{regexp.match}}", `{{regexp.match("a"`, `{{regexp.match("(")}}`, `{{regexp.match(external.x)}}`, `{{regexp.match("a", "b")}}`,
		`{{regexp.replace("a", "b", "c")}}`, `{{external.x}}`, `{{regexp.match("a{2}")}}`, `{{regexp.match("a")}}{{regexp.match("b")}}`,
		`a}}`, `{{a`, `}}{{`, `{{regexp.match('a')}}`, `{{regexp.match(1)}}`, `{{regexp.match("a"...)}}`,
	} {
		if m, err := newMatcher(src); err == nil {
			t.Errorf("%s is read as %+v", src, m)
		}
	}
}

// A glob is the regular expression that Teleport makes of it.
func TestGlobsAreTeleportsRegexps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SampledFrom([]rune("ab.*-"))
		glob := rapid.StringOfN(letters, 0, 8, -1).Draw(t, "glob")
		name := rapid.StringOfN(rapid.SampledFrom([]rune("ab.-")), 0, 10, -1).Draw(t, "name")
		re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, "(.*)") + "$")
		m, err := newMatcher(glob)
		if err != nil {
			t.Fatal(err)
		}
		if m.match(name) != re.MatchString(name) {
			t.Fatalf("%q on %q: %v", glob, name, m.match(name))
		}
	})
}

func FuzzNewMatcher(f *testing.F) {
	f.Add(`db-{{regexp.match("[0-9]+")}}-ro`, "db-1-ro")
	f.Add("a*b*c", "abc")
	f.Fuzz(func(t *testing.T, src, name string) {
		if m, err := newMatcher(src); err == nil {
			m.match(name)
		}
		if tpl, err := newTemplate(src); err == nil {
			tpl.values(map[string][]string{"x": {name}}, nil)
		}
	})
}
