package predicate

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"strings"
)

// A word is one token of the source.
type word struct {
	tok    token.Token
	lit    string
	offset int
}

// readSyntax turns the source into Go's syntax tree.
//
// The words are read twice: first here, where everything that has no place in
// the language is refused with advice and the depth is measured, then by Go's
// own parser, which thus sees only text that it can neither choke on nor take
// for something larger than an expression.
func readSyntax(src string) (ast.Expr, error) {
	if len(src) > MaxSource {
		return nil, parseError(src, MaxSource, fmt.Sprintf("the expression is longer than %d bytes", MaxSource))
	}
	words, err := readWords(src)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, parseError(src, 0, "the expression is empty")
	}
	if err := checkBrackets(src, words); err != nil {
		return nil, err
	}
	tree, err := parser.ParseExprFrom(token.NewFileSet(), "", src, 0)
	if err != nil {
		return nil, explainSyntax(src, words, err)
	}
	return tree, nil
}

// readWords splits the source into words and refuses those that no expression
// of the language can have.
func readWords(src string) ([]word, error) {
	var fault *ParseError
	file := token.NewFileSet().AddFile("", 1, len(src))
	var s scanner.Scanner
	s.Init(file, []byte(src), func(at token.Position, msg string) {
		if fault == nil {
			fault = parseError(src, at.Offset, scannerAdvice(msg))
		}
	}, 0)
	var words []word
	for {
		pos, tok, lit := s.Scan()
		w := word{tok, lit, file.Offset(pos)}
		if advice := foreignWord(w); advice != "" {
			// Of a character literal that is also malformed, this advice is the better.
			return nil, parseError(src, w.offset, advice)
		}
		if fault != nil {
			return nil, fault
		}
		if tok == token.EOF {
			return words, nil
		}
		words = append(words, w)
	}
}

func scannerAdvice(msg string) string {
	switch {
	case strings.Contains(msg, "string literal not terminated"):
		return "the string is never closed"
	case strings.Contains(msg, "rune literal"), strings.Contains(msg, "curly quotation mark"):
		return `strings stand in double quotes ("x") or back quotes`
	}
	return msg
}

// foreignWord gives the advice for a word that no expression can have, or "".
func foreignWord(w word) string {
	switch w.tok {
	case token.CHAR:
		return `single quotes hold no string; write double quotes ("x") or back quotes`
	case token.ASSIGN:
		return "= assigns and is not part of the language; write == to compare two strings"
	case token.AND:
		return "& is not part of the language; write &&"
	case token.OR:
		return "| is not part of the language; write ||"
	case token.LBRACE, token.RBRACE:
		return "braces are not part of the language: templates such as {{external.x}} and literals of lists are not known here"
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		return w.tok.String() + " is not part of the language; strings are compared with == and != only"
	case token.COLON:
		return "slices are not part of the language"
	case token.SEMICOLON:
		if w.lit == "\n" {
			return "" // Go's scanner puts it in at a line break
		}
		return "a semicolon is not part of the language; join conditions with && or ||"
	case token.IMAG:
		return "numbers are not part of the language; every value is a string or a list of strings"
	case token.EOF, token.ILLEGAL, token.IDENT, token.INT, token.FLOAT, token.STRING, token.LPAREN, token.RPAREN, token.LBRACK,
		token.RBRACK, token.COMMA, token.PERIOD, token.ELLIPSIS, token.NOT, token.LAND, token.LOR, token.EQL, token.NEQ:
		return ""
	}
	if w.tok.IsKeyword() {
		return fmt.Sprintf(`%s is a keyword of Go and not part of the language; a key of that name stands in quotes: map["%s"]`, w.lit, w.lit)
	}
	return w.tok.String() + " is not part of the language"
}

// checkBrackets refuses brackets without a partner and too deep a nest.
func checkBrackets(src string, words []word) error {
	type bracket struct{ at, base int }
	var open []bracket
	depth, base := 0, 0
	for i, w := range words {
		switch w.tok {
		case token.NOT:
			depth++
		case token.LPAREN, token.LBRACK:
			open = append(open, bracket{i, base})
			depth++
			base = depth
		case token.RPAREN, token.RBRACK:
			if len(open) == 0 {
				return parseError(src, w.offset, w.tok.String()+" closes nothing")
			}
			last := open[len(open)-1]
			if partner := words[last.at].tok; (partner == token.LPAREN) != (w.tok == token.RPAREN) {
				return parseError(src, w.offset, fmt.Sprintf("%s does not close the %s before it", w.tok, partner))
			}
			open, base = open[:len(open)-1], last.base
			depth = base
		default:
			depth = base
		}
		if depth > MaxDepth {
			return parseError(src, w.offset, fmt.Sprintf("more than %d brackets and negations inside one another", MaxDepth))
		}
	}
	if len(open) > 0 {
		w := words[open[len(open)-1].at]
		return parseError(src, w.offset, fmt.Sprintf("this %s is never closed", w.tok))
	}
	return nil
}

// explainSyntax puts an error of Go's parser into words for people who do not
// write Go.
func explainSyntax(src string, words []word, err error) *ParseError {
	var list scanner.ErrorList
	if !errors.As(err, &list) || len(list) == 0 {
		return parseError(src, 0, err.Error())
	}
	offset := list[0].Pos.Offset
	here, before := wordsAt(words, offset)
	for _, w := range []word{here, before} {
		if advice := spelledOperator(w); advice != "" {
			return parseError(src, w.offset, advice)
		}
	}
	switch {
	case here.tok.IsOperator() && before.tok == token.SEMICOLON:
		return parseError(src, offset, fmt.Sprintf("a line cannot begin with %s; put it at the end of the line before", here.tok))
	case strings.Contains(list[0].Msg, "before newline"):
		return parseError(src, offset, "a line break after an argument ends the expression; put a comma or the closing bracket before it")
	case strings.HasPrefix(list[0].Msg, "expected type,"):
		return parseError(src, offset, "square brackets hold one key of a map; a function is called with round ones")
	case strings.HasPrefix(list[0].Msg, "expected selector"):
		return parseError(src, offset, `after a dot stands a name; other keys are written map["…"]`)
	}
	msg := strings.NewReplacer("'EOF'", "the end", "'STRING'", "a string", "newline", "a line break").Replace(list[0].Msg)
	return parseError(src, offset, msg)
}

// wordsAt returns the word at the offset and the one before it.
func wordsAt(words []word, offset int) (here, before word) {
	for i, w := range words {
		if w.offset >= offset {
			if w.offset > offset {
				w = word{}
			}
			if i > 0 {
				before = words[i-1]
			}
			return w, before
		}
	}
	return word{}, words[len(words)-1]
}

func spelledOperator(w word) string {
	if w.tok != token.IDENT {
		return ""
	}
	operator := map[string]string{"and": "&&", "or": "||", "not": "!"}[strings.ToLower(w.lit)]
	if operator == "" {
		return ""
	}
	return fmt.Sprintf("%s is not part of the language; write %s", w.lit, operator)
}
