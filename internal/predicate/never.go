package predicate

import "fmt"

// maxSteps bounds the search of NeverEvaluates. Where it ends early the answer
// is that the expression may be evaluated.
const maxSteps = 10_000

// NeverEvaluates returns an error, wrapping the *EvalError at fault, if asking
// the expression fails in every context. Teleport stores such an expression and
// then blocks each review; Sallyport refuses the role that holds it.
//
// It refuses no expression that some context can make true or false: && and ||
// may skip the part that fails. Equal calls are known to answer alike, and
// calls of literals to answer one thing; other relations between calls are not
// looked into, and an expression that fails only because of them is let through.
func (e *Expr) NeverEvaluates() error {
	if e == nil || e.root == nil {
		return fmt.Errorf("can never be evaluated: %w", &EvalError{Line: 1, Column: 1, Msg: "there is no expression"})
	}
	s := search{known: map[string]outcomes{}, steps: maxSteps}
	s.walk(e.root, func(o outcomes) { s.answered = s.answered || o != fails })
	if s.answered || s.fault == nil {
		return nil
	}
	return fmt.Errorf("can never be evaluated: %w", s.fault)
}

// Warnings returns what in a valid expression hardly can be meant: calls that
// fail whenever they are reached, contains on a single string, and an ellipsis.
func (e *Expr) Warnings() []Warning {
	if e == nil {
		return nil
	}
	return e.warnings
}

// A search goes through the ways in which the leaves can answer until it meets
// one in which the whole does.
type search struct {
	known    map[string]outcomes // what was supposed of each subject
	fault    *EvalError          // the first met
	answered bool
	steps    int
}

// walk calls then with each outcome that t can come to, while known holds what
// that supposes.
func (s *search) walk(t *term, then func(outcomes)) {
	switch t.op {
	case leaf:
		s.leaf(t, then)
	case not:
		s.walk(t.x, func(o outcomes) { then(reverse(o)) })
	case and, or:
		goesOn := yes
		if t.op == or {
			goesOn = no
		}
		s.walk(t.x, func(o outcomes) {
			if o == goesOn {
				s.walk(t.y, then)
			} else {
				then(o)
			}
		})
	}
}

func (s *search) leaf(t *term, then func(outcomes)) {
	can, supposed := t.can, false
	if o, ok := s.known[t.subject]; ok {
		can, supposed = o, true
	}
	for _, o := range []outcomes{yes, no, fails} {
		if can&o == 0 {
			continue
		}
		if s.steps--; s.answered || s.steps < 0 {
			s.answered = true
			return
		}
		if o == fails && s.fault == nil {
			s.fault = t.fault
		}
		if !supposed {
			s.known[t.subject] = o
		}
		answer := o
		if t.opposite {
			answer = reverse(o)
		}
		then(answer)
	}
	if !supposed {
		delete(s.known, t.subject)
	}
}

func reverse(o outcomes) outcomes {
	switch o {
	case yes:
		return no
	case no:
		return yes
	}
	return o
}
