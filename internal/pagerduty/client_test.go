package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

func TestACallCarriesWhatPagerDutyAsksFor(t *testing.T) {
	f := &fake{}
	f.says("GET /abilities", 200, `{"abilities":["teams"]}`)
	f.says("POST /incidents/P1/notes", 200, `{"note":{"id":"PN1"}}`)
	c := client(t, f, func(o *Options) { o.Version = "1.2.3" })
	if _, err := c.Abilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.AddNote(t.Context(), "P1", "hello"); err != nil {
		t.Fatal(err)
	}
	read, write := f.calls()[0], f.calls()[1]
	for name, want := range map[string]string{
		"Accept": "application/vnd.pagerduty+json;version=2", "Authorization": "Token token=" + testToken,
		"User-Agent": "sallyport/1.2.3", "From": "", "Content-Type": "",
	} {
		if got := read.header.Get(name); got != want {
			t.Errorf("read: %s is %q, want %q", name, got, want)
		}
	}
	if got := write.header.Get("From"); got != "bot@example.com" {
		t.Errorf("write: From is %q", got)
	}
	if read.host != "api.pagerduty.com" {
		t.Errorf("host %s", read.host)
	}
}

func TestAnOAuthTokenIsABearer(t *testing.T) {
	f := &fake{}
	f.says("GET /abilities", 200, `{"abilities":[]}`)
	c := client(t, f, func(o *Options) {
		o.Account.Region = "EU"
		o.Token = func(context.Context) (string, error) { return "pdus+abc\n", nil }
	})
	if _, err := c.Abilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.calls()[0]; got.header.Get("Authorization") != "Bearer pdus+abc" || got.host != "api.eu.pagerduty.com" {
		t.Errorf("%s at %s", got.header.Get("Authorization"), got.host)
	}
}

func TestAnAccountThatCannotBeReachedIsRefusedWhenItIsMade(t *testing.T) {
	for _, change := range []func(*core.Account){
		func(a *core.Account) { a.Region = "mars" },
		func(a *core.Account) { a.RESTURL = "ftp://x" },
		func(a *core.Account) { a.EventsURL = "://" },
		func(a *core.Account) { a.IdentityURL = "https://user:pw@host" },
	} {
		a := testAccount()
		change(&a)
		_, err := New(Options{Account: a})
		wantKind(t, err, core.Invalid, "acme")
	}
}

func TestEveryErrorShapeIsRead(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		kind   core.Kind
		says   []string
	}{
		{"classic", 400, `{"error":{"message":"Invalid Input Provided","code":2001,"errors":["limit is too large"]}}`, core.Invalid, []string{"Invalid Input Provided", "limit is too large"}},
		{"v3", 400, `{"error":{"message":"Invalid Request","code":2001,"errors":{"b":["two"],"a":["one"]}}}`, core.Invalid, []string{"a: one; b: two"}},
		{"list", 400, `{"error":["missing key"]}`, core.Invalid, []string{"missing key"}},
		{"events", 400, `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect"]}`, core.Invalid, []string{"Event object is invalid", "routing_key"}},
		{"oauth", 400, `{"error":"invalid_scope","error_description":"no such scope"}`, core.Invalid, []string{"invalid_scope", "no such scope"}},
		{"web page", 502, `<html><h1>Bad Gateway</h1></html>`, core.Unavailable, []string{"502", "web page"}},
		{"wrong address", 404, `<html>nginx</html>`, core.Unavailable, []string{"rest_url"}},
		{"empty", 500, ``, core.Unavailable, []string{"500", "internal server error"}},
		{"text", 503, `upstream connect error`, core.Unavailable, []string{"upstream connect error"}},
		{"gone", 404, `{"error":{"message":"Not Found","code":2100}}`, core.NotFound, []string{"Not Found"}},
		{"slow", 408, ``, core.Unavailable, []string{"408"}},
		{"key", 401, `{"error":{"message":"Authentication failed","code":2006}}`, core.Unavailable, []string{"refuses the credentials", "api_token", "region"}},
		{"scope", 403, `{"error":{"message":"Access Denied","code":2010}}`, core.Unavailable, []string{"users.read"}},
		{"plan", 402, `{"error":{"message":"Required abilities are unavailable","code":2014}}`, core.Unavailable, []string{"plan", "ability"}},
		{"redirect", 302, ``, core.Unavailable, []string{"redirect", "rest_url"}},
		{"huge", 500, strings.Repeat("x", 100_000), core.Unavailable, nil},
		{"no object", 200, `[]`, core.Unavailable, []string{"form"}},
		{"no JSON", 200, `<html>Sign in to the hotel's network</html>`, core.Unavailable, []string{"no JSON"}},
		{"no user", 200, `{}`, core.Unavailable, []string{"no user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{}
				f.says("GET /users/PU1", tt.status, tt.body, "Location", "http://evil.example/")
				_, err := client(t, f).User(t.Context(), "PU1")
				wantKind(t, err, tt.kind, tt.says...)
				if len(err.Error()) > 600 {
					t.Errorf("%d bytes of error", len(err.Error()))
				}
			})
		})
	}
}

// asvs: 15.3.2
func TestARedirectIsNotFollowed(t *testing.T) {
	f := &fake{}
	f.says("GET /abilities", 307, "", "Location", "http://elsewhere.example/abilities")
	_, err := client(t, f).Abilities(t.Context())
	wantKind(t, err, core.Unavailable, "redirect")
	if n := len(f.calls()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestATokenIsInNoError(t *testing.T) {
	f := &fake{}
	f.says("GET /abilities", 400, `{"error":{"message":"bad token `+testToken+`","errors":["`+testToken+`"]}}`)
	_, err := client(t, f).Abilities(t.Context())
	if s := fmt.Sprintf("%v %+v", err, errors.Unwrap(err)); strings.Contains(s, testToken) {
		t.Error(s)
	}
	for before := 150; before < 210; before++ { // where the text is cut amid the token
		for _, body := range []string{strings.Repeat("x", before) + testToken, `{"message":"` + strings.Repeat("x", before+100) + `\u006b` + testToken[1:] + `","errors":["` + strings.Repeat("x", before) + testToken + `"]}`} {
			f.says("GET /abilities", 400, body)
			if _, err := client(t, f).Abilities(t.Context()); strings.Contains(err.Error(), testToken[:4]) {
				t.Error(err)
			}
		}
	}
}

// asvs: 13.2.1, 13.3.1
func TestARotatedKeyIsReadAgainAfterARefusal(t *testing.T) {
	f := &fake{}
	f.on("POST /incidents/P1/notes", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Token token=new" {
			w.WriteHeader(401)
			return
		}
		fmt.Fprint(w, `{"note":{"id":"PN1"}}`)
	})
	token := "old"
	c := client(t, f, func(o *Options) {
		o.Token = func(context.Context) (string, error) { return token, nil }
		o.Reject = func(string) { token = "new" }
	})
	if err := c.AddNote(t.Context(), "P1", "x"); err != nil {
		t.Fatal(err)
	}
	if n := len(f.calls()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestReadsAreTriedAgainAndWritesAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.says("GET /abilities", 503, "")
		f.says("POST /incidents/P1/notes", 503, "")
		c := client(t, f)
		_, err := c.Abilities(t.Context())
		wantKind(t, err, core.Unavailable, "503")
		if n := len(f.calls("/abilities")); n != 3 {
			t.Errorf("%d reads, want 3", n)
		}
		err = c.AddNote(t.Context(), "P1", "x")
		wantKind(t, err, core.Unavailable)
		if n := len(f.calls("/incidents/P1/notes")); n != 1 || !Doubtful(err) {
			t.Errorf("%d writes, doubtful %t", n, Doubtful(err))
		}
	})
}

func TestEqualReadsShareACallThatOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.on("GET /abilities", func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			fmt.Fprint(w, `{"abilities":["a"]}`)
		})
		c := client(t, f)
		first, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Abilities(first)
			wantKind(t, err, core.Unavailable)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				if _, err := c.Abilities(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := len(f.calls()); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestCredentialsThatAreNotToBeHadAreNoCall(t *testing.T) {
	f := &fake{}
	for _, token := range []func(context.Context) (string, error){
		func(context.Context) (string, error) { return "", errors.New("vault is sealed") },
		func(context.Context) (string, error) { return " ", nil },
		func(context.Context) (string, error) { return "a\nb", nil },
		nil,
	} {
		c := client(t, f, func(o *Options) { o.Token = token })
		_, err := c.CreateIncident(t.Context(), NewIncident{ServiceID: "S", Key: "k", Title: "t"})
		wantKind(t, err, core.Unavailable, "credentials", "acme")
		if !Credentials(err) || Doubtful(err) {
			t.Error("want a trouble with credentials, without doubt")
		}
	}
	if len(f.calls()) != 0 {
		t.Error("there was a call")
	}
}

func TestEveryReadWorksAgainstTheSimulator(t *testing.T) {
	c := client(t, simulate(t, org+`
teams: [{id: PTEAM01, name: SRE}]
webhooks: [{url: "http://127.0.0.1:9/hook", secret: whsec}]
`))
	for name, read := range map[string]func() (int, error){
		"abilities": func() (int, error) { l, err := c.Abilities(t.Context()); return len(l), err },
		"users":     func() (int, error) { l, err := c.Users(t.Context()); return len(l) - 3, err },
		"services":  func() (int, error) { l, err := c.Services(t.Context()); return len(l), err },
		"policies":  func() (int, error) { l, err := c.EscalationPolicies(t.Context()); return len(l[0].Rules) - 2, err },
		"schedules": func() (int, error) { l, err := c.Schedules(t.Context()); return len(l) - 1, err },
		"v3": func() (int, error) {
			l, err := c.SchedulesV3(t.Context())
			return len(l[1].Name) - len("oose Shifts"), err
		},
		"teams":      func() (int, error) { l, err := c.Teams(t.Context()); return len(l[0].Name) - 2, err },
		"priorities": func() (int, error) { l, err := c.Priorities(t.Context()); return len(l), err },
		"webhooks":   func() (int, error) { l, err := c.WebhookSubscriptions(t.Context()); return len(l), err },
		"on calls": func() (int, error) {
			l, err := c.OnCalls(t.Context(), OnCallQuery{Users: []string{"PUCEE01"}, Policies: []string{"PE00001"}})
			return len(l), err
		},
	} {
		if n, err := read(); err != nil || n < 1 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if u, err := c.UserByEmail(t.Context(), "BOB@example.com"); err != nil || u.ID != "PUBOB01" {
		t.Errorf("%+v, %v", u, err)
	}
	if s, err := c.ServiceByName(t.Context(), "Payments API"); err != nil || s.Policy.ID != "PE00001" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestEveryCallIsObserved(t *testing.T) {
	f := &fake{}
	f.says("GET /users/PU1", 200, `{"user":{"id":"PU1"}}`)
	var seen []Call
	c := client(t, f, func(o *Options) { o.Observe = func(k Call) { seen = append(seen, k) } })
	if _, err := c.User(t.Context(), "PU1"); err != nil {
		t.Fatal(err)
	}
	_, _ = c.User(t.Context(), "PU2")
	if len(seen) != 2 || seen[0].Op != "GET /users/{id}" || seen[0].Status != 200 || seen[1].Status != 404 || seen[1].Err == nil {
		t.Errorf("%+v", seen)
	}
	if c.Calls() != 2 {
		t.Errorf("%d calls", c.Calls())
	}
}
