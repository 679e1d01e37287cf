package cli

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plain takes everything out of a server's text that a terminal would act on: escape
// sequences with all that belongs to them, control characters, and characters that turn
// the direction of writing. Line ends and tabs become spaces.
func plain(text string) string {
	if strings.IndexFunc(text, acts) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == 0x1b || r >= 0x80 && r <= 0x9f:
			i += sequence(text[i:], r, size)
			continue
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case !acts(r):
			b.WriteRune(r) // what is no UTF-8 comes as U+FFFD
		}
		i += size
	}
	return b.String()
}

// plainLines is plain for a text of several lines.
func plainLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = plain(l)
	}
	return strings.Join(lines, "\n")
}

// acts reports whether a terminal does something with a character instead of showing it.
func acts(r rune) bool {
	switch r {
	case '\u2028', '\u2029', '\ufeff', '\ufffe', '\uffff': // ends of lines, and what YAML refuses
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// sequence returns the length of the escape sequence at the start of text, whose first
// character r has size bytes (ECMA-48: ESC with a letter, or the one character for both).
func sequence(text string, r rune, size int) int {
	kind, body := r-0x40, size // U+009B stands for ESC [
	if r == 0x1b {
		if len(text) == 1 {
			return 1
		}
		kind, body = rune(text[1]), 2
	}
	switch kind {
	case '[': // up to the final byte
		for i := body; i < len(text); i++ {
			switch c := text[i]; {
			case c >= 0x40 && c <= 0x7e:
				return i + 1
			case c < 0x20 || c > 0x7e:
				return i
			}
		}
		return len(text)
	case ']', 'P', '_', '^', 'X': // up to BEL or ST
		return stringSequence(text, body)
	}
	if r != 0x1b {
		return size
	}
	for i := 1; i < len(text); i++ { // intermediate bytes, then the final one
		switch c := text[i]; {
		case c >= 0x30 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x7e:
			return i
		}
	}
	return len(text)
}

// stringSequence finds the end of a sequence that carries a text. One that nobody ends
// takes only its own line, so that nothing can hide what stands below.
func stringSequence(text string, from int) int {
	for i := from; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == 0x07 || r == 0x9c:
			return i + size
		case r == 0x1b && strings.HasPrefix(text[i:], "\x1b\\"):
			return i + 2
		case r == 0x1b || r == '\n':
			return i
		}
		i += size
	}
	return len(text)
}

// quoted returns JSON or double-quoted YAML in which a terminal finds nothing to act on:
// what acts is written as \u…, which means the same.
func quoted(text []byte) []byte {
	if !strings.ContainsFunc(string(text), func(r rune) bool { return r > 0x7e && acts(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range string(text) {
		if r > 0x7e && acts(r) {
			const hex = "0123456789abcdef"
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(hex[r>>shift&0xf])
			}
			continue
		}
		b.WriteRune(r)
	}
	return []byte(b.String())
}
