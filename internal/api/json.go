package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
)

// read decodes the body of the call in progress. Nothing in it is guessed at or passed over:
// keys are exact and stand once, every field is known, every value has its type. No body is an
// empty object. What is wrong is named by its place and never repeated.
func read(ctx context.Context, into any) error {
	data := body(ctx)
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	if !utf8.Valid(data) {
		return wrong("the body is not valid UTF-8")
	}
	r := reader{dec: json.NewDecoder(bytes.NewReader(data)), data: data}
	r.dec.UseNumber()
	if err := r.value(reflect.TypeOf(into).Elem(), ""); err != nil {
		return err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return wrong("there is more in the body than one JSON object")
	}
	if err := json.Unmarshal(data, into); err != nil {
		return wrong("the body does not have the form that this path takes")
	}
	return nil
}

func wrong(format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, format, args...).WithHint("the form of every body is shown at /docs")
}

// A reader holds the tokens of a body against the type that they are for. It goes no deeper
// than the type does, however deep the body is.
type reader struct {
	dec  *json.Decoder
	data []byte
}

// next returns the next token. Texts that the decoder would quietly mend are refused.
func (r *reader) next(path string) (json.Token, error) {
	from := r.dec.InputOffset()
	t, err := r.dec.Token()
	if err != nil {
		return nil, wrong("the body is not valid JSON, at byte %d", r.dec.InputOffset())
	}
	s, ok := t.(string)
	if !ok {
		return t, nil
	}
	if strings.ContainsRune(s, 0) {
		return nil, wrong("%s contains a NUL character", place(path))
	}
	raw := r.data[from:r.dec.InputOffset()]
	if strings.ContainsRune(s, utf8.RuneError) && bytes.Contains(bytes.ToLower(raw), []byte(`\ud`)) {
		return nil, wrong("%s contains half of a surrogate pair", place(path))
	}
	return t, nil
}

func (r *reader) value(t reflect.Type, path string) error {
	token, err := r.next(path)
	if err != nil {
		return err
	}
	if token == nil { // null is the same as leaving it out, except for the whole
		if path == "" {
			return wrong("the body must be an object")
		}
		return nil
	}
	switch token {
	case json.Delim('{'):
		return r.object(t, path)
	case json.Delim('['):
		return r.list(t, path)
	}
	return checkScalar(token, t, path)
}

func checkScalar(token json.Token, t reflect.Type, path string) error {
	text, isText := token.(string)
	_, isBool := token.(bool)
	switch {
	case t == reflect.TypeFor[time.Time]():
		if _, err := time.Parse(time.RFC3339Nano, text); !isText || err != nil {
			return wrong("%s must be a time such as 2006-01-02T15:04:05Z", place(path))
		}
	case t.Kind() == reflect.String && !isText:
		return wrong("%s must be text", place(path))
	case t.Kind() == reflect.Bool && !isBool:
		return wrong("%s must be true or false", place(path))
	case t.Kind() == reflect.Slice:
		return wrong("%s must be a list", place(path))
	case t.Kind() == reflect.Struct || t.Kind() == reflect.Map:
		return wrong("%s must be an object", place(path))
	}
	return nil
}

func (r *reader) list(t reflect.Type, path string) error {
	if t.Kind() != reflect.Slice {
		return wrong("%s must be %s, not a list", place(path), article(t))
	}
	for i := 0; r.dec.More(); i++ {
		if err := r.value(t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	_, err := r.next(path)
	return err
}

func (r *reader) object(t reflect.Type, path string) error {
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return wrong("%s must be %s, not an object", place(path), article(t))
	}
	seen := map[string]bool{}
	for r.dec.More() {
		token, err := r.next(path)
		if err != nil {
			return err
		}
		key, _ := token.(string) // a key is nothing else
		field, known := fieldOf(t, key)
		switch {
		case field == nil:
			return unknown(path, key, known)
		case seen[key]:
			return wrong("%s stands twice in the body", join(path, key))
		}
		seen[key] = true
		if err := r.value(field, join(path, key)); err != nil {
			return err
		}
	}
	_, err := r.next(path)
	return err
}

// fieldOf returns the type of the field with a name in JSON, and the names there are.
func fieldOf(t reflect.Type, key string) (found reflect.Type, known []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == key {
			return t.Field(i).Type, nil
		}
		known = append(known, name)
	}
	return nil, known
}

func unknown(path, key string, known []string) error {
	slices.Sort(known)
	name := place(join(path, key))
	if len(key) > 64 || !printable(key) {
		name = "a field whose name is not repeated here"
	}
	err := core.Errorf(core.Invalid, "%s is not known here", name)
	if near := core.Nearest(key, known); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err.WithHint("fields here are: %s", strings.Join(known, ", "))
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func place(path string) string {
	if path == "" {
		return "the body"
	}
	return "the field " + path
}

func article(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Slice:
		return "a list"
	case t == reflect.TypeFor[time.Time](), t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Struct:
		return "an object"
	default:
		return "a single value"
	}
}
