package pagerduty

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

const oauthOrg = org + `
oauth: [{client_id: app, client_secret: s3cret, scopes: [abilities.read, oncalls.read, users.read, services.read]}]
`

func say(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

func tokens(t *testing.T, h http.Handler, change ...func(*OAuthOptions)) *OAuth {
	t.Helper()
	o := OAuthOptions{Account: testAccount(), ClientID: say("app"), ClientSecret: say("s3cret"), HTTP: serve(t, h), Random: func() float64 { return 0.5 }}
	for _, c := range change {
		c(&o)
	}
	s, err := NewOAuth(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnAppWithFewScopesFillsTheRosterAndNamesWhatItLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, oauthOrg)
		app := tokens(t, sim)
		x := index(t, sim)
		x.c.token, x.c.reject = app.Token, app.Reject
		if got := on(roster(t, x, time.Minute), time.Now()); len(got) != 4 {
			t.Errorf("%q", got)
		}
		granted, missing := app.Scopes()
		if !slices.Contains(granted, "oncalls.read") || slices.Contains(missing, "oncalls.read") || !slices.Contains(missing, "incidents.write") {
			t.Errorf("granted %q, missing %q", granted, missing)
		}
		_, err := x.c.CreateIncident(t.Context(), newIncident("k"))
		wantKind(t, err, core.Unavailable, "incidents.write")
	})
}

// issuing answers token requests after a delay, unless it is broken.
type issuing struct {
	mu     sync.Mutex
	delay  time.Duration
	status int
	n      int
	scope  string
}

func (i *issuing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	i.mu.Lock()
	i.n++
	n, delay, status := i.n, i.delay, i.status
	i.scope = r.Form.Get("scope")
	i.mu.Unlock()
	pause(r.Context(), delay)
	if status != 0 {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":"no %s"}`, r.Form.Get("client_secret"))
		return
	}
	fmt.Fprintf(w, `{"access_token":"pdus+%d","scope":"users.read","token_type":"bearer","expires_in":1000}`, n)
}

func (i *issuing) set(delay time.Duration, status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.delay, i.status = delay, status
}

func (i *issuing) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n
}

func TestF042ATokenIsRenewedAt80PercentOnceForAllAndNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &issuing{delay: time.Second}
		s := tokens(t, h)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got, err := s.Token(t.Context()); err != nil || got != "pdus+1" {
					t.Error(got, err)
				}
			})
		}
		wg.Wait()
		if !strings.HasPrefix(h.scope, "as_account-us.acme abilities.read ") {
			t.Errorf("asked for %q", h.scope)
		}
		time.Sleep(790 * time.Second)
		if got, _ := s.Token(t.Context()); got != "pdus+1" || h.count() != 1 {
			t.Errorf("before 80 %%: %s, %d asked", got, h.count())
		}
		time.Sleep(20 * time.Second)
		h.set(5*time.Second, 0)
		for range 50 { // a burst while the slow endpoint works
			began := time.Now()
			if got, err := s.Token(t.Context()); err != nil || got != "pdus+1" || time.Since(began) != 0 {
				t.Error(got, err, time.Since(began))
			}
		}
		time.Sleep(6 * time.Second)
		if got, _ := s.Token(t.Context()); got != "pdus+2" || h.count() != 2 {
			t.Errorf("%s, %d asked", got, h.count())
		}
	})
}

func TestF042AFailingEndpointCostsNothingWhileTheTokenLivesAndIsNotStormed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &issuing{}
		s := tokens(t, h)
		if _, err := s.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(810 * time.Second)
		h.set(0, 503)
		for range 150 {
			if got, err := s.Token(t.Context()); err != nil || got != "pdus+1" {
				t.Fatal(got, err)
			}
			time.Sleep(time.Second)
		}
		if n := h.count(); n > 25 {
			t.Errorf("%d calls in 150 s", n)
		}
		time.Sleep(time.Minute)
		_, err := s.Token(t.Context())
		wantKind(t, err, core.Unavailable, "503")
		h.set(0, 0)
		time.Sleep(15 * time.Second)
		if _, err := s.Token(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestF042ARefusedTokenIsReplacedInTheSameCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, oauthOrg)
		app := tokens(t, sim)
		c := client(t, sim, func(o *Options) { o.Token, o.Reject = app.Token, app.Reject })
		if _, err := c.Users(t.Context()); err != nil {
			t.Fatal(err)
		}
		strike(t, sim, pdsim.Fault{Path: "/users", Status: 401, Times: 1})
		if _, err := c.Users(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAWrongClientIsATroubleWithCredentialsAndItsSecretIsInNoError(t *testing.T) {
	for _, status := range []int{400, 401} {
		h := &issuing{status: status}
		_, err := tokens(t, h).Token(t.Context())
		wantKind(t, err, core.Unavailable, "invalid_client")
		if !Credentials(err) || strings.Contains(err.Error(), "s3cret") {
			t.Error(err)
		}
	}
	_, err := tokens(t, &issuing{}, func(o *OAuthOptions) {
		o.ClientSecret = func(context.Context) (string, error) { return "", errors.New("vault is sealed") }
	}).Token(t.Context())
	wantKind(t, err, core.Unavailable, "vault is sealed")
	f := &fake{}
	f.says("POST /oauth/token", 200, `{"token_type":"bearer"}`)
	_, err = tokens(t, f).Token(t.Context())
	wantKind(t, err, core.Unavailable, "no token")
}

func TestScopedOAuthNeedsASubdomain(t *testing.T) {
	_, err := NewOAuth(OAuthOptions{Account: core.Account{Name: "acme"}})
	wantKind(t, err, core.Invalid, "subdomain: acme")
}
