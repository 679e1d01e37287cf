package api

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
)

// Every method of the client meets the route that it is for.
func TestTheClientReachesEveryRoute(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Ready = func(context.Context) (bool, []string) { return false, []string{"not yet"} }
	})
	admin, ann, ctx := h.serve(client.Options{}), h.serve(client.Options{As: "ann@example.com"}), t.Context()
	bob := h.serve(client.Options{As: "bob@example.com", UserAgent: "test"})

	mine, err := ann.Submit(ctx, client.Ask{Roles: []string{"prod-db"}, Reason: "mend it", Duration: "2h"}, client.SubmitOptions{Wait: 30 * time.Second, Key: "k"})
	must(t, err)
	if !mine.Settled() || mine.Pending() {
		t.Fatalf("ann's request is %s", mine.State)
	}
	his, err := bob.Submit(ctx, client.Ask{Roles: []string{"prod-db"}}, client.SubmitOptions{})
	must(t, err)
	grants, err := ann.Grants(ctx, client.GrantQuery{Request: mine.ID, State: "active", Target: "db", User: "ann@example.com", Limit: 10})
	must(t, err)
	grant := grants.Items[0].ID
	_, err = ann.Revoke(ctx, grant+"x", "")
	var problem *client.Error
	if !errors.As(err, &problem) || problem.ExitCode() != 4 || problem.RequestID == "" || problem.Err != nil {
		t.Errorf("a grant that is not there: %#v", err)
	}

	calls := []struct {
		name string
		call func() (any, error)
	}{
		{"try", func() (any, error) { return bob.Try(ctx, client.Ask{Roles: []string{"prod-db"}}) }},
		{"requests", func() (any, error) {
			return admin.Requests(ctx, client.RequestQuery{User: "bob@example.com", State: "PENDING", Limit: 1})
		}},
		{"request", func() (any, error) { return bob.Request(ctx, his.ID, time.Millisecond) }},
		{"explain", func() (any, error) { return bob.Explain(ctx, his.ID) }},
		{"cancel", func() (any, error) { return bob.Cancel(ctx, his.ID) }},
		{"grant", func() (any, error) { return ann.Grant(ctx, grant) }},
		{"check", func() (any, error) { return admin.Check(ctx, "ann@example.com", "db/readers") }},
		{"entitlements", func() (any, error) { return admin.Entitlements(ctx, "db") }},
		{"drift", func() (any, error) { return admin.Drift(ctx, "db") }},
		{"extend", func() (any, error) {
			return ann.Extend(ctx, grant, client.Extension{Duration: "1h", Reason: "not done"}, client.SubmitOptions{Wait: time.Second, Key: "x"})
		}},
		{"revoke", func() (any, error) { return ann.Revoke(ctx, grant, "done") }},
		{"on call", func() (any, error) {
			return ann.OnCall(ctx, client.OnCallQuery{Service: "Payments", At: h.engine.Clock.Now()})
		}},
		{"incidents", func() (any, error) {
			return admin.Incidents(ctx, client.IncidentQuery{Request: his.ID, Unfinished: true})
		}},
		{"every resource", func() (any, error) { return admin.Resources(ctx, "") }},
		{"resources", func() (any, error) { return admin.Resources(ctx, "Roles") }},
		{"resource", func() (any, error) { return admin.Resource(ctx, "user", "ann@example.com") }},
		{"resource as YAML", func() (any, error) { return admin.ResourceYAML(ctx, "user", "ann@example.com") }},
		{"apply", func() (any, error) {
			return admin.Apply(ctx, []byte("{kind: user, metadata: {name: a/b}, spec: {}}"), false)
		}},
		{"delete", func() (any, error) { return nil, admin.DeleteResource(ctx, "users", "a/b") }},
		{"audit", func() (any, error) { return admin.Audit(ctx, 1, 2) }},
		{"verify", func() (any, error) { return admin.VerifyAudit(ctx) }},
		{"status", func() (any, error) { return admin.Status(ctx) }},
		{"doctor", func() (any, error) { return admin.Doctor(ctx) }},
		{"ready", func() (any, error) { return admin.Ready(ctx) }},
	}
	for _, c := range calls {
		if _, err := c.call(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := bob.Review(ctx, his.ID, client.Opinion{State: "APPROVED"}); err == nil {
		t.Error("bob reviews his own request")
	}
	ready, err := admin.Ready(ctx)
	must(t, err)
	if ready.Ready || len(ready.Reasons) != 1 {
		t.Errorf("ready: %+v", ready)
	}
	text, err := admin.ResourceYAML(ctx, "role", "")
	must(t, err)
	if !strings.Contains(string(text), "kind: role") {
		t.Errorf("as YAML: %s", text)
	}
	if _, err := admin.Apply(ctx, nil, true); err == nil || !strings.Contains(err.Error(), "no resource") {
		t.Errorf("applying nothing: %v", err)
	}
}
