package manifest

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
)

// Limits of what is read. They are far above any honest resource.
const (
	maxInput    = 8 << 20 // bytes of one Read
	maxDocument = 1 << 20 // bytes of one resource
	maxDepth    = 64      // levels of lists and objects in one resource
	maxEntries  = 4096    // entries of one list or object (Teleport's limit for thresholds)
)

// An Item is one resource that was read.
type Item struct {
	core.Document
	Warnings []string // what was left out or means something else here
	Line     int      // where the resource begins
}

// Read reads resources. It gives all of them or none: the first thing that is wrong is
// a core.Invalid error that names the line.
func Read(data []byte) ([]Item, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if err := checkBytes(data); err != nil {
		return nil, err
	}
	docs, err := parse(data)
	if err != nil {
		return nil, err
	}
	if docs, err = unwrap(docs); err != nil {
		return nil, err
	}
	if len(docs) == 0 {
		return nil, wrong("there is no resource in the input").
			WithHint("a resource has at least a kind and a metadata.name")
	}
	items := make([]Item, 0, len(docs))
	lines := map[string]int{}
	for _, n := range docs {
		item, err := readItem(n)
		if err != nil {
			return nil, err
		}
		key := item.Kind + "/" + item.Name
		if first := lines[key]; first > 0 {
			return nil, wrong("%s %q at line %d stands twice: first at line %d", item.Kind, item.Name, item.Line, first)
		}
		lines[key] = item.Line
		items = append(items, item)
	}
	return items, nil
}

// wrong makes an error about what people wrote.
func wrong(format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, format, args...)
}

func checkBytes(data []byte) error {
	if len(data) > maxInput {
		return wrong("the input has %d bytes; at most %d are read at once", len(data), maxInput)
	}
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return wrong("the input has a NUL byte at line %d", lineAt(data, i)).WithHint("only UTF-8 text is read")
	}
	if !utf8.Valid(data) {
		i := 0
		for i < len(data) {
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			i += size
		}
		return wrong("the input is not valid UTF-8 at line %d", lineAt(data, i)).WithHint("only UTF-8 text is read")
	}
	return nil
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte("\n"))
}

// parse reads JSON where the input is JSON, and YAML otherwise.
func parse(data []byte) ([]*node, error) {
	text := bytes.TrimLeft(data, " \t\r\n")
	if len(text) == 0 || (text[0] != '{' && text[0] != '[') {
		return readYAML(data)
	}
	docs, err := readJSON(data)
	if err == nil || core.KindOf(err) == core.Invalid {
		return docs, err
	}
	// Not JSON; YAML in flow style begins the same way.
	docs, yamlErr := readYAML(data)
	if yamlErr != nil && len(text) > 1 && bytes.HasPrefix(bytes.TrimLeft(text[1:], " \t\r\n"), []byte(`"`)) {
		return nil, wrong("%w", err)
	}
	return docs, yamlErr
}

// unwrap takes resources out of lists: a list, or an object of kind List with items.
func unwrap(docs []*node) ([]*node, error) {
	var out []*node
	for _, n := range docs {
		switch {
		case n.is == isNothing:
		case n.is == isList:
			out = append(out, n.items...)
		case n.is == isObject && strings.EqualFold(n.textOf("kind", "type"), "list"):
			items, err := listItems(n)
			if err != nil {
				return nil, err
			}
			out = append(out, items...)
		default:
			out = append(out, n)
		}
	}
	return out, nil
}

func listItems(n *node) ([]*node, error) {
	known := []string{"items", "kind", "metadata", "type", "version", "api_version", "apiVersion"}
	var items []*node
	for _, f := range n.fields {
		if !slices.Contains(known, f.key) {
			return nil, unknownField("", f, known)
		}
		if f.key == "items" && f.value.is != isNothing {
			if f.value.is != isList {
				return nil, mismatch("items", f.value, "a list")
			}
			items = f.value.items
		}
	}
	return items, nil
}

// readItem checks one resource and brings it into its canonical form.
func readItem(n *node) (Item, error) {
	if n.is != isObject {
		return Item{}, wrong("the resource at line %d must be an object, not %s", n.line, n.is).
			WithHint("a resource has kind, version, metadata and spec")
	}
	env, err := readEnvelope(n)
	if err != nil {
		return Item{}, err
	}
	var c checker
	metadata, err := c.check(env.metadata, typeOf[metadata](), "metadata")
	if err != nil {
		return Item{}, err
	}
	name := metadata.field("name")
	if err := checkName(env.kind, name.value.text, name.line); err != nil {
		return Item{}, err
	}
	spec, err := c.check(env.spec, env.kind.spec, "spec")
	if err != nil {
		return Item{}, err
	}
	if env.kind.judge != nil {
		if err := env.kind.judge(spec, &c); err != nil {
			return Item{}, err
		}
	}
	body := &node{is: isObject, fields: []field{{key: "metadata", value: metadata}, {key: "spec", value: spec}}}
	doc := core.Document{Kind: env.kind.name, Name: name.value.text, Version: env.version, Body: string(body.appendJSON(nil))}
	if len(doc.Body) > maxDocument {
		return Item{}, wrong("%s %q at line %d has %d bytes; at most %d are kept", doc.Kind, doc.Name, n.line, len(doc.Body), maxDocument)
	}
	return Item{Document: doc, Warnings: append(env.warnings, c.warnings...), Line: n.line}, nil
}

// metadata is what every resource says about itself.
type metadata struct {
	Name        string            `json:"name" need:"yes"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Description string            `json:"description"`
	_           struct{}          `unused:"created_by expires id revision"`
}

type envelope struct {
	kind           kind
	version        string
	metadata, spec *node
	warnings       []string
}

// envelopeFields are the names of the envelope, Sensu's spelling included.
var envelopeFields = []string{"api_version", "kind", "metadata", "spec", "sub_kind", "type", "version"}

func readEnvelope(n *node) (envelope, error) {
	var e envelope
	kindField, err := oneOfTwo(n, "kind", "type")
	if err != nil {
		return e, err
	}
	if kindField != nil {
		if e.kind, err = findKind(kindField.value.text, kindField.line); err != nil {
			return e, err
		}
	}
	for _, f := range n.fields {
		if !slices.Contains(envelopeFields, f.key) {
			return e, unknownField("", f, envelopeFields)
		}
		if f.key == "sub_kind" && f.value.is != isNothing {
			e.warnings = append(e.warnings, unusedWarning("sub_kind", f.line))
		}
	}
	if kindField == nil {
		err := wrong("the resource at line %d has no kind", n.line)
		return e, err.WithHint("kinds of this version: %s", strings.Join(Kinds(), ", "))
	}
	e.metadata, e.spec = n.object("metadata"), n.object("spec")
	e.version, err = readVersion(n, e.kind)
	return e, err
}

// oneOfTwo returns the text field that stands under one of two spellings, nil where neither does.
func oneOfTwo(n *node, ours, sensus string) (*field, error) {
	f, other := n.field(ours), n.field(sensus)
	if f != nil && other != nil {
		return nil, wrong("%q at line %d and %q at line %d mean the same thing", ours, f.line, sensus, other.line).
			WithHint("remove one of them")
	}
	if f == nil {
		f = other
	}
	if f == nil || f.value.is == isNothing {
		return nil, nil
	}
	if f.value.is != isText {
		return nil, mismatch(f.key, f.value, "text")
	}
	return f, nil
}

func readVersion(n *node, k kind) (string, error) {
	f, err := oneOfTwo(n, "version", "api_version")
	if err != nil || f == nil {
		return k.version, err
	}
	text := f.value.text
	if f.key == "api_version" { // Sensu's carries a group: "secrets/v1"
		text = text[strings.LastIndexByte(text, '/')+1:]
	}
	text = strings.ToLower(text)
	if slices.Contains(k.versions, text) {
		return text, nil
	}
	return "", wrong("%s %q at line %d is not known for kind %s", f.key, f.value.text, f.line, k.name).
		WithHint("known are %s", strings.Join(k.versions, ", "))
}
