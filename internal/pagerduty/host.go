package pagerduty

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
)

// hosts are where one account's APIs are.
type hosts struct{ rest, events, identity string }

// The two service regions. All services of a subdomain are in one region; the identity
// service is one for both (PagerDuty's documentation of Scoped OAuth).
var regions = map[string]hosts{
	"us": {"https://api.pagerduty.com", "https://events.pagerduty.com", "https://identity.pagerduty.com"},
	"eu": {"https://api.eu.pagerduty.com", "https://events.eu.pagerduty.com", "https://identity.pagerduty.com"},
}

func regionOf(a core.Account) string {
	if a.Region == "" {
		return "us"
	}
	return strings.ToLower(strings.TrimSpace(a.Region)) // page 000 writes "US"
}

func hostsOf(a core.Account) (hosts, error) {
	h, ok := regions[regionOf(a)]
	if !ok {
		return hosts{}, core.Errorf(core.Invalid, "account %q: there is no PagerDuty region %q", a.Name, a.Region).
			WithHint("region is us or eu")
	}
	for _, o := range []struct {
		key, value string
		to         *string
	}{{"rest_url", a.RESTURL, &h.rest}, {"events_url", a.EventsURL, &h.events}, {"identity_url", a.IdentityURL, &h.identity}} {
		if o.value == "" {
			continue
		}
		u, err := url.Parse(strings.TrimSpace(o.value))
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" {
			return hosts{}, core.Errorf(core.Invalid, "account %q: %s is not an address", a.Name, o.key).
				WithHint("write it like https://api.pagerduty.com")
		}
		*o.to = strings.TrimRight(u.String(), "/")
	}
	// PagerDuty's pages show the events address with and without its version and verb.
	h.events = strings.TrimSuffix(strings.TrimSuffix(h.events, "/enqueue"), "/v2")
	return h, nil
}

// Diagnose asks PagerDuty whether the credentials work at all, and where they do not, whether
// they belong to the other region: a key is known only where its account lives, and the wrong
// host answers 401 like for any wrong key.
func (c *Client) Diagnose(ctx context.Context) error {
	_, err := c.Abilities(ctx)
	e, ok := AsError(err)
	if !ok || e.Status != http.StatusUnauthorized || c.account.RESTURL != "" {
		return err
	}
	other := "eu"
	if regionOf(c.account) == "eu" {
		other = "us"
	}
	probe := *c.accountlessCopy()
	probe.rest = regions[other].rest
	if _, otherErr := probe.Abilities(ctx); otherErr != nil {
		return err
	}
	return (&core.Error{
		Kind: core.Unavailable, Err: e,
		Msg: "account " + c.account.Name + " is in PagerDuty's region " + other + ", not " + regionOf(c.account),
	}).WithHint("set region: %s in pagerduty_account %s", other, c.account.Name)
}

// accountlessCopy is the client with gates of its own.
func (c *Client) accountlessCopy() *Client {
	return &Client{
		account: c.account, rest: c.rest, events: c.events, agent: c.agent, token: c.token, reject: func(string) {},
		http: c.http, now: c.now, random: c.random, log: c.log, observe: c.observe, budget: newBudget(c.now, c.random),
	}
}
