package manifest

import (
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
)

// The kinds of this version, as they stand in core.Document.
const (
	KindRole    = "role"
	KindUser    = "user"
	KindTarget  = "target"
	KindAccount = "pagerduty_account"
)

// A kind is one kind of resource: its names, and what its spec may hold.
type kind struct {
	name     string
	also     []string     // other names, plurals included
	versions []string     // accepted
	version  string       // where none is written
	spec     reflect.Type // a struct; see schema.go
	judge    func(spec *node, c *checker) error
}

func kinds() []kind {
	return []kind{
		{
			name: KindAccount, also: []string{"pagerduty_accounts", "account", "accounts"},
			versions: []string{"v1"}, version: "v1", spec: typeOf[accountSpec](), judge: judgeAccount,
		},
		{
			name: KindRole, also: []string{"roles"},
			versions: []string{"v3", "v4", "v5", "v6", "v7", "v8"}, version: "v7", spec: typeOf[roleSpec](), judge: judgeRole,
		},
		{
			name: KindTarget, also: []string{"targets"},
			versions: []string{"v1"}, version: "v1", spec: typeOf[targetSpec](),
		},
		{
			name: KindUser, also: []string{"users"},
			versions: []string{"v1", "v2"}, version: "v2", spec: typeOf[userSpec](), judge: judgeUser,
		},
	}
}

// later are kinds that the pages and the product know and this version does not, by every name.
var later = map[string]string{
	"asset": "asset", "assets": "asset",
	"awssecretsmanager": "AWSSecretsManager",
	"check":             "check", "checks": "check", "checkconfig": "check", "check_config": "check",
	"env":         "Env",
	"eventfilter": "filter", "event_filter": "filter", "filter": "filter", "filters": "filter",
	"handler": "handler", "handlers": "handler",
	"mutator": "mutator", "mutators": "mutator",
	"pipeline": "pipeline", "pipelines": "pipeline",
	"policy": "policy", "policies": "policy",
	"resource": "resource", "resources": "resource",
	"response_plan": "response_plan", "response_plans": "response_plan",
	"sealed": "Sealed",
	"secret": "secret", "secrets": "secret",
	"vaultprovider": "VaultProvider", "vault_provider": "VaultProvider",
	"webhook": "webhook", "webhooks": "webhook",
}

// Kinds lists the kinds that this version supports, sorted.
func Kinds() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Kind returns the name of a supported kind from any spelling of it: whatever case, the plural, a hyphen.
func Kind(s string) (string, bool) {
	k, err := findKind(s, 0)
	return k.name, err == nil
}

// ParseKind is Kind with the reason: the error says whether the kind is unknown or not supported by this version.
func ParseKind(s string) (string, error) {
	k, err := findKind(s, 0)
	return k.name, err
}

// Ref reads KIND/NAME, such as users/ann@example.com.
func Ref(s string) (kind, name string, err error) {
	before, name, ok := strings.Cut(s, "/")
	if !ok || before == "" || name == "" {
		return "", "", wrong("%q does not name a resource", s).WithHint("write KIND/NAME, such as users/ann@example.com")
	}
	k, err := findKind(before, 0)
	if err != nil {
		return "", "", err
	}
	if err := checkName(k, name, 0); err != nil {
		return "", "", err
	}
	return k.name, name, nil
}

// findKind looks a kind up; line 0 is no line.
func findKind(s string, line int) (kind, error) {
	folded := strings.ReplaceAll(strings.ToLower(s), "-", "_")
	names := []string{}
	for _, k := range kinds() {
		if folded == k.name || slices.Contains(k.also, folded) {
			return k, nil
		}
		names = append(append(names, k.name), k.also...)
	}
	if name, ok := later[folded]; ok {
		return kind{}, wrong("kind %s%s is not supported by this version", name, at(line)).
			WithHint("kinds of this version: %s", strings.Join(Kinds(), ", "))
	}
	for _, name := range later {
		names = append(names, name)
	}
	slices.Sort(names)
	near := core.Nearest(s, slices.Compact(names))
	if near != "" {
		return kind{}, wrong("unknown kind %q%s; did you mean %q?", s, at(line), near)
	}
	return kind{}, wrong("unknown kind %q%s", s, at(line)).
		WithHint("kinds of this version: %s", strings.Join(Kinds(), ", "))
}

// checkName holds names to what can be printed, put into a path, and told apart from its neighbours.
func checkName(k kind, name string, line int) error {
	bad := func(format string, args ...any) error {
		return wrong("the name of the "+k.name+at(line)+" "+format, args...)
	}
	switch {
	case name == "":
		return bad("is empty")
	case len(name) > 253:
		return bad("has %d bytes; at most 253 are allowed", len(name))
	case !utf8.ValidString(name):
		return bad("is not valid UTF-8")
	case strings.TrimSpace(name) != name:
		return bad("begins or ends with a space")
	case name == "." || name == "..":
		return bad("cannot be %q", name)
	case k.name != KindUser && strings.Contains(name, "/"):
		return bad("has a slash: %q", name)
	case k.name == KindTarget && name == core.RoleTarget:
		return bad("cannot be %q: grants of roles themselves go by that name", name)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return bad("has a character that cannot be printed: %q", name)
		}
	}
	return nil
}
