package cli

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) auditCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "audit",
		Short: "Who did what to what, and why",
		Example: `  sallyport audit list --subject request/req_7q2m
  sallyport audit export > audit.jsonl
  sallyport audit verify audit.jsonl --checkpoints checkpoints.jsonl --key audit.pub`,
	})
	c.AddCommand(s.auditList(), s.auditExport(), s.auditVerify(), s.auditKey(), s.auditRotate())
	return c
}

// entries calls each with every audit entry that a query selects, and returns the last number.
func entries(ctx context.Context, c *client.Client, q client.AuditQuery, each func(client.AuditEntry) error) (int64, error) {
	q.Limit = 1000
	for {
		page, err := c.AuditEntries(ctx, q)
		if err != nil {
			return q.After, err
		}
		for _, e := range page.Items {
			if err := each(e); err != nil {
				return q.After, err
			}
			q.After = e.Seq
		}
		if page.Next == 0 {
			return q.After, nil
		}
	}
}

// An auditFilter is what list and export select by.
type auditFilter struct {
	actor, action, subject string
	since, until           string
}

func (s *shell) filtered(c *cobra.Command) *auditFilter {
	f := &auditFilter{}
	c.Flags().StringVar(&f.actor, "actor", "", "only what this user did")
	c.Flags().StringVar(&f.action, "action", "", "only actions that begin so, such as access_request.review or grant")
	c.Flags().StringVar(&f.subject, "subject", "", "only what was done to this, such as request/req_7q2m or role/editor")
	c.Flags().StringVar(&f.since, "since", "", "only what was done since this time, or in the last 24h")
	c.Flags().StringVar(&f.until, "until", "", "only what was done before this time")
	s.completeFlag(c, "actor", resourceNames("user"))
	return f
}

func (f *auditFilter) query(now time.Time) (q client.AuditQuery, err error) {
	q = client.AuditQuery{Actor: f.actor, Action: f.action, Subject: f.subject}
	if q.Since, err = readPast("since", f.since, now); err != nil {
		return q, err
	}
	q.Until, err = readPast("until", f.until, now)
	return q, err
}

// readPast reads a time, or how long ago it is.
func readPast(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil {
			return at, nil
		}
	}
	if ago, err := length(flag, text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, misuse("--%s %.40q is neither a time nor a length", flag, text).WithHint("write 2026-03-01T12:00:00Z, 2026-03-01 (UTC), 90m or, up to two weeks, 7d")
}

func (s *shell) auditList() *cobra.Command {
	var filter *auditFilter
	var limit int
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the newest audit entries, the newest last",
		Example: `  sallyport audit list --action access_request.review --since 24h
  sallyport audit list --subject request/req_7q2m -o json`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			q, err := filter.query(time.Now())
			if err != nil {
				return err
			}
			q.Newest = true
			found, more, err := newest(ctx, c, q, limit)
			if err != nil {
				return err
			}
			s.noteMore(more, limit)
			return s.show(list(found), func() error {
				t := s.table("Seq", "Time (UTC)", "Actor", "Action", "Subject", "Detail")
				for _, e := range found {
					t.row(strconv.FormatInt(e.Seq, 10), e.At.UTC().Format("02 Jan 06 15:04:05 UTC"), e.Actor, e.Action, e.Subject, shortened(e.Detail))
				}
				return t.print("there are no entries")
			})
		}),
	}
	filter = s.filtered(c)
	limited(c, &limit)
	return s.reading(c)
}

// newest returns the newest entries that a query selects, the newest last.
func newest(ctx context.Context, c *client.Client, q client.AuditQuery, limit int) (found []client.AuditEntry, more bool, err error) {
	for len(found) < limit {
		q.Limit = min(limit-len(found), 1000)
		page, err := c.AuditEntries(ctx, q)
		if err != nil {
			return nil, false, err
		}
		found = append(found, page.Items...)
		if q.After, more = page.Next, page.Next > 0; !more {
			break
		}
	}
	slices.Reverse(found)
	return found, more, nil
}

// shortened cuts a detail to what fits a line; -o json shows it whole.
func shortened(detail string) string {
	const most = 80
	if runes := []rune(detail); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return detail
}
