package core

import (
	"slices"
	"testing"
)

// asvs: 1.3.7
func TestTemplates(t *testing.T) {
	traits := map[string][]string{
		"x": {"a", "b"}, "empty": {}, "blank": {"", "c"}, "logins": {"root"}, "foo": {"no"}, "a-b": {"dash"},
		"mail": {"Ann Lee <ann@x.org>", "bob@x.org"}, "mixed": {"ann@x.org", "nobody"}, "team": {"team-a", "other", "team-b", "x-team-c"},
	}
	tests := []struct {
		src  string
		want []string
	}{
		{"plain", []string{"plain"}}, {" kept ", []string{" kept "}}, {"", nil}, {"one { brace", []string{"one { brace"}},
		{"{{external.x}}", []string{"a", "b"}}, {`{{external["x"]}}`, []string{"a", "b"}}, {`{{external["a-b"]}}`, []string{"dash"}},
		{"{{ external.x }}", []string{"a", "b"}}, {"  svc-{{external.x}}-y  ", []string{"svc-a-y", "svc-b-y"}},
		{"{{external.none}}", nil}, {"{{external.empty}}", nil}, {"{{external.blank}}", []string{"c"}}, {"p-{{external.blank}}", []string{"p-c"}},
		{"{{internal.logins}}", []string{"root"}}, {"{{external.logins}}", []string{"root"}},
		{"{{email.local(external.mail)}}", []string{"ann", "bob"}}, {"{{email.local(external.mixed)}}", nil}, {`{{email.local("z@y")}}`, []string{"z"}},
		{`{{regexp.replace(external.team, "^team-(.*)$", "$1")}}`, []string{"a", "b"}},
		{`{{regexp.replace(external.team, "team-", "")}}`, []string{"a", "b", "x-c"}},
		{`{{regexp.replace(external.team, "^team-(.*)$", "")}}`, nil},
		{`{{regexp.replace(email.local(external.mail), "^(.).*$", "$1")}}`, []string{"a", "b"}},
		{`{{"text"}}`, []string{"text"}},
	}
	for _, tt := range tests {
		tpl, err := newTemplate(tt.src)
		if err != nil {
			t.Errorf("%s: %v", tt.src, err)
			continue
		}
		if got := tpl.values(traits, nil); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.src, got, tt.want)
		}
	}
}

func TestTemplatesThatCannotBeRead(t *testing.T) {
	for _, src := range []string{
		"{{", "{{external}}", "{{external.a.b}}", "{{external.a-b}}", "{{internal.foo}}", "{{traits.x}}", "{{x}}", `{{external[x]}}`, "{{1}}",
		"{{external.x}}{{external.x}}", `{{email.local()}}`, `{{email.upper(external.x)}}`, `{{regexp.replace(external.x, "(", "")}}`,
		`{{regexp.replace(external.x, "a")}}`, `{{regexp.replace(external.x, external.y, "")}}`, `{{regexp.match("a")}}`, `{{email.local(regexp.match("a"))}}`,
	} {
		if _, err := newTemplate(src); err == nil {
			t.Errorf("%s is read", src)
		}
	}
	for _, name := range internalTraits {
		if _, err := newTemplate("{{internal." + name + "}}"); err != nil {
			t.Error(err)
		}
	}
}
