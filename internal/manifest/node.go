package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// A nodeKind says what a node is, in words for people.
type nodeKind string

const (
	isNothing nodeKind = "nothing"
	isText    nodeKind = "text"
	isNumber  nodeKind = "a number"
	isBool    nodeKind = "true or false"
	isList    nodeKind = "a list"
	isObject  nodeKind = "an object"
)

// A node is one value of YAML or JSON and the line it stands on.
type node struct {
	is     nodeKind
	line   int
	text   string // of text; of a number or a bool, its JSON
	items  []*node
	fields []field // keys are unique
}

type field struct {
	key   string
	line  int
	value *node
}

// field returns the field of a name, nil where there is none.
func (n *node) field(key string) *field {
	for i := range n.fields {
		if n.fields[i].key == key {
			return &n.fields[i]
		}
	}
	return nil
}

// object returns a field's value; an empty object where it is absent or nothing.
func (n *node) object(key string) *node {
	if f := n.field(key); f != nil && f.value.is != isNothing {
		return f.value
	}
	return &node{is: isObject, line: n.line}
}

// find walks down fields by name; nil where one is missing.
func (n *node) find(path ...string) *field {
	var f *field
	for _, key := range path {
		if f = n.field(key); f == nil {
			return nil
		}
		n = f.value
	}
	return f
}

// textOf returns the text of the first of the fields that is there.
func (n *node) textOf(keys ...string) string {
	for _, key := range keys {
		if f := n.field(key); f != nil && f.value.is == isText {
			return f.value.text
		}
	}
	return ""
}

// appendJSON writes the node as compact JSON with sorted keys.
func (n *node) appendJSON(b []byte) []byte {
	switch n.is {
	case isText:
		return appendText(b, n.text)
	case isNumber, isBool:
		return append(b, n.text...)
	case isList:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	case isObject:
		b = append(b, '{')
		for i, f := range n.sorted() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, f.key), ':')
			b = f.value.appendJSON(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

func (n *node) sorted() []field {
	fields := slices.Clone(n.fields)
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return fields
}

func appendText(b []byte, s string) []byte {
	var w bytes.Buffer
	enc := json.NewEncoder(&w)
	enc.SetEscapeHTML(false) // predicates are full of && and quotes
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return append(b, bytes.TrimSuffix(w.Bytes(), []byte("\n"))...)
}

// numberText brings a number of YAML or JSON into the one form that JSON writes it in.
func numberText(s string) (string, bool) {
	if i, err := strconv.ParseInt(s, 0, 64); err == nil {
		return strconv.FormatInt(i, 10), true
	}
	if u, err := strconv.ParseUint(s, 0, 64); err == nil {
		return strconv.FormatUint(u, 10), true
	}
	if !strings.ContainsAny(s, ".eE") || strings.ContainsAny(s, "xX") {
		return "", false // an integer that does not fit
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return "", false
	}
	if f == 0 {
		f = 0 // minus zero is zero
	}
	return strconv.FormatFloat(f, 'g', -1, 64), true
}

// newText makes a text node, unless the text holds what no text may.
func newText(s string, line int) (*node, error) {
	if strings.ContainsRune(s, 0) {
		return nil, wrong("the text at line %d has a NUL character", line)
	}
	return &node{is: isText, line: line, text: s}, nil
}

// newObject makes an object of fields, unless one stands twice.
func newObject(fields []field, line int, path string) (*node, error) {
	if err := checkEntries(len(fields), path, line); err != nil {
		return nil, err
	}
	first := make(map[string]int, len(fields))
	for _, f := range fields {
		if l, ok := first[f.key]; ok {
			return nil, wrong("field %q at line %d stands twice: first at line %d", join(path, f.key), f.line, l)
		}
		first[f.key] = f.line
	}
	return &node{is: isObject, line: line, fields: fields}, nil
}

// checkEntries limits lists and objects inside a resource. Lists of resources have the limit of the input alone.
func checkEntries(n int, path string, line int) error {
	if n > maxEntries && path != "" && path != "items" {
		return wrong("%s at line %d has more than %d entries", path, line, maxEntries)
	}
	return nil
}

func tooDeep(line int) *core.Error {
	return wrong("line %d is nested deeper than %d levels", line, maxDepth)
}

// join appends a key to a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// at says a line, if there is one.
func at(line int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf(" at line %d", line)
}
