package predicate

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"sort"
	"strings"
)

// functions are what an expression can call, each with two arguments.
var functions = map[string]func(*checker, *ast.CallExpr, operand, operand) (operand, error){
	"equals":       (*checker).equals,
	"contains":     (*checker).contains,
	"regexp.match": (*checker).match,
}

func functionNames() []string {
	var names []string
	for name := range functions {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// call checks a function call.
func (c *checker) call(n *ast.CallExpr) (operand, error) {
	name, ok := functionName(n.Fun)
	if !ok {
		return c.fail(n, "only a function can be called: "+strings.Join(functionNames(), ", "))
	}
	build, ok := functions[name]
	if !ok {
		return c.fail(n, c.unknownFunction(name))
	}
	if len(n.Args) != 2 {
		return c.fail(n, fmt.Sprintf("%s takes two arguments and is given %d", name, len(n.Args)))
	}
	if n.Ellipsis.IsValid() {
		// Go's parser takes it and Teleport does not look at it.
		c.warn(int(n.Ellipsis)-1, "... means nothing here; leave it out")
	}
	a, err := c.value(n.Args[0])
	if err != nil {
		return operand{}, err
	}
	b, err := c.value(n.Args[1])
	if err != nil {
		return operand{}, err
	}
	return build(c, n, a, b)
}

func functionName(n ast.Expr) (string, bool) {
	switch n := n.(type) {
	case *ast.Ident:
		return n.Name, true
	case *ast.SelectorExpr:
		path, ok := dotted(n)
		return strings.Join(path, "."), ok
	}
	return "", false
}

func (c *checker) unknownFunction(name string) string {
	if v, ok := variableNamed(c.kind, name); ok {
		return fmt.Sprintf("%s is a variable (%s), not a function; write contains or equals around it", name, v.typ)
	}
	if name == "regexp.not_match" {
		return "unknown function regexp.not_match; write !regexp.match(…, …)"
	}
	known := functionNames()
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("unknown function %s; write %s", name, near)
	}
	return fmt.Sprintf("unknown function %s; known are %s", name, strings.Join(known, ", "))
}

// leaf makes the condition of a call or comparison.
func (c *checker) leaf(n ast.Expr, t term) operand {
	if t.fault != nil {
		fault := t.fault
		t.can, t.ask = fails, func(*Context) (bool, error) { return false, fault }
		c.warn(fault.Offset, fault.Msg)
	}
	if t.subject == "" {
		t.subject = t.name
	}
	return operand{typ: aBool, name: t.name, offset: c.offset(n), term: &t}
}

// contains answers whether a list has a string among its elements. A single
// string is taken as the list of itself, so that only the same string is in it.
func (c *checker) contains(n *ast.CallExpr, in, item operand) (operand, error) {
	if err := c.wantList("contains", in); err != nil {
		return operand{}, err
	}
	if err := c.wantText("contains", item); err != nil {
		return operand{}, err
	}
	t := term{name: callName("contains", in, item), args: []operand{in, item}, can: yes | no}
	if in.typ == aText {
		t.subject, t.ask, t.can = textSubject(in, item), sameText(in, item), sameTextCan(in, item)
		if !in.literal {
			c.warn(c.offset(n), fmt.Sprintf("%s is one string, so contains is true only if all of it is %s; to look inside it write regexp.match(%s, \"*…*\")",
				in.name, item.name, in.name))
		}
		return c.leaf(n, t), nil
	}
	list, text, word := in.list, item.text, item.word
	if item.literal {
		t.ask = func(c *Context) (bool, error) { return slices.Contains(list(c), word), nil }
	} else {
		t.ask = func(c *Context) (bool, error) { return slices.Contains(list(c), text(c)), nil }
	}
	return c.leaf(n, t), nil
}

// equals compares two strings, or two lists element by element in their order.
// Anything else is an error whenever it is evaluated, as in Teleport.
func (c *checker) equals(n *ast.CallExpr, a, b operand) (operand, error) {
	t := term{name: callName("equals", a, b), args: []operand{a, b}, can: yes | no}
	switch {
	case a.typ == aText && b.typ == aText:
		t.subject, t.ask, t.can = textSubject(a, b), sameText(a, b), sameTextCan(a, b)
	case a.typ == aList && b.typ == aList:
		left, right := a.list, b.list
		t.ask = func(c *Context) (bool, error) { return slices.Equal(left(c), right(c)), nil }
		if a.name == b.name {
			t.can = yes
		}
	default:
		t.fault = evalError(c.src, c.offset(n), "equals compares two strings or two lists, but "+mismatch(a, b))
	}
	return c.leaf(n, t), nil
}

func mismatch(a, b operand) string {
	switch {
	case a.typ == aList && b.typ == aText:
		return fmt.Sprintf("%s is a list and %s is a string; write contains(%s, %s)", a.name, b.name, a.name, b.name)
	case a.typ == aText && b.typ == aList:
		return fmt.Sprintf("%s is a string and %s is a list; write contains(%s, %s)", a.name, b.name, b.name, a.name)
	case a.typ == b.typ:
		return fmt.Sprintf("%s is %s", a.name, a.typ)
	}
	return fmt.Sprintf("%s is %s and %s is %s", a.name, a.typ, b.name, b.typ)
}

// compareText checks == and != between two strings.
func (c *checker) compareText(n *ast.BinaryExpr, a, b operand) operand {
	t := term{name: a.name + " " + n.Op.String() + " " + b.name, args: []operand{a, b}}
	t.subject, t.ask, t.can = textSubject(a, b), sameText(a, b), sameTextCan(a, b)
	if n.Op == token.NEQ {
		t.opposite = true
		same := t.ask
		t.ask = func(c *Context) (bool, error) { v, err := same(c); return !v, err }
	}
	return c.leaf(n, t)
}

// match answers whether any element of a list, or a single string, matches a
// pattern. A pattern that cannot be read is an error even for an empty list.
func (c *checker) match(n *ast.CallExpr, in, pattern operand) (operand, error) {
	if err := c.wantList("regexp.match", in); err != nil {
		return operand{}, err
	}
	if err := c.wantText("regexp.match", pattern); err != nil {
		return operand{}, err
	}
	t := term{name: callName("regexp.match", in, pattern), args: []operand{in, pattern}, can: yes | no}
	if !pattern.literal {
		t.ask, t.can = matchVariable(c.src, c.offset(n), in, pattern), yes|no|fails
		return c.leaf(n, t), nil
	}
	re, err := compilePattern(pattern.word)
	if err != nil {
		t.fault = patternError(c.src, c.offset(n), pattern.name, err)
		return c.leaf(n, t), nil
	}
	if in.literal {
		t.can = outcome(re.MatchString(in.word))
	}
	if text := in.text; text != nil {
		t.ask = func(c *Context) (bool, error) { return re.MatchString(text(c)), nil }
	} else {
		list := in.list
		t.ask = func(c *Context) (bool, error) { return slices.ContainsFunc(list(c), re.MatchString), nil }
	}
	return c.leaf(n, t), nil
}

// matchVariable matches with a pattern that only the context knows.
func matchVariable(src string, offset int, in, pattern operand) func(*Context) (bool, error) {
	var cache patternCache
	return func(c *Context) (bool, error) {
		re, err := cache.compile(pattern.text(c))
		if err != nil {
			return false, patternError(src, offset, pattern.name, err)
		}
		if in.text != nil {
			return re.MatchString(in.text(c)), nil
		}
		return slices.ContainsFunc(in.list(c), re.MatchString), nil
	}
}

func patternError(src string, offset int, pattern string, err error) *EvalError {
	why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	return evalError(src, offset, fmt.Sprintf("regexp.match cannot read the pattern %s: %s", pattern, why))
}

func sameText(a, b operand) func(*Context) (bool, error) {
	left, right, word := a.text, b.text, b.word
	if b.literal {
		return func(c *Context) (bool, error) { return left(c) == word, nil }
	}
	return func(c *Context) (bool, error) { return left(c) == right(c), nil }
}

// sameTextCan is what comparing two strings can come to.
func sameTextCan(a, b operand) outcomes {
	switch {
	case a.literal && b.literal:
		return outcome(a.word == b.word)
	case a.name == b.name:
		return yes
	}
	return yes | no
}

// textSubject is one for all ways of comparing the same two strings.
func textSubject(a, b operand) string { return min(a.name, b.name) + " == " + max(a.name, b.name) }

func callName(function string, a, b operand) string {
	return function + "(" + a.name + ", " + b.name + ")"
}

func (c *checker) wantList(function string, x operand) error {
	switch x.typ {
	case aList, aText:
		return nil
	case aMap:
		return parseError(c.src, x.offset, fmt.Sprintf(`%s looks in a list, and %s is a map; write a key: %s["…"]`, function, x.name, x.name))
	}
	return parseError(c.src, x.offset, fmt.Sprintf("%s looks in a list, and %s is %s", function, x.name, x.typ))
}

func (c *checker) wantText(function string, x operand) error {
	if x.typ == aText {
		return nil
	}
	msg := fmt.Sprintf("the second argument of %s is a string, and %s is %s", function, x.name, x.typ)
	if x.typ == aNumber {
		msg += fmt.Sprintf("; write %q", x.name)
	}
	return parseError(c.src, x.offset, msg)
}
