package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	yamlparser "github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/v2"

	"github.com/sallyport/sallyport/internal/core"
)

// Load reads the file at path, where path is not empty, and then the environment, which
// wins: oncall.max_staleness is SALLYPORT_ONCALL_MAX_STALENESS. Everything that is wrong
// is a core.Invalid error that names the setting and where it stands.
func Load(path string, environ []string) (Config, error) {
	c := defaults(lookup(environ))
	k := koanf.New(".")
	origin := map[string]string{} // setting → where it was given
	if path != "" {
		if err := loadFile(k, path, origin); err != nil {
			return Config{}, err
		}
	}
	if err := loadEnv(k, environ, origin); err != nil {
		return Config{}, err
	}
	for _, s := range settings() {
		where, given := origin[s.name]
		if !given {
			continue
		}
		if s.set == nil {
			return Config{}, core.Errorf(core.Invalid, "%s %s is not supported by this version", s.name, where).
				WithHint("remove it, so that nobody believes it works")
		}
		if err := s.set(&c, words(k.Get(s.name))); err != nil {
			return Config{}, core.Errorf(core.Invalid, "%s %s %w", s.name, where, err)
		}
	}
	if err := c.Check(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// document is a file that was read already, for koanf.
type document []byte

// ReadBytes returns the file.
func (d document) ReadBytes() ([]byte, error) { return d, nil }

// Read is for sources that need no parser, which a file is not.
func (d document) Read() (map[string]any, error) { return nil, errors.ErrUnsupported }

func loadFile(k *koanf.Koanf, path string, origin map[string]string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return core.Errorf(core.Invalid, "there is no configuration at %s", path).WithHint("make one: sallyport configure > %s", path)
	}
	if err != nil {
		return core.Errorf(core.Invalid, "read the configuration: %w", err)
	}
	lines, err := checkFile(data, path)
	if err != nil {
		return err
	}
	for name, line := range lines {
		origin[name] = fmt.Sprintf("at %s:%d", path, line)
	}
	if err := k.Load(document(data), yamlparser.Parser()); err != nil {
		return core.Errorf(core.Invalid, "read %s: %w", path, err)
	}
	return nil
}

// foreign are variables of ours that do not belong to the server's settings.
var foreign = []string{"SALLYPORT_AS", "SALLYPORT_BIN", "SALLYPORT_CONFIG", "SALLYPORT_IDENTITY", "SALLYPORT_SERVER"}

func loadEnv(k *koanf.Koanf, environ []string, origin map[string]string) error {
	byName := map[string]setting{}
	var names []string
	for _, s := range settings() {
		byName[variable(s.name)] = s
		names = append(names, variable(s.name))
	}
	var bad error
	err := k.Load(env.Provider(".", env.Opt{
		Prefix:      "SALLYPORT_",
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			s, known := byName[name]
			if !known && bad == nil {
				bad = checkVariable(name, names)
			}
			if !known || value == "" { // an empty variable is as good as none
				return "", nil
			}
			origin[s.name] = "in " + name
			if s.form == texts {
				return s.name, splitList(value)
			}
			return s.name, value
		},
	}), nil)
	if err != nil {
		return core.Errorf(core.Invalid, "read the environment: %w", err)
	}
	return bad
}

func variable(name string) string {
	return "SALLYPORT_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))
}

// checkVariable refuses a variable that was probably meant to be a setting. Others are
// not ours to judge: a cluster sets names such as SALLYPORT_SERVICE_HOST by itself.
func checkVariable(name string, known []string) error {
	for _, f := range foreign {
		if name == f {
			return nil
		}
	}
	near := core.Nearest(name, known)
	if near == "" || strings.HasPrefix(name, "SALLYPORT_SERVICE_") || strings.HasPrefix(name, "SALLYPORT_PORT") {
		return nil
	}
	return core.Errorf(core.Invalid, "unknown setting %s in the environment; did you mean %s?", name, near)
}

// words turns a value of koanf into the text that a setting reads.
func words(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		var out []string
		for _, w := range v {
			out = append(out, fmt.Sprint(w))
		}
		return out
	case nil:
		return []string{""}
	}
	return []string{fmt.Sprint(v)}
}
