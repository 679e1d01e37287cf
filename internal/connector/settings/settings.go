// Package settings reads the settings of a target strictly.
//
// A connector asks a Reader for each setting it knows, once, and then calls Done. Whatever
// was not asked for is an error that names the nearest setting that was; so the list of
// known settings is the code that reads them.
package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// A Reader reads one target's settings and remembers the first that is wrong.
type Reader struct {
	target core.Target
	known  []string
	err    error
}

// Of returns a reader of the target's settings.
func Of(t core.Target) *Reader { return &Reader{target: t} }

// Has reports whether a setting is given.
func (r *Reader) Has(name string) bool { _, ok := r.target.Settings[name]; return ok }

// Text returns a setting that is a text, and "" where it is not given.
func (r *Reader) Text(name string) string {
	v, ok := r.take(name)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		r.wrong("%s must be a text, not %s", name, kind(v))
	}
	return s
}

// Choice returns a setting that is one of a few words, the first of which is the default.
func (r *Reader) Choice(name string, words ...string) string {
	s := r.Text(name)
	if s == "" {
		return words[0]
	}
	if !slices.Contains(words, s) {
		r.wrong("%s must be one of %s, not %q", name, strings.Join(words, ", "), s)
	}
	return s
}

// Bool returns a setting that is true or false, and false where it is not given.
func (r *Reader) Bool(name string) bool {
	v, ok := r.take(name)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		r.wrong("%s must be true or false, not %s", name, kind(v))
	}
	return b
}

// Names returns a setting that is a list of names, and nil where it is not given.
func (r *Reader) Names(name string) []string {
	v, ok := r.take(name)
	if !ok {
		return nil
	}
	if list, ok := v.([]string); ok {
		return r.names(name, list)
	}
	items, ok := v.([]any)
	if !ok {
		r.wrong("%s must be a list of names, not %s", name, kind(v))
		return nil
	}
	list := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			r.wrong("%s must be a list of names; one of them is %s", name, kind(item))
			return nil
		}
		list = append(list, s)
	}
	return r.names(name, list)
}

func (r *Reader) names(name string, list []string) []string {
	if slices.Contains(list, "") {
		r.wrong("%s has an empty name", name)
	}
	return slices.Clone(list)
}

// Secret returns a setting that refers to a credential; it must be given. Its text is
// never repeated in an error, as it may be the credential itself.
func (r *Reader) Secret(name string) core.SecretRef {
	r.Require(name)
	s := r.Text(name)
	provider, what, _ := strings.Cut(s, ":")
	if s != "" && (what == "" || !slices.Contains([]string{"secret", "env", "file"}, provider)) {
		r.wrong("%s must refer to a credential: secret:NAME, env:NAME or file:PATH", name)
	}
	return core.SecretRef(s)
}

// Require makes a missing or empty setting an error.
func (r *Reader) Require(name string) {
	switch v := r.target.Settings[name].(type) {
	case nil:
	case string:
		if v != "" {
			return
		}
	case []any:
		if len(v) > 0 {
			return
		}
	case []string:
		if len(v) > 0 {
			return
		}
	default:
		return // its reader judges it
	}
	r.wrong("%s is required", name)
}

// Reject reports something wrong that only the connector can see.
func (r *Reader) Reject(format string, args ...any) { r.wrong(format, args...) }

// Done returns what is wrong with the settings: an unknown one, or else the first bad one.
func (r *Reader) Done() error {
	for _, name := range slices.Sorted(maps.Keys(r.target.Settings)) {
		if slices.Contains(r.known, name) {
			continue
		}
		err := core.Errorf(core.Invalid, "target %s: connector %s has no setting %q", r.target.Name, r.target.Connector, name)
		if near := core.Nearest(name, r.known); near != "" {
			return err.WithHint("did you mean %q?", near)
		}
		return err.WithHint("it has: %s", strings.Join(r.known, ", "))
	}
	return r.err
}

func (r *Reader) take(name string) (any, bool) {
	if !slices.Contains(r.known, name) {
		r.known = append(r.known, name)
	}
	v, ok := r.target.Settings[name]
	return v, ok && v != nil
}

func (r *Reader) wrong(format string, args ...any) {
	if r.err == nil {
		r.err = core.Errorf(core.Invalid, "target %s: %s", r.target.Name, fmt.Sprintf(format, args...))
	}
}

// kind says what a decoded value is, in the words of YAML, without repeating it.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case []any, []string:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "a number"
}
