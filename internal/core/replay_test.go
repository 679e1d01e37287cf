package core

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// conformance is the data in testdata/requests.json, observed on Teleport's own code.
type conformance struct {
	Scenarios   []Scenario `json:"request_review_cases"`
	MaxDuration []struct {
		ID          string `json:"id"`
		RoleCap     int64  `json:"requester_role_max_duration_s"`
		RoleSession int64  `json:"requested_role_max_session_ttl_s"`
		Left        int64  `json:"identity_remaining_s"`
		Asked       int64  `json:"asked_max_duration_s"`
		DryRun      bool   `json:"dry_run"`
		Expect      struct {
			Access  int64 `json:"access_s"`
			Session int64 `json:"session_s"`
			Pending int64 `json:"pending_s"`
		} `json:"expect"`
	} `json:"max_duration_cases"`
	Annotations []struct {
		ID    string `json:"id"`
		Roles map[string]struct {
			Grants  []string            `json:"grants"`
			Search  []string            `json:"search_as_roles"`
			Allowed map[string][]string `json:"annotations"`
			Denied  map[string][]string `json:"deny_annotations"`
		} `json:"roles"`
		Held      []string            `json:"held"`
		Requested []string            `json:"requested"`
		Resource  bool                `json:"resource_request"`
		Expect    map[string][]string `json:"expect_current"`
	} `json:"annotation_cases"`
	Reasons []struct {
		ID        string   `json:"id"`
		Mode      string   `json:"granting_reason_mode"`
		Access    string   `json:"request_access"`
		Grants    []string `json:"granting_roles"`
		Requested []string `json:"requested"`
		Reason    string   `json:"reason"`
		Bytes     int      `json:"reason_bytes"`
		OK        bool     `json:"ok"`
	} `json:"reason_cases"`
	Starts []struct {
		ID     string `json:"id"`
		After  int64  `json:"start_after_creation_s"`
		Access int64  `json:"access_s"`
		OK     bool   `json:"ok"`
	} `json:"assume_start_cases"`
}

func readConformance(t testing.TB) conformance {
	t.Helper()
	data, err := os.ReadFile("testdata/requests.json")
	if err != nil {
		t.Fatal(err)
	}
	var c conformance
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Scenarios) == 0 || len(c.MaxDuration) == 0 || len(c.Annotations) == 0 || len(c.Reasons) == 0 || len(c.Starts) == 0 {
		t.Fatal("a list of cases is missing")
	}
	return c
}

// expectation is what a scenario says should come of it.
type expectation struct {
	Accepted    bool                `json:"accepted"`
	MayRequest  map[string]bool     `json:"may_request"`
	Sets        map[string][][]int  `json:"role_sets"`
	Annotations map[string][]string `json:"system_annotations"`
	Thresholds  []ReplayThreshold   `json:"thresholds"`
	Steps       []struct {
		ReplayStep
		ResolveReason string `json:"resolve_reason"`
	} `json:"steps"`
}

func TestConformanceOfRequestsAndReviews(t *testing.T) {
	for _, s := range readConformance(t).Scenarios {
		t.Run(s.ID, func(t *testing.T) {
			var want expectation
			if err := json.Unmarshal(s.Expect, &want); err != nil {
				t.Fatal(err)
			}
			got := Replay(s)
			if got.Accepted != want.Accepted {
				t.Fatalf("accepted %v, want %v (%s)", got.Accepted, want.Accepted, got.Error)
			}
			roles, users := s.nouns()
			d, errs := NewDirectory(roles, users)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			for role, may := range want.MayRequest {
				if d.MayRequest(s.Requester, role) != may {
					t.Errorf("may request %s: %v, want %v", role, !may, may)
				}
			}
			if !want.Accepted {
				return
			}
			for key, values := range want.Annotations { // the file shows the order and the duplicates of 2023
				slices.Sort(values)
				want.Annotations[key] = slices.Compact(values)
			}
			if diff := cmp.Diff(want.Annotations, got.SystemAnnotations); diff != "" {
				t.Errorf("annotations: %s", diff)
			}
			if diff := cmp.Diff(want.Thresholds, got.Thresholds); diff != "" {
				t.Errorf("thresholds: %s", diff)
			}
			r, err := d.NewRequest(s.ID, Ask{User: s.Requester, Roles: s.RequestedRoles, Reason: s.RequestReason}, Terms{}, testNow)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Sets, r.Sets); diff != "" {
				t.Errorf("sets: %s", diff)
			}
			if len(got.Steps) != len(want.Steps) {
				t.Fatalf("%d steps, want %d", len(got.Steps), len(want.Steps))
			}
			for i, step := range want.Steps {
				if diff := cmp.Diff(step.ReplayStep, got.Steps[i]); diff != "" {
					t.Errorf("step %d: %s", i+1, diff)
				}
			}
		})
	}
}

// What the product does for the same stories: no human has two names in them, so but for
// promotion the verbs for people decide as the replay does.
func TestReviewsDecideAsTheReplayDoes(t *testing.T) {
	for _, s := range readConformance(t).Scenarios {
		t.Run(s.ID, func(t *testing.T) {
			roles, users := s.nouns()
			d, _ := NewDirectory(roles, users)
			r, err := d.NewRequest(s.ID, Ask{User: s.Requester, Roles: s.RequestedRoles, Reason: s.RequestReason}, Terms{}, testNow)
			if err != nil {
				return
			}
			var want expectation
			if err := json.Unmarshal(s.Expect, &want); err != nil {
				t.Fatal(err)
			}
			for i, step := range s.Steps {
				if step.Propose == "PROMOTED" {
					return
				}
				if may := d.MayReview(step.By, r) == nil; may != want.Steps[i].MayReview {
					t.Fatalf("step %d: may review %v", i+1, may)
				} else if !may {
					continue
				}
				next, err := d.AddReview(r, Review{Author: step.By, State: RequestState(step.Propose), Reason: step.Reason}, testNow)
				if (err != nil) != (want.Steps[i].Error != "") {
					t.Fatalf("step %d: %v", i+1, err)
				}
				if r = next; string(r.State) != want.Steps[i].State {
					t.Fatalf("step %d: %s, want %s", i+1, r.State, want.Steps[i].State)
				}
				if reason := want.Steps[i].ResolveReason; reason != "" && !strings.HasSuffix(r.Decision.Reasons[0].Text, ": "+reason) {
					t.Errorf("step %d: decided with %q, want the reason %q", i+1, r.Decision.Reasons[0].Text, reason)
				}
			}
		})
	}
}

func TestConformanceOfAccessTimes(t *testing.T) {
	s := func(n int64) time.Duration { return time.Duration(n) * time.Second }
	for _, c := range readConformance(t).MaxDuration {
		access, session, pending := AccessTimes(TeleportTimes{
			Asked: s(c.Asked), AskedGiven: true, RoleCap: s(c.RoleCap), RoleSession: s(c.RoleSession), SessionLeft: s(c.Left), DryRun: c.DryRun,
		})
		if access != s(c.Expect.Access) || session != s(c.Expect.Session) || pending != s(c.Expect.Pending) {
			t.Errorf("%s: access %s, session %s, pending %s; want %+v", c.ID, access, session, pending, c.Expect)
		}
	}
	// An absent max_duration is not one of zero length: the role's cap becomes the access.
	if access, _, _ := AccessTimes(TeleportTimes{RoleCap: s(259200), SessionLeft: s(28800)}); access != s(259200) {
		t.Errorf("nothing asked: %s, want the role's cap", access)
	}
}

func TestConformanceOfAnnotations(t *testing.T) {
	for _, c := range readConformance(t).Annotations {
		var roles []Role
		db := Resource{"db", "one"}
		for name, r := range c.Roles {
			roles = append(roles, Role{Name: name, Allow: Conditions{Request: RequestRule{Roles: r.Grants, SearchAsRoles: r.Search, Annotations: r.Allowed}},
				Deny: Conditions{Request: RequestRule{Annotations: r.Denied}}})
		}
		for _, name := range []string{"x", "y", "db-7"} {
			roles = append(roles, Role{Name: name, Entitlements: []Resource{db}})
		}
		ask := Ask{User: "u", Roles: c.Requested}
		if c.Resource { // for x through another role, so that ra's roles match what is asked for and its search_as_roles do not
			roles = append(roles, Role{Name: "searcher", Allow: Conditions{Request: RequestRule{SearchAsRoles: []string{"x"}}}})
			c.Held = append(c.Held, "searcher")
			ask.Resources = []Resource{db}
		}
		d := mustDirectory(t, roles, []User{{Name: "u", Roles: c.Held}})
		r, err := d.NewRequest(c.ID, ask, Terms{}, testNow)
		if err != nil {
			t.Errorf("%s: %v", c.ID, err)
			continue
		}
		if len(r.Annotations)+len(c.Expect) > 0 && !cmp.Equal(r.Annotations, c.Expect) {
			t.Errorf("%s: %v, want %v", c.ID, r.Annotations, c.Expect)
		}
	}
}

func TestConformanceOfReasons(t *testing.T) {
	for _, c := range readConformance(t).Reasons {
		if c.Grants == nil {
			c.Grants, c.Requested = []string{"x"}, []string{"x"}
		}
		if c.Bytes > 0 {
			c.Reason = strings.Repeat("r", c.Bytes)
		}
		req := Role{Name: "req", Allow: Conditions{Request: RequestRule{Roles: c.Grants, ReasonMode: c.Mode}}, Options: RoleOptions{RequestAccess: c.Access}}
		d := mustDirectory(t, []Role{req, {Name: "x"}, {Name: "db-1"}}, []User{{Name: "u", Roles: []string{"req"}}})
		_, err := d.NewRequest(c.ID, Ask{User: "u", Roles: c.Requested, Reason: c.Reason}, Terms{}, testNow)
		if (err == nil) != c.OK {
			t.Errorf("%s: %v, want ok %v", c.ID, err, c.OK)
		}
		if err != nil && KindOf(err) != Invalid {
			t.Errorf("%s: kind %s", c.ID, KindOf(err))
		}
	}
}

func TestConformanceOfStarts(t *testing.T) {
	d := mustDirectory(t, []Role{{Name: "req", Allow: Conditions{Request: RequestRule{Roles: []string{"x"}}}}, {Name: "x"}}, []User{{Name: "u", Roles: []string{"req"}}})
	for _, c := range readConformance(t).Starts {
		start, access := testNow.Add(time.Duration(c.After)*time.Second), time.Duration(c.Access)*time.Second
		if err := CheckStart(start, testNow, access); (err == nil) != c.OK {
			t.Errorf("%s: %v, want ok %v", c.ID, err, c.OK)
		}
		if _, err := d.NewRequest(c.ID, Ask{User: "u", Roles: []string{"x"}, Duration: access, StartAt: start}, Terms{}, testNow); (err == nil) != c.OK {
			t.Errorf("%s: as a request: %v, want ok %v", c.ID, err, c.OK)
		}
	}
}

// play is a scenario of one requester u, who holds req, and reviewers r and s, who hold rev.
func play(t *testing.T, roles string, traits string, requested []string, steps ...ScenarioStep) Result {
	t.Helper()
	text := `{"id":"own","requester":"u","roles":` + roles + `,"users":{
		"u":{"roles":["req"],"traits":` + traits + `},"r":{"roles":["rev"],"traits":{}},"s":{"roles":["rev"],"traits":{"team":["sre"]}}}}`
	var s Scenario
	if err := decodeStrictly([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	s.RequestedRoles, s.Steps = requested, steps
	return Replay(s)
}

// Each row is a sentence of what is known of Teleport.
func TestWhoMayAskInScenarios(t *testing.T) {
	tests := []struct {
		name, roles, traits string
		requested           string
		accepted            bool
	}{
		{"literal", `{"req":{"request":{"roles":["prod"]}},"prod":{}}`, `{}`, "prod", true},
		{"glob in the middle", `{"req":{"request":{"roles":["db-*-ro"]}},"db-1-ro":{}}`, `{}`, "db-1-ro", true},
		{"a glob quotes the rest: brackets", `{"req":{"request":{"roles":["db-(a|b)*"]}},"db-a":{}}`, `{}`, "db-a", false},
		{"a literal quotes everything", `{"req":{"request":{"roles":["db-(a|b)"]}},"db-a":{}}`, `{}`, "db-a", false},
		{"a literal with brackets is that name", `{"req":{"request":{"roles":["db-(a|b)"]}},"db-(a|b)":{}}`, `{}`, "db-(a|b)", true},
		{"a glob has no dot", `{"req":{"request":{"roles":["db.*"]}},"dbxa":{}}`, `{}`, "dbxa", false},
		{"half an anchor is no regexp", `{"req":{"request":{"roles":["^db-.*"]}},"db-1":{}}`, `{}`, "db-1", false},
		{"regexp.not_match", `{"req":{"request":{"roles":["{{regexp.not_match(\"^prod\")}}"]}},"dev":{}}`, `{}`, "dev", true},
		{"regexp.not_match misses", `{"req":{"request":{"roles":["{{regexp.not_match(\"^prod\")}}"]}},"prod-1":{}}`, `{}`, "prod-1", false},
		{"regexp.match is not anchored by itself", `{"req":{"request":{"roles":["{{regexp.match(\"rod\")}}"]}},"prod":{}}`, `{}`, "prod", true},
		{"not_match with prefix and suffix", `{"req":{"request":{"roles":["db-{{regexp.not_match(\"^1$\")}}-ro"]}},"db-2-ro":{}}`, `{}`, "db-2-ro", true},
		{"not_match needs its prefix", `{"req":{"request":{"roles":["db-{{regexp.not_match(\"^1$\")}}"]}},"x":{}}`, `{}`, "x", false},
		{"a role that does not exist", `{"req":{"request":{"roles":["*"]}}}`, `{}`, "ghost", false},
		{"deny literal", `{"req":{"request":{"roles":["*"]},"deny_request":{"roles":["prod"]}},"prod":{}}`, `{}`, "prod", false},
		{"deny regexp", `{"req":{"request":{"roles":["*"]},"deny_request":{"roles":["^prod-.*$"]}},"prod-1":{}}`, `{}`, "prod-1", false},
		{"deny of something else", `{"req":{"request":{"roles":["*"]},"deny_request":{"roles":["prod"]}},"dev":{}}`, `{}`, "dev", true},
		{"deny by claims", `{"req":{"request":{"roles":["*"]},"deny_request":{"claims_to_roles":[{"claim":"org","value":"guest","roles":["prod"]}]}},"prod":{}}`, `{"org":["guest"]}`, "prod", false},
		{"deny by claims of others", `{"req":{"request":{"roles":["*"]},"deny_request":{"claims_to_roles":[{"claim":"org","value":"guest","roles":["prod"]}]}},"prod":{}}`, `{"org":["staff"]}`, "prod", true},
		{"claims literal", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"sre","roles":["prod"]}]}},"prod":{}}`, `{"g":["dev","sre"]}`, "prod", true},
		{"claims: no trait", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"sre","roles":["prod"]}]}},"prod":{}}`, `{}`, "prod", false},
		{"claims: wrong case", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"sre","roles":["prod"]}]}},"prod":{}}`, `{"g":["SRE"]}`, "prod", false},
		{"claims: wrong case of the trait", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"sre","roles":["prod"]}]}},"prod":{}}`, `{"G":["sre"]}`, "prod", false},
		{"claims: regexp with a group", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"^team-(.*)$","roles":["${1}-admin"]}]}},"web-admin":{}}`, `{"g":["team-web"]}`, "web-admin", true},
		{"claims: expanded to a pattern is a name", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"team-*","roles":["prod-$1"]}]}},"prod-7":{}}`, `{"g":["team-*"]}`, "prod-7", false},
		{"claims: the name that looks like a pattern", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"team-*","roles":["prod-$1"]}]}},"prod-*":{}}`, `{"g":["team-*"]}`, "prod-*", true},
		{"claims: a group that is not there", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"sre","roles":["prod$1"]}]}},"prod":{}}`, `{"g":["sre"]}`, "prod", true},
		{"claims: unexpanded regexp", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"sre","roles":["^prod-[0-9]$"]}]}},"prod-7":{}}`, `{"g":["sre"]}`, "prod-7", true},
		{"claims: glob value does not reach inside", `{"req":{"request":{"claims_to_roles":[{"claim":"g","value":"sre","roles":["prod"]}]}},"prod":{}}`, `{"g":["sre-east"]}`, "prod", false},
		{"claims: value that cannot be read", `{"req":{"request":{"roles":["prod"],"claims_to_roles":[{"claim":"g","value":"^(sre$","roles":["prod"]}]}},"prod":{}}`, `{"g":["sre"]}`, "prod", false},
		{"a matcher that cannot be read", `{"req":{"request":{"roles":["prod","^($"]}},"prod":{}}`, `{}`, "prod", false},
		{"a held role that does not exist", `{"other":{},"prod":{}}`, `{}`, "prod", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := play(t, tt.roles, tt.traits, []string{tt.requested}); got.Accepted != tt.accepted {
				t.Errorf("accepted %v, want %v", got.Accepted, tt.accepted)
			}
		})
	}
}

func TestReviewsInScenarios(t *testing.T) {
	const simple = `"req":{"request":{"roles":["prod"],"annotations":{"k":["v"]}}},"prod":{}`
	approve := func(by string) ScenarioStep { return ScenarioStep{By: by, Propose: "APPROVED"} }
	tests := []struct {
		name, roles string
		step        ScenarioStep
		may         bool
		state       string
	}{
		{"nobody reviews their own", `{"req":{"request":{"roles":["*"]},"review":{"roles":["*"]}},"rev":{},"prod":{}}`, approve("u"), false, "PENDING"},
		{"unknown reviewer", `{` + simple + `,"rev":{"review":{"roles":["*"]}}}`, approve("nobody"), false, "PENDING"},
		{"glob", `{` + simple + `,"rev":{"review":{"roles":["pr*"]}}}`, approve("r"), true, "APPROVED"},
		{"regexp.match", `{` + simple + `,"rev":{"review":{"roles":["{{regexp.match(\"^prod$\")}}"]}}}`, approve("r"), true, "APPROVED"},
		{"where holds", `{` + simple + `,"rev":{"review":{"roles":["*"],"where":"contains(request.system_annotations[\"k\"],\"v\")"}}}`, approve("r"), true, "APPROVED"},
		{"where does not hold", `{` + simple + `,"rev":{"review":{"roles":["*"],"where":"contains(request.system_annotations[\"k\"],\"w\")"}}}`, approve("r"), false, "PENDING"},
		{"where fails", `{` + simple + `,"rev":{"review":{"roles":["*"],"where":"equals(request.roles,\"prod\")"}}}`, approve("r"), false, "PENDING"},
		{"where cannot be read", `{` + simple + `,"rev":{"review":{"roles":["*"],"where":"contains("}}}`, approve("r"), false, "PENDING"},
		{"deny where fails", `{` + simple + `,"rev":{"review":{"roles":["*"]},"deny_review":{"roles":["dev"],"where":"equals(request.roles,\"prod\")"}}}`, approve("r"), false, "PENDING"},
		{"deny of another role", `{` + simple + `,"rev":{"review":{"roles":["*"]},"deny_review":{"roles":["dev"]}}}`, approve("r"), true, "APPROVED"},
		{"deny by claims", `{` + simple + `,"rev":{"review":{"roles":["*"]},"deny_review":{"claims_to_roles":[{"claim":"team","value":"sre","roles":["prod"]}]}}}`, approve("s"), false, "PENDING"},
		{"deny by claims of others", `{` + simple + `,"rev":{"review":{"roles":["*"]},"deny_review":{"claims_to_roles":[{"claim":"team","value":"sre","roles":["prod"]}]}}}`, approve("r"), true, "APPROVED"},
		{"review matcher that cannot be read", `{` + simple + `,"rev":{"review":{"roles":["*","^($"]}}}`, approve("r"), false, "PENDING"},
		{"promotion ends it whatever it counts for", `{"req":{"request":{"roles":["prod"],"thresholds":[{"approve":1,"filter":"contains(reviewer.roles,\"x\")"}]}},"prod":{},"rev":{"review":{"roles":["*"]}}}`, ScenarioStep{By: "r", Propose: "PROMOTED"}, true, "PROMOTED"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := play(t, tt.roles, `{}`, []string{"prod"}, tt.step)
			if !got.Accepted || len(got.Steps) != 1 {
				t.Fatalf("got %+v", got)
			}
			if s := got.Steps[0]; s.MayReview != tt.may || s.State != tt.state || s.Error != "" {
				t.Errorf("got %+v, want may_review %v and %s", s, tt.may, tt.state)
			}
		})
	}
}

func TestReplayFileReadsEveryForm(t *testing.T) {
	one := `{"id":"a","requester":"u","requested_roles":["x"],"roles":{"x":{},"req":{"request":{"roles":["x"]}}},"users":{"u":{"roles":["req"],"traits":{}}},"steps":[]}`
	const line = `{"id":"a","accepted":true,"system_annotations":{},"thresholds":[{"approve":1,"deny":1,"filter":"","name":"default"}],"steps":[]}`
	for _, file := range []string{one, `[` + one + `]`, `{"about":{"what":"x"},"max_duration_cases":[],"request_review_cases":[` + one + `]}`} {
		got, err := ReplayFile([]byte(file))
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", file[:12], got, err)
		}
		if out, _ := json.Marshal(got[0]); string(out) != line {
			t.Errorf("got  %s\nwant %s", out, line)
		}
	}
	refused, err := ReplayFile([]byte(strings.Replace(one, `["x"],"roles"`, `["y"],"roles"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := json.Marshal(refused[0]); string(out) != `{"id":"a","accepted":false,"error":"bad_parameter","system_annotations":{},"thresholds":[]}` {
		t.Errorf("got %s", out)
	}
	for _, bad := range []string{``, `{`, `[1]`, strings.Replace(one, `"requester"`, `"requestor"`, 1), strings.Replace(one, `"request":`, `"request":{}, "requst":`, 1)} {
		if _, err := ReplayFile([]byte(bad)); KindOf(err) != Invalid {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}
