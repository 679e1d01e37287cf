package core

import "time"

// A Role is what its holders may request, review, administer and impersonate,
// and which entitlements holding it gives.
//
// The fields and their meaning are Teleport's (role versions v5 to v7);
// Entitlements is ours.
type Role struct {
	Name         string
	Allow, Deny  Conditions
	Options      RoleOptions
	Entitlements []Resource // what holding this role gives
}

// Conditions are the rights that a role allows or denies.
type Conditions struct {
	Request     RequestRule
	Review      ReviewRule
	Rules       []Rule
	Impersonate Impersonate
}

// A RequestRule says which roles and resources may be asked for, and on what terms.
type RequestRule struct {
	Roles              []string       // matchers: literal, glob, ^regexp$ or {{regexp.match("…")}}
	ClaimsToRoles      []ClaimMapping // roles by trait
	SearchAsRoles      []string       // literal role names through which resources are asked for
	Annotations        map[string][]string
	Thresholds         []Threshold
	MaxDuration        time.Duration // zero: no cap
	SuggestedReviewers []string
	ReasonMode         string // "required", "optional" or ""
}

// A ReviewRule says which requests may be reviewed.
type ReviewRule struct {
	Roles         []string
	ClaimsToRoles []ClaimMapping
	Where         string // a predicate; empty matches every request
}

// A ClaimMapping gives roles to holders of a trait's value.
type ClaimMapping struct {
	Claim, Value string
	Roles        []string
}

// A Threshold is a number of reviews that decides a request.
type Threshold struct {
	Name    string
	Filter  string // a predicate; empty counts every review
	Approve int    // zero never approves
	Deny    int    // zero never denies
}

// A Rule allows or denies verbs on kinds of resources; "*" stands for all.
type Rule struct{ Resources, Verbs []string }

// Impersonate says for whom credentials may be signed.
type Impersonate struct{ Users, Roles []string }

// RoleOptions are settings of a role that are neither allowed nor denied.
type RoleOptions struct {
	MaxSessionTTL time.Duration // zero: no limit
	RequestAccess string        // "optional", "always" or "reason" (then every request needs a reason)
}

// A User is a person or a bot, with roles and traits.
type User struct {
	Name   string
	Roles  []string
	Traits map[string][]string
	Bot    bool
	Owner  string // of a bot: the person whose bot it is
	Locked bool
}

// A Resource is one thing on a target that a person can be given.
type Resource struct{ Target, Name string }

// String returns the form that people write, target/name.
func (r Resource) String() string { return r.Target + "/" + r.Name }
