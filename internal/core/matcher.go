package core

import (
	"fmt"
	"go/ast"
	"go/parser"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// A matcher is one entry of a list of roles: the names that it stands for.
//
// There are four forms, all of them Teleport's (NewMatcher of its package
// lib/utils/parse), all case-sensitive:
//
//	prod-db                            that name
//	db-*                               a star stands for any text; everything else for itself
//	^db-(a|b)$                         a regular expression, because it begins with ^ and ends with $
//	db-{{regexp.match("[0-9]+")}}-ro   a text that contains a match, between a prefix and a suffix;
//	                                   or regexp.not_match
type matcher struct {
	literal        string
	parts          []string       // of a glob: what stands between the stars
	re             *regexp.Regexp // of the other two forms
	not            bool
	prefix, suffix string
}

// newMatcher reads an entry of a list of roles.
func newMatcher(src string) (matcher, error) {
	prefix, inner, suffix, found, err := cutTemplate(src)
	if err != nil {
		return matcher{}, err
	}
	if found {
		m, err := newFunctionMatcher(inner)
		m.prefix, m.suffix = prefix, suffix
		return m, err
	}
	switch {
	case isRegexp(src):
		re, err := regexp.Compile(src)
		return matcher{re: re}, err
	case strings.Contains(src, "*"):
		return matcher{parts: strings.Split(src, "*")}, nil
	}
	return matcher{literal: src}, nil
}

// newFunctionMatcher reads what stands between the brackets of {{regexp.match("…")}}.
func newFunctionMatcher(src string) (matcher, error) {
	const want = `write {{regexp.match("…")}} or {{regexp.not_match("…")}}`
	tree, err := parser.ParseExpr(src)
	if err != nil {
		return matcher{}, fmt.Errorf("{{%s}} cannot be read; %s", src, want)
	}
	call, _ := tree.(*ast.CallExpr)
	if call == nil || len(call.Args) != 1 || call.Ellipsis.IsValid() {
		return matcher{}, fmt.Errorf("{{%s}} is not a matcher; %s", src, want)
	}
	name := dottedName(call.Fun)
	if name != "regexp.match" && name != "regexp.not_match" {
		return matcher{}, fmt.Errorf("{{%s}} calls an unknown function; %s", src, want)
	}
	text, ok := stringLiteral(call.Args[0])
	if !ok {
		return matcher{}, fmt.Errorf("{{%s}} takes one string and no variables; %s", src, want)
	}
	re, err := regexp.Compile(text)
	return matcher{re: re, not: name == "regexp.not_match"}, err
}

// match reports whether the entry stands for name.
func (m *matcher) match(name string) bool {
	switch {
	case m.re != nil:
		if !strings.HasPrefix(name, m.prefix) || !strings.HasSuffix(name, m.suffix) {
			return false
		}
		// One after the other, as in Teleport: "aba" between "ab" and "ba" leaves "a".
		name = strings.TrimSuffix(strings.TrimPrefix(name, m.prefix), m.suffix)
		return m.re.MatchString(name) != m.not
	case m.parts != nil:
		return globMatch(m.parts, name)
	}
	return name == m.literal
}

// globMatch reports whether s is made of the parts, with anything in between.
func globMatch(parts []string, s string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

func isRegexp(src string) bool { return strings.HasPrefix(src, "^") && strings.HasSuffix(src, "$") }

// looseRegexp reports whether a regular expression such as ^a|b$ is anchored at
// one end of each alternative only, which is hardly ever meant.
func looseRegexp(src string) bool {
	tree, err := syntax.Parse(src, syntax.Perl)
	return err == nil && isRegexp(src) && tree.Op == syntax.OpAlternate
}

// cutTemplate cuts a text at its one pair of template brackets. As in Teleport,
// no further curly bracket may stand anywhere, not even within a string.
func cutTemplate(src string) (prefix, inner, suffix string, found bool, err error) {
	if !strings.Contains(src, "{{") && !strings.Contains(src, "}}") {
		return "", "", "", false, nil
	}
	prefix, rest, opened := strings.Cut(src, "{{")
	inner, suffix, closed := strings.Cut(rest, "}}")
	if !opened || !closed || strings.ContainsAny(prefix+inner+suffix, "{}") {
		return "", "", "", false, fmt.Errorf("%q has template brackets but is no template; write one {{…}} and no other curly brackets", src)
	}
	return prefix, inner, suffix, true, nil
}

// A nameSet is everything that one rule of a role says about role names: the
// list `roles` and the mapping `claims_to_roles`.
type nameSet struct {
	matchers []matcher
	claims   []claim
	broken   bool // part of it cannot be read
}

// A claim gives roles to those who have a value in a trait.
type claim struct {
	trait string
	value *regexp.Regexp
	roles []claimRole
}

// A claimRole is a role name of a claim. Where the trait's value changes it, as
// in team-$1, the result is a name. Where it does not, it is an entry as of a
// list of roles. (Teleport's TraitsToRoleMatchers.)
type claimRole struct {
	text     string
	expands  bool
	entry    matcher
	unusable bool // as an entry
}

// newNameSet compiles a list and a mapping. What cannot be read is left out and reported.
func newNameSet(roles []string, mappings []ClaimMapping, report func(field string, err error)) nameSet {
	var s nameSet
	fail := func(field string, err error) {
		s.broken = true
		report(field, err)
	}
	for i, src := range roles {
		m, err := newMatcher(src)
		if err != nil {
			fail(fmt.Sprintf("roles[%d]", i), err)
			continue
		}
		s.matchers = append(s.matchers, m)
	}
	for i, c := range mappings {
		value, err := compileClaimValue(c.Value)
		if err != nil {
			fail(fmt.Sprintf("claims_to_roles[%d].value", i), err)
			continue
		}
		compiled := claim{trait: c.Claim, value: value}
		for j, text := range c.Roles {
			r := claimRole{text: text, expands: hasExpansion(text)}
			if r.entry, err = newMatcher(text); err != nil && !r.expands {
				r.unusable = true
				fail(fmt.Sprintf("claims_to_roles[%d].roles[%d]", i, j), err)
			}
			compiled.roles = append(compiled.roles, r)
		}
		s.claims = append(s.claims, compiled)
	}
	return s
}

// compileClaimValue compiles the pattern for a trait's value. Its stars are groups, so that $1 is the first.
func compileClaimValue(src string) (*regexp.Regexp, error) {
	if isRegexp(src) {
		return regexp.Compile(src)
	}
	return regexp.Compile("^" + strings.ReplaceAll(regexp.QuoteMeta(src), `\*`, "(.*)") + "$")
}

// hasExpansion reports whether a text refers to a group of a pattern: $1, ${name}.
func hasExpansion(s string) bool {
	for i := range len(s) - 1 {
		if s[i] == '$' && s[i+1] != '$' {
			return true
		}
	}
	return false
}

// empty reports whether the set stands for nothing.
func (s *nameSet) empty() bool { return len(s.matchers) == 0 && len(s.claims) == 0 }

// match reports whether the set stands for a name, for somebody with these traits.
func (s *nameSet) match(name string, traits map[string][]string) bool {
	for i := range s.matchers {
		if s.matchers[i].match(name) {
			return true
		}
	}
	for i := range s.claims {
		if s.claims[i].match(name, traits) {
			return true
		}
	}
	return false
}

// denies is match for a set that takes rights away. One that cannot be read in full takes all of them.
func (s *nameSet) denies(name string, traits map[string][]string) bool {
	return s.broken || s.match(name, traits)
}

func (c *claim) match(name string, traits map[string][]string) bool {
	for _, v := range traits[c.trait] {
		if !c.value.MatchString(v) {
			continue
		}
		if slices.ContainsFunc(c.roles, func(r claimRole) bool { return r.match(name, c.value, v) }) {
			return true
		}
	}
	return false
}

func (r *claimRole) match(name string, value *regexp.Regexp, v string) bool {
	expanded := value.ReplaceAllString(v, r.text)
	if expanded == "" {
		return false
	}
	if r.expands || expanded != r.text {
		return expanded == name
	}
	return !r.unusable && r.entry.match(name)
}
