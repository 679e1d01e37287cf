package store

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// SQLite plans without statistics and takes an index that spares it a sort over one that
// finds ten rows among a million. A list that walks the wrong index is fine in every test
// and stands still in production; hence this one.
func TestListsFindTheirIndexes(t *testing.T) {
	s, err := Open(t.Context(), Options{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // a temporary folder
	at := time.Unix(1, 0)
	live := []core.GrantState{core.GrantPending, core.GrantActive}
	e := core.Entitlement{User: "ann", Resource: core.Resource{Target: "aws", Name: "prod"}}
	for _, test := range []struct {
		index string
		list  func(v engine.View) error
	}{
		{"request_newest", requestList(engine.RequestQuery{})},
		{"request_in_state", requestList(engine.RequestQuery{State: core.Pending})},
		{"request_in_state", requestList(engine.RequestQuery{State: core.Pending, ExpiresBy: at})},
		{"request_of_user", requestList(engine.RequestQuery{User: "ann", State: core.Pending})},
		{"access_grant_of_request", grantList(engine.GrantQuery{RequestID: "r", States: live})},
		{"access_grant_of_entitlement", grantList(engine.GrantQuery{Entitlement: e})},
		{"access_grant_of_entitlement", grantList(engine.GrantQuery{Entitlement: e, States: live[1:]})},
		{"access_grant_of_entitlement", grantList(engine.GrantQuery{User: "ann", States: live})},
		{"access_grant_of_target", grantList(engine.GrantQuery{Target: "aws", States: live})},
		{"access_grant_in_state", grantList(engine.GrantQuery{States: live})},
		{"access_grant_on_call", grantList(engine.GrantQuery{States: live[1:], UntilOffCall: true})},
		{"access_grant_ends", grantList(engine.GrantQuery{EndsBy: at})},
		{"access_grant_ends", grantList(engine.GrantQuery{EndsBy: at, States: live[1:]})},
		{"audit_of_actor", auditList(engine.AuditQuery{Actor: "ann", Newest: true, After: 9})},
		{"audit_of_subject", auditList(engine.AuditQuery{Subject: "grant/g", Action: "grant", Newest: true})},
		{"audit_at", auditList(engine.AuditQuery{Since: at, Until: at, Newest: true})},
		{"incident_newest", incidentList(engine.IncidentQuery{})},
		{"incident_of_request", incidentList(engine.IncidentQuery{RequestID: "r"})},
		{"incident_unfinished", incidentList(engine.IncidentQuery{Unfinished: true, RetryBy: at})},
	} {
		clear(s.reads.known)
		if err := s.Read(t.Context(), test.list); err != nil {
			t.Fatal(err)
		}
		for text := range s.reads.known {
			if p := plan(t, s.w, text); !strings.Contains(p, " INDEX "+test.index+" ") && !strings.HasSuffix(p, " INDEX "+test.index) {
				t.Errorf("%s\n  is planned as %s\n  and should use %s", text, p, test.index)
			}
		}
	}
}

func auditList(q engine.AuditQuery) func(engine.View) error {
	return func(v engine.View) error { _, err := v.AuditEntries(q); return err }
}

func requestList(q engine.RequestQuery) func(engine.View) error {
	return func(v engine.View) error { _, err := v.Requests(q); return err }
}

func grantList(q engine.GrantQuery) func(engine.View) error {
	return func(v engine.View) error { _, err := v.Grants(q); return err }
}

func incidentList(q engine.IncidentQuery) func(engine.View) error {
	return func(v engine.View) error { _, err := v.Incidents(q); return err }
}

func plan(t *testing.T, d *sql.DB, text string) string {
	t.Helper()
	args := make([]any, strings.Count(text, "$"))
	rows, err := d.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return strings.Join(steps, "; ")
}
