package all

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
)

func target(name string, settings map[string]any) core.Target {
	return core.Target{Name: "demo", Connector: name, Settings: settings}
}

// locked resolves nothing.
func locked(context.Context, core.SecretRef) (string, error) {
	return "", errors.New("the vault is sealed")
}

func TestATargetIsCheckedStrictly(t *testing.T) {
	good := func(change map[string]any) map[string]any {
		s := map[string]any{"dsn": "env:DSN", "roles": []any{"payments"}}
		for k, v := range change {
			s[k] = v
		}
		return s
	}
	tests := []struct {
		name      string
		target    core.Target
		want      string // in the message or the hint; empty: it is valid
		neverSaid string
	}{
		{"memory without settings", target("memory", nil), "", ""},
		{"memory with lists", target("memory", map[string]any{"users": []any{"ann"}, "resources": []any{"x"}}), "", ""},
		{"postgres", target("postgres", good(nil)), "", ""},
		{"postgres with everything", target("postgres", good(map[string]any{
			"login": "email_local", "domain": "example.com", "allow_privileged": true,
		})), "", ""},
		{"unknown connector", target("oracle", nil), "there are: memory, postgres", ""},
		{"misspelt connector", target("postgress", nil), `did you mean "postgres"?`, ""},
		{"no connector", target("", nil), "there are: memory, postgres", ""},
		{"misspelt setting", target("postgres", good(map[string]any{"role": []any{"x"}})), `did you mean "roles"?`, ""},
		{"far-off setting", target("memory", map[string]any{"colour": "red"}), "it has: users, resources", ""},
		{"no roles", target("postgres", map[string]any{"dsn": "env:DSN"}), "roles is required", ""},
		{"empty roles", target("postgres", good(map[string]any{"roles": []any{}})), "roles is required", ""},
		{"empty role", target("postgres", good(map[string]any{"roles": []any{""}})), "empty name", ""},
		{"impossible role", target("postgres", good(map[string]any{"roles": []any{"a\x00b"}})), "cannot be the name of a role", ""},
		{"roles that are a text", target("postgres", good(map[string]any{"roles": "payments"})), "list of names, not a text", ""},
		{"a role that is a number", target("postgres", good(map[string]any{"roles": []any{1}})), "one of them is a number", ""},
		{"no dsn", target("postgres", map[string]any{"roles": []any{"x"}}), "dsn is required", ""},
		{"literal dsn", target("postgres", good(map[string]any{"dsn": "postgres://u:hunter2@h/d"})), "secret:NAME", "hunter2"},
		{"literal dsn, as key and value", target("postgres", good(map[string]any{"dsn": "password=hunter2"})), "secret:NAME", "hunter2"},
		{"dsn that is a list", target("postgres", good(map[string]any{"dsn": []any{"hunter2"}})), "must be a text, not a list", "hunter2"},
		{"empty reference", target("postgres", good(map[string]any{"dsn": "env:"})), "env:NAME", ""},
		{"unknown login", target("postgres", good(map[string]any{"login": "uid"})), "name, email_local", ""},
		{"email_local without domain", target("postgres", good(map[string]any{"login": "email_local"})), "need each other", ""},
		{"domain without email_local", target("postgres", good(map[string]any{"domain": "x"})), "need each other", ""},
		{"a bool that is a text", target("postgres", good(map[string]any{"allow_privileged": "yes"})), "true or false, not a text", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := Check(test.target)
			p, openErr := Open(t.Context(), test.target, Deps{Secret: locked})
			if c, ok := p.(io.Closer); ok && openErr == nil {
				defer c.Close()
			}
			if test.want == "" {
				if err != nil || openErr != nil || p == nil {
					t.Errorf("check: %v, open: %v, %v", err, p, openErr)
				}
				return
			}
			var shown *core.Error
			if !errors.As(err, &shown) || shown.Kind != core.Invalid {
				t.Fatalf("check: %v, want an error of kind invalid", err)
			}
			said := shown.Msg + "\n" + shown.Hint
			if !strings.Contains(said, test.want) || (test.neverSaid != "" && strings.Contains(said, test.neverSaid)) {
				t.Errorf("it says %q, want %q", said, test.want)
			}
			if openErr == nil || openErr.Error() != err.Error() || p != nil {
				t.Errorf("open: %v, %v; want nothing and what check says", p, openErr)
			}
		})
	}
}

func TestOpeningATargetWaitsForNobody(t *testing.T) {
	for _, name := range Known() {
		settings := map[string]any{}
		for _, s := range Secrets(name) {
			settings[s] = "env:NOT_THERE"
		}
		if name == "postgres" {
			settings["roles"] = []any{"payments"}
		}
		p, err := Open(t.Context(), target(name, settings), Deps{Secret: locked})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c, ok := p.(io.Closer); ok {
			if err := c.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
	}
	if !slices.Equal(Known(), []string{"memory", "postgres"}) {
		t.Errorf("known: %v", Known())
	}
}
