package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

func (s *shell) incidentCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:     "incident",
		Aliases: []string{"incidents"},
		Short:   "The PagerDuty incidents that requests opened",
		Example: `  sallyport incident list
  sallyport incident show inc_7q2m`,
	})
	c.AddCommand(s.incidentList(), s.incidentShow())
	return c
}

func (s *shell) incidents(ctx context.Context, c *client.Client, q client.IncidentQuery, limit int) ([]client.Incident, bool, error) {
	return pages(limit, func(limit int, after string) ([]client.Incident, string, error) {
		q.Limit, q.After = limit, after
		page, err := c.Incidents(ctx, q)
		return page.Items, page.Next, err
	})
}

func (s *shell) incidentList() *cobra.Command {
	var q client.IncidentQuery
	var limit int
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List incidents, newest first",
		Example: `  sallyport incident list
  sallyport incident list --request req_7q2m -o json`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			found, more, err := s.incidents(ctx, c, q, limit)
			if err != nil {
				return err
			}
			s.noteMore(more, limit)
			return s.show(list(found), func() error {
				t := s.table("ID", "Request", "Service", "PagerDuty", "Created (UTC)", "Status")
				for _, i := range found {
					t.row(i.ID, dash(i.RequestID), i.Service, dash(i.PagerDutyID), stamp(i.CreatedAt), i.State)
				}
				return t.print("there are no incidents")
			})
		}),
	}
	c.Flags().StringVar(&q.Request, "request", "", "only those of this request")
	c.Flags().BoolVar(&q.Unfinished, "unfinished", false, "only those with something left to do at PagerDuty")
	limited(c, &limit)
	s.completeFlag(c, "request", requestIDs(""))
	return s.reading(c)
}

func (s *shell) incidentShow() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "show ID",
		Aliases:           []string{"get"},
		Short:             "Show an incident, by our id, PagerDuty's id or its key",
		Example:           "  sallyport incident show inc_7q2m",
		Args:              takes("ID"),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			const all = 1 << 30
			found, _, err := s.incidents(ctx, c, client.IncidentQuery{}, all)
			if err != nil {
				return err
			}
			for _, i := range found {
				if i.ID != args[0] && i.PagerDutyID != args[0] && i.Key != args[0] {
					continue
				}
				return s.show(i, func() error {
					s.facts("ID", i.ID, "Title", i.Title, "Status", i.State, "Request", i.RequestID, "Account", i.Account, "Service", i.Service,
						"PagerDuty", i.PagerDutyID, "Key", i.Key, "Created", stamp(i.CreatedAt), "Link", i.URL, "Trouble", i.Error)
					return nil
				})
			}
			return core.Errorf(core.NotFound, "there is no incident %s", args[0]).WithHint("sallyport incident list")
		}),
	})
}
