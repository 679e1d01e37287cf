// Package predicate is the language of a role's conditions: the `where` of
// review_requests and the `filter` of a threshold.
//
// It is the dialect of Teleport 16 and later, which is Go expression syntax with
// three functions (equals, contains, regexp.match), the operators && || ! and,
// between strings, == and !=. Text is parsed, checked for types and turned into
// closures once, by Parse; Eval is then about 0.1 µs and allocates nothing.
//
// The one thing to know: as in Teleport there are two kinds of wrong. What can
// be seen in the text is a ParseError. A call with arguments that it can never
// compare, such as equals(request.roles, "x"), is an EvalError at the moment it
// is reached, because && and || may skip it. NeverEvaluates tells when nothing
// but errors can come of an expression, so that it can be refused when stored.
package predicate

import "fmt"

// Kind says what an expression is for, and so which variables it knows.
type Kind string

// The kinds of expression.
const (
	Review    Kind = "review"    // `where` of review_requests: knows reviewer and request
	Threshold Kind = "threshold" // `filter` of a threshold: knows review as well
)

// Limits keep a hostile text from costing more than it should. Teleport has no
// such limits of its own; no role seen in practice comes near them.
const (
	MaxSource = 16 << 10 // bytes of source
	MaxDepth  = 100      // brackets and negations inside one another
)

// Context is what an expression is asked about. A missing list, map or key is
// an empty list.
type Context struct {
	Reviewer struct {
		Roles  []string
		Traits map[string][]string
	}
	Request struct {
		Roles             []string
		Reason            string
		SystemAnnotations map[string][]string
	}
	// Review is known to Threshold expressions only.
	Review struct {
		Reason      string
		Annotations map[string][]string
	}
}

// Expr is a parsed expression. It does not change and may be shared. The zero
// Expr and the nil one answer false, with an error.
type Expr struct {
	kind     Kind
	source   string
	root     *term
	warnings []Warning
}

// Parse reads an expression, checks the types of everything in it, and compiles
// it. Its error is a *ParseError. The empty text is an error here: a role
// without a condition has no expression to parse.
func Parse(kind Kind, src string) (*Expr, error) {
	if kind != Review && kind != Threshold {
		return nil, parseError(src, 0, fmt.Sprintf("unknown kind of expression %q; write review or threshold", string(kind)))
	}
	tree, err := readSyntax(src)
	if err != nil {
		return nil, err
	}
	c := checker{kind: kind, src: src}
	root, err := c.expression(tree)
	if err != nil {
		return nil, err
	}
	if root.typ != aBool {
		return nil, c.notBool(root)
	}
	return &Expr{kind: kind, source: src, root: root.term, warnings: c.warnings}, nil
}

// Eval answers the expression about c. An error is an *EvalError, and then the
// answer is false; in Teleport it blocks the review. The right side of && and
// || is not asked, and so cannot fail, when the left side decides.
func (e *Expr) Eval(c *Context) (bool, error) {
	if e == nil || e.root == nil {
		return false, &EvalError{Line: 1, Column: 1, Msg: "there is no expression to evaluate"}
	}
	if c == nil {
		return false, &EvalError{Line: 1, Column: 1, Msg: "there is nothing to evaluate the expression about", Src: e.source}
	}
	return e.root.ask(c)
}

// Kind returns what the expression was parsed as.
func (e *Expr) Kind() Kind {
	if e == nil {
		return ""
	}
	return e.kind
}

// String returns the source as it was written.
func (e *Expr) String() string {
	if e == nil {
		return ""
	}
	return e.source
}
