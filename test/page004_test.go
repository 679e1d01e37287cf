package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/test/world"
)

var requestID = regexp.MustCompile(`req_[0-9a-z]+`)

// ask makes a request with the command line and returns its id.
func ask(t *testing.T, s *world.Server, args ...string) string {
	t.Helper()
	id := requestID.FindString(s.Must(append([]string{"request", "create"}, args...)...))
	if id == "" {
		t.Fatal("no request was made")
	}
	return id
}

// decided waits until a request is decided and its grants have begun.
func decided(t *testing.T, s *world.Server, id, state string) client.Request {
	t.Helper()
	r, err := s.Client().Request(t.Context(), id, world.Patience)
	if err != nil {
		t.Fatal(err)
	}
	if r.State != state {
		t.Fatalf("request %s is %s, want %s: %+v", id, r.State, state, r)
	}
	return r
}

// Page 004 from its first command to its last, with sallyport in the place of tctl and tsh.
func TestPage004WorksAsItIsPrinted(t *testing.T) {
	t.Parallel()
	s := start(t, "public_url: https://sallyport.example.com/")
	s.Account()
	for _, name := range []string{"editor-request-rbac", "demo-role-requester", "access-plugin", "access-plugin-impersonator"} {
		if out := s.Must("create", "-f", world.Page004(t, name)); !strings.Contains(out, "has been created") {
			t.Errorf("%s: %s", name, out)
		}
	}
	read004User := s.Must("status", "--format=json")
	if !strings.Contains(read004User, `"username": "admin"`) {
		t.Errorf("status: %s", read004User)
	}

	// Add roles to your user: an editor opens, the roles are typed in.
	s.Apply("{kind: user, version: v2, metadata: {name: ann@example.com}, spec: {roles: [access]}}\n" +
		"---\n{kind: user, version: v2, metadata: {name: bob@example.com}, spec: {roles: [demo-role-requester]}}")
	editor := filepath.Join(s.Dir, "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/^\\( *\\)- access$/\\1- access\\n\\1- editor-reviewer\\n\\1- demo-role-requester/' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.Env = append(s.Env, "EDITOR="+editor)
	if out := s.Must("edit", "users/ann@example.com"); !strings.Contains(out, "has been updated") {
		t.Errorf("edit: %s", out)
	}
	s.Must("users", "add", "myuser", "--roles=editor-requester")

	t.Run("a request opens one incident, and the reviewers decide", func(t *testing.T) {
		id := ask(t, s, "myuser", "--roles=editor", "--reason", "look at a page")
		incident := opened(t, s, id)
		if incident.Service != "PSV0002" || !strings.Contains(incident.Details, "look at a page") || !strings.Contains(incident.Details, id) || !strings.Contains(incident.Title, "myuser") {
			t.Errorf("the incident is %+v", incident)
		}
		if link := "Link: https://sallyport.example.com/requests/" + id; !strings.Contains(incident.Details, link) {
			t.Errorf("the incident has no %q but %q", link, incident.Details)
		}
		s.Must("--as", "ann@example.com", "request", "review", "--approve", "--reason", "go ahead", id)
		r := decided(t, s, id, "APPROVED")
		if r.Decision.Override || r.Reviews[0].Author != "ann@example.com" || len(r.Reviews[0].CountsFor) != 1 {
			t.Errorf("decided as %+v after %+v", r.Decision, r.Reviews)
		}
		incident = resolved(t, s, id)
		if len(incident.Notes) != 2 || !strings.Contains(incident.Notes[0].Content, "ann@example.com approved") || !strings.Contains(incident.Notes[1].Content, "has been approved") {
			t.Errorf("the notes are %+v", incident.Notes)
		}
	})
	t.Run("who is on call is approved at once, with the evidence", func(t *testing.T) {
		id := ask(t, s, "--as", "ann@example.com", "--roles=demo-role", "--reason", "fix", "--for", "1h")
		r := decided(t, s, id, "APPROVED")
		if len(r.Reviews) != 1 || r.Reviews[0].Author != "access-plugin" {
			t.Errorf("reviewed by %+v", r.Reviews)
		}
		e := r.Decision.Evidence
		if len(e) != 1 || e[0].Service != "My Critical Service" || e[0].EscalationPolicy != "Critical" || e[0].Level != 1 || e[0].Schedule != "Critical" || e[0].FetchedAt.IsZero() || e[0].End.Before(time.Now()) {
			t.Errorf("the evidence is %+v", e)
		}
		if !regexp.MustCompile(`(?i)PUANN01`).MatchString(e[0].User) {
			t.Errorf("the evidence is about %q", e[0].User)
		}
		for _, g := range r.Grants {
			if g.State != "active" || g.EndsAt.Sub(g.StartsAt) != time.Hour {
				t.Errorf("grant %+v", g)
			}
		}
		if out := s.Must("request", "explain", id); !strings.Contains(out, "is on call: service My Critical Service, escalation policy Critical, level 1, schedule Critical") {
			t.Errorf("explained as:\n%s", out)
		}
	})
	t.Run("who is not on call waits, can read why, and an administrator overrides", func(t *testing.T) {
		id := ask(t, s, "--as", "bob@example.com", "--roles=demo-role", "--reason", "fix")
		world.Eventually(t, world.Patience, "explain speaks of on call", func() error {
			if out := s.Must("--as", "bob@example.com", "request", "explain", id); !strings.Contains(out, "bob@example.com is not on call for service My Critical Service") {
				return fmt.Errorf("it says:\n%s", out)
			}
			return nil
		})
		if r, err := s.Client().Request(t.Context(), id, 0); err != nil || r.State != "PENDING" {
			t.Fatalf("the request is %s (%v)", r.State, err)
		}
		if out := s.Must("request", "approve", id, "--reason", "ok"); !strings.Contains(out, "by override of admin") {
			t.Errorf("approved as: %s", out)
		}
		if r := decided(t, s, id, "APPROVED"); !r.Decision.Override || r.Decision.By != "admin" {
			t.Errorf("decided as %+v", r.Decision)
		}
		if out := s.Must("request", "explain", id); !strings.Contains(out, "overrode the reviews") {
			t.Errorf("explain hides the override:\n%s", out)
		}
	})
	t.Run("a denial resolves the incident too", func(t *testing.T) {
		id := ask(t, s, "--as", "myuser", "--roles=editor")
		opened(t, s, id)
		s.Must("request", "deny", id)
		decided(t, s, id, "DENIED")
		resolved(t, s, id)
		table := s.Must("requests", "ls")
		if !regexp.MustCompile(`(?m)^ID +User +Roles +Created \(UTC\) +Status *$`).MatchString(table) ||
			!regexp.MustCompile(`(?m)^`+id+` +myuser +editor +\d\d \w{3} \d\d \d\d:\d\d UTC +DENIED$`).MatchString(table) {
			t.Errorf("the table is:\n%s", table)
		}
	})
	if out := s.Must("audit", "verify"); !strings.HasPrefix(out, "ok: ") {
		t.Error(out)
	}
	s.Stop()
}

// opened waits for the one incident of a request.
func opened(t *testing.T, s *world.Server, id string) pdsim.Incident {
	t.Helper()
	return incident(t, s, id, "open")
}

// resolved waits until the one incident of a request is resolved.
func resolved(t *testing.T, s *world.Server, id string) pdsim.Incident {
	t.Helper()
	return incident(t, s, id, "resolved")
}

// incident waits until a request has one incident, here and at PagerDuty, in a state.
func incident(t *testing.T, s *world.Server, id, state string) (found pdsim.Incident) {
	t.Helper()
	c := s.Client()
	world.Eventually(t, world.Patience, "one incident about "+id, func() error {
		all := s.PD.About(id)
		if len(all) != 1 || state == "resolved" && all[0].Status != pdsim.Resolved {
			return fmt.Errorf("PagerDuty has %+v", all)
		}
		found = all[0]
		r, err := c.Request(t.Context(), id, 0)
		if err == nil && (len(r.Incidents) != 1 || r.Incidents[0].State != state) {
			err = fmt.Errorf("the request has %+v", r.Incidents)
		}
		return err
	})
	return found
}
