package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsTemplate string

//go:embed docs.css
var docsStyle string

// docsPage renders the description of the API as one page that loads nothing from anywhere.
func docsPage(o *huma.OpenAPI) (http.Handler, error) {
	t, err := template.New("docs").Parse(docsTemplate)
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	err = t.Execute(&page, map[string]any{
		"Info": o.Info, "Operations": operations(o), "Schemas": schemas(o),
		"Style": template.CSS(docsStyle), //nolint:gosec // our own
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(docsStyle))
	policy := "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = w.Write(page.Bytes()) // the caller has gone
	}), nil
}

// A docsOperation is an operation as the page shows it.
type docsOperation struct {
	Method, Path, ID, Summary string
	Parameters                []docsField
	Body, Answer              string // names of schemas
	Permission                string
}

// A docsField is a parameter, or a field of a schema.
type docsField struct {
	Name, Type, Ref, Text string
	Required              bool
}

// A docsSchema is an object that goes over the wire.
type docsSchema struct {
	Name   string
	Fields []docsField
}

func operations(o *huma.OpenAPI) []docsOperation {
	var out []docsOperation
	for path, item := range o.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op == nil {
				continue
			}
			d := docsOperation{Method: op.Method, Path: path, ID: op.OperationID, Summary: op.Summary}
			if rule, declared := op.Extensions[permissionExtension].(permission); declared {
				d.Permission = strings.ReplaceAll(rule.String(), "`", "")
			}
			for _, p := range op.Parameters {
				kind, _ := typeName(p.Schema)
				d.Parameters = append(d.Parameters, docsField{Name: p.Name, Type: kind + ", " + p.In, Text: p.Description, Required: p.Required})
			}
			if op.RequestBody != nil {
				d.Body = refOf(op.RequestBody.Content)
			}
			for status, r := range op.Responses {
				if strings.HasPrefix(status, "2") {
					d.Answer = refOf(r.Content)
				}
			}
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b docsOperation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return out
}

func refOf(content map[string]*huma.MediaType) string {
	for _, m := range content {
		if m.Schema != nil && m.Schema.Ref != "" {
			return lastOf(m.Schema.Ref)
		}
	}
	return ""
}

func lastOf(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func schemas(o *huma.OpenAPI) []docsSchema {
	var out []docsSchema
	for name, s := range o.Components.Schemas.Map() {
		d := docsSchema{Name: name}
		for field, p := range s.Properties {
			kind, ref := typeName(p)
			d.Fields = append(d.Fields, docsField{Name: field, Type: kind, Ref: ref, Text: p.Description, Required: slices.Contains(s.Required, field)})
		}
		slices.SortFunc(d.Fields, func(a, b docsField) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b docsSchema) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// typeName says what a schema is, and to which other one it leads.
func typeName(s *huma.Schema) (kind, ref string) {
	switch {
	case s == nil:
		return "anything", ""
	case s.Ref != "":
		return lastOf(s.Ref), lastOf(s.Ref)
	case s.Type == huma.TypeArray:
		kind, ref = typeName(s.Items)
		return "list of " + kind, ref
	case s.Format == "date-time":
		return "time", ""
	case s.Type == "":
		return "anything", ""
	default:
		return s.Type, ""
	}
}
