package api

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// Socket is the door for callers on the server's own host: local administrators, by their user id.
func (a *API) Socket() http.Handler {
	return a.guard(func(w http.ResponseWriter, r *http.Request) {
		actor, err := a.localAdmin(r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		r = withCaller(r, actor)
		if r.URL.Path == "/metrics" && a.Metrics != nil {
			a.Metrics.ServeHTTP(w, r)
			return
		}
		a.serve(w, r)
	})
}

// health answers the two paths that are open to all. Only the exact path counts.
func (a *API) health(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	switch r.URL.EscapedPath() {
	case "/healthz":
		healthz(w, r)
	case "/readyz":
		a.readyz(w, r)
	default:
		return false
	}
	return true
}

// Demo is the door of a throw-away server on loopback: whoever has the token is the local
// administrator. The token comes as a bearer token, or once as ?token= in the printed link,
// for which the browser gets a cookie. hosts are the Host headers that are expected, with
// their port. Nothing that a page of another site sends is taken.
func (a *API) Demo(token string, hosts []string) http.Handler {
	d := &demo{API: a, token: token, hosts: hosts, session: rand.Text(), cookie: "sallyport_demo"}
	if len(hosts) > 0 {
		_, port, _ := net.SplitHostPort(hosts[0])
		d.cookie += port // cookies know no ports, and two demos may run at once
	}
	return a.guard(d.serveHTTP)
}

type demo struct {
	*API
	token   string
	hosts   []string
	session string // the value of the cookie; it ends with the process
	cookie  string
}

func (d *demo) serveHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	if err := d.expected(r); err != nil {
		d.fail(w, r, err)
		return
	}
	if d.health(w, r) {
		return
	}
	if r.Method == http.MethodGet && r.URL.Query().Has("token") {
		d.welcome(w, r)
		return
	}
	if !d.known(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		d.fail(w, r, newProblem(http.StatusUnauthorized, client.KindUnauthenticated, "this demo opens with its token only",
			"follow the link that `sallyport demo` printed"))
		return
	}
	actor, err := d.actAs(r, engine.Actor{Admin: true, Via: "demo, loopback"})
	if err != nil {
		d.fail(w, r, err)
		return
	}
	d.serve(w, withCaller(r, actor))
}

// expected refuses calls that did not come straight from a program or a page of this demo.
func (d *demo) expected(r *http.Request) error {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return core.Errorf(core.Refused, "the demo is open on loopback only")
	}
	if !slices.Contains(d.hosts, strings.ToLower(r.Host)) {
		return core.Errorf(core.Refused, "the demo does not go by that host name").WithHint("open it at http://%s", d.hosts[0])
	}
	site := strings.Join(r.Header.Values("Sec-Fetch-Site"), ",")
	if site != "" && site != "none" && site != "same-origin" {
		return core.Errorf(core.Refused, "a page of another site may not call the demo")
	}
	for _, origin := range r.Header.Values("Origin") {
		if origin != "http://"+r.Host {
			return core.Errorf(core.Refused, "a page of another origin may not call the demo")
		}
	}
	return nil
}

// welcome trades the token in the printed link for a cookie, and gets it out of the address.
func (d *demo) welcome(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	given := query["token"]
	if len(given) != 1 || !equal(given[0], d.token) {
		d.fail(w, r, newProblem(http.StatusUnauthorized, client.KindUnauthenticated, "this is not the token of this demo",
			"follow the link that `sallyport demo` printed; every start has a new one"))
		return
	}
	query.Del("token")
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // loopback has no TLS
		Name: d.cookie, Value: d.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	w.Header().Set("Cache-Control", "no-store")
	clean := url.URL{Path: "/" + strings.TrimLeft(r.URL.Path, "/"), RawQuery: query.Encode()}
	w.Header().Set("Location", clean.String())
	w.WriteHeader(http.StatusSeeOther)
}

// known tells whether a call has the token, or the cookie that was got for it.
func (d *demo) known(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && equal(token, d.token) {
		return true
	}
	c, err := r.Cookie(d.cookie)
	return err == nil && equal(c.Value, d.session)
}

// equal compares secrets; an empty one equals nothing.
func equal(given, secret string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(given), []byte(secret)) == 1
}

// NewToken returns a token for Demo.
func NewToken() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
