package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/internal/core"
)

// maxExpanded is how many values the aliases of one document may stand for. The
// parser keeps aliases as they are, so a bomb costs nothing until somebody follows them.
const maxExpanded = 10_000

// A yamlReader turns the parser's nodes into ours: aliases followed, keys told apart.
type yamlReader struct {
	following int // aliases that are being followed now
	expanded  int // values reached through aliases
}

func readYAML(data []byte) ([]*node, error) {
	var docs []*node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil && strings.Contains(err.Error(), "exceeded max depth") { // 10,000: the parser's own limit
			return nil, wrong("the input is nested deeper than %d levels", maxDepth)
		}
		if err != nil {
			return nil, wrong("not valid YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
			continue
		}
		n, err := new(yamlReader).value(doc.Content[0], "", 0)
		if err != nil {
			return nil, err
		}
		docs = append(docs, n)
	}
}

func (r *yamlReader) value(y *yaml.Node, path string, depth int) (*node, error) {
	if r.following > 0 {
		if r.expanded++; r.expanded > maxExpanded {
			return nil, wrong("the aliases at line %d stand for more than %d values", y.Line, maxExpanded)
		}
	}
	switch y.Kind {
	case yaml.AliasNode:
		if r.following >= maxDepth { // it stands inside what it stands for
			return nil, tooDeep(y.Line)
		}
		r.following++
		defer func() { r.following-- }()
		return r.value(y.Alias, path, depth)
	case yaml.ScalarNode:
		return scalar(y)
	case yaml.SequenceNode, yaml.MappingNode:
		if depth >= maxDepth {
			return nil, tooDeep(y.Line)
		}
		if tag := y.ShortTag(); tag != "!!seq" && tag != "!!map" {
			return nil, wrong("tag %q at line %d is not understood", y.Tag, y.Line)
		}
		if y.Kind == yaml.SequenceNode {
			return r.list(y, path, depth)
		}
		return r.object(y, path, depth)
	}
	return nil, wrong("line %d is not understood", y.Line)
}

func (r *yamlReader) list(y *yaml.Node, path string, depth int) (*node, error) {
	if err := checkEntries(len(y.Content), path, y.Line); err != nil {
		return nil, err
	}
	n := &node{is: isList, line: y.Line}
	for i, c := range y.Content {
		item, err := r.value(c, fmt.Sprintf("%s[%d]", path, i), depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	return n, nil
}

func (r *yamlReader) object(y *yaml.Node, path string, depth int) (*node, error) {
	var fields, merged []field
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, wrong("the key at line %d must be text, not a list or an object", k.Line)
		}
		key, err := newText(k.Value, k.Line)
		if err != nil {
			return nil, err
		}
		v, err := r.value(y.Content[i+1], join(path, k.Value), depth+1)
		if err != nil {
			return nil, err
		}
		if k.ShortTag() == "!!merge" {
			more, err := mergedFields(v, k.Line)
			if err != nil {
				return nil, err
			}
			merged = append(merged, more...)
			continue
		}
		fields = append(fields, field{key: key.text, line: y.Content[i].Line, value: v})
	}
	n, err := newObject(fields, y.Line, path)
	if err != nil {
		return nil, err
	}
	for _, f := range merged { // what is written out wins over what is merged
		if n.field(f.key) == nil {
			n.fields = append(n.fields, f)
		}
	}
	return n, checkEntries(len(n.fields), path, y.Line)
}

// mergedFields returns the fields that a merge key (<<) brings.
func mergedFields(v *node, line int) ([]field, error) {
	from := []*node{v}
	if v.is == isList {
		from = v.items
	}
	var fields []field
	for _, n := range from {
		if n.is != isObject {
			return nil, wrong("the merge key << at line %d must merge objects, not %s", line, n.is)
		}
		fields = append(fields, n.fields...)
	}
	return fields, nil
}

func scalar(y *yaml.Node) (*node, error) {
	switch tag := y.ShortTag(); tag {
	case "!!str", "!!timestamp":
		return newText(y.Value, y.Line)
	case "!!null":
		return &node{is: isNothing, line: y.Line}, nil
	case "!!bool":
		b, err := strconv.ParseBool(strings.ToLower(y.Value))
		if err != nil {
			return nil, wrong("the value at line %d is not true or false", y.Line)
		}
		return &node{is: isBool, line: y.Line, text: strconv.FormatBool(b)}, nil
	case "!!int", "!!float":
		text, ok := numberText(y.Value)
		if !ok {
			return nil, wrong("the number at line %d cannot be kept", y.Line).
				WithHint("a number must be finite, and an integer must fit into 64 bits; put text in quotes")
		}
		return &node{is: isNumber, line: y.Line, text: text}, nil
	default:
		return nil, wrong("tag %q at line %d is not understood", tag, y.Line)
	}
}

// YAML writes a document as people write it: Read gives the same document back.
func YAML(doc core.Document) ([]byte, error) {
	n, err := whole(doc)
	if err != nil {
		return nil, err
	}
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range n.fields { // in the order of the envelope, not of the alphabet
		root.Content = append(root.Content, keyNode(f.key), f.value.yaml())
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("write %s %q: %w", doc.Kind, doc.Name, err)
	}
	return b.Bytes(), nil
}

func (n *node) yaml() *yaml.Node {
	switch n.is {
	case isText:
		return textNode(n.text)
	case isNumber:
		tag := "!!int"
		if strings.ContainsAny(n.text, ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: n.text}
	case isBool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: n.text}
	case isList:
		y := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.items {
			y.Content = append(y.Content, item.yaml())
		}
		return y
	case isObject:
		y := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range n.sorted() {
			y.Content = append(y.Content, keyNode(f.key), f.value.yaml())
		}
		return y
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

// textNode writes text plainly where that is read back as the same text, and in quotes otherwise.
func textNode(s string) *yaml.Node {
	y := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.Contains(s, "\n") && !strings.HasPrefix(s, " ") && !strings.HasPrefix(s, "\n") {
		y.Style = yaml.LiteralStyle
	}
	for _, r := range s {
		if r != '\n' && !unicode.IsPrint(r) {
			y.Style = yaml.DoubleQuotedStyle
		}
	}
	return y
}

// keyNode keeps keys on one line, and a key that is "<<" from merging.
func keyNode(s string) *yaml.Node {
	y := textNode(s)
	if s == "<<" || strings.Contains(s, "\n") {
		y.Style = yaml.DoubleQuotedStyle
	}
	return y
}
