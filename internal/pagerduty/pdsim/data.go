package pdsim

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Data is the account that a simulator plays: the YAML file of "sallyport
// pdsim --data", and the JSON of /_sim/state.
type Data struct {
	Subdomain          string             `yaml:"subdomain" json:"subdomain"`
	Region             string             `yaml:"region,omitempty" json:"region,omitempty"` // us (default) or eu
	Tokens             []Token            `yaml:"tokens" json:"tokens"`
	OAuth              []OAuthClient      `yaml:"oauth" json:"oauth"`
	Users              []User             `yaml:"users" json:"users"`
	Teams              []Team             `yaml:"teams" json:"teams"`
	Schedules          []Schedule         `yaml:"schedules" json:"schedules"`
	EscalationPolicies []EscalationPolicy `yaml:"escalation_policies" json:"escalation_policies"`
	Services           []Service          `yaml:"services" json:"services"`
	Webhooks           []Webhook          `yaml:"webhooks" json:"webhooks"`
	Limits             Limits             `yaml:"limits" json:"limits"`
}

// A Token is a REST API key. One that names a user is that user's own key.
type Token struct {
	Token  string `yaml:"token" json:"token"`
	Access string `yaml:"access,omitempty" json:"access,omitempty"` // full (default) or read
	User   string `yaml:"user,omitempty" json:"user,omitempty"`
}

// An OAuthClient is an app with Scoped OAuth.
type OAuthClient struct {
	ClientID     string   `yaml:"client_id" json:"client_id"`
	ClientSecret string   `yaml:"client_secret" json:"client_secret"`
	Scopes       []string `yaml:"scopes" json:"scopes"`
}

// A User is a person of the account.
type User struct {
	ID       string `yaml:"id" json:"id"`
	Name     string `yaml:"name" json:"name"`
	Email    string `yaml:"email" json:"email"`
	Role     string `yaml:"role,omitempty" json:"role,omitempty"`           // default user
	TimeZone string `yaml:"time_zone,omitempty" json:"time_zone,omitempty"` // default Etc/UTC
	JobTitle string `yaml:"job_title,omitempty" json:"job_title,omitempty"`
}

// A Team is a group of users.
type Team struct {
	ID      string   `yaml:"id" json:"id"`
	Name    string   `yaml:"name" json:"name"`
	Members []string `yaml:"members,omitempty" json:"members,omitempty"`
}

// A Schedule is a list of shifts. Kind v2 is the classic schedule, v3 the
// shift-based one, which may have several people at once and empty slots.
type Schedule struct {
	ID       string   `yaml:"id" json:"id"`
	Name     string   `yaml:"name" json:"name"`
	Kind     string   `yaml:"kind,omitempty" json:"kind,omitempty"` // v2 (default) or v3
	TimeZone string   `yaml:"time_zone,omitempty" json:"time_zone,omitempty"`
	Teams    []string `yaml:"teams,omitempty" json:"teams,omitempty"`
	Shifts   []Shift  `yaml:"shifts" json:"shifts"`
}

// A Shift is a time of duty. Start and End are RFC 3339 or relative to the
// moment of loading: now, now-1h, now+1h30m. In a v3 schedule a shift without
// user is an empty slot.
type Shift struct {
	User  string `yaml:"user,omitempty" json:"user,omitempty"`
	Start string `yaml:"start" json:"start"`
	End   string `yaml:"end" json:"end"`
}

// An EscalationPolicy is a list of levels, and a level a list of targets.
type EscalationPolicy struct {
	ID    string     `yaml:"id" json:"id"`
	Name  string     `yaml:"name" json:"name"`
	Teams []string   `yaml:"teams,omitempty" json:"teams,omitempty"`
	Rules [][]Target `yaml:"rules" json:"rules"`
}

// A Target is who is told on a level: a schedule or a user.
type Target struct {
	Schedule string `yaml:"schedule,omitempty" json:"schedule,omitempty"`
	User     string `yaml:"user,omitempty" json:"user,omitempty"`
}

// A Service is what incidents are about.
type Service struct {
	ID               string   `yaml:"id" json:"id"`
	Name             string   `yaml:"name" json:"name"`
	Description      string   `yaml:"description,omitempty" json:"description,omitempty"`
	EscalationPolicy string   `yaml:"escalation_policy" json:"escalation_policy"`
	IntegrationKey   string   `yaml:"integration_key,omitempty" json:"integration_key,omitempty"` // of Events API v2
	Teams            []string `yaml:"teams,omitempty" json:"teams,omitempty"`
}

// A Webhook is a webhook subscription (v3) on the whole account.
type Webhook struct {
	URL    string   `yaml:"url" json:"url"`
	Secret string   `yaml:"secret" json:"secret"`
	Events []string `yaml:"events,omitempty" json:"events,omitempty"` // default: all about incidents
}

// Limits are the account's budgets.
type Limits struct {
	RESTPerMinute   int `yaml:"rest_per_minute,omitempty" json:"rest_per_minute,omitempty"`     // per key; default 960
	EventsPerMinute int `yaml:"events_per_minute,omitempty" json:"events_per_minute,omitempty"` // per integration key; default 120
}

// Parse reads the YAML of an account. JSON is YAML. A field that it does not
// know is an error that names the line.
func Parse(b []byte) (Data, error) { return parseOver(b, Data{}) }

// parseOver reads b over d: what b does not name stays.
func parseOver(b []byte, d Data) (Data, error) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&d); err != nil && !errors.Is(err, io.EOF) {
		return Data{}, fmt.Errorf("read the account: %w", err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Data{}, errors.New("read the account: more than one document; an account is one")
	}
	return d, nil
}
