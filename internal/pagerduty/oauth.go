package pagerduty

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sallyport/sallyport/internal/core"
)

// DefaultScopes are what Sallyport asks for where an account names no scopes.
var DefaultScopes = []string{
	"abilities.read", "escalation_policies.read", "incidents.read", "incidents.write", "oncalls.read",
	"priorities.read", "schedules.read", "services.read", "teams.read", "users.read", "webhook_subscriptions.read",
}

// OAuthOptions configure a token source. Account, ClientID and ClientSecret are required.
type OAuthOptions struct {
	Account                core.Account // its subdomain and region are part of what is asked for
	ClientID, ClientSecret func(ctx context.Context) (string, error)
	Scopes                 []string // default: DefaultScopes
	HTTP                   *http.Client
	Now                    func() time.Time
	Random                 func() float64
}

// An OAuth is a source of Scoped OAuth tokens (client credentials). A token lives for a day and
// has no refresh token: a new one is asked for after 80 % of its life, once for all who call
// meanwhile, and they keep using the old one until it is there.
type OAuth struct {
	o        OAuthOptions
	identity string
	region   string
	asking   singleflight.Group

	mu        sync.Mutex
	current   oauthToken
	failures  int
	notBefore time.Time
	trouble   error
}

type oauthToken struct {
	value                string
	refreshAt, expiresAt time.Time
	granted              []string // nil: the answer did not say
}

// NewOAuth builds a token source. An account without a subdomain is core.Invalid.
func NewOAuth(o OAuthOptions) (*OAuth, error) {
	h, err := hostsOf(o.Account)
	if err != nil {
		return nil, err
	}
	if o.Account.Subdomain == "" {
		return nil, core.Errorf(core.Invalid, "account %q: Scoped OAuth needs the subdomain", o.Account.Name).
			WithHint("for acme.pagerduty.com set subdomain: acme")
	}
	if len(o.Scopes) == 0 {
		o.Scopes = DefaultScopes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	o.HTTP = withoutRedirects(o.HTTP)
	return &OAuth{o: o, identity: h.identity, region: regionOf(o.Account)}, nil
}

// Token returns a token that is good now. It waits for PagerDuty only where there is none.
func (s *OAuth) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	now, t := s.o.Now(), s.current
	if t.value != "" && now.Before(t.refreshAt) {
		s.mu.Unlock()
		return t.value, nil
	}
	early, trouble := now.Before(s.notBefore), s.trouble
	s.mu.Unlock()
	alive := t.value != "" && now.Before(t.expiresAt)
	if early {
		if alive {
			return t.value, nil
		}
		return "", trouble
	}
	ch := s.asking.DoChan("", func() (any, error) { return s.renew(context.WithoutCancel(ctx)) })
	if alive {
		return t.value, nil
	}
	select {
	case r := <-ch:
		if r.Err != nil {
			return "", r.Err
		}
		return r.Val.(string), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Reject drops a token that PagerDuty refused, so that Token asks for a new one.
func (s *OAuth) Reject(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.value == token {
		s.current.value = ""
	}
}

// Scopes returns what was granted, and what was asked for and not granted: PagerDuty drops
// scopes that it does not know, or that the app does not have, without a word. Both are nil
// before the first token.
func (s *OAuth) Scopes() (granted, missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.granted == nil {
		return nil, nil
	}
	for _, want := range s.o.Scopes {
		if !slices.Contains(s.current.granted, want) {
			missing = append(missing, want)
		}
	}
	return slices.Clone(s.current.granted), missing
}

func (s *OAuth) renew(ctx context.Context) (string, error) {
	t, err := s.ask(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.notBefore, s.trouble = s.o.Now().Add(backoff(s.failures, minBackoff, credentialWait, s.o.Random())), err
		s.failures++
		return "", err
	}
	s.current, s.failures, s.notBefore, s.trouble = t, 0, time.Time{}, nil
	return t.value, nil
}

func (s *OAuth) ask(ctx context.Context) (oauthToken, error) {
	const op = "POST /oauth/token"
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	form, secret, err := s.form(ctx)
	if err != nil {
		return oauthToken{}, (&Error{Op: op, Err: err, Message: "the client's id or secret is not to be had", Credentials: true, unsent: true}).forPeople(s.o.Account)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.identity+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return oauthToken{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	asked := s.o.Now()
	data, _, e := roundTrip(s.o.HTTP, req, op, secret)
	if e != nil {
		e.Doubtful = false // a token too many does no harm
		// RFC 6749 answers 400 for invalid_client and invalid_scope.
		e.Credentials = e.Credentials || e.Status == http.StatusBadRequest
		return oauthToken{}, e.forPeople(s.o.Account)
	}
	var out struct {
		AccessToken string  `json:"access_token"`
		Scope       *string `json:"scope"`
		ExpiresIn   int64   `json:"expires_in"`
	}
	if json.Unmarshal(data, &out) != nil || out.AccessToken == "" {
		return oauthToken{}, (&Error{Op: op, Status: http.StatusOK, Message: "the answer has no token", malformed: true}).forPeople(s.o.Account)
	}
	if out.ExpiresIn <= 0 {
		out.ExpiresIn = int64(time.Hour / time.Second)
	}
	life := time.Duration(min(out.ExpiresIn, 30*24*3600)) * time.Second
	t := oauthToken{
		value: out.AccessToken, refreshAt: asked.Add(life * 8 / 10),
		expiresAt: asked.Add(life - min(life/20, 30*time.Second)), // a call under way must still arrive in time
	}
	if out.Scope != nil {
		t.granted = append([]string{}, strings.Fields(*out.Scope)...)
	}
	return t, nil
}

// form is the token request. The account is a scope too: as_account-us.acme.
func (s *OAuth) form(ctx context.Context) (url.Values, string, error) {
	id, err := s.o.ClientID(ctx)
	if err != nil {
		return nil, "", err
	}
	secret, err := s.o.ClientSecret(ctx)
	if err != nil {
		return nil, "", err
	}
	scope := append([]string{"as_account-" + s.region + "." + s.o.Account.Subdomain}, s.o.Scopes...)
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {strings.TrimSpace(id)},
		"client_secret": {strings.TrimSpace(secret)}, "scope": {strings.Join(scope, " ")},
	}, strings.TrimSpace(secret), nil
}
