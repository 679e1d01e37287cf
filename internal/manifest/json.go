package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
)

// A jsonReader turns the tokens of one JSON value into nodes.
type jsonReader struct {
	data []byte // the whole input
	base int    // where the value begins in it
	dec  *json.Decoder
	// Lines are counted from the last token on.
	counted, line int
}

// readJSON reads JSON values that follow one another. An error that is not core.Invalid
// means that the input is not JSON at all.
func readJSON(data []byte) ([]*node, error) {
	var docs []*node
	split := json.NewDecoder(bytes.NewReader(data))
	counted, line := 0, 1
	for {
		var raw json.RawMessage
		err := split.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, jsonError(data, split, err)
		}
		base := int(split.InputOffset()) - len(raw)
		r := &jsonReader{data: data, base: base, dec: json.NewDecoder(bytes.NewReader(raw)), counted: counted, line: line}
		r.dec.UseNumber()
		n, err := r.value("", 0)
		if err != nil {
			return nil, err
		}
		docs = append(docs, n)
		counted, line = r.counted, r.line
	}
}

func jsonError(data []byte, dec *json.Decoder, err error) error {
	if strings.Contains(err.Error(), "exceeded max depth") { // 10,000: the decoder's own limit
		return tooDeep(lineAt(data, int(dec.InputOffset())))
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("not valid JSON at line %d: %w", lineAt(data, int(syntax.Offset)-1), err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("not valid JSON: it ends too early, at line %d", lineAt(data, len(data)))
	}
	return fmt.Errorf("not valid JSON at line %d: %w", lineAt(data, int(dec.InputOffset())), err)
}

// next returns the next token, the line it ends on, and its bytes.
func (r *jsonReader) next() (json.Token, int, []byte, error) {
	start := r.base + int(r.dec.InputOffset())
	t, err := r.dec.Token()
	if err != nil {
		return nil, 0, nil, wrong("not valid JSON at line %d: %w", r.line, err)
	}
	end := r.base + int(r.dec.InputOffset())
	r.line += bytes.Count(r.data[r.counted:end], []byte("\n"))
	r.counted = end
	return t, r.line, r.data[start:end], nil
}

func (r *jsonReader) value(path string, depth int) (*node, error) {
	t, line, raw, err := r.next()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if depth >= maxDepth {
			return nil, tooDeep(line)
		}
		if t == '[' {
			return r.list(line, path, depth)
		}
		return r.object(line, path, depth)
	case json.Number:
		text, ok := numberText(t.String())
		if !ok {
			return nil, wrong("the number at line %d is too large", line)
		}
		return &node{is: isNumber, line: line, text: text}, nil
	case bool:
		return &node{is: isBool, line: line, text: fmt.Sprint(t)}, nil
	case string:
		if err := checkSurrogates(t, raw, line); err != nil {
			return nil, err
		}
		return newText(t, line)
	}
	return &node{is: isNothing, line: line}, nil
}

func (r *jsonReader) list(line int, path string, depth int) (*node, error) {
	n := &node{is: isList, line: line}
	for r.dec.More() {
		if err := checkEntries(len(n.items), path, line); err != nil {
			return nil, err
		}
		item, err := r.value(fmt.Sprintf("%s[%d]", path, len(n.items)), depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	if _, _, _, err := r.next(); err != nil {
		return nil, err
	}
	return n, checkEntries(len(n.items), path, line)
}

func (r *jsonReader) object(line int, path string, depth int) (*node, error) {
	var fields []field
	for r.dec.More() {
		t, keyLine, raw, err := r.next()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string) // a key is nothing else
		if err := checkSurrogates(key, raw, keyLine); err != nil {
			return nil, err
		}
		v, err := r.value(join(path, key), depth+1)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{key: key, line: keyLine, value: v})
	}
	if _, _, _, err := r.next(); err != nil {
		return nil, err
	}
	return newObject(fields, line, path)
}

// checkSurrogates refuses half of a surrogate pair, which the decoder would quietly replace.
func checkSurrogates(s string, raw []byte, line int) error {
	if strings.ContainsRune(s, utf8.RuneError) && bytes.Contains(bytes.ToLower(raw), []byte(`\ud`)) {
		return wrong("the text at line %d has half of a surrogate pair", line).WithHint("only valid Unicode is read")
	}
	return nil
}

// JSON writes a document as indented JSON.
func JSON(doc core.Document) ([]byte, error) {
	n, err := whole(doc)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range n.fields { // in the order of the envelope, not of the alphabet
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(appendText(nil, f.key))
		b.WriteByte(':')
		b.Write(f.value.appendJSON(nil))
	}
	b.WriteByte('}')
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, fmt.Errorf("write %s %q: %w", doc.Kind, doc.Name, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// whole puts a document's envelope back around its body.
func whole(doc core.Document) (*node, error) {
	docs, err := readJSON([]byte(doc.Body))
	if err != nil || len(docs) != 1 || docs[0].is != isObject {
		return nil, core.Errorf(core.Internal, "the stored %s %q cannot be read: %w", doc.Kind, doc.Name, err)
	}
	text := func(s string) *node { return &node{is: isText, text: s} }
	return &node{is: isObject, fields: []field{
		{key: "kind", value: text(doc.Kind)},
		{key: "version", value: text(doc.Version)},
		{key: "metadata", value: docs[0].object("metadata")},
		{key: "spec", value: docs[0].object("spec")},
	}}, nil
}
