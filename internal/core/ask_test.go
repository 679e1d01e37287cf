package core

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// askDirectory is a small company: ann may ask for db-* and front, for 8 h at most for db-1.
func askDirectory(t testing.TB) *Directory {
	short := requester("short", "db-1")
	short.Allow.Request.MaxDuration = time.Hour
	long := requester("long", "db-1")
	long.Allow.Request.MaxDuration = 8 * time.Hour
	deny := Role{Name: "deny", Deny: Conditions{Request: RequestRule{Roles: []string{"db-9"}, SearchAsRoles: []string{"vault-reader"}}}}
	search := Role{Name: "search", Allow: Conditions{Request: RequestRule{SearchAsRoles: []string{"aws-reader", "aws-admin", "vault-reader", "db-9", "gone"}}}}
	return mustDirectory(t, []Role{
		requester("req", "db-*", "front"), short, long, deny, search,
		{Name: "db-1"}, {Name: "db-2"}, {Name: "db-9", Entitlements: []Resource{{"db", "nine"}}}, {Name: "secret"},
		{Name: "front", Options: RoleOptions{MaxSessionTTL: 2 * time.Hour}},
		{Name: "aws-reader", Entitlements: []Resource{{"aws", "logs"}, {"aws", "metrics"}}},
		{Name: "aws-admin", Entitlements: []Resource{{"aws", "logs"}, {"aws", "root"}}},
		{Name: "vault-reader", Entitlements: []Resource{{"vault", "kv"}}},
	}, []User{
		{Name: "ann", Roles: []string{"req", "short", "long", "deny", "search", "db-2"}},
		{Name: "nil"}, {Name: "locked", Roles: []string{"req"}, Locked: true},
	})
}

func TestNewRequestRefuses(t *testing.T) {
	many := make([]Resource, maxResources+1)
	for i := range many {
		many[i] = Resource{"aws", "logs"}
	}
	tests := []struct {
		name        string
		change      func(*Ask)
		kind        Kind
		words, hint string
	}{
		{"unknown user", func(a *Ask) { a.User = "bob" }, NotFound, `there is no user "bob"`, ""},
		{"locked user", func(a *Ask) { a.User = "locked" }, Refused, "user locked is locked", ""},
		{"nothing", func(a *Ask) { a.Roles = nil }, Invalid, "nothing is asked for", "db-1, front"},
		{"unknown role", func(a *Ask) { a.Roles = []string{"db-1", "frnt"} }, Invalid, `there is no role "frnt"`, "did you mean front?"},
		{"role that may not be asked for", func(a *Ask) { a.Roles = []string{"secret"} }, Refused, "ann may not ask for role secret", "what you may ask for: db-1, front"},
		{"one refused role refuses all", func(a *Ask) { a.Roles = []string{"db-1", "secret"} }, Refused, "secret", ""},
		{"denied role", func(a *Ask) { a.Roles = []string{"db-9"} }, Refused, "role deny denies it", "what you may ask for"},
		{"a person with no roles", func(a *Ask) { a.User = "nil" }, Refused, "nil may not ask for role db-1", "you may ask for no role"},
		{"star with nothing", func(a *Ask) { a.User, a.Roles = "nil", []string{"*"} }, Refused, "there is no role that nil", ""},
		{"star beside another", func(a *Ask) { a.Roles = []string{"*", "db-1"} }, Invalid, `there is no role "*"`, ""},
		{"too many roles", func(a *Ask) { a.Roles = slices.Repeat([]string{"db-1"}, maxRoles+1) }, Invalid, "at most 300", ""},
		{"long reason", func(a *Ask) { a.Reason = strings.Repeat("x", 4097) }, Invalid, "4097 bytes", ""},
		{"broken UTF-8", func(a *Ask) { a.Reason = "a\xff" }, Invalid, "not valid UTF-8", ""},
		{"NUL", func(a *Ask) { a.Reason = "a\x00" }, Invalid, "U+0000", ""},
		{"line break", func(a *Ask) { a.Reason = "a\nApproved by bob" }, Invalid, "U+000A", "one line"},
		{"turned text", func(a *Ask) { a.Reason = "a\u202eb" }, Invalid, "U+202E", ""},
		{"negative duration", func(a *Ask) { a.Duration = -time.Hour }, Invalid, "-1h0m0s is not a length of time", ""},
		{"tiny duration", func(a *Ask) { a.Duration = 5 }, Invalid, "too short", ""},
		{"absurd duration", func(a *Ask) { a.Duration = 1<<63 - 1 }, Invalid, "too long", ""},
		{"session over", func(a *Ask) { a.SessionLeft = -1 }, Refused, "the session of ann is over", ""},
		{"start in the past", func(a *Ask) { a.StartAt = testNow.Add(-time.Second) }, Invalid, "in the past", ""},
		{"too many resources", func(a *Ask) { a.Roles, a.Resources = nil, many }, Invalid, "at most 300", ""},
		{"resource names too long", func(a *Ask) {
			a.Roles, a.Resources = nil, []Resource{{"aws", strings.Repeat("x", 2045)}}
		}, Invalid, "2048 bytes", ""},
		{"half a resource", func(a *Ask) { a.Roles, a.Resources = nil, []Resource{{Target: "aws"}} }, Invalid, "is not a resource", ""},
		{"unknown resource", func(a *Ask) { a.Roles, a.Resources = nil, []Resource{{"aws", "lgos"}} }, Refused, "gives aws/lgos", "did you mean aws/logs?"},
		{"deny.search_as_roles", func(a *Ask) { a.Roles, a.Resources = nil, []Resource{{"vault", "kv"}} }, Refused, "gives vault/kv", ""},
		{"deny.request.roles denies searching too", func(a *Ask) { a.Roles, a.Resources = nil, []Resource{{"db", "nine"}} }, Refused, "gives db/nine", ""},
		{"resources without search_as_roles", func(a *Ask) { a.User, a.Roles, a.Resources = "nil", nil, []Resource{{"aws", "logs"}} }, Refused, "no role they hold has search_as_roles", ""},
		{"resources through a role that is not searched as", func(a *Ask) { a.Resources = []Resource{{"aws", "logs"}} }, Refused, "may not ask for resources through role db-1", ""},
		{"resource that the named role does not give", func(a *Ask) { a.Roles, a.Resources = []string{"aws-reader"}, []Resource{{"aws", "root"}} }, Refused, "gives aws/root", ""},
	}
	d := askDirectory(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ask := Ask{User: "ann", Roles: []string{"db-1"}}
			tt.change(&ask)
			_, err := d.NewRequest("req_1", ask, DefaultTerms(), testNow)
			wantRefusal(t, err, tt.kind, tt.words)
			if !strings.Contains(hintOf(err), tt.hint) {
				t.Errorf("hint %q, want %q", hintOf(err), tt.hint)
			}
		})
	}
}

func TestNewRequest(t *testing.T) {
	d := askDirectory(t)
	got := mustRequest(t, d, Ask{User: "ann", Author: "boss", Roles: []string{"front", "db-1", "front"}, Reason: "INC-1", Duration: 30 * time.Minute, Extends: "gr_1"})
	one := [][]int{{0}}
	want := Request{
		ID: "req_1", User: "ann", Author: "boss", Roles: []string{"db-1", "front"}, Reason: "INC-1", State: Pending, CreatedAt: testNow,
		ExpiresAt: testNow.Add(7 * 24 * time.Hour), Duration: 30 * time.Minute, Extends: "gr_1",
		Thresholds: []Threshold{defaultThreshold}, Sets: map[string][][]int{"db-1": {{0}, {0}, {0}}, "front": one},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStarAsksForWhatMayBeAskedForAndIsNotHeld(t *testing.T) {
	if got := mustRequest(t, askDirectory(t), Ask{User: "ann", Roles: []string{"*"}}).Roles; !slices.Equal(got, []string{"db-1", "front"}) {
		t.Errorf("got %v", got)
	}
}

func TestAskingForWhatOneHoldsIsAllowed(t *testing.T) {
	mustRequest(t, askDirectory(t), Ask{User: "ann", Roles: []string{"db-2"}})
}

func TestRolesAreWorkedOutFromResources(t *testing.T) {
	d := askDirectory(t)
	tests := []struct{ resources, roles []string }{
		{[]string{"metrics"}, []string{"aws-reader"}},
		{[]string{"root", "root"}, []string{"aws-admin"}},
		{[]string{"logs"}, []string{"aws-admin", "aws-reader"}}, // each that gives one of them, as in Teleport
		{[]string{"metrics", "root"}, []string{"aws-admin", "aws-reader"}},
	}
	for _, tt := range tests {
		var ask Ask
		for _, name := range tt.resources {
			ask.Resources = append(ask.Resources, Resource{"aws", name})
		}
		ask.User = "ann"
		r := mustRequest(t, d, ask)
		if !slices.Equal(r.Roles, tt.roles) || len(r.Resources) != len(slices.Compact(tt.resources)) {
			t.Errorf("%v: roles %v, resources %v", tt.resources, r.Roles, r.Resources)
		}
	}
	if got := d.RequestableResources("ann"); len(got) != 3 {
		t.Errorf("may ask for %v", got)
	}
	r := mustRequest(t, d, Ask{User: "ann", Roles: []string{"aws-reader"}, Resources: []Resource{{"aws", "logs"}}})
	if !slices.Equal(r.Roles, []string{"aws-reader"}) {
		t.Errorf("named role: %v", r.Roles)
	}
}

func TestAccessLastsTheLeastOfAllLimits(t *testing.T) {
	h := time.Hour
	tests := []struct {
		name  string
		roles []string
		asked time.Duration
		left  time.Duration
		want  time.Duration
	}{
		{"nothing asked", []string{"db-2"}, 0, 0, 4 * h},
		{"asked", []string{"db-2"}, 6 * h, 0, 6 * h},
		{"14 days", []string{"db-2"}, 30 * 24 * h, 0, 14 * 24 * h},
		{"what is left of the session", []string{"db-2"}, 6 * h, 2 * h, 2 * h},
		{"session bounds the default", []string{"db-2"}, 0, time.Minute, time.Minute},
		{"the largest cap of the granting roles", []string{"db-1"}, 24 * h, 0, 8 * h},
		{"an uncapped role beside does not lift the cap", []string{"db-1", "db-2"}, 24 * h, 0, 8 * h},
		{"max_session_ttl where no cap is", []string{"front"}, 24 * h, 0, 2 * h},
		{"the smallest over the roles", []string{"db-1", "front"}, 24 * h, 0, 2 * h},
	}
	d := askDirectory(t)
	for _, tt := range tests {
		for range 2 {
			slices.Reverse(tt.roles)
			if r := mustRequest(t, d, Ask{User: "ann", Roles: tt.roles, Duration: tt.asked, SessionLeft: tt.left}); r.Duration != tt.want {
				t.Errorf("%s: %s, want %s", tt.name, r.Duration, tt.want)
			}
		}
	}
}

func TestARequestWaitsNoLongerThanItsWindow(t *testing.T) {
	start := testNow.Add(time.Hour)
	r := mustRequest(t, askDirectory(t), Ask{User: "ann", Roles: []string{"db-2"}, Duration: 2 * time.Hour, StartAt: start})
	if !r.ExpiresAt.Equal(start.Add(2*time.Hour)) || !r.StartAt.Equal(start) {
		t.Errorf("expires %s, starts %s", r.ExpiresAt, r.StartAt)
	}
}

// B041: what the requester writes is compared literally, whatever it looks like.
//
// asvs: 1.2.9
func TestB041RequestersWildcardsAreLiteral(t *testing.T) {
	d := askDirectory(t)
	for _, role := range []string{"db-*", "^db-1$", ".*", "db-?", "%", `{{regexp.match("db")}}`, "DB-1", " db-1"} {
		_, err := d.NewRequest("r", Ask{User: "ann", Roles: []string{role}}, Terms{}, testNow)
		wantRefusal(t, err, Invalid, "there is no role")
	}
	for _, r := range []Resource{{"aws", "*"}, {"*", "logs"}, {".*", ".*"}, {"aws", "^logs$"}, {"AWS", "logs"}} {
		_, err := d.NewRequest("r", Ask{User: "ann", Resources: []Resource{r}}, Terms{}, testNow)
		wantRefusal(t, err, Refused, "gives "+r.String())
	}
	if got := mustRequest(t, d, Ask{User: "ann", Roles: []string{"*"}}).Roles; slices.Contains(got, "secret") || slices.Contains(got, "db-9") {
		t.Errorf("roles=* reaches %v", got)
	}
}
