package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) requestCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:     "request",
		Aliases: []string{"requests"},
		Short:   "Ask for access, and decide who gets it",
		Example: `  sallyport request create --roles editor --reason "INC-42" --for 2h
  sallyport request list
  sallyport request approve req_7q2m --reason "on the bridge"`,
	})
	c.AddCommand(s.requestCreate(), s.requestList(), s.requestShow(), s.requestExplain(), s.requestDecide("approve", "APPROVED"),
		s.requestDecide("deny", "DENIED"), s.requestReview(), s.requestCancel())
	return c
}

// asked is what a request is for: its resources, else its roles.
func asked(r client.Request) string {
	if len(r.Resources) > 0 {
		return strings.Join(r.Resources, ",")
	}
	return strings.Join(r.Roles, ",")
}

func (s *shell) requestList() *cobra.Command {
	var q client.RequestQuery
	var limit int
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List requests, newest first",
		Example: `  sallyport request list
  sallyport request list --state pending -o json`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if err := checkLimit(limit); err != nil {
				return err
			}
			q.State = strings.ToUpper(q.State)
			partial := false
			found, more, err := pages(limit, func(limit int, after string) ([]client.Request, string, error) {
				q.Limit, q.After = limit, after
				page, err := c.Requests(ctx, q)
				partial = page.Partial
				return page.Items, page.Next, err
			})
			if err != nil {
				return err
			}
			s.noteMore(more, limit)
			s.notePartial(partial)
			return s.show(list(found), func() error { return s.requestTable(found) })
		}),
	}
	c.Flags().StringVar(&q.User, "user", "", "only this user's")
	c.Flags().StringVar(&q.State, "state", "", "only in this state: pending, approved, denied, expired or cancelled")
	limited(c, &limit)
	s.completeFlag(c, "user", resourceNames("user"))
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"pending", "approved", "denied", "expired", "cancelled"}, cobra.ShellCompDirectiveNoFileComp))
	return s.reading(c)
}

// requestTable is the table of page 004.
func (s *shell) requestTable(requests []client.Request) error {
	t := s.table("ID", "User", "Roles", "Created (UTC)", "Status")
	for _, r := range requests {
		t.row(r.ID, r.User, asked(r), stamp(r.CreatedAt), r.State)
	}
	return t.print("there are no requests")
}

func (s *shell) requestExplain() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "explain ID",
		Short:             "Say in words why a request stands where it stands, and what to do next",
		Example:           "  sallyport request explain req_7q2m",
		Args:              takes("ID"),
		ValidArgsFunction: s.completing(requestIDs("")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			found, err := c.Explain(ctx, args[0])
			if err != nil {
				return err
			}
			return s.show(found, func() error {
				for _, line := range found.Lines {
					s.sayf("%s\n", line)
				}
				return nil
			})
		}),
	})
}

// requestDecide is approve or deny: a review, or by the local administrator an override.
func (s *shell) requestDecide(verb, state string) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   verb + " ID",
		Short: strings.ToUpper(verb[:1]) + verb[1:] + " a request",
		Long: strings.ToUpper(verb[:1]) + verb[1:] + ` a request. By a reviewer this is a review, which counts towards the request's thresholds.
By the local administrator it overrides the decision, and is marked so for ever.`,
		Example: "  sallyport request " + verb + ` req_7q2m --reason "seen on the bridge"
  sallyport --as ann@example.com request ` + verb + " req_7q2m",
		Args:              takes("ID"),
		ValidArgsFunction: s.completing(requestIDs("PENDING")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			return s.review(ctx, c, args[0], state, reason)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	return s.reading(c)
}

// requestReview is approve and deny in the words of tsh.
func (s *shell) requestReview() *cobra.Command {
	var approve, deny bool
	var reason string
	c := &cobra.Command{
		Use:   "review --approve|--deny ID",
		Short: "Approve or deny a request",
		Example: `  sallyport request review --approve req_7q2m
  sallyport request review --deny --reason "not now" req_7q2m`,
		Args:              takes("ID"),
		ValidArgsFunction: s.completing(requestIDs("PENDING")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			if approve == deny {
				return misuse("either --approve or --deny is needed").WithHint("sallyport request review --approve %s", args[0])
			}
			state := "APPROVED"
			if deny {
				state = "DENIED"
			}
			return s.review(ctx, c, args[0], state, reason)
		}),
	}
	c.Flags().BoolVar(&approve, "approve", false, "approve the request")
	c.Flags().BoolVar(&deny, "deny", false, "deny the request")
	c.Flags().StringVar(&reason, "reason", "", "why")
	return s.reading(c)
}

func (s *shell) review(ctx context.Context, c *client.Client, id, state, reason string) error {
	r, err := c.Review(ctx, id, client.Opinion{State: state, Reason: reason})
	if err != nil {
		return err
	}
	return s.show(r, func() error {
		switch {
		case r.Decision != nil && r.Decision.Override:
			s.sayf("request %s is %s, by override of %s\n", r.ID, r.State, r.Decision.By)
		case r.Decision != nil:
			s.sayf("request %s is %s\n", r.ID, r.State)
		default:
			s.sayf("review taken; request %s is still %s\n", r.ID, r.State)
		}
		return nil
	})
}

func (s *shell) requestCancel() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "cancel ID",
		Aliases:           []string{"rm"},
		Short:             "Withdraw a request",
		Example:           "  sallyport request cancel req_7q2m",
		Args:              takes("ID"),
		ValidArgsFunction: s.completing(requestIDs("PENDING")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.Cancel(ctx, args[0])
			if err != nil {
				return err
			}
			return s.show(r, func() error {
				s.sayf("request %s is %s\n", r.ID, r.State)
				return nil
			})
		}),
	})
}
