package core

import (
	"net/url"
	"strings"
)

// An Account is one PagerDuty subdomain: region, credentials, sender e-mail.
type Account struct {
	Name                            string
	Region                          string // "us" or "eu"
	Subdomain                       string
	Default                         bool
	APIToken                        SecretRef
	FromEmail                       string
	RESTURL, EventsURL, IdentityURL string // overrides; empty: the region's
}

// Elsewhere returns the addresses of an account that are not PagerDuty's own.
func (a Account) Elsewhere() []string {
	var out []string
	for _, address := range []string{a.RESTURL, a.EventsURL, a.IdentityURL} {
		u, err := url.Parse(address)
		if err != nil || address != "" && (u.Scheme != "https" || u.Port() != "" && u.Port() != "443" || !strings.HasSuffix("."+u.Hostname(), ".pagerduty.com")) {
			out = append(out, address)
		}
	}
	return out
}

// A SecretRef names a value that a provider keeps: "secret:NAME", "env:NAME" or "file:PATH".
type SecretRef string

// A Target is an outside system where access exists.
type Target struct {
	Name      string
	Connector string
	Settings  map[string]any // the connector's own
}
