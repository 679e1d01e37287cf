package cli

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) requestShow() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:     "show ID",
		Aliases: []string{"get"},
		Short:   "Show a request with its reviews, decision, grants and incidents",
		Example: `  sallyport request show req_7q2m
  sallyport request show req_7q2m -o json`,
		Args:              takes("ID"),
		ValidArgsFunction: s.completing(requestIDs("")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.Request(ctx, args[0], 0)
			if err != nil {
				return err
			}
			return s.show(r, func() error { return s.requestPage(r) })
		}),
	})
}

// facts prints names and values below one another; values that are empty are left out.
func (s *shell) facts(pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			s.sayf("%-12s %s\n", pairs[i]+":", pairs[i+1])
		}
	}
}

func (s *shell) requestPage(r client.Request) error {
	author := ""
	if r.Author != r.User {
		author = r.Author
	}
	start := ""
	if !r.StartAt.IsZero() {
		start = stamp(r.StartAt)
	}
	expires := ""
	if r.Pending() {
		expires = stamp(r.ExpiresAt)
	}
	s.facts("ID", r.ID, "User", r.User, "Asked by", author, "Roles", strings.Join(r.Roles, ", "), "Resources", strings.Join(r.Resources, ", "),
		"Reason", r.Reason, "Status", r.State, "For", duration(r.Duration), "Created", stamp(r.CreatedAt), "Starts", start,
		"Expires", expires, "Extends", r.Extends, "Suggested reviewers", strings.Join(r.Suggested, ", "))
	s.annotationLines(r.Annotations)
	s.thresholdLines(r)
	if r.Decision != nil {
		s.decisionLines(*r.Decision)
	} else if r.Evaluation != nil {
		s.sayf("The on-call reviewer, %s:\n", stamp(r.Evaluation.At))
		s.reasonLines(r.Evaluation.Reasons, r.Evaluation.Evidence)
	}
	if err := s.grantLines(r.Grants); err != nil {
		return err
	}
	for _, i := range r.Incidents {
		s.sayf("Incident %s on %s is %s\n", firstText(i.PagerDutyID, i.ID), i.Service, i.State)
		if i.URL != "" {
			s.sayf("  %s\n", i.URL)
		}
		if i.Error != "" {
			s.sayf("  trouble: %s\n", i.Error)
		}
	}
	return nil
}

func (s *shell) annotationLines(annotations map[string][]string) {
	keys := make([]string, 0, len(annotations))
	for k := range annotations {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		s.sayf("%s: %s\n", k, strings.Join(annotations[k], ", "))
	}
}

func (s *shell) thresholdLines(r client.Request) {
	for i, t := range r.Thresholds {
		approvals, denials := 0, 0
		for _, v := range r.Reviews {
			for _, n := range v.CountsFor {
				if n == i && v.State == "APPROVED" {
					approvals++
				} else if n == i {
					denials++
				}
			}
		}
		name := t.Name
		if name == "" {
			name = fmt.Sprint(i + 1)
		}
		s.sayf("Threshold %s: %d of %d approvals, %d of %d denials\n", name, approvals, t.Approve, denials, t.Deny)
	}
	for _, v := range r.Reviews {
		s.sayf("Review: %s by %s, %s", v.State, v.Author, stamp(v.CreatedAt))
		if v.Reason != "" {
			s.sayf(": %s", v.Reason)
		}
		s.sayf("\n")
	}
}

func (s *shell) decisionLines(d client.Decision) {
	how := ""
	if d.Override {
		how = " (override)"
	}
	s.sayf("%s by %s%s, %s:\n", d.State, d.By, how, stamp(d.At))
	s.reasonLines(d.Reasons, d.Evidence)
}

func (s *shell) reasonLines(reasons []client.Reason, evidence []client.Evidence) {
	for _, r := range reasons {
		mark := "no "
		if r.OK {
			mark = "yes"
		}
		s.sayf("  %s  %s: %s\n", mark, r.Check, r.Text)
	}
	for _, e := range evidence {
		s.sayf("  evidence: %s\n", dutyText(e))
	}
}

// dutyText writes a duty as a sentence.
func dutyText(e client.Evidence) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on call", e.User)
	if e.Service != "" {
		fmt.Fprintf(&b, " for %s", e.Service)
	}
	if e.EscalationPolicy != "" {
		fmt.Fprintf(&b, ", policy %s level %d", e.EscalationPolicy, e.Level)
	}
	if e.Schedule != "" {
		fmt.Fprintf(&b, ", schedule %s", e.Schedule)
	}
	if !e.End.IsZero() {
		fmt.Fprintf(&b, ", until %s", stamp(e.End))
	}
	if !e.FirstSeen.IsZero() {
		fmt.Fprintf(&b, ", a new duty: first seen %s", stamp(e.FirstSeen))
	}
	fmt.Fprintf(&b, " (PagerDuty %s, asked %s)", e.Account, e.FetchedAt.UTC().Format("02 Jan 06 15:04:05 UTC"))
	return b.String()
}

// grantLines shows what a request earned.
func (s *shell) grantLines(grants []client.Grant) error {
	for _, g := range grants {
		s.sayf("Grant %s: %s is %s%s\n", g.ID, g.Entitlement, g.State, grantSpan(g))
		if g.Error != "" {
			s.sayf("  trouble: %s\n", g.Error)
		}
	}
	return nil
}

// grantSpan says until when a grant holds, or why it ended.
func grantSpan(g client.Grant) string {
	switch {
	case g.State == "active":
		return ", until " + stamp(g.EndsAt) + " (" + inWords(time.Until(g.EndsAt).Round(time.Minute)) + ")"
	case g.EndCause != "" && !g.EndedAt.IsZero():
		return ", " + cause(g) + ", " + stamp(g.EndedAt)
	case g.State == "pending" && !g.NotBefore.IsZero():
		return ", not before " + stamp(g.NotBefore)
	}
	return ""
}

// firstText returns the first text that is not empty.
func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// cause says in words why a grant ended.
func cause(g client.Grant) string {
	words := map[string]string{
		"time": "time is up", "off_call": "off call", "incident_resolved": "incident resolved", "revoked": "revoked",
		"locked": "user locked", "user_removed": "user removed",
	}[g.EndCause]
	if words == "" {
		words = g.EndCause
	}
	if g.EndedBy != "" {
		words += " by " + g.EndedBy
	}
	return words
}
