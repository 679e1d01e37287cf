package pdsim

import (
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

// A credential is who calls: an account key, a user's key or an app's token.
type credential struct {
	key    string // whose budget its calls spend
	write  bool
	user   string // of a user's key
	scopes []string
	until  time.Time // of an app's token; its scopes count
}

// authenticate reads the Authorization header: "Token token=K" or "Bearer T".
func (s *Server) authenticate(r *http.Request) (credential, error) {
	header := r.Header.Get("Authorization")
	if key, isKey := strings.CutPrefix(header, "Token token="); isKey {
		if c, known := s.account.tokens[strings.Trim(key, `"`)]; known {
			return c, nil
		}
		return credential{}, failUnauthorized
	}
	token, isBearer := strings.CutPrefix(header, "Bearer ")
	if !isBearer {
		return credential{}, failUnauthorized
	}
	if c, known := s.account.tokens[token]; known {
		return c, nil
	}
	if c, known := s.issued[token]; known && s.now().Before(c.until) {
		return c, nil
	}
	return credential{}, failUnauthorized
}

// allowed says whether the credential may use an operation. A read-only key may
// only GET; an app needs the operation's scope.
func (c credential) allowed(method, scope string) error {
	if !c.until.IsZero() {
		if scope != "" && !slices.Contains(c.scopes, scope) {
			f := *failDenied
			f.errors = []string{"The token does not have the scope " + scope}
			return &f
		}
		return nil
	}
	if !c.write && method != http.MethodGet {
		return failDenied
	}
	return nil
}

// identify finds who acts: the From header, or the user of a user's key. PagerDuty
// demands From where its OpenAPI description says so and the key is nobody's.
func (s *Server) identify(q *request, demanded bool) error {
	from := q.Header.Get("From")
	if from == "" {
		q.requester = s.account.users[q.caller.user]
		if demanded && q.requester == nil {
			return failNoFrom
		}
		return nil
	}
	if !demanded {
		return nil
	}
	address, err := mail.ParseAddress(from)
	if err != nil {
		return failMalformedFrom
	}
	q.requester = s.account.emails[strings.ToLower(address.Address)]
	if q.requester == nil {
		return failRequester
	}
	return nil
}
