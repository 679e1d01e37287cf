package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "delete KIND NAME",
		Aliases: []string{"rm"},
		Short:   "Delete a resource",
		Example: `  sallyport delete role demo-role
  sallyport delete users/ann@example.com`,
		Args:              takes("KIND", "[NAME]"),
		ValidArgsFunction: s.completeResource,
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			kind, name, err := resourceArgs(args)
			if err != nil {
				return err
			}
			if name == "" {
				return misuse("which %s is not said", kind).WithHint("sallyport delete %s NAME", kind)
			}
			return s.remove(ctx, c, kind, name)
		}),
	}
}

func (s *shell) remove(ctx context.Context, c *client.Client, kind, name string) error {
	if err := c.DeleteResource(ctx, kind, name); err != nil {
		return err
	}
	s.sayf("%s has been deleted\n", resourceName(kind, name))
	return nil
}
