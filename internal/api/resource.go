package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A file is an answer that is JSON or YAML, as the caller likes.
type file struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// A Reader says which form it reads.
type Reader struct {
	Accept string `header:"Accept" hidden:"true"`
}

func (r Reader) yaml() bool { return strings.Contains(r.Accept, "yaml") }

func (a *API) listResources(ctx context.Context, in *struct {
	Reader
	Kind string `path:"kind" doc:"In any spelling: role, roles, Role."`
},
) (*file, error) {
	kind, err := manifest.ParseKind(in.Kind)
	if err != nil {
		return nil, err
	}
	return a.listKind(ctx, in.Reader, kind)
}

func (a *API) listAllResources(ctx context.Context, in *Reader) (*file, error) {
	return a.listKind(ctx, *in, "")
}

func (a *API) listKind(ctx context.Context, in Reader, kind string) (*file, error) {
	docs, err := a.Engine.Documents(ctx, caller(ctx), kind)
	if err != nil {
		return nil, err
	}
	partial := false
	for _, k := range manifest.Kinds() {
		partial = partial || kind == "" && !a.Engine.SeesAll(ctx, caller(ctx), k, core.VerbList)
	}
	if in.yaml() {
		return yamlFile(partial, docs...)
	}
	out := client.ResourceList{Items: []client.Resource{}, Partial: partial}
	for _, d := range docs {
		r, err := viewResource(d)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, r)
	}
	return jsonFile(out)
}

func (a *API) getResource(ctx context.Context, in *struct {
	Reader
	Kind string `path:"kind"`
	Name string `path:"name"`
},
) (*file, error) {
	kind, err := manifest.ParseKind(in.Kind)
	if err != nil {
		return nil, err
	}
	d, err := a.Engine.Document(ctx, caller(ctx), kind, in.Name)
	if err != nil {
		return nil, a.near(ctx, err, kind, in.Name)
	}
	if in.yaml() {
		return yamlFile(false, d)
	}
	r, err := viewResource(d)
	if err != nil {
		return nil, err
	}
	return jsonFile(r)
}

// near adds the name that was probably meant to an error about one that is not there.
func (a *API) near(ctx context.Context, err error, kind, name string) error {
	var known *core.Error
	if core.KindOf(err) != core.NotFound || !asCore(err, &known) || known.Hint != "" {
		return err
	}
	docs, listed := a.Engine.Documents(ctx, caller(ctx), kind)
	if listed != nil {
		return err
	}
	if near := core.Nearest(name, list(docs, func(d core.Document) string { return d.Name })); near != "" {
		return known.WithHint("did you mean %q?", near)
	}
	return known.WithHint("see what there is: sallyport get %s", kind)
}

func viewResource(d core.Document) (client.Resource, error) {
	var out client.Resource
	b, err := manifest.JSON(d)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(b, &out)
}

func jsonFile(v any) (*file, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return &file{ContentType: "application/json", Body: b.Bytes()}, err
}

func yamlFile(partial bool, docs ...core.Document) (*file, error) {
	var b bytes.Buffer
	if partial {
		b.WriteString("# partial: there are kinds that you may not list\n")
	}
	for i, d := range docs {
		text, err := manifest.YAML(d)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString("---\n")
		}
		b.Write(text)
	}
	return &file{ContentType: "application/yaml", Body: b.Bytes()}, nil
}

func (a *API) applyResources(ctx context.Context, in *struct {
	DryRun bool `query:"dry_run" doc:"Check everything and keep nothing."`
},
) (*answer[client.AppliedList], error) {
	items, err := manifest.Read(bytes.Clone(body(ctx)))
	if err != nil {
		return nil, err
	}
	applied, err := a.Engine.Apply(ctx, caller(ctx), items, in.DryRun)
	return ok(client.AppliedList{Items: list(applied, viewApplied)}), err
}

func viewApplied(d engine.Applied) client.Applied {
	return client.Applied{
		Kind: d.Kind, Name: d.Name, Action: d.Action, Warnings: list(d.Warnings, same),
		Before: json.RawMessage(d.Before), After: json.RawMessage(d.Body),
	}
}

func (a *API) deleteResource(ctx context.Context, in *struct {
	Kind string `path:"kind"`
	Name string `path:"name"`
},
) (*struct{ Status int }, error) {
	kind, err := manifest.ParseKind(in.Kind)
	if err != nil {
		return nil, err
	}
	if err := a.Engine.Delete(ctx, caller(ctx), kind, in.Name); err != nil {
		return nil, a.near(ctx, err, kind, in.Name)
	}
	return &struct{ Status int }{http.StatusNoContent}, nil
}
