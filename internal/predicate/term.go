package predicate

// outcomes is a set of what can come of asking a term.
type outcomes uint8

const (
	yes outcomes = 1 << iota
	no
	fails
)

// outcome is the one of yes and no that answer stands for.
func outcome(answer bool) outcomes {
	if answer {
		return yes
	}
	return no
}

// An operator says how a term is made of others.
type operator uint8

const (
	leaf operator = iota
	not
	and
	or
)

// A term is a condition: a call or comparison (a leaf), or others joined.
type term struct {
	op   operator
	x, y *term
	ask  func(*Context) (bool, error)

	// Of a leaf:
	name     string     // as shown to people
	subject  string     // leaves of one subject answer alike in one context
	opposite bool       // but this one, a !=, the other way round
	args     []operand  // what is compared
	can      outcomes   // what asking can come to, before opposite
	fault    *EvalError // why it always fails, if it does
}

func notTerm(x *term) *term {
	ask := x.ask
	return &term{op: not, x: x, ask: func(c *Context) (bool, error) {
		v, err := ask(c)
		return !v && err == nil, err
	}}
}

func andTerm(x, y *term) *term {
	left, right := x.ask, y.ask
	return &term{op: and, x: x, y: y, ask: func(c *Context) (bool, error) {
		if v, err := left(c); !v || err != nil {
			return false, err
		}
		return right(c)
	}}
}

func orTerm(x, y *term) *term {
	left, right := x.ask, y.ask
	return &term{op: or, x: x, y: y, ask: func(c *Context) (bool, error) {
		if v, err := left(c); v || err != nil {
			return v && err == nil, err
		}
		return right(c)
	}}
}
