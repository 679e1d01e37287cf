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

func (s *shell) auditExport() *cobra.Command {
	var filter *auditFilter
	var after int64
	var asCSV, follow bool
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the audit log: one JSON object a line, with its hashes",
		Long: `Write the audit log in order, one JSON object a line, to be kept elsewhere: sallyport audit verify FILE
proves later that nothing was changed. With --csv, cells that a spreadsheet would take for formulas begin with '.`,
		Example: `  sallyport audit export > audit.jsonl
  sallyport audit export --follow --after 1000 >> audit.jsonl
  sallyport audit export --csv --action grant --since 2026-03-01 > grants.csv`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			switch {
			case after < 0:
				return misuse("--after %d is no number of an entry", after)
			case follow && asCSV:
				return misuse("--follow and --csv do not go together")
			case follow && filter.until != "":
				return misuse("--follow and --until do not go together")
			}
			q, err := filter.query(time.Now())
			if err != nil {
				return err
			}
			if *filter != (auditFilter{}) {
				s.notef("warning: this is a selection, which cannot be verified as a chain; an export without filters can\n")
			}
			if q.After = after; asCSV {
				return s.exportCSV(ctx, c, q)
			}
			return s.exportLines(ctx, c, q, follow)
		}),
	}
	filter = s.filtered(c)
	c.Flags().Int64Var(&after, "after", 0, "begin behind this entry")
	c.Flags().BoolVar(&asCSV, "csv", false, "write comma-separated values instead")
	c.Flags().BoolVar(&follow, "follow", false, "go on with new entries as they come, until interrupted")
	return c
}

// exportLines writes what there is; to follow is to do so again whenever something has come.
func (s *shell) exportLines(ctx context.Context, c *client.Client, q client.AuditQuery, follow bool) error {
	write := func() (err error) {
		q.After, err = entries(ctx, c, q, func(e client.AuditEntry) error { return s.writeLine(e) })
		return err
	}
	if err := write(); err != nil || !follow {
		return err
	}
	for e, err := range c.Watch(ctx, q.After) {
		if err != nil {
			return err
		}
		if e.Seq <= q.After {
			continue // it came with those before it
		}
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

func (s *shell) exportCSV(ctx context.Context, c *client.Client, q client.AuditQuery) error {
	w := csv.NewWriter(s.out)
	rows := [][]string{{"seq", "at", "actor", "via", "action", "subject", "detail", "prev", "hash"}}
	_, err := entries(ctx, c, q, func(e client.AuditEntry) error {
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
