package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) driftCommand() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:   "drift [TARGET]",
		Short: "What targets show that the grants do not say, and the other way round",
		Example: `  sallyport drift
  sallyport drift demo -o json`,
		Args:              takes("[TARGET]"),
		ValidArgsFunction: s.completing(resourceNames("target")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			target := ""
			if len(args) > 0 {
				target = args[0]
			}
			found, err := c.Drift(ctx, target)
			if err != nil {
				return err
			}
			return s.show(list(found.Items), func() error {
				t := s.table("User", "Entitlement", "Difference")
				for _, d := range found.Items {
					what := "extra: no grant accounts for it"
					if d.Missing {
						what = "missing: a grant holds, and the target does not show it"
					}
					t.row(d.User, d.Entitlement, what)
				}
				return t.print("targets and grants agree")
			})
		}),
	})
}
