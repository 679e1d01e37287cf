package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

const (
	sessionCookie = "__Host-sallyport" // the prefix has browsers refuse it from other hosts and without TLS
	csrfHeader    = "Sallyport-CSRF"
	csrfField     = "csrf"
	maxForm       = 64 << 10
)

// bySession settles who calls by the cookie of a browser. It reports whether there was one.
// A session that has ended counts as none on a page that strangers may see, and its cookie is
// taken back. What changes something has to come from a page of this server.
func (a *API) bySession(w http.ResponseWriter, r *http.Request) (engine.Actor, bool, error) {
	cookies := r.CookiesNamed(sessionCookie)
	if len(cookies) == 0 || a.IsPublic != nil && a.IsPublic(r) { // who signs in may have an old cookie
		return engine.Actor{}, false, nil
	}
	if len(cookies) > 1 || cookies[0].Value == "" {
		ClearSession(w)
		return engine.Actor{}, false, core.Errorf(core.Unauthenticated, "this call names no session, or several").WithHint("sign in again")
	}
	token := cookies[0].Value
	actor, err := a.Engine.Identify(r.Context(), core.CredentialSession, engine.Digest(token), addressOnly(r.RemoteAddr))
	if err != nil {
		if kind := core.KindOf(err); kind == core.Unauthenticated || kind == core.Refused {
			ClearSession(w)
			if kind == core.Unauthenticated && r.Method == http.MethodGet {
				return engine.Actor{}, false, nil // a stranger, who is led to the sign-in
			}
		}
		return engine.Actor{}, false, err
	}
	return actor, true, checkPage(w, r, token)
}

// checkPage refuses a call that changes something unless a page of this server makes it.
func checkPage(w http.ResponseWriter, r *http.Request, token string) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return newProblem(http.StatusForbidden, client.KindRefused, "a page of another site may not call this server", "open the console itself")
	}
	given := r.Header.Get(csrfHeader)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); given == "" && kind == "application/x-www-form-urlencoded" {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return core.Errorf(core.Invalid, "the form cannot be read")
		}
		given = r.PostForm.Get(csrfField)
	}
	if !equal(given, csrf(token)) {
		return newProblem(http.StatusForbidden, client.KindRefused, "this call does not come from a page of this session",
			"reload the page and try again; scripts sign in with: sallyport login")
	}
	return nil
}

// csrf is what the pages of a session know and other sites do not.
func csrf(token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// CSRF returns what a page of the caller's session sends along to change something; empty without a session.
func CSRF(r *http.Request) string {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return csrf(c.Value)
}

// SetSession gives a browser the cookie of a new session.
func SetSession(w http.ResponseWriter, token string, until time.Time) {
	setCookie(w, &http.Cookie{Value: token, Expires: until})
}

// ClearSession takes the cookie of a session back.
func ClearSession(w http.ResponseWriter) { setCookie(w, &http.Cookie{MaxAge: -1}) }

func setCookie(w http.ResponseWriter, c *http.Cookie) {
	c.Name, c.Path, c.Secure, c.HttpOnly, c.SameSite = sessionCookie, "/", true, true, http.SameSiteLaxMode
	http.SetCookie(w, c)
	w.Header().Set("Cache-Control", "no-store")
}
