package core

import "time"

// A Document is a resource as people apply it: a role, a user, a target.
//
// Body is the resource's canonical JSON. It holds references to secrets, never values.
type Document struct {
	Kind, Name string // kind in lower case, "role"
	Version    string // as written, "v5"
	Body       string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}
