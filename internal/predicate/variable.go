package predicate

import (
	"fmt"
	"strings"
)

// A valueType is the type of an operand, known when the text is parsed.
type valueType string

const (
	aBool   valueType = "a condition"
	aText   valueType = "a string"
	aList   valueType = "a list of strings"
	aMap    valueType = "a map of lists"
	aNumber valueType = "a number"
)

// A variable is a name that expressions may use. Exactly one of its getters,
// the one of its type, is set.
type variable struct {
	name  string
	typ   valueType
	text  func(*Context) string
	list  func(*Context) []string
	dict  func(*Context) map[string][]string
	kinds string // the kinds that know it
}

const anyKind = string(Review + " " + Threshold)

var variables = []variable{
	{name: "reviewer.roles", typ: aList, kinds: anyKind, list: func(c *Context) []string { return c.Reviewer.Roles }},
	{name: "reviewer.traits", typ: aMap, kinds: anyKind, dict: func(c *Context) map[string][]string { return c.Reviewer.Traits }},
	{name: "request.roles", typ: aList, kinds: anyKind, list: func(c *Context) []string { return c.Request.Roles }},
	{name: "request.reason", typ: aText, kinds: anyKind, text: func(c *Context) string { return c.Request.Reason }},
	{name: "request.system_annotations", typ: aMap, kinds: anyKind, dict: func(c *Context) map[string][]string { return c.Request.SystemAnnotations }},
	{name: "review.reason", typ: aText, kinds: string(Threshold), text: func(c *Context) string { return c.Review.Reason }},
	{name: "review.annotations", typ: aMap, kinds: string(Threshold), dict: func(c *Context) map[string][]string { return c.Review.Annotations }},
}

// variableNamed finds a variable that expressions of the kind know.
func variableNamed(kind Kind, name string) (variable, bool) {
	for _, v := range variables {
		if v.name == name && strings.Contains(v.kinds, string(kind)) {
			return v, true
		}
	}
	return variable{}, false
}

func variableNames(kind Kind) []string {
	var names []string
	for _, v := range variables {
		if strings.Contains(v.kinds, string(kind)) {
			names = append(names, v.name)
		}
	}
	return names
}

// unknownVariable says what to write instead of a name that is no variable.
func unknownVariable(kind Kind, name string) string {
	if name == "true" || name == "false" || name == "nil" {
		return name + " is not part of the language; write a condition with contains, equals or =="
	}
	if _, ok := functions[name]; ok {
		return fmt.Sprintf("%s is a function; call it: %s(…, …)", name, name)
	}
	for _, v := range variables {
		under, found := strings.CutPrefix(name, v.name)
		if !found || under != "" && under[0] != '.' {
			continue
		}
		switch _, known := variableNamed(kind, v.name); {
		case !known:
			return v.name + " is known in the filter of a threshold only, not in a where"
		case v.typ == aMap:
			return fmt.Sprintf("unknown variable %s; a key with a dot in it is written %s[%q]", name, v.name, strings.TrimPrefix(under, "."))
		default:
			return fmt.Sprintf("unknown variable %s; %s is %s and has nothing inside it", name, v.name, v.typ)
		}
	}
	names := variableNames(kind)
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("unknown variable %s; write %s", name, near)
	}
	if of, deep := cutLast(name); deep && nearest(of, names) != "" {
		return fmt.Sprintf("unknown variable %s; write %s", of, nearest(of, names))
	}
	return fmt.Sprintf("unknown variable %s; known are %s", name, strings.Join(names, ", "))
}

// cutLast takes the last of three or more parts off a dotted name.
func cutLast(name string) (before string, found bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || strings.Count(name, ".") < 2 {
		return name, false
	}
	return name[:i], true
}
