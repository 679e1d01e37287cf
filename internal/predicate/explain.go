package predicate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Step is one call or comparison of an expression and what came of it.
type Step struct {
	Expr   string // the call, with its keys and strings written in one way
	Result string // "true", "false", "error" or "not asked"
	Why    string // the values behind the result, or the error
}

// String says the step in a sentence.
func (s Step) String() string {
	switch s.Result {
	case "error":
		return s.Expr + " cannot be evaluated: " + s.Why
	case "not asked":
		return s.Expr + " was not asked"
	}
	if s.Why == "" {
		return s.Expr + " is " + s.Result
	}
	return s.Expr + " is " + s.Result + ": " + s.Why
}

// Steps evaluates the expression and returns each of its calls, in the order of
// the text.
func (e *Expr) Steps(c *Context) []Step {
	if e == nil || e.root == nil || c == nil {
		return nil
	}
	return e.root.explain(c, nil)
}

// Explain says what the expression answers about c and why, for the person who
// was let in or refused. An expression of a single call is one line; a longer
// one is a line for the whole and an indented line for each call.
func (e *Expr) Explain(c *Context) string {
	v, err := e.Eval(c)
	steps := e.Steps(c)
	if len(steps) == 0 {
		return fmt.Sprint(err)
	}
	if len(steps) == 1 && e.root.op == leaf {
		return steps[0].String()
	}
	head := fmt.Sprintf("the condition is %t:", v)
	if err != nil {
		head = "the condition cannot be evaluated:"
	}
	lines := []string{head}
	for _, s := range steps {
		lines = append(lines, "  "+s.String())
	}
	return strings.Join(lines, "\n")
}

// explain adds the steps of t.
func (t *term) explain(c *Context, steps []Step) []Step {
	switch t.op {
	case not:
		return t.x.explain(c, steps)
	case and, or:
		steps = t.x.explain(c, steps)
		if v, err := t.x.ask(c); err != nil || v == (t.op == or) {
			return t.y.skip(steps)
		}
		return t.y.explain(c, steps)
	}
	s := Step{Expr: t.name}
	v, err := t.ask(c)
	if err == nil {
		s.Result, s.Why = strconv.FormatBool(v), t.values(c)
	} else {
		s.Result, s.Why = "error", err.Error()
		if fault := (*EvalError)(nil); errors.As(err, &fault) {
			s.Why = fault.Msg
		}
	}
	return append(steps, s)
}

func (t *term) skip(steps []Step) []Step {
	switch t.op {
	case not:
		return t.x.skip(steps)
	case and, or:
		return t.y.skip(t.x.skip(steps))
	}
	return append(steps, Step{Expr: t.name, Result: "not asked"})
}

// values says what the leaf compared, other than what stands in its text.
func (t *term) values(c *Context) string {
	var said []string
	for i, x := range t.args {
		if x.literal || i > 0 && x.name == t.args[0].name {
			continue
		}
		said = append(said, x.say(c, len(t.args) == 2 && t.args[1].literal))
	}
	return strings.Join(said, " and ")
}

// say tells the value of a variable; alone means that no other list is meant.
func (x operand) say(c *Context, alone bool) string {
	if x.typ == aText {
		return x.name + " is " + shown(x.text(c), true)
	}
	if x.of != nil {
		key := x.key.word
		if !x.key.literal {
			key = x.key.text(c)
		}
		if _, ok := x.of.dict(c)[key]; !ok {
			return fmt.Sprintf("%s has no %s", x.of.name, shown(key, true))
		}
	}
	name := "the list"
	if !alone {
		name = x.name
	}
	return name + " is " + shownList(x.list(c))
}

// Values come from other people and other systems: an explanation quotes what
// could be mistaken for its own words and cuts what is long.
const (
	maxShown     = 80
	maxShownList = 20
)

func shownList(list []string) string {
	if len(list) == 0 {
		return "empty"
	}
	var parts []string
	for i, s := range list {
		if i == maxShownList {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		parts = append(parts, shown(s, false))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func shown(s string, quoted bool) string {
	cut := ""
	if utf8.RuneCountInString(s) > maxShown {
		s, cut = string([]rune(s)[:maxShown]), "…"
	}
	plain := s != "" && strings.TrimSpace(s) == s && !strings.ContainsAny(s, `",[]\`) && utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	if plain && !quoted {
		return s + cut
	}
	return strconv.Quote(s) + cut
}
