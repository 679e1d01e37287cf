package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sallyport/sallyport/internal/core"
)

// checkFile holds a configuration to the table of settings: names, types, nothing twice.
// It returns the line of every setting that is given.
func checkFile(data []byte, path string) (map[string]int, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, core.Errorf(core.Invalid, "%s is not valid YAML: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	f := file{path: path, lines: map[string]int{}, forms: map[string]form{}}
	for _, s := range settings() {
		f.forms[s.name] = s.form
		for i, r := range s.name {
			if r == '.' {
				f.forms[s.name[:i]] = section
			}
		}
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		return f.lines, nil
	}
	return f.lines, f.section("", doc.Content[0])
}

type file struct {
	path  string
	lines map[string]int
	forms map[string]form
}

func (f file) wrong(line int, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, "%s at %s:%d", fmt.Sprintf(format, args...), f.path, line)
}

func (f file) section(name string, n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		if name == "" {
			return f.wrong(n.Line, "the configuration must be settings and their values")
		}
		return f.wrong(n.Line, "%s must be a section", name)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		full := strings.TrimPrefix(name+"."+key.Value, ".")
		if first, twice := seen[key.Value]; twice {
			return f.wrong(key.Line, "setting %s stands twice, first at line %d,", full, first)
		}
		seen[key.Value] = key.Line
		form, known := f.forms[full]
		known = known && !strings.Contains(key.Value, ".") // a.b is written as b inside a
		switch {
		case !known:
			return f.unknown(name, key)
		case value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null": // commented out below its name
		case form == section && f.parent(full):
			if err := f.section(full, value); err != nil {
				return err
			}
		default:
			if !fits(form, value) {
				return f.wrong(value.Line, "%s must be %s", full, form)
			}
			f.lines[full] = key.Line
		}
	}
	return nil
}

// parent reports whether a section has settings that are known one by one.
func (f file) parent(name string) bool {
	for known := range f.forms {
		if strings.HasPrefix(known, name+".") {
			return true
		}
	}
	return false
}

func (f file) unknown(parent string, key *yaml.Node) error {
	var beside []string
	for name := range f.forms {
		last := strings.LastIndexByte(name, '.')
		if (last < 0 && parent == "") || (last >= 0 && name[:last] == parent) {
			beside = append(beside, name[last+1:])
		}
	}
	full := strings.TrimPrefix(parent+"."+key.Value, ".")
	if near := core.Nearest(key.Value, beside); near != "" {
		return core.Errorf(core.Invalid, "unknown setting %q at %s:%d; did you mean %q?", full, f.path, key.Line, near)
	}
	return f.wrong(key.Line, "unknown setting %q", full).WithHint("see every setting: sallyport configure")
}

func fits(want form, n *yaml.Node) bool {
	tag := n.ShortTag()
	switch want {
	case text, duration:
		return n.Kind == yaml.ScalarNode && tag == "!!str"
	case yesNo:
		return n.Kind == yaml.ScalarNode && tag == "!!bool"
	case texts:
		if n.Kind != yaml.SequenceNode {
			return n.Kind == yaml.ScalarNode && tag == "!!str"
		}
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode || c.ShortTag() != "!!str" {
				return false
			}
		}
		return true
	}
	return true
}
