package manifest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	roleHead    = "kind: role\nversion: v5\nmetadata: {name: r}\nspec:\n"
	userHead    = "kind: user\nmetadata: {name: u}\nspec:\n"
	targetHead  = "kind: target\nmetadata: {name: t}\nspec:\n"
	accountHead = "kind: pagerduty_account\nmetadata: {name: default}\nspec:\n  api_token: env:PD_TOKEN\n"
)

func TestWhatIsWrongIsNamedWithItsLine(t *testing.T) {
	tests := []struct {
		name, input, want string
	}{
		// Fields.
		{"unknown field", roleHead + "  allow:\n    request:\n      roles: [a]\n      thresholds: []\n      role: [b]\n", `unknown field "spec.allow.request.role" at line 9; did you mean "roles"?`},
		{"case variant", userHead + "  Roles: [a]\n", `unknown field "spec.Roles" at line 4; did you mean "roles"?`},
		{"case variant beside the field", userHead + "  roles: [a]\n  Roles: [admin]\n", `unknown field "spec.Roles" at line 5; did you mean "roles"?`},
		{"no near name", roleHead + "  colour: red\n", `unknown field "spec.colour" at line 5 (known here: allow, deny, entitlements, options)`},
		{"unknown beside the envelope", "kind: role\nmetadata: {name: r}\nspecs: {}\n", `unknown field "specs" at line 3; did you mean "spec"?`},
		{"unknown in metadata", "kind: role\nmetadata: {name: r, label: {a: b}}\n", `unknown field "metadata.label" at line 2; did you mean "labels"?`},
		{"unknown in a list", roleHead + "  allow:\n    request:\n      thresholds:\n      - approve: 1\n        denny: 1\n", `unknown field "spec.allow.request.thresholds[0].denny" at line 9; did you mean "deny"?`},
		{"prototype keys", `{"kind": "user", "metadata": {"name": "u"}, "spec": {"__proto__": {"locked": false}}}`, `unknown field "spec.__proto__" at line 1 (known here: bot, locked, owner, roles, traits)`},
		{"slip in a name that is documented elsewhere", roleHead + "  allow: {login: [root]}\n", `unknown field "spec.allow.login" at line 5; did you mean "logins"?`},
		{"twice in YAML", roleHead + "  allow: {}\n  deny: {}\n  allow: {}\n", `field "spec.allow" at line 7 stands twice: first at line 5`},
		{"twice in JSON", "{\"kind\": \"user\",\n\"metadata\": {\"name\": \"u\"},\n\"spec\": {\"roles\": [\"read\"],\n\"roles\": [\"admin\"]}}", `field "spec.roles" at line 4 stands twice: first at line 3`},
		{"twice in settings", targetHead + "  connector: memory\n  a:\n    b: 1\n    b: 2\n", `field "spec.a.b" at line 7 stands twice: first at line 6`},

		// Kinds, versions, names.
		{"no kind", "metadata: {name: r}\n", `the resource at line 1 has no kind (kinds of this version: pagerduty_account, role, target, user)`},
		{"nearly a kind", "metadata: {name: r}\nkind: rolle\n", `unknown kind "rolle" at line 2; did you mean "role"?`},
		{"no kind at all", "kind: banana\n", `unknown kind "banana" at line 1 (kinds of this version: pagerduty_account, role, target, user)`},
		{"later kind", "kind: Policy\nversion: v1\nmetadata: {name: p}\n", `kind policy at line 1 is not supported by this version (kinds of this version: pagerduty_account, role, target, user)`},
		{"Sensu's name of a later kind", "type: EventFilter\nmetadata: {name: p}\n", `kind filter at line 1 is not supported by this version (kinds of this version: pagerduty_account, role, target, user)`},
		{"kind of the wrong type", "kind: [role]\n", `kind at line 1 must be text, not a list`},
		{"kind twice over", "kind: role\ntype: role\n", `"kind" at line 1 and "type" at line 2 mean the same thing (remove one of them)`},
		{"version", "kind: role\nversion: v9\nmetadata: {name: r}\n", `version "v9" at line 2 is not known for kind role (known are v3, v4, v5, v6, v7, v8)`},
		{"version of the wrong type", "kind: role\nversion: 5\nmetadata: {name: r}\n", `version at line 2 must be text, not a number (put the value in quotes)`},
		{"no metadata", "kind: role\n", `metadata.name is missing in the object at line 1`},
		{"empty name", "kind: role\nmetadata: {name: ''}\n", `the name of the role at line 2 is empty`},
		{"number as a name", "kind: user\nmetadata: {name: 1234}\n", `metadata.name at line 2 must be text, not a number (put the value in quotes)`},
		{"slash", "kind: role\nmetadata: {name: a/b}\n", `the name of the role at line 2 has a slash: "a/b"`},
		{"control character", "kind: user\nmetadata: {name: \"a\\x1fb\"}\n", `the name of the user at line 2 has a character that cannot be printed: "a\x1fb"`},
		{"turned text", "kind: user\nmetadata: {name: \"a\\u202eb\"}\n", `the name of the user at line 2 has a character that cannot be printed: "a\u202eb"`},
		{"outer space", "kind: user\nmetadata: {name: ' ann'}\n", `the name of the user at line 2 begins or ends with a space`},
		{"long name", "kind: user\nmetadata: {name: " + strings.Repeat("a", 254) + "}\n", `the name of the user at line 2 has 254 bytes; at most 253 are allowed`},
		{"reserved target", "kind: target\nmetadata: {name: role}\nspec: {connector: memory}\n", `the name of the target at line 2 cannot be "role": grants of roles themselves go by that name`},
		{"same resource twice", "kind: user\nmetadata: {name: u}\n---\nkind: users\nmetadata: {name: u}\n", `user "u" at line 4 stands twice: first at line 1`},

		// Types.
		{"text for a list", userHead + "  roles: admin\n", `spec.roles at line 4 must be a list, not text (write a list of one: [value])`},
		{"number for text", userHead + "  roles: [17]\n", `spec.roles[0] at line 4 must be text, not a number (put the value in quotes)`},
		{"nothing for text", userHead + "  roles: [~]\n", `spec.roles[0] at line 4 must be text, not nothing`},
		{"list for an object", roleHead + "  allow: []\n", `spec.allow at line 5 must be an object, not a list`},
		{"text for a spec", "kind: role\nmetadata: {name: r}\nspec: all\n", `spec at line 3 must be an object, not text`},
		{"text for a bool", userHead + "  locked: 'true'\n", `spec.locked at line 4 must be true or false, not text`},
		{"the old yes", userHead + "  locked: yes\n", `spec.locked at line 4 must be true or false, not text`},
		{"negative count", roleHead + "  allow: {request: {thresholds: [{approve: -1}]}}\n", `spec.allow.request.thresholds[0].approve at line 5 must be a whole number, zero or more`},
		{"half a review", roleHead + "  allow: {request: {thresholds: [{approve: 1.5}]}}\n", `spec.allow.request.thresholds[0].approve at line 5 must be a whole number, zero or more`},
		{"trait of the wrong type", userHead + "  traits:\n    team: {a: b}\n", `spec.traits.team at line 5 must be a list, not an object`},
		{"label of the wrong type", "kind: role\nmetadata:\n  name: r\n  labels:\n    a: 1\n", `metadata.labels.a at line 5 must be text, not a number (put the value in quotes)`},
		{"not a duration", roleHead + "  allow: {request: {max_duration: soon}}\n", `spec.allow.request.max_duration at line 5 must be a duration (a duration looks like "30m", "8h", "1h30m" or "7d")`},
		{"bare number where the page has none", roleHead + "  allow: {request: {max_duration: 60}}\n", `spec.allow.request.max_duration at line 5 must be a duration (a duration looks like "30m", "8h", "1h30m" or "7d")`},
		{"negative duration", roleHead + "  options: {max_session_ttl: -1h}\n", `spec.options.max_session_ttl at line 5 must be a duration (a duration looks like "30m", "8h", "1h30m" or "7d")`},
		{"enormous duration", roleHead + "  options: {max_session_ttl: 99999999999}\n", `spec.options.max_session_ttl at line 5 must be a duration (a duration looks like "30m", "8h", "1h30m" or "7d")`},
		{"resource is a text", "- kind\n", `the resource at line 1 must be an object, not text (a resource has kind, version, metadata and spec)`},
		{"unknown word", roleHead + "  options: {request_access: reasons}\n", `spec.options.request_access at line 5 cannot be "reasons"; did you mean "reason"?`},
		{"unknown mode", roleHead + "  allow: {request: {reason: {mode: never}}}\n", `spec.allow.request.reason.mode at line 5 cannot be "never" (known are optional, required)`},

		// What belongs together.
		{"thresholds of a denial", roleHead + "  deny:\n    request:\n      thresholds: [{approve: 1}]\n", `spec.deny.request.thresholds at line 7 cannot be: a denial needs no reviews`},
		{"entitlement without a resource", roleHead + "  entitlements:\n  - target: pg\n", `spec.entitlements[0].resource is missing in the object at line 6`},
		{"entitlement on the reserved target", roleHead + "  entitlements:\n  - {target: role, resource: admin}\n", `spec.entitlements: "role" is no target, at line 6`},
		{"owner of a person", userHead + "  owner: ann\n", `spec.owner at line 4 is only for bots (write bot: true beside it)`},
		{"target without a connector", "kind: target\nmetadata: {name: t}\n", `spec.connector is missing in the object at line 1`},
		{"account without credentials", "kind: pagerduty_account\nmetadata: {name: default}\nspec: {region: us}\n", `spec.api_token is missing (give api_token, such as env:PAGERDUTY_TOKEN)`},
		{"account with oauth", "kind: pagerduty_account\nmetadata: {name: d}\nspec:\n  oauth: {client_id: a, client_secret: env:S}\n", `spec.oauth at line 4 is not supported by this version (give api_token, such as env:PAGERDUTY_TOKEN)`},
		{"region", accountHead + "  region: europe\n", `spec.region at line 5 cannot be "europe" (known are us, eu)`},
		{"from_email", accountHead + "  from_email: Bot <bot@example.com>\n", `spec.from_email at line 5 must be a plain e-mail address`},
		{"two @", accountHead + "  from_email: a@evil.com@corp.com\n", `spec.from_email at line 5 must be a plain e-mail address`},
		{"not a URL", accountHead + "  rest_url: api.pagerduty.com\n", `spec.rest_url at line 5 must be an http or https URL`},
		{"other scheme", accountHead + "  events_url: file:///etc/passwd\n", `spec.events_url at line 5 must be an http or https URL`},
		{"URL with a query", accountHead + "  identity_url: https://a.example/?x=1\n", `spec.identity_url at line 5 must end with its path`},
		{"subdomain", accountHead + "  subdomain: acme.pagerduty.com\n", `spec.subdomain at line 5 must be the first part of the account's host name, such as acme`},

		// The text itself.
		{"nothing", "", `there is no resource in the input (a resource has at least a kind and a metadata.name)`},
		{"comments only", "# nothing\n---\n---\n", `there is no resource in the input (a resource has at least a kind and a metadata.name)`},
		{"bytes", "kind: role\nmetadata: {name: \xff}\n", `the input is not valid UTF-8 at line 2 (only UTF-8 text is read)`},
		{"NUL", "kind: role\nmetadata: {name: \x00}\n", `the input has a NUL byte at line 2 (only UTF-8 text is read)`},
		{"written NUL in YAML", "kind: user\nmetadata: {name: u}\nspec: {roles: [\"\\0\"]}\n", `the text at line 3 has a NUL character`},
		{"written NUL in JSON", "{\"kind\": \"user\",\n\"metadata\": {\"name\": \"\\u0000\"}}", `the text at line 2 has a NUL character`},
		{"half a surrogate pair in JSON", `{"kind": "user", "metadata": {"name": "\ud800"}}`, `the text at line 1 has half of a surrogate pair (only valid Unicode is read)`},
		{"not YAML", "kind: role\n  metadata: {name: r}\n", `not valid YAML: line 2: mapping values are not allowed in this context`},
		{"not JSON", "{\"kind\": \"role\"}\n{\"kind\": \"role\",\n", `not valid JSON: it ends too early, at line 3`},
		{"JSON with a slip", "{\"kind\": \"role\"}\n{\"kind\" \"role\"}", `not valid JSON at line 2: invalid character '"' after object key`},
		{"unknown anchor", "kind: *k\n", `not valid YAML: unknown anchor 'k' referenced`},
		{"tag", "kind: role\nmetadata: {name: !!binary aGk=}\n", `tag "!!binary" at line 2 is not understood`},
		{"own tag on a list", "kind: user\nmetadata: {name: u}\nspec: {roles: !set [a]}\n", `tag "!set" at line 3 is not understood`},
		{"list as a key", "kind: user\nmetadata: {name: u}\nspec: {[a]: b}\n", `the key at line 3 must be text, not a list or an object`},
		{"integer that does not fit", targetHead + "  connector: memory\n  n: 123456789012345678901234567890\n", `the number at line 5 cannot be kept (a number must be finite, and an integer must fit into 64 bits; put text in quotes)`},
		{"infinite number", targetHead + "  connector: memory\n  n: .inf\n", `the number at line 5 cannot be kept (a number must be finite, and an integer must fit into 64 bits; put text in quotes)`},
		{"merge of a list", "kind: user\nmetadata: {name: u}\nspec:\n  <<: [1]\n", `the merge key << at line 4 must merge objects, not a number`},
		{"list in a list", "kind: List\nitems:\n- kind: List\n  items: []\n", `unknown kind "List" at line 3 (kinds of this version: pagerduty_account, role, target, user)`},
		{"items of the wrong type", "kind: List\nitems: {}\n", `items at line 2 must be a list, not an object`},
		{"unknown beside items", "kind: List\nitem: []\n", `unknown field "item" at line 2; did you mean "items"?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, tt.input); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// refusal reads what must be refused and returns the message, and the hint in brackets.
func refusal(t *testing.T, input string) string {
	t.Helper()
	items, err := Read([]byte(input))
	if err == nil {
		t.Fatalf("taken: %+v", items)
	}
	var e *core.Error
	if !errors.As(err, &e) || e.Kind != core.Invalid {
		t.Fatalf("not core.Invalid: %v", err)
	}
	if items != nil {
		t.Errorf("an error and %d items", len(items))
	}
	if e.Hint != "" {
		return e.Msg + " (" + e.Hint + ")"
	}
	return e.Msg
}

func TestALiteralCredentialIsRefusedAndNeverRepeated(t *testing.T) {
	const canary = "u+c4n4ry0123456789"
	inputs := map[string]string{
		"api_token":        "kind: pagerduty_account\nmetadata: {name: d}\nspec: {api_token: %s}\n",
		"wrong type":       "kind: pagerduty_account\nmetadata: {name: d}\nspec: {api_token: [%s]}\n",
		"credentials":      accountHead + "  credentials: %s\n",
		"oauth":            accountHead + "  oauth: {client_id: a, client_secret: %s}\n",
		"webhook_secrets":  accountHead + "  webhook_secrets: [env:A, %s]\n",
		"env: and a value": accountHead + "  credentials: env:%s\n",
		"URL":              accountHead + "  rest_url: https://user:%s@api.example\n",
		"setting":          targetHead + "  connector: okta\n  api_token: %s\n",
		"nested setting":   targetHead + "  connector: okta\n  auth: [{client_secret: %s}]\n",
		"setting's URL":    targetHead + "  connector: postgres\n  url: postgres://root:%s@db/x\n",
		"setting's DSN":    targetHead + "  connector: postgres\n  dsn: host=db password=%s\n",
		"URL in a list":    targetHead + "  connector: postgres\n  urls: [\"postgres://root:%s@db/x\"]\n",
		"secret:":          accountHead + "  credentials: secret:%s\n",
	}
	for name, input := range inputs {
		if got := refusal(t, fmt.Sprintf(input, canary)); strings.Contains(got, canary) {
			t.Errorf("%s: %s", name, got)
		}
	}
	got := refusal(t, "kind: pagerduty_account\nmetadata: {name: d}\nspec:\n  api_token: "+canary+"\n")
	want := "spec.api_token at line 4 is a literal credential, and there is no sealed store to keep it in " +
		"(keep the value in an environment variable of the server and write env:NAME, or in a file and write file:PATH)"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestB080AndB081BombsAreRefusedQuickly(t *testing.T) {
	laughs := "kind: user\nmetadata: {name: u}\nspec:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'j'; c++ {
		laughs += fmt.Sprintf("  %c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 10), ","))
	}
	many := strings.TrimSuffix(strings.Repeat("a,", 5000), ",")
	tests := []struct{ name, input, want string }{
		{"B081 laughs", laughs, "the aliases at line 4 stand for more than 10000 values"},
		{"B081 self", "kind: user\nmetadata: {name: u}\nspec: &s\n  traits: *s\n", "line 3 is nested deeper than 64 levels"},
		{"B080 brackets of JSON", strings.Repeat("[", 100_000), "line 1 is nested deeper than 64 levels"},
		{"B080 objects of JSON", strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), "line 1 is nested deeper than 64 levels"},
		{"B080 closed brackets of JSON", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "line 1 is nested deeper than 64 levels"},
		{"B080 flow of YAML", "a: " + strings.Repeat("[", 100_000), "the input is nested deeper than 64 levels"},
		{"B080 closed flow of YAML", "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "line 1 is nested deeper than 64 levels"},
		{"B080 dashes of YAML", strings.Repeat("- ", 9000), "line 1 is nested deeper than 64 levels"},
		{"B080 questions of YAML", strings.Repeat("? ", 100_000), "the input is nested deeper than 64 levels"},
		{"list", userHead + "  roles: [" + many + "]\n", "spec.roles at line 4 has more than 4096 entries"},
		{"list of JSON", `{"kind": "user", "metadata": {"name": "u"}, "spec": {"roles": [` + strings.TrimSuffix(strings.Repeat(`"a",`, 5000), ",") + `]}}`, "spec.roles at line 1 has more than 4096 entries"},
		{"large resource", userHead + "  roles: [" + strings.Repeat("a", maxDocument) + "]\n", `user "u" at line 1 has 1048623 bytes; at most 1048576 are kept`},
		{"large input", strings.Repeat("#", maxInput+1), "the input has 8388609 bytes; at most 8388608 are read at once"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			got := refusal(t, tt.input)
			if got != tt.want {
				t.Errorf("got %s", got)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestNothingIsHalfRead(t *testing.T) {
	refusal(t, "kind: user\nmetadata: {name: a}\n---\nkind: user\nmetadata: {name: b}\nspec: {role: [x]}\n")
}
