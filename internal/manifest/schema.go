package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// The structs that a spec is decoded into are its schema. Their tags say:
//
//	json:"roles"       the field's name
//	need:"yes"         it must be there
//	unused:"a b c"     on a blank field: names that Teleport or Sensu document and that
//	                   mean nothing here; they are left out with a warning
//
// A field's type says what it holds; a type with a check method says so itself.

// A custom type checks its own values. It gets the field as written and returns it in canonical form.
type custom interface {
	check(c *checker, n *node, path string) (*node, error)
}

// A checker holds a resource to its schema and collects warnings.
type checker struct {
	warnings []string
}

func (c *checker) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// check holds a value to a type and returns its canonical form.
func (c *checker) check(n *node, t reflect.Type, path string) (*node, error) {
	if own, ok := reflect.Zero(t).Interface().(custom); ok {
		return own.check(c, n, path)
	}
	switch t.Kind() {
	case reflect.String:
		return expect(n, path, isText)
	case reflect.Bool:
		return expect(n, path, isBool)
	case reflect.Slice:
		return c.checkList(n, t.Elem(), path)
	case reflect.Map:
		return c.checkMap(n, t.Elem(), path)
	case reflect.Struct:
		return c.checkStruct(n, t, path)
	}
	panic("no check for " + t.String())
}

func expect(n *node, path string, want nodeKind) (*node, error) {
	if n.is != want {
		return nil, mismatch(path, n, want)
	}
	return n, nil
}

// mismatch says that a value has the wrong type. It never shows the value: it may be a credential.
func mismatch(path string, n *node, want nodeKind) *core.Error {
	err := wrong("%s at line %d must be %s, not %s", path, n.line, want, n.is)
	switch {
	case want == isText && (n.is == isNumber || n.is == isBool):
		return err.WithHint("put the value in quotes")
	case want == isList && n.is == isText:
		return err.WithHint("write a list of one: [value]")
	}
	return err
}

func (c *checker) checkList(n *node, elem reflect.Type, path string) (*node, error) {
	if n.is != isList {
		return nil, mismatch(path, n, isList)
	}
	out := &node{is: isList, line: n.line}
	for i, item := range n.items {
		v, err := c.check(item, elem, fmt.Sprintf("%s[%d]", path, i))
		if err != nil {
			return nil, err
		}
		out.items = append(out.items, v)
	}
	return out, nil
}

func (c *checker) checkMap(n *node, elem reflect.Type, path string) (*node, error) {
	if n.is != isObject {
		return nil, mismatch(path, n, isObject)
	}
	out := &node{is: isObject, line: n.line}
	for _, f := range n.fields {
		if f.value.is == isNothing {
			continue
		}
		v, err := c.check(f.value, elem, join(path, f.key))
		if err != nil {
			return nil, err
		}
		out.fields = append(out.fields, field{key: f.key, line: f.line, value: v})
	}
	return out, nil
}

func (c *checker) checkStruct(n *node, t reflect.Type, path string) (*node, error) {
	if n.is != isObject {
		return nil, mismatch(path, n, isObject)
	}
	known, unused := fieldsOf(t)
	out := &node{is: isObject, line: n.line}
	for _, f := range n.fields {
		sf, ok := known[f.key]
		switch {
		case !ok && slices.Contains(unused, f.key):
			c.warn("%s", unusedWarning(join(path, f.key), f.line))
		case !ok:
			return nil, unknownField(path, f, sortedKeys(known), unused...)
		case f.value.is == isNothing: // as good as absent
		default:
			v, err := c.check(f.value, sf.Type, join(path, f.key))
			if err != nil {
				return nil, err
			}
			out.fields = append(out.fields, field{key: f.key, line: f.line, value: v})
		}
	}
	for _, name := range sortedKeys(known) {
		if known[name].Tag.Get("need") == "yes" && out.field(name) == nil {
			return nil, wrong("%s is missing in the object at line %d", join(path, name), n.line)
		}
	}
	return out, nil
}

// fieldsOf returns the fields of a struct by their names, and the names that are documented and unused.
func fieldsOf(t reflect.Type) (known map[string]reflect.StructField, unused []string) {
	known = map[string]reflect.StructField{}
	for i := range t.NumField() {
		sf := t.Field(i)
		if sf.Name == "_" {
			unused = append(unused, strings.Fields(sf.Tag.Get("unused"))...)
			continue
		}
		known[sf.Tag.Get("json")] = sf
	}
	return known, unused
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func unusedWarning(path string, line int) string {
	return fmt.Sprintf("%s at line %d has no meaning here and is left out", path, line)
}

// unknownField names the field that is not known and the known one that is nearest to it.
func unknownField(path string, f field, known []string, unused ...string) *core.Error {
	full := join(path, f.key)
	if near := core.Nearest(f.key, append(slices.Clone(known), unused...)); near != "" {
		return wrong("unknown field %q at line %d; did you mean %q?", full, f.line, near)
	}
	err := wrong("unknown field %q at line %d", full, f.line)
	if len(known) == 0 {
		return err
	}
	return err.WithHint("known here: %s", strings.Join(known, ", "))
}
