package cli

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"
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
  sallyport audit verify`,
	})
	c.AddCommand(s.auditList(), s.auditExport(), s.auditVerify())
	return c
}

// entries calls each with every audit entry after a number, in order.
func entries(ctx context.Context, c *client.Client, after int64, each func(client.AuditEntry) error) error {
	for {
		page, err := c.Audit(ctx, after, 1000)
		if err != nil {
			return err
		}
		for _, e := range page.Items {
			if err := each(e); err != nil {
				return err
			}
		}
		if page.Next <= after {
			return nil
		}
		after = page.Next
	}
}

func (s *shell) auditList() *cobra.Command {
	var actor, action, subject string
	var limit int
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the newest audit entries, the newest last",
		Example: `  sallyport audit list --action access_request.review
  sallyport audit list --subject request/req_7q2m -o json`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			var found []client.AuditEntry
			more := false
			err := entries(ctx, c, 0, func(e client.AuditEntry) error {
				if (actor != "" && e.Actor != actor) || (subject != "" && e.Subject != subject) || !strings.HasPrefix(e.Action, action) {
					return nil
				}
				if found = append(found, e); len(found) > limit {
					found, more = found[1:], true
				}
				return nil
			})
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
	c.Flags().StringVar(&actor, "actor", "", "only what this user did")
	c.Flags().StringVar(&action, "action", "", "only actions that begin so, such as access_request.review or grant")
	c.Flags().StringVar(&subject, "subject", "", "only what was done to this, such as request/req_7q2m or role/editor")
	limited(c, &limit)
	s.completeFlag(c, "actor", resourceNames("user"))
	return s.reading(c)
}

// shortened cuts a detail to what fits a line; -o json shows it whole.
func shortened(detail string) string {
	const most = 80
	if runes := []rune(detail); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return detail
}

func (s *shell) auditExport() *cobra.Command {
	var after int64
	var asCSV bool
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the audit log: one JSON object a line, with its hashes",
		Long: `Write the audit log in order, one JSON object a line, to be kept elsewhere: sallyport audit verify FILE
proves later that nothing was changed. With --csv, cells that a spreadsheet would take for formulas begin with '.`,
		Example: `  sallyport audit export > audit.jsonl
  sallyport audit export --csv --after 1000 > audit.csv`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if after < 0 {
				return misuse("--after %d is no number of an entry", after)
			}
			if asCSV {
				return s.exportCSV(ctx, c, after)
			}
			return entries(ctx, c, after, func(e client.AuditEntry) error { return s.writeLine(e) })
		}),
	}
	c.Flags().Int64Var(&after, "after", 0, "begin behind this entry")
	c.Flags().BoolVar(&asCSV, "csv", false, "write comma-separated values instead")
	return c
}

func (s *shell) exportCSV(ctx context.Context, c *client.Client, after int64) error {
	w := csv.NewWriter(s.out)
	rows := [][]string{{"seq", "at", "actor", "via", "action", "subject", "detail", "prev", "hash"}}
	err := entries(ctx, c, after, func(e client.AuditEntry) error {
		rows = append(rows, []string{
			strconv.FormatInt(e.Seq, 10), e.At.UTC().Format(time.RFC3339Nano), e.Actor, e.Via, e.Action, e.Subject, e.Detail, e.Prev, e.Hash,
		})
		err := w.WriteAll(defused(rows))
		rows = nil
		return err
	})
	if err != nil {
		return err
	}
	return w.WriteAll(defused(rows))
}

// defused keeps spreadsheets from calculating with cells, and terminals from acting on them.
func defused(rows [][]string) [][]string {
	for _, row := range rows {
		for i, cell := range row {
			if cell = plain(cell); strings.HasPrefix(strings.TrimLeft(cell, " "), "=") || strings.IndexAny(cell, "+-@") == 0 {
				cell = "'" + cell
			}
			row[i] = cell
		}
	}
	return rows
}
