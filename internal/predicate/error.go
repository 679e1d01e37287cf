package predicate

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ParseError says why a text is not an expression, and where.
type ParseError struct {
	Offset int    // bytes before the fault; never beyond the source
	Line   int    // from 1
	Column int    // in characters, from 1
	Msg    string // what is wrong, and what to write instead
	Src    string // the whole text
}

// Error says where the fault is, what it is and what to write instead.
func (e *ParseError) Error() string { return place(e.Src, e.Line, e.Column) + ": " + e.Msg }

// Snippet shows the line at fault and a caret under the fault.
func (e *ParseError) Snippet() string { return snippet(e.Src, e.Offset) }

// EvalError says which call of an expression cannot be evaluated, and why.
type EvalError struct {
	Offset, Line, Column int // as in ParseError
	Msg                  string
	Src                  string
}

// Error says where the call stands and why it cannot be evaluated.
func (e *EvalError) Error() string { return place(e.Src, e.Line, e.Column) + ": " + e.Msg }

// Snippet shows the line of the call and a caret under it.
func (e *EvalError) Snippet() string { return snippet(e.Src, e.Offset) }

// Warning is something in a valid expression that hardly can be meant.
type Warning struct {
	Offset, Line, Column int // as in ParseError
	Msg                  string
	Src                  string
}

// String says where the warning belongs and what it is.
func (w Warning) String() string { return place(w.Src, w.Line, w.Column) + ": " + w.Msg }

func parseError(src string, offset int, msg string) *ParseError {
	offset = inside(src, offset)
	line, column := locate(src, offset)
	return &ParseError{Offset: offset, Line: line, Column: column, Msg: cut(msg), Src: src}
}

func evalError(src string, offset int, msg string) *EvalError {
	offset = inside(src, offset)
	line, column := locate(src, offset)
	return &EvalError{Offset: offset, Line: line, Column: column, Msg: cut(msg), Src: src}
}

// maxMessage is the most bytes of a message, which may quote the source.
const maxMessage = 1000

func cut(msg string) string {
	if len(msg) <= maxMessage {
		return msg
	}
	return strings.ToValidUTF8(msg[:maxMessage], "") + "…"
}

func inside(src string, offset int) int { return max(0, min(offset, len(src))) }

// locate works from the offset and not from go/token's lines, because a //line
// comment in the text would move those.
func locate(src string, offset int) (line, column int) {
	before := src[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[start:])
}

func place(src string, line, column int) string {
	if line <= 1 && !strings.Contains(src, "\n") {
		return fmt.Sprintf("column %d", column)
	}
	return fmt.Sprintf("line %d, column %d", line, column)
}

func snippet(src string, offset int) string {
	offset = inside(src, offset)
	start := strings.LastIndexByte(src[:offset], '\n') + 1
	line, _, _ := strings.Cut(src[start:], "\n")
	var margin strings.Builder
	for _, r := range src[start:offset] {
		if r != '\t' {
			r = ' '
		}
		margin.WriteRune(r)
	}
	return line + "\n" + margin.String() + "^"
}
