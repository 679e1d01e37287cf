package pdsim

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tokenLife is how long an app's token lasts; there is no refresh token.
const tokenLife = 86400 * time.Second

// issueToken is POST /oauth/token for Scoped OAuth: client credentials only.
// Scopes that the app does not have are dropped without a word, as PagerDuty
// does; the scope in the answer tells.
func (s *Server) issueToken(w http.ResponseWriter, r *http.Request) {
	d := w.(*draft)
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "client_credentials" {
		d.json(http.StatusBadRequest, oauthError("unsupported_grant_type", "grant_type must be client_credentials, in a form"))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	client := s.oauthClient(id, secret)
	if client == nil {
		d.json(http.StatusUnauthorized, oauthError("invalid_client", "Client authentication failed"))
		return
	}
	asked := strings.Fields(r.PostForm.Get("scope"))
	account := "as_account-" + s.account.data.Region + "." + s.account.data.Subdomain
	if !slices.Contains(asked, account) {
		d.json(http.StatusBadRequest, oauthError("invalid_scope", "The scope must name the account: "+account))
		return
	}
	granted := []string{account}
	for _, scope := range asked {
		if slices.Contains(client.Scopes, scope) && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	token := "pdus+" + rand.Text()
	s.issued[token] = credential{key: "app:" + id, write: true, scopes: granted, until: s.now().Add(tokenLife)}
	d.header.Set("Cache-Control", "no-store")
	d.json(http.StatusOK, obj{
		"access_token": token, "scope": strings.Join(granted, " "), "token_type": "bearer", "expires_in": int(tokenLife.Seconds()),
	})
}

func (s *Server) oauthClient(id, secret string) *OAuthClient {
	for i := range s.account.data.OAuth {
		c := &s.account.data.OAuth[i]
		if c.ClientID == id && subtle.ConstantTimeCompare([]byte(c.ClientSecret), []byte(secret)) == 1 {
			return c
		}
	}
	return nil
}

func oauthError(name, description string) obj {
	return obj{"error": name, "error_description": description}
}
