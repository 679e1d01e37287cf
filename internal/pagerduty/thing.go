package pagerduty

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// A Ref points to a thing. Summary is its name, Type tells v2 schedules from v3 ones.
type Ref struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Summary string `json:"summary"`
}

// A User is a person. The address is as PagerDuty gives it.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// A Service is what incidents are opened on.
type Service struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Status  string `json:"status"`
	HTMLURL string `json:"html_url"`
	Policy  Ref    `json:"escalation_policy"`
	Teams   []Ref  `json:"teams"`
}

// An EscalationPolicy is who is told, level after level.
type EscalationPolicy struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Rules []struct {
		Targets []Ref `json:"targets"`
	} `json:"escalation_rules"`
	Teams []Ref `json:"teams"`
}

// A Schedule is a schedule's name. V3 ones are the shift-based schedules of 2026, which
// the classic endpoints do not show.
type Schedule struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Summary  string `json:"summary"` // all that the v3 list has of the name
	V3       bool   `json:"-"`
	Policies []Ref  `json:"escalation_policies"` // v2 only
}

// A Named is a thing of which no more than the name is needed: a team, a priority.
type Named struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Summary string `json:"summary"`
}

// A WebhookSubscription is where PagerDuty sends its webhooks.
type WebhookSubscription struct {
	ID       string   `json:"id"`
	Active   bool     `json:"active"`
	Events   []string `json:"events"`
	Delivery struct {
		URL                 string `json:"url"`
		TemporarilyDisabled bool   `json:"temporarily_disabled"` // PagerDuty gave up for 24 h after three rejections
	} `json:"delivery_method"`
	Filter Ref `json:"filter"`
}

// Abilities lists what the account's plan can do. Every key may ask; it is the cheapest proof that one works.
func (c *Client) Abilities(ctx context.Context) ([]string, error) {
	var out struct{ Abilities []string }
	k := call{op: "GET /abilities", path: "/abilities"}
	if err := c.do(ctx, k, &out); err != nil {
		return nil, noList(err)
	}
	if out.Abilities == nil {
		return nil, c.odd(k, "the answer has no list of abilities")
	}
	return out.Abilities, nil
}

// Subdomain returns the first part of the account's host name, as PagerDuty's links show it.
func (c *Client) Subdomain(ctx context.Context) (string, error) {
	var out struct {
		Users []struct {
			HTMLURL string `json:"html_url"`
		}
	}
	k := call{op: "GET /users", path: "/users", query: url.Values{"limit": {"1"}}}
	if err := c.do(ctx, k, &out); err != nil {
		return "", noList(err)
	}
	if len(out.Users) == 0 {
		return "", c.odd(k, "the account has no users")
	}
	u, err := url.Parse(out.Users[0].HTMLURL)
	if err != nil {
		return "", c.odd(k, "a user's html_url is no address")
	}
	name, _, _ := strings.Cut(u.Hostname(), ".")
	return name, nil
}

// Users lists everybody in the account.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	l, err := c.users(ctx, laneRead, nil)
	return l.items, err
}

func (c *Client) users(ctx context.Context, ln lane, q url.Values) (list[User], error) {
	return readAll(ctx, c, listing{path: "/users", key: "users", query: q, lane: ln}, func(u User) string { return u.ID })
}

// UserByEmail finds the person with an address, whatever its case. Observed: PagerDuty's
// query also matches parts of addresses and names, so every page is looked through.
func (c *Client) UserByEmail(ctx context.Context, email string) (User, error) {
	email = strings.TrimSpace(email)
	l, err := c.users(ctx, laneRead, url.Values{"query": {email}})
	if err != nil {
		return User{}, err
	}
	for _, u := range l.items {
		if strings.EqualFold(strings.TrimSpace(u.Email), email) {
			return u, nil
		}
	}
	return User{}, core.Errorf(core.NotFound, "PagerDuty knows nobody with the address %s", email)
}

// User shows one person.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	var out struct{ User User }
	k := call{op: "GET /users/{id}", path: "/users/" + url.PathEscape(id)}
	if err := c.do(ctx, k, &out); err != nil {
		return User{}, err
	}
	if out.User.ID == "" {
		return User{}, c.odd(k, "the answer has no user")
	}
	return out.User, nil
}

// Services lists all services. An account may have 25,000; beyond 10,000 the error is ErrTooMany.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	l, err := c.services(ctx, laneRead, nil)
	return l.items, err
}

func (c *Client) services(ctx context.Context, ln lane, q url.Values) (list[Service], error) {
	return readAll(ctx, c, listing{path: "/services", key: "services", query: q, lane: ln}, func(s Service) string { return s.ID })
}

// ServiceByName finds a service by its exact name. Observed: the query is a substring match
// without regard to case, over several pages.
func (c *Client) ServiceByName(ctx context.Context, name string) (Service, error) {
	name = strings.TrimSpace(name)
	l, err := c.services(ctx, laneRead, url.Values{"query": {name}})
	if err != nil {
		return Service{}, err
	}
	for _, s := range l.items {
		if strings.TrimSpace(s.Name) == name {
			return s, nil
		}
	}
	return Service{}, core.Errorf(core.NotFound, "PagerDuty has no service named %q", name)
}

// EscalationPolicies lists all escalation policies with their targets.
func (c *Client) EscalationPolicies(ctx context.Context) ([]EscalationPolicy, error) {
	l, err := c.policies(ctx, laneRead)
	return l.items, err
}

func (c *Client) policies(ctx context.Context, ln lane) (list[EscalationPolicy], error) {
	l := listing{path: "/escalation_policies", key: "escalation_policies", lane: ln}
	return readAll(ctx, c, l, func(p EscalationPolicy) string { return p.ID })
}

// Schedules lists the classic schedules, and no v3 ones.
func (c *Client) Schedules(ctx context.Context) ([]Schedule, error) {
	l, err := c.schedules(ctx, laneRead, "/schedules")
	return l.items, err
}

// SchedulesV3 lists the shift-based schedules, and no v2 ones.
func (c *Client) SchedulesV3(ctx context.Context) ([]Schedule, error) {
	l, err := c.schedules(ctx, laneRead, "/v3/schedules")
	return l.items, err
}

func (c *Client) schedules(ctx context.Context, ln lane, path string) (list[Schedule], error) {
	l, err := readAll(ctx, c, listing{path: path, key: "schedules", lane: ln}, func(s Schedule) string { return s.ID })
	for i := range l.items {
		s := &l.items[i]
		s.V3 = path == "/v3/schedules"
		if s.Name == "" {
			s.Name = s.Summary
		}
	}
	return l, err
}

// Teams lists all teams. An account without the ability answers 402.
func (c *Client) Teams(ctx context.Context) ([]Named, error) {
	l, err := c.named(ctx, laneRead, "/teams", "teams")
	return l.items, err
}

// Priorities lists the incident priorities. An account without them answers 402 or 404.
func (c *Client) Priorities(ctx context.Context) ([]Named, error) {
	l, err := c.named(ctx, laneRead, "/priorities", "priorities")
	return l.items, err
}

func (c *Client) named(ctx context.Context, ln lane, path, key string) (list[Named], error) {
	l, err := readAll(ctx, c, listing{path: path, key: key, lane: ln}, func(n Named) string { return n.ID })
	for i := range l.items {
		if l.items[i].Name == "" {
			l.items[i].Name = l.items[i].Summary
		}
	}
	return l, err
}

// WebhookSubscriptions lists where PagerDuty sends webhooks, for checking that they reach us.
func (c *Client) WebhookSubscriptions(ctx context.Context) ([]WebhookSubscription, error) {
	l := listing{path: "/webhook_subscriptions", key: "webhook_subscriptions"}
	got, err := readAll(ctx, c, l, func(w WebhookSubscription) string { return w.ID })
	return got.items, err
}

// missing reports whether an answer means that an account does not have a feature: its plan
// or its scopes lack it, or the endpoint does not exist there.
func missing(err error) bool {
	e, ok := AsError(err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound:
		return true
	}
	return false
}
