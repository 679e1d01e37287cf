package cli_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A fakeServer speaks the API of a server with a small world in it. It decides by rules of
// thumb: ann@example.com is on call for demo-role, everybody else waits for people.
type fakeServer struct {
	mu        sync.Mutex
	documents []core.Document
	requests  []client.Request
	audit     []core.AuditEntry
}

// then is the moment at which everything in the fake happens.
var then = time.Date(2022, 8, 12, 18, 30, 0, 0, time.UTC)

// serve answers on a Unix socket until the listener is closed.
func (f *fakeServer) serve(at net.Listener) {
	f.log("admin", "server.start", "server/local")
	_ = http.Serve(at, f.routes())
}

func (f *fakeServer) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, answer func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			value, err := answer(r)
			write(w, value, err)
		})
	}
	handle("GET /v1/status", f.status)
	handle("GET /v1/whoami", f.whoAmI)
	handle("GET /v1/doctor", f.doctor)
	handle("POST /v1/resources", f.apply)
	handle("GET /v1/resources", f.list)
	handle("GET /v1/resources/{kind}", f.list)
	handle("GET /v1/resources/{kind}/{name...}", f.get)
	handle("DELETE /v1/resources/{kind}/{name...}", f.delete)
	handle("POST /v1/users/{name}/invitation", func(r *http.Request) (any, error) {
		return client.Invitation{User: r.PathValue("name"), Link: "http://localhost:7373/invite/token", ExpiresAt: then.Add(24 * time.Hour)}, nil
	})
	handle("POST /v1/requests", f.submit)
	handle("POST /v1/try", f.submit)
	handle("GET /v1/requests", f.listRequests)
	handle("GET /v1/requests/{id}", f.request)
	handle("POST /v1/requests/{id}/reviews", f.review)
	handle("POST /v1/requests/{id}/cancel", f.cancel)
	handle("GET /v1/requests/{id}/explain", f.explain)
	handle("GET /v1/grants", f.listGrants)
	handle("GET /v1/grants/{id}", f.grant)
	handle("POST /v1/grants/{id}/revoke", f.revoke)
	handle("POST /v1/grants/{id}/extend", f.extend)
	handle("POST /v1/requests/{id}/revoke", f.revokeRequest)
	handle("GET /v1/check", f.check)
	handle("GET /v1/entitlements/{target}", f.entitlements)
	handle("GET /v1/drift", f.drift)
	handle("GET /v1/oncall", f.onCall)
	handle("GET /v1/incidents", f.incidents)
	handle("GET /v1/audit", f.listAudit)
	handle("GET /v1/audit/verify", f.verify)
	mux.HandleFunc("GET /v1/watch", f.watch)
	return mux
}

func write(w http.ResponseWriter, value any, err error) {
	if e := (*core.Error)(nil); err != nil {
		e, _ = err.(*core.Error) //nolint:errorlint // never wrapped
		status := map[core.Kind]int{core.Invalid: 400, core.Refused: 403, core.NotFound: 404, core.Conflict: 409, core.Unavailable: 503}[e.Kind]
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		value = client.Error{Status: status, Kind: client.Kind(e.Kind), Title: http.StatusText(status), Detail: e.Msg, Hint: e.Hint}
	}
	_ = json.NewEncoder(w).Encode(value)
}

func caller(r *http.Request) string {
	if as := r.Header.Get("Sallyport-As"); as != "" {
		return as
	}
	return "admin"
}

func (f *fakeServer) log(actor, action, subject string) {
	prev := core.AuditRoot
	if n := len(f.audit); n > 0 {
		prev = f.audit[n-1].Hash
	}
	e := core.AuditEntry{Seq: int64(len(f.audit) + 1), At: then, Actor: actor, Via: "socket, uid 0", Action: action, Subject: subject}
	f.audit = append(f.audit, core.SealEntry(prev, e))
}

func (f *fakeServer) status(r *http.Request) (any, error) {
	return client.Status{
		Version: "v0.0.0-test", Replica: "test", StartedAt: then, Caller: caller(r), Via: "socket, uid 0", Database: "sqlite", Pending: len(f.requests),
		Accounts: []client.AccountStatus{{Name: "default", SyncedAt: then, AgeSeconds: 12}},
	}, nil
}

func (f *fakeServer) whoAmI(r *http.Request) (any, error) {
	return client.Who{User: caller(r), Via: "socket, uid 0", Roles: []string{}}, nil
}

func (f *fakeServer) doctor(*http.Request) (any, error) {
	return client.Diagnosis{Findings: []client.Finding{
		{Check: "clock", State: "ok", Text: "agrees with PagerDuty"},
		{Check: "account default", State: "problem", Text: "the token is read-only", Cure: "make a full-access key"},
	}}, nil
}

func (f *fakeServer) find(kind, name string) (int, error) {
	i := slices.IndexFunc(f.documents, func(d core.Document) bool { return d.Kind == kind && d.Name == name })
	if i < 0 {
		return i, core.Errorf(core.NotFound, "there is no %s %q", kind, name)
	}
	return i, nil
}

func resource(d core.Document) client.Resource {
	r := client.Resource{Kind: d.Kind, Version: d.Version}
	_ = json.Unmarshal([]byte(d.Body), &r)
	return r
}

func (f *fakeServer) apply(r *http.Request) (any, error) {
	items, err := manifest.Read(readAll(r))
	if err != nil {
		return nil, err
	}
	out := client.AppliedList{Items: []client.Applied{}}
	documents := slices.Clone(f.documents)
	for _, item := range items {
		a := client.Applied{Kind: item.Kind, Name: item.Name, Action: "created", Warnings: item.Warnings, After: json.RawMessage(item.Body)}
		if i, err := f.find(item.Kind, item.Name); err == nil {
			a.Action, a.Before = "updated", json.RawMessage(documents[i].Body)
			if documents[i].Body == item.Body {
				a.Action = "unchanged"
			}
			documents[i] = item.Document
		} else {
			documents = append(documents, item.Document)
		}
		out.Items = append(out.Items, a)
	}
	if r.URL.Query().Get("dry_run") == "" {
		f.documents = documents
	}
	return out, nil
}

func (f *fakeServer) list(r *http.Request) (any, error) {
	out := client.ResourceList{Items: []client.Resource{}}
	for _, d := range f.documents {
		if kind := r.PathValue("kind"); kind == "" || kind == d.Kind {
			out.Items = append(out.Items, resource(d))
		}
	}
	return out, nil
}

func (f *fakeServer) get(r *http.Request) (any, error) {
	i, err := f.find(r.PathValue("kind"), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return resource(f.documents[i]), nil
}

func (f *fakeServer) delete(r *http.Request) (any, error) {
	i, err := f.find(r.PathValue("kind"), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	f.documents = slices.Delete(f.documents, i, i+1)
	return struct{}{}, nil
}

// wanted tells whether a value is what a parameter asks for; an absent one asks for all.
func wanted(q url.Values, name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }

func (f *fakeServer) check(r *http.Request) (any, error) {
	q := r.URL.Query()
	out := client.Holding{User: q.Get("user"), Resource: q.Get("resource")}
	for _, g := range f.grants() {
		if g.User == out.User && g.Entitlement == out.Resource && g.State == "active" {
			out.Held, out.Grant = true, &g
		}
	}
	return out, nil
}

func (f *fakeServer) entitlements(r *http.Request) (any, error) {
	if r.PathValue("target") != "demo" {
		return nil, core.Errorf(core.NotFound, "there is no target %q", r.PathValue("target"))
	}
	return client.EntitlementList{Items: []client.Entitlement{{User: "ann@example.com", Entitlement: "demo/orders"}}}, nil
}

func (f *fakeServer) drift(*http.Request) (any, error) {
	return client.DriftList{Items: []client.Drift{{User: "eve@example.com", Entitlement: "demo/orders", Extra: true}}}, nil
}

func (f *fakeServer) onCall(r *http.Request) (any, error) {
	if s := r.URL.Query().Get("service"); s != "" && s != "My Critical Service" {
		return nil, core.Errorf(core.NotFound, "PagerDuty knows no service %q", s)
	}
	return client.OnCall{Account: "default", AgeSeconds: 12, FetchedAt: then, Duties: []client.Evidence{onCallEvidence()}}, nil
}

func onCallEvidence() client.Evidence {
	return client.Evidence{
		Account: "default", User: "Ann On (PUANN01)", Service: "My Critical Service", EscalationPolicy: "Critical", Level: 1,
		Schedule: "Critical", Start: then.Add(-time.Hour), End: then.Add(2 * time.Hour), FetchedAt: then,
	}
}

func (f *fakeServer) incidents(r *http.Request) (any, error) {
	out := client.IncidentPage{Items: []client.Incident{}}
	for _, q := range f.requests {
		for _, i := range q.Incidents {
			if wanted(r.URL.Query(), "request", i.RequestID) {
				out.Items = append(out.Items, i)
			}
		}
	}
	return out, nil
}

func (f *fakeServer) listAudit(r *http.Request) (any, error) {
	out := client.AuditPage{Items: []client.AuditEntry{}}
	var after int64
	_, _ = fmt.Sscan(r.URL.Query().Get("after"), &after)
	for _, e := range f.audit[min(after, int64(len(f.audit))):] {
		out.Items = append(out.Items, client.AuditEntry(e))
	}
	return out, nil
}

func (f *fakeServer) verify(*http.Request) (any, error) {
	var chain core.Chain
	err := chain.Verify(f.audit...)
	return client.AuditProof{OK: err == nil, Entries: chain.Seq, Head: chain.Hash}, nil
}

func (f *fakeServer) watch(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.audit {
		b, _ := json.Marshal(client.AuditEntry(e))
		fmt.Fprintf(w, "data: %s\n\n", b)
	}
	w.(http.Flusher).Flush()
	f.mu.Unlock()
	<-r.Context().Done()
	f.mu.Lock()
}
