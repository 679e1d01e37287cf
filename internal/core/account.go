package core

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

// A SecretRef names a value that a provider keeps: "secret:NAME", "env:NAME" or "file:PATH".
type SecretRef string

// A Target is an outside system where access exists.
type Target struct {
	Name      string
	Connector string
	Settings  map[string]any // the connector's own
}
