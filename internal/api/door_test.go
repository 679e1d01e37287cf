package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
)

func TestTheNetworkGetsNoFurtherThanHealth(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("secret 1")) })
		o.Console = o.Metrics
	})
	door := h.TCP()
	for _, path := range []string{"/healthz", "/readyz", "/healthz?x=/v1/requests"} {
		if r := h.send(door, "GET", path, ""); r.Code != 200 {
			t.Errorf("%s: %d", path, r.Code)
		}
	}
	paths := []string{
		"/", "/v1/requests", "/v1/status", "/v1/openapi.json", "/docs", "/metrics", "/v1/watch",
		"/healthz/", "//healthz", "/healthz/../v1/requests", "/v1/../healthz", "/%2e%2e/v1/requests", "/healthz/%2e%2e/v1/requests",
		"/healthz;x", "/v1/requests;/healthz", "//v1/requests", "/v1/requests?x=/healthz", "/v1/requests%23/healthz", "/healthz%2f..%2fv1%2frequests", "/HEALTHZ", "/he%61lthz", "/healthz%00",
	}
	for _, path := range paths {
		h.send(door, "GET", path, "").wantProblem(401, client.KindUnauthenticated, "socket")
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		h.send(door, method, "/healthz", "").wantProblem(401, client.KindUnauthenticated, "socket")
	}
}

func TestB032NoHeaderOpensTheNetworksDoor(t *testing.T) {
	h := newHarness(t)
	headers := [][2]string{
		{"User-Agent", "kube-probe/1.31"}, {"User-Agent", "GoogleHC/1.0"}, {"User-Agent", "ELB-HealthChecker/2.0"},
		{"X-Forwarded-Uri", "/healthz"}, {"X-Original-URL", "/healthz"}, {"X-Rewrite-URL", "/healthz"},
		{"X-Forwarded-User", "boss@example.com"}, {"X_Forwarded_User", "boss@example.com"}, {"Remote-User", "boss@example.com"},
		{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-Ip", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1;host=localhost"},
		{"X-Forwarded-Host", "localhost"}, {"X-Forwarded-Proto", "unix"}, {"X-HTTP-Method-Override", "GET"},
		{asHeader, "boss@example.com"}, {"Authorization", "Bearer "}, {"Authorization", "Basic YWRtaW46YWRtaW4="}, {"Cookie", "sallyport_demo="},
	}
	for _, header := range headers {
		words := "nobody is known to be calling"
		if header[0] == asHeader {
			words = "through the server's socket only"
		}
		h.send(h.TCP(), "GET", "/v1/requests", "", header[0], header[1]).wantProblem(401, client.KindUnauthenticated, words)
	}
}

func TestTheSocketTakesItsOwnUserAndRootOnly(t *testing.T) {
	h := newHarness(t)
	call := func(who any) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/status", nil)
		if who != nil {
			r = r.WithContext(context.WithValue(r.Context(), peerKey{}, who))
		}
		w := httptest.NewRecorder()
		h.Socket().ServeHTTP(w, r)
		return w
	}
	own := uint32(os.Geteuid())
	for _, uid := range []uint32{0, own} {
		if w := call(peer{uid: uid}); w.Code != 200 {
			t.Errorf("uid %d: %d %s", uid, w.Code, w.Body)
		}
	}
	reply{call(peer{uid: own + 4242}), t}.wantProblem(403, client.KindRefused, "not from user id")
	reply{call(peer{err: os.ErrPermission}), t}.wantProblem(500, client.KindInternal, "something broke")
	reply{call(nil), t}.wantProblem(403, client.KindRefused, "not a Unix socket")
}

func TestTheLocalAdministratorActsAsUsersThatExist(t *testing.T) {
	h := newHarness(t)
	s := into[client.Status](h.as("boss@example.com", "GET", "/v1/status", ""))
	if s.Caller != "boss@example.com" || !strings.HasSuffix(s.Via, ", as boss@example.com") {
		t.Errorf("called as %s via %s", s.Caller, s.Via)
	}
	h.as("bob@example.com", "GET", "/v1/status", "").wantProblem(403, client.KindRefused, "may not read status")
	h.as("bib@example.com", "GET", "/v1/status", "").wantProblem(403, client.KindRefused, `did you mean "bob@example.com"?`)
	h.as("", "GET", "/v1/status", "").wantProblem(403, client.KindRefused, "there is no user")
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/status", nil)
	r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{}))
	r.Header[asHeader] = []string{"ann@example.com", "boss@example.com"}
	w := httptest.NewRecorder()
	h.Socket().ServeHTTP(w, r)
	reply{w, t}.wantProblem(400, client.KindInvalid, "one call acts as one user")
}

func TestMetricsAreOnTheSocket(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1")) })
	})
	if r := h.local("GET", "/metrics", ""); r.Body.String() != "up 1" {
		t.Errorf("got %s", r.Body)
	}
	h.send(h.demo(), "GET", "/metrics", "", "Host", demoHost, "Authorization", "Bearer t0ken").wantProblem(404, client.KindNotFound, "nothing at this path")
}

const demoHost = "127.0.0.1:7373"

func (h *harness) demo() http.Handler { return h.Demo("t0ken", []string{demoHost, "localhost:7373"}) }

func TestTheDemoOpensWithItsToken(t *testing.T) {
	h := newHarness(t)
	door := h.demo()
	get := func(path string, headers ...string) reply {
		return h.send(door, "GET", path, "", append([]string{"Host", demoHost}, headers...)...)
	}
	get("/v1/status").wantProblem(401, client.KindUnauthenticated, "token")
	get("/v1/status", "Authorization", "Bearer wrong").wantProblem(401, client.KindUnauthenticated, "token")
	get("/v1/status", "Authorization", "Bearer ").wantProblem(401, client.KindUnauthenticated, "token")
	get("/v1/status", "Cookie", "sallyport_demo7373=t0ken").wantProblem(401, client.KindUnauthenticated, "token")
	get("/?token=wrong").wantProblem(401, client.KindUnauthenticated, "not the token")
	get("/?token=t0ken&token=wrong").wantProblem(401, client.KindUnauthenticated, "not the token")
	if s := into[client.Status](get("/v1/status", "Authorization", "Bearer t0ken")); s.Caller != "admin" || s.Via != "demo, loopback" {
		t.Errorf("called as %s via %s", s.Caller, s.Via)
	}
	if s := into[client.Status](get("/v1/status", "Authorization", "Bearer t0ken", asHeader, "boss@example.com")); s.Caller != "boss@example.com" {
		t.Errorf("called as %s", s.Caller)
	}
	r := get("/requests/req_1?x=1&token=t0ken", "Sec-Fetch-Site", "none")
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/requests/req_1?x=1" {
		t.Fatalf("the first visit: %d to %q", r.Code, r.Header().Get("Location"))
	}
	cookie := r.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Value == "t0ken" || cookie.Domain != "" {
		t.Errorf("cookie %+v", cookie)
	}
	into[client.Status](get("/v1/status", "Cookie", cookie.Name+"="+cookie.Value, "Sec-Fetch-Site", "same-origin"))
	for _, path := range []string{"//evil.example/?token=t0ken", "/%2f%2fevil.example?token=t0ken", `/\evil.example?token=t0ken`} {
		to := get(path).Header().Get("Location")
		if strings.HasPrefix(to, "//") || strings.HasPrefix(to, `/\`) || strings.Contains(to, "token") {
			t.Errorf("%s leads to %s", path, to)
		}
	}
	if r := get("/healthz"); r.Code != 200 {
		t.Errorf("healthz: %d", r.Code)
	}
}

func TestNoOtherSiteReachesTheDemo(t *testing.T) {
	h := newHarness(t)
	good := []string{"Host", demoHost, "Authorization", "Bearer t0ken", "Content-Type", "application/json"}
	tests := []struct {
		name    string
		headers []string
	}{
		{"a name that was bound to this address", []string{"Host", "evil.example:7373"}},
		{"a host without its port", []string{"Host", "127.0.0.1"}},
		{"another port", []string{"Host", "127.0.0.1:7374"}},
		{"no host", []string{"Host", ""}},
		{"a page of another site", []string{"Sec-Fetch-Site", "cross-site"}},
		{"a page on another port", []string{"Sec-Fetch-Site", "same-site"}},
		{"something new", []string{"Sec-Fetch-Site", "whatever"}},
		{"another origin", []string{"Origin", "https://sallyport.corp.evil.example"}},
		{"a suffix of the origin", []string{"Origin", "http://127.0.0.1:7373.evil.example"}},
		{"no origin at all", []string{"Origin", "null"}},
		{"the origin over TLS", []string{"Origin", "https://" + demoHost}},
		{"the origin by another name", []string{"Origin", "http://localhost:7373"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				r := h.send(h.demo(), method, "/v1/requests", `{}`, append(good, test.headers...)...)
				r.wantProblem(403, client.KindRefused, "demo")
				for name := range r.Header() {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s answers with %s", method, name)
					}
				}
			}
		})
	}
	r := h.send(h.demo(), "POST", "/v1/try", `{"user":"ann@example.com","roles":["prod-db"]}`, append(good, "Origin", "http://"+demoHost, "Sec-Fetch-Site", "same-origin")...)
	into[client.Request](r)
	if r.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("the demo speaks CORS")
	}
	far := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/status", nil)
	far.Host, far.RemoteAddr = demoHost, "192.0.2.7:50000"
	far.Header.Set("Authorization", "Bearer t0ken")
	w := httptest.NewRecorder()
	h.demo().ServeHTTP(w, far)
	reply{w, t}.wantProblem(403, client.KindRefused, "loopback only")
}

func TestADemoWithoutATokenOpensForNobody(t *testing.T) {
	h := newHarness(t)
	door := h.Demo("", []string{demoHost})
	for _, headers := range [][]string{{"Authorization", "Bearer "}, {"Authorization", "Bearer"}, {"Cookie", "sallyport_demo7373="}} {
		h.send(door, "GET", "/v1/status", "", append(headers, "Host", demoHost)...).wantProblem(401, client.KindUnauthenticated, "token")
	}
	h.send(door, "GET", "/?token=", "", "Host", demoHost).wantProblem(401, client.KindUnauthenticated, "not the token")
	if a, b := NewToken(), NewToken(); a == b || len(a) < 20 {
		t.Errorf("tokens %q and %q", a, b)
	}
}

func TestTheConsoleKnowsItsCaller(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Console = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a, known := Caller(r.Context())
			if !known {
				t.Error("the console does not know who is looking")
			}
			_, _ = w.Write([]byte(r.URL.Path + " for " + a.Name()))
		})
	})
	if r := h.as("ann@example.com", "GET", "/requests/req_1", ""); r.Body.String() != "/requests/req_1 for ann@example.com" {
		t.Errorf("got %s", r.Body)
	}
	if _, known := Caller(t.Context()); known || caller(t.Context()).Admin {
		t.Error("somebody is known where nobody came through a door")
	}
}
