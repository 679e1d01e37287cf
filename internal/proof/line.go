package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
)

// A line is what the walk needs of one line of an export. Its slices lie in the text.
type line struct {
	seq, at         int64 // at in microseconds since 1970
	actor, via      []byte
	action, subject []byte // JSON strings with their quotes, in the canonical form
	detail          []byte
	prev, hash      []byte // 64 digits
}

// scan reads a line in exactly the form in which audit export writes it. What is written in
// another way, though it may mean the same, is not ok: then decode says what it means.
func scan(text []byte) (l line, ok bool) {
	c := cursor{rest: text}
	c.word(`{"seq":`)
	l.seq = c.number()
	c.word(`,"at":"`)
	l.at = c.moment()
	c.word(`","actor":`)
	l.actor = c.text()
	c.word(`,"via":`)
	l.via = c.text()
	c.word(`,"action":`)
	l.action = c.text()
	c.word(`,"subject":`)
	l.subject = c.text()
	c.word(`,"detail":`)
	l.detail = c.text()
	c.word(`,"prev":"`)
	l.prev = c.digest()
	c.word(`","hash":"`)
	l.hash = c.digest()
	c.word(`"}`)
	return l, !c.bad && len(c.rest) == 0
}

// sum computes the hash of a line as core.SealEntry does. It builds what is hashed in buf,
// which it returns for the next line.
func (l line) sum(buf []byte) (digest [2 * sha256.Size]byte, _ []byte) {
	b := append(buf[:0], '[')
	b = strconv.AppendInt(b, l.seq, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, l.at, 10)
	for _, s := range [...][]byte{l.actor, l.via, l.action, l.subject, l.detail} {
		b = append(b, ',')
		b = append(b, s...)
	}
	b = append(b, ',', '"')
	b = append(b, l.prev...)
	b = append(b, '"', ']')
	sum := sha256.Sum256(b)
	hex.Encode(digest[:], sum[:])
	return digest, b
}

// A cursor reads from the front of a text. After the first thing that is not as expected it
// is bad and reads nothing more.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) fail() { c.bad, c.rest = true, nil }

func (c *cursor) word(w string) {
	if len(c.rest) < len(w) || string(c.rest[:len(w)]) != w {
		c.fail()
		return
	}
	c.rest = c.rest[len(w):]
}

// number reads a positive number of at most 18 digits.
func (c *cursor) number() (n int64) {
	i := 0
	for ; i < len(c.rest) && c.rest[i]-'0' <= 9; i++ {
		if i == 18 {
			break
		}
		n = 10*n + int64(c.rest[i]-'0')
	}
	if i == 0 || i == 18 || c.rest[0] == '0' {
		c.fail()
		return 0
	}
	c.rest = c.rest[i:]
	return n
}

// digits reads n digits from a place on.
func digits(b []byte) (n int, ok bool) {
	for _, d := range b {
		if d-'0' > 9 {
			return 0, false
		}
		n = 10*n + int(d-'0')
	}
	return n, true
}

// moment reads a time in UTC with at most microseconds: 2026-03-01T12:00:00.000001Z.
func (c *cursor) moment() int64 {
	const form = "2006-01-02T15:04:05"
	b := c.rest
	if len(b) < len(form)+1 || b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		c.fail()
		return 0
	}
	var n [6]int
	for i, at := range [...][2]int{{0, 4}, {5, 7}, {8, 10}, {11, 13}, {14, 16}, {17, 19}} {
		var ok bool
		if n[i], ok = digits(b[at[0]:at[1]]); !ok {
			c.fail()
			return 0
		}
	}
	// The 29th and later may not exist in its month; those few days are decoded by the library.
	if n[0] < 1970 || n[1] < 1 || n[1] > 12 || n[2] < 1 || (n[2] > 28 && n[2] > daysIn(n[0], n[1])) || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		c.fail()
		return 0
	}
	b = b[len(form):]
	micros, places := int64(0), 0
	if b[0] == '.' {
		for b = b[1:]; places < len(b) && b[places]-'0' <= 9; places++ {
			micros = 10*micros + int64(b[places]-'0')
			if places == 6 {
				c.fail()
				return 0
			}
		}
		if places == 0 || b[places-1] == '0' { // the library writes neither
			c.fail()
			return 0
		}
		b = b[places:]
		for ; places < 6; places++ {
			micros *= 10
		}
	}
	if len(b) == 0 || b[0] != 'Z' {
		c.fail()
		return 0
	}
	c.rest = b[1:]
	return ((days(n[0], n[1], n[2])*24+int64(n[3]))*60+int64(n[4]))*60_000_000 + int64(n[5])*1_000_000 + micros
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	default:
		return 31
	}
}

// days counts from 1970 on, for years from then on: a year begins in March here, so that the
// day that may be missing is its last.
func days(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return int64(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468)
}

// text reads a JSON string and returns it with its quotes. It must be written as RFC 8785 does.
func (c *cursor) text() []byte {
	b := c.rest
	if len(b) == 0 || b[0] != '"' {
		c.fail()
		return nil
	}
	ascii := true
	for i := 1; i < len(b); i++ {
		switch d := b[i]; {
		case d == '"':
			if !ascii && !utf8.Valid(b[:i]) {
				c.fail()
				return nil
			}
			c.rest = b[i+1:]
			return b[:i+1]
		case d == '\\':
			n := escape(b[i+1:])
			if n == 0 {
				c.fail()
				return nil
			}
			i += n
		case d < ' ':
			c.fail()
			return nil
		case d >= utf8.RuneSelf:
			ascii = false
		}
	}
	c.fail()
	return nil
}

// escape returns how long what follows a backslash is; 0 where RFC 8785 would not write it.
func escape(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
	default:
		return 0
	}
	if len(b) < 5 || b[1] != '0' || b[2] != '0' || (b[3] != '0' && b[3] != '1') {
		return 0
	}
	low := bytes.IndexByte([]byte("0123456789abcdef"), b[4])
	if low < 0 || (b[3] == '0' && bytes.IndexByte([]byte("89acd"), b[4]) >= 0) {
		return 0 // those have short forms
	}
	return 5
}

// digest reads 64 hexadecimal digits in lower case.
func (c *cursor) digest() []byte {
	const n = 2 * sha256.Size
	if len(c.rest) < n {
		c.fail()
		return nil
	}
	for _, d := range c.rest[:n] {
		if d-'0' > 9 && d-'a' > 5 {
			c.fail()
			return nil
		}
	}
	out := c.rest[:n]
	c.rest = c.rest[n:]
	return out
}

// written is an entry as an export has it.
type written struct {
	Seq     int64     `json:"seq"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Via     string    `json:"via"`
	Action  string    `json:"action"`
	Subject string    `json:"subject"`
	Detail  string    `json:"detail"`
	Prev    string    `json:"prev"`
	Hash    string    `json:"hash"`
}

// decode reads a line of an export that may be written in any way JSON allows, such as by jq.
func decode(text []byte) (core.AuditEntry, error) {
	var w written
	if err := exact(text, "seq", "at", "actor", "via", "action", "subject", "detail", "prev", "hash"); err != nil {
		return core.AuditEntry{}, err
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return core.AuditEntry{}, err
	}
	if !w.At.Equal(w.At.Truncate(time.Microsecond)) {
		return core.AuditEntry{}, core.Errorf(core.Invalid, "its time has more than microseconds")
	}
	return core.AuditEntry(w), nil
}

// exact refuses what is not one flat object with these names, each once at most and in exactly
// this spelling. Package encoding/json takes other cases for the same name, and the last of two.
func exact(text []byte, names ...string) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return core.Errorf(core.Invalid, "it is not a JSON object")
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string) // a key is nothing else
		if !slices.Contains(names, name) || seen[name] {
			return core.Errorf(core.Invalid, "the name %.32q does not belong there, or stands there twice", name)
		}
		seen[name] = true
		if t, err = d.Token(); err != nil {
			return err
		}
		if _, nested := t.(json.Delim); nested {
			return core.Errorf(core.Invalid, "%s is not a single value", name)
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return core.Errorf(core.Invalid, "there is something behind the object")
	}
	return nil
}
