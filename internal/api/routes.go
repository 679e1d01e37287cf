package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sallyport/sallyport/client"
)

// routes is every route of the API, and who may call it.
func (a *API) routes() []route {
	return []route{
		on("POST /v1/requests", "submit-request", "Ask for access", a.submitRequest).own("access_request", "create").takes(client.Ask{}).creates(),
		on("GET /v1/requests", "list-requests", "List requests, newest first", a.listRequests).own("access_request", "read").orReviewers(),
		on("GET /v1/requests/{id}", "get-request", "Show one request", a.getRequest).own("access_request", "read").orReviewers(),
		on("GET /v1/requests/{id}/explain", "explain-request", "Say why a request is or is not approved, and what to do next", a.explainRequest).own("access_request", "read").orReviewers(),
		on("POST /v1/requests/{id}/reviews", "review-request", "Approve or deny; by the local administrator an override", a.reviewRequest).reviewers().takes(client.Opinion{}),
		on("POST /v1/requests/{id}/cancel", "cancel-request", "Withdraw a request", a.cancelRequest).own("access_request", "update"),
		on("POST /v1/requests/{id}/revoke", "revoke-request", "End everything that a request earned", a.revokeRequest).own("grant", "update").takes(client.Revocation{}),
		on("POST /v1/try", "try-request", "Run an ask through the rules and store nothing", a.tryRequest).own("access_request", "create").takes(client.Ask{}),

		on("GET /v1/grants", "list-grants", "List grants, newest first", a.listGrants).own("grant", "list"),
		on("GET /v1/grants/{id}", "get-grant", "Show one grant", a.getGrant).own("grant", "read"),
		on("POST /v1/grants/{id}/revoke", "revoke-grant", "End a grant before its time", a.revokeGrant).own("grant", "update").takes(client.Revocation{}),
		on("POST /v1/grants/{id}/extend", "extend-grant", "Ask for longer access, by a request of its own", a.extendGrant).own("access_request", "create").takes(client.Extension{}).creates(),
		on("GET /v1/check", "check", "Has this user this entitlement now", a.check).own("grant", "read"),
		on("GET /v1/entitlements/{target}", "list-entitlements", "List what a target shows now", a.listEntitlements).needs("grant", "list"),
		on("GET /v1/drift", "list-drift", "List what differs between targets and grants", a.listDrift).needs("grant", "list"),

		on("GET /v1/oncall", "who-is-on-call", "Who is on call and until when, with the age of the answer", a.whoIsOnCall).anyone(),
		on("GET /v1/incidents", "list-incidents", "List incidents, newest first", a.listIncidents).needs("incident", "list"),

		on("GET /v1/resources", "list-all-resources", "List every resource", a.listAllResources).needs("{kind}", "list").answers(client.ResourceList{}, resourceMedia...),
		on("GET /v1/resources/{kind}", "list-resources", "List the resources of a kind", a.listResources).needs("{kind}", "list").answers(client.ResourceList{}, resourceMedia...),
		on("GET /v1/resources/{kind}/{name}", "get-resource", "Show one resource", a.getResource).needs("{kind}", "read").answers(client.Resource{}, resourceMedia...),
		on("POST /v1/resources", "apply-resources", "Create or replace resources, all of them or none", a.applyResources).needs("{kind}", "create", "update").takes(client.Resource{}, resourceMedia...),
		on("DELETE /v1/resources/{kind}/{name}", "delete-resource", "Remove one resource", a.deleteResource).needs("{kind}", "delete"),

		on("POST /v1/users/{name}/invitation", "invite-user", "Make a link by which somebody becomes a user, once", a.inviteUser).needs("user", "update").takes(client.InvitationAsk{}).creates(),

		on("GET /v1/audit", "list-audit", "List audit entries, in order or newest first", a.listAudit).needs("audit", "list"),
		on("GET /v1/audit/verify", "verify-audit", "Walk the whole audit chain", a.verifyAudit).needs("audit", "list"),
		on("GET /v1/audit/keys", "list-audit-keys", "List the public keys that sign the audit log, the oldest first", a.listAuditKeys).needs("audit", "list"),
		on("POST /v1/audit/keys", "rotate-audit-key", "Sign the audit log with a new key from now on", a.rotateAuditKey).needs("audit", "update").takes(client.KeyRotation{}).creates(),
		on("GET /v1/watch", "watch", "Stream changes as they come", a.watch).needs("audit", "list").answers(client.AuditEntry{}, "text/event-stream"),

		on("POST /v1/logins", "start-login", "Begin the login of a command line", a.startLogin).open().takes(client.LoginStart{}).creates(),
		on("POST /v1/logins/{id}/finish", "finish-login", "Take the certificate of a login that was approved, once", a.finishLogin).open().takes(client.LoginSecret{}),
		on("GET /v1/ca", "get-authority", "Show the server's certificate authority", a.showAuthority).open(),
		on("POST /v1/ca/rotate", "rotate-authority", "Add a generation to the certificate authority", a.rotateAuthority).needs("cert_authority", "update"),
		on("POST /v1/certificates", "sign-certificate", "Give a certificate to the caller or to whom they may impersonate", a.signCertificate).anyone().takes(client.SignRequest{}).creates(),
		on("POST /v1/certificates/renew", "renew-certificate", "Give a bot a new certificate for its own", a.renewCertificate).bots().takes(client.SignRequest{}).creates(),
		on("GET /v1/whoami", "who-am-i", "Say as whom this is asked", a.whoAmI).anyone(),
		on("GET /v1/sessions", "list-sessions", "List the sessions of a user", a.listSessions).own("user", "read"),
		on("DELETE /v1/sessions/{kind}/{id}", "end-session", "End a session", a.endSession).own("user", "update"),

		on("GET /v1/status", "get-status", "How the server is doing", a.getStatus).anyone(),
		on("GET /v1/doctor", "doctor", "Check everything outside", a.doctor).needs("doctor", "read"),
	}
}

var resourceMedia = []string{"application/json", "application/yaml"}

// A route is one operation: how it is described and how it is served.
type route struct {
	op        huma.Operation
	rule      permission
	serve     func(huma.API, huma.Operation, problems)
	body, out any      // for the description
	bodyMedia []string // of body
	outMedia  []string // of out; none: what serve returns describes itself
}

// problems turns an error into what the caller sees.
type problems func(context.Context, error) *Problem

// on makes a route of a pattern as of http.ServeMux.
func on[I, O any](pattern, id, summary string, do func(context.Context, *I) (*O, error)) route {
	method, path, _ := strings.Cut(pattern, " ")
	r := route{op: huma.Operation{Method: method, Path: path, OperationID: id, Summary: summary}}
	r.serve = func(h huma.API, op huma.Operation, problem problems) {
		huma.Register(h, op, func(ctx context.Context, in *I) (*O, error) {
			out, err := do(ctx, in)
			if err != nil {
				return nil, problem(ctx, err)
			}
			return out, nil
		})
	}
	return r
}

// takes describes the body of a route.
func (r route) takes(body any, media ...string) route {
	if len(media) == 0 {
		media = []string{"application/json"}
	}
	r.body, r.bodyMedia = body, media
	return r
}

// creates says that a route answers with 201.
func (r route) creates() route {
	r.op.DefaultStatus = http.StatusCreated
	return r
}

// answers describes the answer of a route that writes it by itself.
func (r route) answers(out any, media ...string) route {
	r.out, r.outMedia = out, media
	return r
}

// register adds a route to the API. Bodies are described here and read by the handlers, which
// are stricter than huma.
func (r route) register(h huma.API, problem problems) {
	schemas := h.OpenAPI().Components.Schemas
	content := func(v any, media []string) map[string]*huma.MediaType {
		out := map[string]*huma.MediaType{}
		for _, m := range media {
			out[m] = &huma.MediaType{Schema: schemas.Schema(reflect.TypeOf(v), true, "")}
		}
		return out
	}
	if r.out != nil {
		r.op.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: content(r.out, r.outMedia)}}
	}
	if r.op.Method == http.MethodPost {
		r.op.Parameters = append(r.op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "Names this call. Repeated with the same key and body, it gets the same answer and nothing happens twice.",
		})
	}
	r.op.Extensions = map[string]any{permissionExtension: r.rule}
	r.serve(h, r.op, problem)
	item := h.OpenAPI().Paths[r.op.Path]
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
		if op != nil && op.OperationID == r.op.OperationID && r.body != nil {
			op.RequestBody = &huma.RequestBody{Content: content(r.body, r.bodyMedia)}
		}
	}
}
