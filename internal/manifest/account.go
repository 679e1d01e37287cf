package manifest

import (
	"cmp"
	"regexp"

	"github.com/sallyport/sallyport/internal/core"
)

type accountSpec struct {
	Region         region      `json:"region"`
	Subdomain      subdomain   `json:"subdomain"`
	Default        bool        `json:"default"`
	APIToken       reference   `json:"api_token"`
	OAuth          oauth       `json:"oauth"`
	Credentials    reference   `json:"credentials"`
	FromEmail      email       `json:"from_email"`
	WebhookSecrets []reference `json:"webhook_secrets"`
	RESTURL        address     `json:"rest_url"`
	EventsURL      address     `json:"events_url"`
	IdentityURL    address     `json:"identity_url"`
}

type oauth struct {
	ClientID     string    `json:"client_id" need:"yes"`
	ClientSecret reference `json:"client_secret" need:"yes"`
	Scopes       []string  `json:"scopes"`
}

// region is where PagerDuty keeps the account.
type region string

func (region) check(_ *checker, n *node, path string) (*node, error) {
	return oneOf(n, path, "us", "eu")
}

// subdomain is the first part of the account's host name at PagerDuty.
type subdomain string

var hostLabel = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

func (subdomain) check(_ *checker, n *node, path string) (*node, error) {
	if n.is == isText && !hostLabel.MatchString(n.text) {
		return nil, wrong("%s at line %d must be the first part of the account's host name, such as acme", path, n.line)
	}
	return expect(n, path, isText)
}

// judgeAccount wants the one way of signing in that this version has.
func judgeAccount(spec *node, c *checker) error {
	const hint = "give api_token, such as env:PAGERDUTY_TOKEN"
	for _, key := range []string{"oauth", "credentials"} {
		if f := spec.field(key); f != nil {
			return wrong("spec.%s at line %d is not supported by this version", key, f.line).WithHint(hint)
		}
	}
	if spec.field("api_token") == nil {
		return wrong("spec.api_token is missing").WithHint(hint)
	}
	if f := spec.field("webhook_secrets"); f != nil {
		c.warn("spec.webhook_secrets at line %d has no effect in this version", f.line)
	}
	for _, key := range []string{"events_url", "identity_url"} {
		if f := spec.field(key); f != nil {
			c.warn("spec.%s at line %d has no effect in this version", key, f.line)
		}
	}
	return nil
}

// Account decodes a document of kind pagerduty_account.
func Account(doc core.Document) (core.Account, error) {
	spec, err := decode[accountSpec](doc, KindAccount)
	if err != nil {
		return core.Account{}, err
	}
	return core.Account{
		Name:        doc.Name,
		Region:      cmp.Or(string(spec.Region), "us"),
		Subdomain:   string(spec.Subdomain),
		Default:     spec.Default,
		APIToken:    core.SecretRef(spec.APIToken),
		FromEmail:   string(spec.FromEmail),
		RESTURL:     string(spec.RESTURL),
		EventsURL:   string(spec.EventsURL),
		IdentityURL: string(spec.IdentityURL),
	}, nil
}
