package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) doctorCommand() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "doctor",
		Short:             "Check everything outside; each finding names its cure",
		Example:           "  sallyport doctor",
		Annotations:       map[string]string{exits: "For the findings: 0 no problem, 1 at least one."},
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			found, err := c.Doctor(ctx)
			if err != nil {
				return err
			}
			found.Findings = list(found.Findings)
			err = s.show(found, func() error {
				for _, f := range found.Findings {
					s.sayf("%-8s %s: %s\n", f.State, f.Check, f.Text)
					if f.Cure != "" {
						s.sayf("         cure: %s\n", f.Cure)
					}
				}
				return nil
			})
			if err == nil && !found.OK {
				err = &problem{status: exitFailed}
			}
			return err
		}),
	})
}
