package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) checkCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use:   "check --user USER RESOURCE",
		Short: "Has this user this entitlement now?",
		Long:  "Answer from the grants whether a user has an entitlement now. RESOURCE is TARGET/NAME, or role/NAME for a role itself.",
		Example: `  sallyport check --user ann@example.com db/orders
  sallyport check --user ann@example.com role/demo-role`,
		Annotations:       map[string]string{exits: "For the answer: 0 yes, 3 no."},
		Args:              takes("RESOURCE"),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			if user == "" {
				return misuse("--user is needed").WithHint("sallyport check --user ann@example.com %s", args[0])
			}
			held, err := c.Check(ctx, user, args[0])
			if err != nil {
				return err
			}
			if err := s.show(held, func() error {
				if held.Held && held.Grant != nil {
					s.sayf("yes: grant %s, until %s\n", held.Grant.ID, stamp(held.Grant.EndsAt))
				} else if held.Held {
					s.sayf("yes\n")
				} else {
					s.sayf("no\n")
				}
				return nil
			}); err != nil {
				return err
			}
			if !held.Held {
				return &problem{status: exitRefused}
			}
			return nil
		}),
	}
	c.Flags().StringVar(&user, "user", "", "the user; required")
	s.completeFlag(c, "user", resourceNames("user"))
	return s.reading(c)
}
