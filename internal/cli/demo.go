package cli

import (
	"os"

	"github.com/spf13/cobra"
)

func (s *shell) demoCommand() *cobra.Command {
	var o DemoOptions
	c := &cobra.Command{
		Use:   "demo [--once] [--listen ADDR]",
		Short: "See it work: a throw-away server, a simulated PagerDuty and a story",
		Long: `Start a throw-away server, a simulated PagerDuty and a sample organisation, and play a story on them:
on-call approval, an incident, a review, and access that ends. Nothing outside is touched and nothing stays.`,
		Example: `  sallyport demo
  sallyport demo --once`,
		Annotations:       map[string]string{exits: "With --once: 1 when a step differs from what it announces."},
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Out, o.Err, o.Version = s.out, s.err, s.version()
			var err error
			if o.Executable, err = os.Executable(); err != nil {
				o.Executable = "sallyport"
			}
			return s.Demo(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Once, "once", false, "end after the story")
	c.Flags().StringVar(&o.Listen, "listen", "", "HOST:PORT of the server; default: a free port")
	return c
}
