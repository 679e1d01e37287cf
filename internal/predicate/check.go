package predicate

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// An operand is a checked part of an expression: a value with its type and the
// getter of that type, or a condition.
type operand struct {
	typ    valueType
	name   string // as shown to people; equal names are equal values
	offset int

	literal bool   // a string that stands in the text
	word    string // that string

	text func(*Context) string
	list func(*Context) []string
	dict func(*Context) map[string][]string
	term *term // of a condition

	of, key *operand // of a map's entry
}

// A checker gives types to a syntax tree and compiles it, from the leaves up.
type checker struct {
	kind     Kind
	src      string
	warnings []Warning
}

func (c *checker) fail(n ast.Node, msg string) (operand, error) {
	return operand{}, parseError(c.src, c.offset(n), msg)
}

// offset is where n begins; the only file begins at position 1.
func (c *checker) offset(n ast.Node) int { return int(n.Pos()) - 1 }

func (c *checker) warn(offset int, msg string) {
	line, column := locate(c.src, offset)
	c.warnings = append(c.warnings, Warning{offset, line, column, msg, c.src})
}

// expression checks what may stand anywhere outside the brackets of a call.
func (c *checker) expression(n ast.Expr) (operand, error) {
	switch n := n.(type) {
	case *ast.ParenExpr:
		return c.expression(n.X)
	case *ast.UnaryExpr:
		return c.negation(n)
	case *ast.BinaryExpr:
		return c.pair(n)
	}
	return c.value(n)
}

func (c *checker) negation(n *ast.UnaryExpr) (operand, error) {
	if n.Op != token.NOT {
		return c.fail(n, n.Op.String()+" is not part of the language")
	}
	x, err := c.condition(n.X, "!")
	if err != nil {
		return operand{}, err
	}
	return operand{typ: aBool, name: "!" + x.name, offset: c.offset(n), term: notTerm(x.term)}, nil
}

// pair checks an operator between two expressions.
func (c *checker) pair(n *ast.BinaryExpr) (operand, error) {
	if n.Op == token.EQL || n.Op == token.NEQ {
		return c.comparison(n)
	}
	if n.Op != token.LAND && n.Op != token.LOR {
		return operand{}, parseError(c.src, int(n.OpPos)-1, n.Op.String()+" is not part of the language")
	}
	x, err := c.condition(n.X, n.Op.String())
	if err != nil {
		return operand{}, err
	}
	y, err := c.condition(n.Y, n.Op.String())
	if err != nil {
		return operand{}, err
	}
	t := andTerm(x.term, y.term)
	if n.Op == token.LOR {
		t = orTerm(x.term, y.term)
	}
	// The name is never shown: a message points at the leaves. Building it
	// would cost the square of the length of a long chain.
	return operand{typ: aBool, name: "the condition", offset: c.offset(n), term: t}, nil
}

func (c *checker) comparison(n *ast.BinaryExpr) (operand, error) {
	x, err := c.expression(n.X)
	if err != nil {
		return operand{}, err
	}
	y, err := c.expression(n.Y)
	if err != nil {
		return operand{}, err
	}
	if x.typ == aText && y.typ == aText {
		return c.compareText(n, x, y), nil
	}
	at, msg := x, "%s compares two strings, and %s is %s"
	if x.typ == aText {
		at = y
	}
	if x.typ == aList || y.typ == aList {
		msg += "; write contains(list, string), or equals(list, list)"
	}
	return operand{}, parseError(c.src, at.offset, fmt.Sprintf(msg, n.Op, at.name, at.typ))
}

// condition checks an expression that must be true or false.
func (c *checker) condition(n ast.Expr, operator string) (operand, error) {
	x, err := c.expression(n)
	if err == nil && x.typ != aBool {
		return c.fail(n, fmt.Sprintf("%s stands beside conditions, and %s is %s", operator, x.name, x.typ))
	}
	return x, err
}

// notBool is the error of a whole expression that is no condition.
func (c *checker) notBool(x operand) error {
	msg := fmt.Sprintf("%s is %s, not a condition", x.name, x.typ)
	switch {
	case x.typ == aText && !x.literal:
		msg += fmt.Sprintf(`; write %s == "…"`, x.name)
	case x.typ == aList:
		msg += fmt.Sprintf(`; write contains(%s, "…")`, x.name)
	}
	return parseError(c.src, x.offset, msg)
}

// value checks what may stand inside the brackets of a call. Teleport takes no
// operators there, nor further brackets.
func (c *checker) value(n ast.Expr) (operand, error) {
	switch n := n.(type) {
	case *ast.BasicLit:
		return c.literal(n)
	case *ast.Ident:
		return c.fail(n, unknownVariable(c.kind, n.Name))
	case *ast.SelectorExpr:
		return c.selector(n)
	case *ast.IndexExpr:
		return c.index(n)
	case *ast.CallExpr:
		return c.call(n)
	case *ast.ParenExpr:
		return c.fail(n, "brackets around a single value are not part of the language; leave them out")
	case *ast.UnaryExpr, *ast.BinaryExpr:
		return c.fail(n, "operators stand outside the brackets of a call, not inside")
	}
	return c.fail(n, "this is Go, but not part of the language; an argument is a variable, a map's entry or a string")
}

func (c *checker) literal(n *ast.BasicLit) (operand, error) {
	x := operand{name: n.Value, offset: c.offset(n)}
	var err error
	switch n.Kind {
	case token.STRING:
		x.typ, x.literal = aText, true
		x.word, err = strconv.Unquote(n.Value)
		x.name = strconv.Quote(x.word)
		x.text = func(*Context) string { return x.word }
	case token.INT:
		// Decimal digits only, as Teleport reads them: 0x10 and 1_000 are errors.
		x.typ = aNumber
		_, err = strconv.Atoi(n.Value)
	case token.FLOAT:
		x.typ = aNumber
		_, err = strconv.ParseFloat(n.Value, 64)
	default:
		return c.fail(n, n.Value+" is not part of the language")
	}
	if err != nil {
		return c.fail(n, fmt.Sprintf("%s cannot be read: %v", n.Value, err))
	}
	return x, nil
}

// selector checks a name with dots: a variable, or an entry of a map by a key
// that is itself a name (map.key).
func (c *checker) selector(n *ast.SelectorExpr) (operand, error) {
	path, ok := dotted(n)
	if !ok {
		return c.fail(n, "a dot stands after a name only")
	}
	name := strings.Join(path, ".")
	if v, ok := variableNamed(c.kind, name); ok {
		return operand{typ: v.typ, name: name, offset: c.offset(n), text: v.text, list: v.list, dict: v.dict}, nil
	}
	last := len(path) - 1
	v, ok := variableNamed(c.kind, strings.Join(path[:last], "."))
	if !ok || v.typ != aMap {
		return c.fail(n, unknownVariable(c.kind, name))
	}
	of := operand{typ: aMap, name: v.name, offset: c.offset(n), dict: v.dict}
	key := operand{typ: aText, name: strconv.Quote(path[last]), offset: c.offset(n.Sel), literal: true, word: path[last]}
	return entry(of, key), nil
}

// dotted returns the parts of a.b.c.
func dotted(n *ast.SelectorExpr) ([]string, bool) {
	switch x := n.X.(type) {
	case *ast.Ident:
		return []string{x.Name, n.Sel.Name}, true
	case *ast.SelectorExpr:
		path, ok := dotted(x)
		return append(path, n.Sel.Name), ok
	}
	return nil, false
}

// index checks map["key"]. The key may be a variable that is a string.
func (c *checker) index(n *ast.IndexExpr) (operand, error) {
	if advice := c.indexedName(n); advice != "" {
		return c.fail(n, advice)
	}
	of, err := c.value(n.X)
	if err != nil {
		return operand{}, err
	}
	key, err := c.value(n.Index)
	if err != nil {
		return operand{}, err
	}
	switch {
	case of.typ == aList:
		return c.fail(n, fmt.Sprintf(`%s is a list, and an element cannot be picked out; write contains(%s, "…")`, of.name, of.name))
	case of.typ != aMap:
		return c.fail(n, fmt.Sprintf("%s is %s, and only a map has keys", of.name, of.typ))
	case key.typ != aText:
		return c.fail(n.Index, fmt.Sprintf("a key is a string, and %s is %s", key.name, key.typ))
	}
	of.offset = c.offset(n)
	return entry(of, key), nil
}

// indexedName is the advice for reviewer["roles"], or "".
func (c *checker) indexedName(n *ast.IndexExpr) string {
	id, ok := n.X.(*ast.Ident)
	if !ok {
		return ""
	}
	key, ok := n.Index.(*ast.BasicLit)
	if !ok || key.Kind != token.STRING {
		return ""
	}
	word, err := strconv.Unquote(key.Value)
	if err != nil {
		return ""
	}
	name := id.Name + "." + word
	if _, ok := variableNamed(c.kind, name); !ok {
		return ""
	}
	return fmt.Sprintf("%s is not a map; write %s", id.Name, name)
}

// entry is the list that a map has under a key; a missing key is an empty list.
func entry(of, key operand) operand {
	x := operand{typ: aList, name: of.name + "[" + key.name + "]", offset: of.offset, of: &of, key: &key}
	dict, text, word := of.dict, key.text, key.word
	if key.literal {
		x.list = func(c *Context) []string { return dict(c)[word] }
	} else {
		x.list = func(c *Context) []string { return dict(c)[text(c)] }
	}
	return x
}
