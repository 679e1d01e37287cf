package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) grantCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:     "grant",
		Aliases: []string{"grants"},
		Short:   "Who has access now, and until when",
		Example: `  sallyport grant list --state active
  sallyport grant revoke gr_7q2m --reason "the incident is over"`,
	})
	c.AddCommand(s.grantList(), s.grantShow(), s.grantRevoke(), s.grantExtend())
	return c
}

func (s *shell) grantList() *cobra.Command {
	var q client.GrantQuery
	var limit int
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List grants, newest first",
		Example: `  sallyport grant list --state active
  sallyport grant list --user ann@example.com -o json`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			q.State = strings.ToLower(q.State)
			found, more, err := pages(limit, func(limit int, after string) ([]client.Grant, string, error) {
				q.Limit, q.After = limit, after
				page, err := c.Grants(ctx, q)
				return page.Items, page.Next, err
			})
			if err != nil {
				return err
			}
			s.noteMore(more, limit)
			return s.show(list(found), func() error {
				t := s.table("ID", "User", "Entitlement", "Ends (UTC)", "Status")
				for _, g := range found {
					t.row(g.ID, g.User, g.Entitlement, stamp(firstTime(g.EndedAt, g.EndsAt)), grantState(g))
				}
				return t.print("there are no grants")
			})
		}),
	}
	c.Flags().StringVar(&q.User, "user", "", "only this user's")
	c.Flags().StringVar(&q.Target, "target", "", "only on this target; the target of roles themselves is \"role\"")
	c.Flags().StringVar(&q.Request, "request", "", "only those that this request earned")
	c.Flags().StringVar(&q.State, "state", "", "only in these states: pending, active, ending, ended, failed; with commas between them")
	limited(c, &limit)
	s.completeFlag(c, "user", resourceNames("user"))
	s.completeFlag(c, "target", resourceNames("target"))
	s.completeFlag(c, "request", requestIDs(""))
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"pending", "active", "ending", "ended", "failed"}, cobra.ShellCompDirectiveNoFileComp))
	return s.reading(c)
}

func (s *shell) grantShow() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "show ID",
		Aliases:           []string{"get"},
		Short:             "Show a grant",
		Example:           "  sallyport grant show gr_7q2m",
		Args:              takes("ID"),
		ValidArgsFunction: s.completing(grantIDs("")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			g, err := c.Grant(ctx, args[0])
			if err != nil {
				return err
			}
			return s.show(g, func() error {
				s.grantPage(g)
				return nil
			})
		}),
	})
}

func (s *shell) grantPage(g client.Grant) {
	when := func(label string, text string) []string {
		if text == "-" {
			return nil
		}
		return []string{label, text}
	}
	pairs := []string{"ID", g.ID, "User", g.User, "Entitlement", g.Entitlement, "Status", g.State, "Request", g.RequestID, "For", duration(g.Duration)}
	pairs = append(pairs, when("Not before", stamp(g.NotBefore))...)
	pairs = append(pairs, when("Started", stamp(g.StartsAt))...)
	pairs = append(pairs, when("Ends", stamp(g.EndsAt))...)
	pairs = append(pairs, when("Ended", stamp(g.EndedAt))...)
	if g.EndCause != "" {
		pairs = append(pairs, "Why", cause(g))
	}
	s.facts(append(pairs, "Trouble", g.Error)...)
}

func (s *shell) grantRevoke() *cobra.Command {
	var reason, request string
	c := &cobra.Command{
		Use:     "revoke ID | --request ID",
		Aliases: []string{"rm"},
		Short:   "End a grant now, or everything that a request earned",
		Long:    "End a grant now. Access is taken from the target and the target is read back; until then the grant is \"ending\".\nWith --request everything that the request earned ends, all of it or nothing.",
		Example: `  sallyport grant revoke gr_7q2m --reason "the incident is over"
  sallyport grant revoke --request req_7q2m`,
		Args: func(c *cobra.Command, args []string) error {
			if request == "" {
				return takes("ID (or --request ID)")(c, args)
			}
			if len(args) > 0 {
				return misuse("a grant and --request are two things to revoke").WithHint("name one of them")
			}
			return nil
		},
		ValidArgsFunction: s.completing(grantIDs("active")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			if request != "" {
				return s.revokeRequest(ctx, c, request, reason)
			}
			g, err := c.Revoke(ctx, args[0], reason)
			if err != nil {
				return err
			}
			return s.show(g, func() error {
				s.sayGrant(g)
				return nil
			})
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	c.Flags().StringVar(&request, "request", "", "end everything that this request earned")
	s.completeFlag(c, "request", requestIDs("approved"))
	return s.reading(c)
}

func (s *shell) revokeRequest(ctx context.Context, c *client.Client, id, reason string) error {
	page, err := c.RevokeRequest(ctx, id, reason)
	if err != nil {
		return err
	}
	return s.show(list(page.Items), func() error {
		for _, g := range page.Items {
			s.sayGrant(g)
		}
		return nil
	})
}

func (s *shell) sayGrant(g client.Grant) {
	s.sayf("grant %s of %s on %s is %s\n", g.ID, g.User, g.Entitlement, g.State)
}

func (s *shell) grantExtend() *cobra.Command {
	var in client.Extension
	var lasts string
	var wait bool
	c := &cobra.Command{
		Use:               "extend ID [--for TIME]",
		Short:             "Ask for longer access: a new request with a decision of its own",
		Example:           `  sallyport grant extend gr_7q2m --for 1h --reason "INC-42 goes on"`,
		Annotations:       map[string]string{exits: "With --wait: 0 approved, 3 denied, expired or cancelled."},
		Args:              takes("ID"),
		ValidArgsFunction: s.completing(grantIDs("active")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			if lasts != "" {
				d, err := length("for", lasts)
				if err != nil {
					return err
				}
				in.Duration = d.String()
			}
			r, err := c.Extend(ctx, args[0], in, client.SubmitOptions{})
			if err != nil {
				return err
			}
			return s.follow(ctx, c, r, wait)
		}),
	}
	c.Flags().StringVar(&lasts, "for", "", "how long: 90m, 2h, 1d12h; a bare number is minutes")
	c.Flags().StringVar(&in.Reason, "reason", "", "why")
	c.Flags().BoolVar(&wait, "wait", false, "wait for the outcome")
	return s.reading(c)
}

// grantState is a grant's state, with why it ended.
func grantState(g client.Grant) string {
	if g.EndCause == "" {
		return g.State
	}
	return g.State + " (" + g.EndCause + ")"
}
