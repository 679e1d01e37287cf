package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/manifest"
)

func (s *shell) dumpCommand() *cobra.Command {
	c := s.reading(&cobra.Command{
		Use:   "dump [KIND...]",
		Short: "Write all resources as a file that apply takes",
		Example: `  sallyport dump > everything.yaml
  sallyport dump roles users`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return manifest.Kinds(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			kinds := []string{""}
			if len(args) > 0 {
				kinds = nil
			}
			for _, a := range args {
				kind, err := manifest.ParseKind(a)
				if err != nil {
					return err
				}
				kinds = append(kinds, kind)
			}
			var all []client.Resource
			for _, kind := range kinds {
				found, err := c.Resources(ctx, kind)
				if err != nil {
					return err
				}
				all = append(all, found.Items...)
			}
			return s.showResources("", all)
		}),
	})
	output := c.Flags().Lookup("output")
	output.DefValue = "yaml"
	c.PreRun = func(c *cobra.Command, _ []string) {
		if !c.Flags().Changed("output") {
			s.output = "yaml"
		}
	}
	return c
}
