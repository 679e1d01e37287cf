package test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/test/world"
)

// readiness waits until /readyz gives a reason that has all these words in it.
func readiness(t *testing.T, s *world.Server, ready bool, words ...string) {
	t.Helper()
	c := s.Client()
	world.Eventually(t, world.Patience, "/readyz gives the reason", func() error {
		r, err := c.Ready(t.Context())
		if err != nil {
			return err
		}
		found := slices.ContainsFunc(r.Reasons, func(reason string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(reason, w) })
		})
		if !found || r.Ready != ready {
			return fmt.Errorf("ready %t, reasons %q; want %t and one with %q", r.Ready, r.Reasons, ready, words)
		}
		return nil
	})
}

// isReady waits until the server is ready and has nothing to complain of.
func isReady(t *testing.T, s *world.Server) {
	t.Helper()
	c := s.Client()
	world.Eventually(t, world.Patience, "the server is ready", func() error {
		r, err := c.Ready(t.Context())
		if err != nil {
			return err
		}
		if !r.Ready || len(r.Reasons) > 0 {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
}

// finding returns what doctor says about a check.
func finding(t *testing.T, s *world.Server, check string) client.Finding {
	t.Helper()
	found, err := s.Client().Doctor(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found.Findings {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("doctor did not look at %q: %+v", check, found.Findings)
	return client.Finding{}
}

func wantFinding(t *testing.T, got client.Finding, state string, text, cure string) {
	t.Helper()
	if got.State != state || !strings.Contains(got.Text, text) || !strings.Contains(got.Cure, cure) {
		t.Errorf("doctor found %+v, want %s with %q and the cure %q", got, state, text, cure)
	}
}

// F041, I5, I9, I11, I12: the key is revoked, and later works again.
func TestF041ARevokedKeyIsNamedWithItsCureAndNeverReadAsNotOnCall(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "oncall: {max_staleness: 1s, sync_every: 1s}")
	isReady(t, s)
	s.PD.Order(t, pdsim.Fault{Status: http.StatusUnauthorized})
	readiness(t, s, true, "account default", "on-call data is", "nobody is approved by on-call status", "401", "check api_token and region (now us) of pagerduty_account default")
	wantFinding(t, finding(t, s, "pagerduty account default"), "problem", "PagerDuty refuses the credentials", "check api_token and region (now us) of pagerduty_account default")
	if r := s.Run("doctor"); r.Status != 1 || !strings.Contains(r.Out, "cure: check api_token") {
		t.Errorf("doctor: %+v", r)
	}
	if out := s.Must("status"); !strings.Contains(out, "401") {
		t.Errorf("status says nothing of it:\n%s", out)
	}

	id := ask(t, s, "--as", "ann@example.com", "--roles=demo-role")
	world.Eventually(t, world.Patience, "the request says why it waits", func() error {
		if out := s.Must("request", "explain", id); !strings.Contains(out, "on-call data is stale") || strings.Contains(out, "is not on call") {
			return fmt.Errorf("it says:\n%s", out)
		}
		return nil
	})
	if r, err := s.Client().Request(t.Context(), id, 0); err != nil || r.State != "PENDING" {
		t.Errorf("the request is %s, %v", r.State, err)
	}

	// A person mends the key; nobody restarts anything, and doctor asks anew.
	s.PD.ClearFaults()
	s.Must("doctor")
	s.Account()
	r, err := s.Client().Request(t.Context(), id, 90*time.Second)
	if err != nil || r.State != "APPROVED" {
		t.Errorf("the request is %s, %v", r.State, err)
	}
	isReady(t, s)
}

// I13: what only a person can mend is not asked about again and again.
func TestF041ARefusedKeyCausesNoStormOfCalls(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "oncall: {max_staleness: 1s, sync_every: 1s}")
	isReady(t, s)
	s.PD.Order(t, pdsim.Fault{Status: http.StatusUnauthorized})
	readiness(t, s, true, "401")
	s.PD.ClearCalls()
	for range 10 {
		ask(t, s, "--as", "ann@example.com", "--roles=demo-role")
	}
	minute := time.NewTimer(5 * time.Second)
	<-minute.C
	if n := len(s.PD.Calls()); n > 3 {
		t.Errorf("%d calls in 5 s with a key that is refused: %+v", n, s.PD.Calls())
	}
}

// F043, F063: wrong credentials, from a file and from the environment.
func TestF043AWrongTokenIsToldApartFromAMissingOne(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	tests := []struct{ name, reference, text, cure string }{
		{"wrong", "env:WRONG_TOKEN", "PagerDuty refuses the credentials", "check api_token and region"},
		{"not set", "env:NO_SUCH_TOKEN", "the environment variable NO_SUCH_TOKEN, which holds a credential, is not set", "check the credentials"},
		{"no file", "file:" + s.Dir + "/no-token", "cannot be read", ""},
		{"an empty file", "file:" + s.Dir + "/empty", "is empty", ""},
		{"two lines", "file:" + s.Dir + "/lines", "line breaks", ""},
	}
	for name, text := range map[string]string{"empty": "\n", "lines": "one\ntwo\n"} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Kill()
	s.Env = append(s.Env, "WRONG_TOKEN=nonsense-c4n4ry")
	s.Start()
	for _, tt := range tests {
		s.Apply(fmt.Sprintf(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {default: true, api_token: %q, from_email: bot@example.com, rest_url: %q, events_url: %q}}`,
			tt.reference, s.PD.URL, s.PD.URL))
		world.Eventually(t, world.Patience, tt.name, func() error {
			f := finding(t, s, "pagerduty account default")
			if f.State != "problem" || !strings.Contains(f.Text, tt.text) || !strings.Contains(f.Cure, tt.cure) || f.Cure == "" {
				return fmt.Errorf("doctor found %+v", f)
			}
			return nil
		})
	}
	if strings.Contains(s.Log.String()+s.Run("doctor", "-o", "json").Out, "c4n4ry") {
		t.Error("the wrong token is shown")
	}
}

// F043: the key belongs to the other region. PagerDuty's own hosts are played behind a proxy.
func TestF043AKeyOfTheOtherRegionIsToldAndSoIsTheSettingThatMendsIt(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "")
	us, err := pdsim.New(pdsim.Options{}) // an account that knows nobody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(us.Close)
	hosts := map[string]http.Handler{"api.pagerduty.com": us, "api.eu.pagerduty.com": s.PD.Server}
	play := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := hosts[r.Host]; ok {
			h.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	ca, leaf := authority(t, "api.pagerduty.com", "api.eu.pagerduty.com")
	play.TLS = leaf
	play.StartTLS()
	t.Cleanup(play.Close)
	bundle := filepath.Join(s.Dir, "ca.pem")
	if err := os.WriteFile(bundle, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Env = append(s.Env, "SSL_CERT_FILE="+bundle, "HTTPS_PROXY="+tunnel(t, play.Listener.Addr().String()))
	s.Start()
	account := `{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {default: true, region: %s, api_token: "env:PD_TOKEN", from_email: bot@example.com}}`
	s.Apply(fmt.Sprintf(account, "us"))
	wantFinding(t, finding(t, s, "pagerduty account default"), "problem", "is in PagerDuty's region eu, not us", "set region: eu in pagerduty_account default")
	s.Apply(fmt.Sprintf(account, "eu"))
	wantFinding(t, finding(t, s, "pagerduty account default"), "ok", "users", "")
	isReady(t, s)
}

// F071, I12: PagerDuty is reached through a proxy, and the proxy dies.
func TestF071AProxyThatDiesIsNamedAndNeverReadAsNotOnCall(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "oncall: {max_staleness: 1s, sync_every: 1s}")
	to, err := url.Parse(s.PD.URL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}}
	go proxy.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { proxy.Close() })
	s.Env = append(s.Env, "HTTP_PROXY=http://"+l.Addr().String())
	s.Start()
	s.Apply(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {default: true, region: us, api_token: "env:PD_TOKEN", from_email: bot@example.com, rest_url: "http://pagerduty.test"}}`)
	s.Teleport()
	isReady(t, s)
	if err := proxy.Close(); err != nil {
		t.Fatal(err)
	}
	readiness(t, s, true, "account default", "nobody is approved by on-call status", "the proxy "+l.Addr().String(), "HTTPS_PROXY")
	wantFinding(t, finding(t, s, "pagerduty account default"), "problem", "the proxy "+l.Addr().String(), "NO_PROXY")
	id := ask(t, s, "--as", "ann@example.com", "--roles=demo-role")
	world.Eventually(t, world.Patience, "the request says why it waits", func() error {
		if out := s.Must("request", "explain", id); !strings.Contains(out, "the proxy "+l.Addr().String()) || strings.Contains(out, "is not on call") {
			return fmt.Errorf("it says:\n%s", out)
		}
		return nil
	})
	again, err := net.Listen("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	next := &http.Server{Handler: proxy.Handler}
	go next.Serve(again) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { next.Close() })
	if r, err := s.Client().Request(t.Context(), id, 90*time.Second); err != nil || r.State != "APPROVED" {
		t.Errorf("the request is %s, %v", r.State, err)
	}
}

// tunnel is an HTTP proxy whose every tunnel leads to one address. It returns its URL.
func tunnel(t *testing.T, to string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "this proxy only tunnels", http.StatusMethodNotAllowed)
			return
		}
		out, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			out.Close()
			return
		}
		_, _ = in.Write([]byte("HTTP/1.1 200 Connected\r\n\r\n"))
		pump(in, out)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

func TestDoctorNamesTheCureOfEverythingItFinds(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	wantFinding(t, finding(t, s, "pagerduty"), "problem", "no PagerDuty account", "apply a pagerduty_account")
	wantFinding(t, finding(t, s, "on-call reviewer"), "warning", `there is no user "access-plugin"`, "apply the user and its role")
	s.Account()
	s.Teleport()
	s.Apply("{kind: target, version: v1, metadata: {name: memory}, spec: {connector: memory}}\n---\n" +
		`{kind: target, version: v1, metadata: {name: far}, spec: {connector: postgres, dsn: "env:FAR_DSN", roles: [reader]}}`)
	isReady(t, s)
	wantFinding(t, finding(t, s, "pagerduty account default"), "ok", "7 users, 3 services", "")
	wantFinding(t, finding(t, s, "on-call reviewer"), "ok", "access-plugin", "")
	wantFinding(t, finding(t, s, "sender of account default"), "ok", "bot@example.com", "")
	wantFinding(t, finding(t, s, "target memory"), "ok", "0 entitlements", "")
	wantFinding(t, finding(t, s, "target far"), "problem", "FAR_DSN", "start the server with FAR_DSN set")

	s.Apply(fmt.Sprintf(`{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {default: true, api_token: "env:PD_TOKEN", from_email: ghost@example.com, rest_url: %q, events_url: %q}}`, s.PD.URL, s.PD.URL))
	world.Eventually(t, world.Patience, "the account is read", func() error {
		if f := finding(t, s, "sender of account default"); f.State != "problem" || !strings.Contains(f.Text, "ghost@example.com") || !strings.Contains(f.Cure, "set from_email") {
			return fmt.Errorf("%+v", f)
		}
		return nil
	})
	all, err := s.Client().Doctor(t.Context())
	if err != nil || all.OK {
		t.Errorf("%+v, %v", all, err)
	}
	for _, f := range all.Findings {
		if f.State != "ok" && f.Cure == "" {
			t.Errorf("no cure is named for %+v", f)
		}
	}
}
