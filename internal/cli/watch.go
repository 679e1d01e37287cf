package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) watchCommand() *cobra.Command {
	var after int64
	c := &cobra.Command{
		Use:   "watch",
		Short: "Show changes as they come, until interrupted",
		Long:  "Show every new entry of the audit log as it comes. With -o json or -o yaml each is one document.",
		Example: `  sallyport watch
  sallyport watch --after 0 -o json`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if after < client.FromNow {
				return misuse("--after %d is no number of an entry", after)
			}
			for e, err := range c.Watch(ctx, after) {
				if err != nil {
					return err
				}
				if err := s.change(e); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	c.Flags().Int64Var(&after, "after", client.FromNow, "begin behind this entry of the audit log; 0 is all of it, -1 only what is new")
	return s.reading(c)
}

func (s *shell) change(e client.AuditEntry) error {
	switch s.output {
	case "json":
		return s.writeLine(e)
	case "yaml":
		s.sayf("---\n")
		return s.writeYAML(e)
	}
	s.sayf("%s  %s  %s  %s\n", e.At.UTC().Format("02 Jan 06 15:04:05 UTC"), e.Actor, e.Action, e.Subject)
	return nil
}
