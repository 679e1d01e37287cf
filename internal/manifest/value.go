package manifest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Duration reads a length of time as the command line takes it: "1h30m", "8h0m0s", "7d", "2w",
// or bare minutes ("60060").
func Duration(s string) (time.Duration, error) {
	if isDigits(s) {
		s += "m"
	}
	d, err := parseDuration(s)
	if err != nil {
		return 0, wrong("%.40q is not a duration", s).WithHint(durationHint)
	}
	return d, nil
}

const durationHint = `a duration looks like "30m", "8h", "1h30m" or "7d"`

// longest keeps durations far away from what a time.Duration can hold.
const longest = 10 * 365 * 24 * time.Hour

var withDays = regexp.MustCompile(`^(?:(\d{1,6})w)?(?:(\d{1,6})d)?(.*)$`)

func parseDuration(s string) (time.Duration, error) {
	m := withDays.FindStringSubmatch(s)
	if m == nil || s == "" {
		return 0, fmt.Errorf("not a duration")
	}
	weeks, _ := strconv.Atoi("0" + m[1])
	days, _ := strconv.Atoi("0" + m[2])
	total := time.Duration(7*weeks+days) * 24 * time.Hour
	if m[3] != "" {
		rest, err := time.ParseDuration(m[3])
		if err != nil || isDigits(m[3]) {
			return 0, fmt.Errorf("not a duration")
		}
		if total > longest || rest > longest || rest < 0 {
			return 0, fmt.Errorf("out of range")
		}
		total += rest
	}
	if 7*weeks+days > 3650 || total > longest {
		return 0, fmt.Errorf("out of range")
	}
	return total, nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// shortDuration writes 8h where Go writes 8h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A span is a duration in text.
type span time.Duration

func (span) check(_ *checker, n *node, path string) (*node, error) {
	d, err := parseDuration(n.text)
	if n.is != isText || err != nil {
		return nil, wrong("%s at line %d must be a duration", path, n.line).WithHint(durationHint)
	}
	return &node{is: isText, line: n.line, text: shortDuration(d)}, nil
}

// UnmarshalJSON reads the canonical text.
func (s *span) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	d, err := parseDuration(text)
	*s = span(d)
	return err
}

// A session is a span that may also be bare minutes, as page 004 counts sessions.
type session struct{ span }

func (session) check(c *checker, n *node, path string) (*node, error) {
	if (n.is == isNumber || n.is == isText) && isDigits(n.text) {
		minutes := &node{is: isText, line: n.line, text: n.text + "m"}
		c.warn("%s at line %d is taken as %s minutes", path, n.line, n.text)
		n = minutes
	}
	return span(0).check(c, n, path)
}

// A count is a whole number from zero to a million.
type count int

func (count) check(_ *checker, n *node, path string) (*node, error) {
	i, err := strconv.Atoi(n.text)
	if n.is != isNumber || err != nil || i < 0 || i > 1_000_000 {
		return nil, wrong("%s at line %d must be a whole number, zero or more", path, n.line)
	}
	return n, nil
}

// lists maps names to lists of text; a bare text is a list of one.
type lists map[string][]string

func (lists) check(c *checker, n *node, path string) (*node, error) {
	if n.is != isObject {
		return nil, mismatch(path, n, isObject)
	}
	full := &node{is: isObject, line: n.line}
	for _, f := range n.fields {
		if f.value.is == isText {
			f.value = &node{is: isList, line: f.value.line, items: []*node{f.value}}
		}
		full.fields = append(full.fields, f)
	}
	return c.checkMap(full, typeOf[[]string](), path)
}

// oneOf checks text that must be one of a few words.
func oneOf(n *node, path string, words ...string) (*node, error) {
	if n.is != isText {
		return nil, mismatch(path, n, isText)
	}
	if slices.Contains(words, n.text) {
		return n, nil
	}
	if near := core.Nearest(n.text, words); near != "" && n.text != "" {
		return nil, wrong("%s at line %d cannot be %q; did you mean %q?", path, n.line, n.text, near)
	}
	return nil, wrong("%s at line %d cannot be %q", path, n.line, n.text).
		WithHint("known are %s", strings.Join(words, ", "))
}

// A reference names a credential and never is one.
type reference string

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (reference) check(_ *checker, n *node, path string) (*node, error) {
	if n.is != isText {
		return nil, mismatch(path, n, isText)
	}
	return n, checkReference(n.text, n.line, path)
}

// checkReference refuses literal credentials. Whatever is wrong, the text is not repeated.
func checkReference(text string, line int, path string) error {
	const hint = "keep the value in an environment variable of the server and write env:NAME, or in a file and write file:PATH"
	scheme, rest, _ := strings.Cut(text, ":")
	switch {
	case scheme == "env" && envName.MatchString(rest), scheme == "file" && rest != "":
		return nil
	case scheme == "env":
		return wrong("%s at line %d does not name an environment variable after env:", path, line).WithHint(hint)
	case scheme == "file":
		return wrong("%s at line %d names no file after file:", path, line).WithHint(hint)
	case scheme == "secret":
		return wrong("%s at line %d refers to a secret, and kind secret is not supported by this version", path, line).WithHint(hint)
	}
	return wrong("%s at line %d is a literal credential, and there is no sealed store to keep it in", path, line).WithHint(hint)
}

// An address is an http or https URL without credentials, query or fragment.
type address string

func (address) check(_ *checker, n *node, path string) (*node, error) {
	if n.is != isText {
		return nil, mismatch(path, n, isText)
	}
	u, err := url.Parse(n.text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return nil, wrong("%s at line %d must be an http or https URL", path, n.line)
	case u.User != nil:
		return nil, wrong("%s at line %d carries a user name or password", path, n.line)
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, wrong("%s at line %d must end with its path", path, n.line)
	}
	return n, nil
}

// An email is one plain address: no display name, no quotes, one @.
type email string

var plainEmail = regexp.MustCompile(`^[^\s@"'<>()\[\],;:\\]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$`)

func (email) check(_ *checker, n *node, path string) (*node, error) {
	if n.is != isText {
		return nil, mismatch(path, n, isText)
	}
	if len(n.text) > 254 || !plainEmail.MatchString(n.text) {
		return nil, wrong("%s at line %d must be a plain e-mail address", path, n.line)
	}
	return n, nil
}
