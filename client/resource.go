package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// A Resource is a role, a user, a target: whatever people apply, in its envelope.
type Resource struct {
	Kind     string          `json:"kind"`
	Version  string          `json:"version"`
	Metadata json.RawMessage `json:"metadata"`
	Spec     json.RawMessage `json:"spec"`
}

// Name returns the name in the metadata.
func (r Resource) Name() string {
	var m struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(r.Metadata, &m) // what has no name has the empty one
	return m.Name
}

// A ResourceList is every resource of one kind.
type ResourceList struct {
	Items   []Resource `json:"items"`
	Partial bool       `json:"partial,omitempty" doc:"Only the kinds that the caller may list are here."`
}

// Resources lists the resources of a kind, in any spelling of it; an empty kind means all.
func (c *Client) Resources(ctx context.Context, kind string) (ResourceList, error) {
	var out ResourceList
	path := "/v1/resources"
	if kind != "" {
		path += "/" + escape(kind)
	}
	return out, c.do(ctx, get(path, nil), &out)
}

// Resource returns one resource.
func (c *Client) Resource(ctx context.Context, kind, name string) (Resource, error) {
	var out Resource
	return out, c.do(ctx, get("/v1/resources/"+escape(kind)+"/"+escape(name), nil), &out)
}

// ResourceYAML returns one resource, or every resource of a kind where name is empty, as a
// file that Apply takes.
func (c *Client) ResourceYAML(ctx context.Context, kind, name string) ([]byte, error) {
	path := "/v1/resources"
	for _, part := range []string{kind, name} {
		if part != "" {
			path += "/" + escape(part)
		}
	}
	var out []byte
	q := get(path, nil)
	q.accept = "application/yaml"
	return out, c.do(ctx, q, &out)
}

// An Applied tells what became of one resource.
type Applied struct {
	Kind     string          `json:"kind"`
	Name     string          `json:"name"`
	Action   string          `json:"action" doc:"created, updated or unchanged."`
	Warnings []string        `json:"warnings"`
	Before   json.RawMessage `json:"before,omitempty" doc:"Metadata and spec as they were; absent for a new one."`
	After    json.RawMessage `json:"after" doc:"Metadata and spec as they are, or would be."`
}

// An AppliedList tells what became of every resource, in the order they were given.
type AppliedList struct {
	Items []Applied `json:"items"`
}

// Apply creates or replaces resources, all of them or none. The data are YAML or JSON, with
// as many documents as one likes. With dryRun everything is checked and nothing is kept.
func (c *Client) Apply(ctx context.Context, data []byte, dryRun bool) (AppliedList, error) {
	v := values{}
	if dryRun {
		v.set("dry_run", "true")
	}
	q := post("/v1/resources", nil, v)
	q.raw, q.contentType = data, "application/yaml"
	if q.raw == nil {
		q.raw = []byte{}
	}
	var out AppliedList
	return out, c.do(ctx, q, &out)
}

// DeleteResource removes one resource.
func (c *Client) DeleteResource(ctx context.Context, kind, name string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/v1/resources/" + escape(kind) + "/" + escape(name)}, nil)
}
