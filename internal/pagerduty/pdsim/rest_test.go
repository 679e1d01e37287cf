package pdsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestACallerMustBeKnownAndAllowed(t *testing.T) {
	tests := []struct {
		name         string
		ask          ask
		method, path string
		body         any
		status, code int
	}{
		{"a full key reads", ask{}, "GET", "/users", nil, 200, 0},
		{"a read-only key reads", ask{auth: "Token token=read-key"}, "GET", "/users", nil, 200, 0},
		{"a key as bearer", ask{auth: "Bearer full-key"}, "GET", "/users", nil, 200, 0},
		{"no key", ask{auth: "-"}, "GET", "/users", nil, 401, 2006},
		{"an unknown key", ask{auth: "Token token=nobody"}, "GET", "/users", nil, 401, 2006},
		{"a read-only key writes", ask{auth: "Token token=read-key"}, "POST", "/incidents", incidentBody("PSV0001", "x", ""), 403, 2010},
		{"an account key is nobody", ask{}, "GET", "/users/me", nil, 400, 2001},
		{"a user's key is somebody", ask{auth: "Token token=ann-key"}, "GET", "/users/me", nil, 200, 0},
		{"an account key without From", ask{from: "-"}, "POST", "/incidents", incidentBody("PSV0001", "x", ""), 400, 2016},
		{"a user's key without From", ask{from: "-", auth: "Token token=ann-key"}, "POST", "/incidents", incidentBody("PSV0001", "x", ""), 201, 0},
		{"From in another case", ask{from: "BOB@EXAMPLE.COM"}, "POST", "/incidents", incidentBody("PSV0001", "x", ""), 201, 0},
		{"From of a stranger", ask{from: "eve@example.com"}, "POST", "/incidents", incidentBody("PSV0001", "x", ""), 400, 1008},
		{"From that is no address", ask{from: "Ann"}, "POST", "/incidents", incidentBody("PSV0001", "x", ""), 400, 1028},
		{"From does not matter to a read", ask{from: "eve@example.com"}, "GET", "/incidents", nil, 200, 0},
		{"an old version", ask{accept: "application/vnd.pagerduty+json;version=1"}, "GET", "/users", nil, 406, 2001},
		{"anything is accepted", ask{accept: "*/*"}, "GET", "/users", nil, 200, 0},
		{"a form", ask{contentType: "application/x-www-form-urlencoded"}, "POST", "/incidents", "a=b", 415, 2001},
		{"no such thing", ask{}, "GET", "/nothing", nil, 404, 2100},
		{"no such user", ask{}, "GET", "/users/NOBODY", nil, 404, 2100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, text := newBench(t).ask(tt.ask, tt.method, tt.path, tt.body)
			var out struct{ Error struct{ Code int } }
			if err := json.Unmarshal([]byte(text), &out); err != nil || resp.StatusCode != tt.status || out.Error.Code != tt.code {
				t.Errorf("status %d, code %d (%v), want %d, %d: %s", resp.StatusCode, out.Error.Code, err, tt.status, tt.code, text)
			}
		})
	}
}

func TestPagesAreCutAsPagerDutyCutsThem(t *testing.T) {
	many := func(o *Options) {
		for i := range 130 {
			o.Data.Users = append(o.Data.Users, User{ID: fmt.Sprintf("PX%05d", i), Name: "Many", Email: fmt.Sprintf("many%d@example.com", i)})
		}
	}
	b := newBench(t, many)
	tests := []struct {
		query  string
		length int
		limit  float64
		more   bool
		total  any
	}{
		{"?query=many", 25, 25, true, nil},
		{"?query=many&limit=100", 100, 100, true, nil},
		{"?query=many&limit=500&total=true", 100, 100, true, 130.0},
		{"?query=many&limit=100&offset=100", 30, 100, false, nil},
		{"?query=many&offset=9000", 0, 25, false, nil},
	}
	for _, tt := range tests {
		got := b.get("/users" + tt.query)
		if len(got["users"].([]any)) != tt.length || got["limit"] != tt.limit || got["more"] != tt.more || got["total"] != tt.total {
			t.Errorf("%s: %d users, limit %v, more %v, total %v", tt.query, len(got["users"].([]any)), got["limit"], got["more"], got["total"])
		}
	}
	b.call(400, "GET", "/users?offset=9990&limit=25", nil)
	b.call(400, "GET", "/users?limit=none", nil)
}

func TestSearchesIgnoreCaseAndMatchParts(t *testing.T) {
	b := newBench(t)
	for path, want := range map[string][]any{
		"/users?query=ANN@EXAMPLE.com":              {"PU0ANN"},
		"/users?query=both&team_ids[]=PT00001":      {"PU0BOB"},
		"/services?query=payments":                  {"PSV0001"},
		"/services?name=Access":                     {"PSV0002"},
		"/services?sort_by=name:desc":               {"PSV0001", "PSV0002"},
		"/escalation_policies?user_ids[]=PU0ANN":    {"PE00001"},
		"/escalation_policies?query=empty":          {"PE00002"},
		"/schedules?team_ids[]=PT00001":             {"PS00001"},
		"/teams?query=PAY":                          {"PT00001"},
		"/services?team_ids[]=PT00001&query=access": {},
	} {
		got := b.get(path)
		list := strings.Split(strings.TrimPrefix(path, "/"), "?")[0]
		if ids := pluck(got[list], "id"); !cmp.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", path, ids, want)
		}
	}
}

func TestTheBudgetOfAMinuteIsSpentAndComesBack(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Data.Limits.RESTPerMinute = 3 })
	for i, want := range []string{"2", "1", "0"} {
		resp, _ := b.ask(ask{}, "GET", "/users", nil)
		if got := resp.Header.Get("ratelimit-remaining"); resp.StatusCode != 200 || got != want || resp.Header.Get("ratelimit-limit") != "3" {
			t.Errorf("call %d: status %d, remaining %s, want %s", i, resp.StatusCode, got, want)
		}
	}
	b.Advance(20 * time.Second)
	resp, text := b.ask(ask{}, "GET", "/users", nil)
	if resp.StatusCode != 429 || text != `{"error":{"code":2020,"message":"Rate Limit Exceeded"}}`+"\n" {
		t.Errorf("over the budget: %d %s", resp.StatusCode, text)
	}
	if got := resp.Header.Get("ratelimit-reset"); got != "40" {
		t.Errorf("reset in %s s, want 40", got)
	}
	if resp, _ := b.ask(ask{auth: "Token token=read-key"}, "GET", "/users", nil); resp.StatusCode != 200 {
		t.Errorf("another key has a budget of its own: %d", resp.StatusCode)
	}
	b.Advance(40 * time.Second)
	b.get("/users")
}

func TestAnAppsTokenHasTheScopesThatItsAppHasAndLastsADay(t *testing.T) {
	b := newBench(t)
	token := func(secret, scope string) (int, map[string]any) {
		resp, err := http.PostForm(b.url+"/oauth/token", url.Values{
			"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {secret}, "scope": {scope},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, out
	}
	if status, out := token("wrong", "as_account-us.acme"); status != 401 || out["error"] != "invalid_client" {
		t.Errorf("wrong secret: %d %v", status, out)
	}
	if status, out := token("s3cret", "as_account-eu.acme users.read"); status != 400 || out["error"] != "invalid_scope" {
		t.Errorf("wrong region: %d %v", status, out)
	}
	status, out := token("s3cret", "as_account-us.acme users.read incidents.write made.up")
	if status != 200 || out["scope"] != "as_account-us.acme users.read" || out["expires_in"] != 86400.0 {
		t.Fatalf("token: %d %v", status, out)
	}
	app := ask{auth: "Bearer " + out["access_token"].(string)}
	want := func(what string, status int, method, path string, body any) {
		t.Helper()
		if resp, text := b.ask(app, method, path, body); resp.StatusCode != status {
			t.Errorf("%s: %d, want %d: %s", what, resp.StatusCode, status, text)
		}
	}
	want("a scope that is there", 200, "GET", "/users", nil)
	want("a scope that was dropped", 403, "POST", "/incidents", incidentBody("PSV0001", "x", ""))
	want("a scope that was not asked for", 403, "GET", "/oncalls", nil)
	want("v3 schedules list no scope", 200, "GET", "/v3/schedules", nil)
	b.Advance(24 * time.Hour)
	want("a day later", 401, "GET", "/users", nil)
}
