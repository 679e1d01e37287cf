package api

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// TCP is the door for everybody else: whoever has a certificate of this server, a browser with
// a session, and strangers who are about to get one of these. Strangers reach the health, the
// pages for signing in, and the few calls that lead to a certificate. What a header says of
// who is calling counts for nothing.
func (a *API) TCP() http.Handler {
	return a.guard(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if a.health(w, r) {
			return
		}
		actor, known, err := a.who(w, r)
		switch {
		case err != nil:
			a.fail(w, r, err)
		case known:
			a.serve(w, withCaller(r, actor))
		case a.public(r), openCall(r):
			a.open(w, r)
		default:
			a.stranger(w, r)
		}
	})
}

func (a *API) public(r *http.Request) bool { return a.Public != nil && a.IsPublic(r) }

// open answers what is there for everybody. A cookie or a header that comes along is not looked
// at, so it widens no limit; pictures and styles are free.
func (a *API) open(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/static/") {
		if err := a.limits.unknown(w, r); err != nil {
			a.fail(w, r, err)
			return
		}
	}
	if a.public(r) {
		a.Public.ServeHTTP(w, r)
		return
	}
	a.route(w, r, false) // an idempotency key would have the answer stored, and a secret is in it
}

// who settles who is calling over the network: by the certificate that was shown, or else by
// the cookie of a session. A certificate that is no good is not passed over for a cookie.
func (a *API) who(w http.ResponseWriter, r *http.Request) (actor engine.Actor, known bool, err error) {
	if len(r.Header.Values(asHeader)) > 0 {
		return actor, false, newProblem(http.StatusUnauthorized, client.KindUnauthenticated, "acting as somebody else goes through the server's socket only",
			"on the server's own host: sallyport --data DIR --as USER …")
	}
	if a.Certificate != nil && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		actor, err = a.byCertificate(r)
		return actor, err == nil, err
	}
	if err := a.expectedHost(r); err != nil {
		return actor, false, err
	}
	return a.bySession(w, r)
}

// byCertificate settles who calls with a certificate.
func (a *API) byCertificate(r *http.Request) (engine.Actor, error) {
	user, serial, err := a.Certificate(r.TLS.PeerCertificates)
	if err != nil {
		return engine.Actor{}, err
	}
	actor, err := a.Engine.Identify(r.Context(), core.CredentialCertificate, serial, addressOnly(r.RemoteAddr))
	if core.KindOf(err) == core.Unauthenticated && r.URL.Path == renewPath {
		return engine.Actor{}, a.copied(r, user, serial, err)
	}
	if err == nil && actor.User != user {
		return engine.Actor{}, core.Errorf(core.Unauthenticated, "the certificate shown is of %s, and was given to somebody else", user)
	}
	return actor, err
}

// copied tells a machine that has its certificate renewed too late from one whose certificate
// somebody else has had renewed.
func (a *API) copied(r *http.Request, user, serial string, err error) error {
	ended, failed := a.Engine.Copied(r.Context(), serial, addressOnly(r.RemoteAddr))
	switch {
	case failed != nil:
		return failed
	case !ended:
		return err
	}
	a.Log.Warn("a certificate was to be renewed a second time: a copy of it may be in use, so its whole line has ended", "user", user, "serial", serial)
	return core.Errorf(core.Unauthenticated, "this certificate was renewed before and the new one was used, so a copy may be in wrong hands: its whole line has ended").
		WithHint("find out who else has the identity file, then make a new one: sallyport auth sign --user %s", user)
}

// expectedHost refuses calls by a name that is not the server's: a page of another site can
// have its own name lead here.
func (a *API) expectedHost(r *http.Request) error {
	host := strings.ToLower(r.Host)
	if len(a.Hosts) == 0 || slices.Contains(a.Hosts, host) {
		return nil
	}
	return newProblem(http.StatusMisdirectedRequest, client.KindInvalid, "this server does not go by that host name",
		"set public_url to the address at which people reach it; it goes by "+strings.Join(a.Hosts, ", "))
}

// openCalls are the calls of the API that need no identity, as they lead to one.
var openCalls = func() *http.ServeMux {
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /v1/ca", "POST /v1/logins", "POST /v1/logins/{id}/finish"} {
		mux.Handle(pattern, http.NotFoundHandler()) // only asked whether it is there
	}
	return mux
}()

func openCall(r *http.Request) bool {
	if r.URL.RawPath != "" || strings.Contains(r.URL.Path, "//") || strings.Contains(r.URL.Path, "/.") {
		return false
	}
	_, pattern := openCalls.Handler(r)
	return pattern != ""
}

// stranger answers a call of whom nobody knows: a browser that wants a page is led to the
// sign-in, everybody else is told what to do.
func (a *API) stranger(w http.ResponseWriter, r *http.Request) {
	page := r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/v1/")
	if page && a.Public != nil {
		http.Redirect(w, r, "/signin?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	w.Header().Set("WWW-Authenticate", "Mutual")
	a.fail(w, r, newProblem(http.StatusUnauthorized, client.KindUnauthenticated, "nobody is known to be calling",
		"sign in first: sallyport login --server URL; or on the server's own host, go through its socket: sallyport --data DIR"))
}

// addressOnly is a remote address without its port.
func addressOnly(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
