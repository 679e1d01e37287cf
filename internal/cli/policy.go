package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

func (s *shell) policyCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:     "policy",
		Aliases: []string{"policies"},
		Short:   "Try what the rules would say",
		Example: `  sallyport policy try --user ann@example.com --roles demo-role
  sallyport policy replay scenarios.json`,
	})
	c.AddCommand(s.policyTry(), s.policyReplay())
	return c
}

func (s *shell) policyTry() *cobra.Command {
	var in client.Ask
	var lasts string
	c := &cobra.Command{
		Use:   "try --user U --roles R,...",
		Short: "Try a request without making it",
		Long:  "Run a request through the rules as they are now, PagerDuty included, and store nothing.",
		Example: `  sallyport policy try --user ann@example.com --roles demo-role
  sallyport policy try --user ann@example.com --resources db/orders -o json`,
		Annotations:       map[string]string{exits: "For the answer: 0 the request may be made, 3 it would be refused."},
		Args:              takes("[USER]"),
		ValidArgsFunction: s.completing(resourceNames("user")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			if err := completeAsk(&in, args, lasts, ""); err != nil {
				return err
			}
			r, err := c.Try(ctx, in)
			if err != nil {
				return err
			}
			return s.show(r, func() error {
				s.tryPage(r)
				return nil
			})
		}),
	}
	askFlags(c, &in, &lasts)
	s.completeFlag(c, "user", resourceNames("user"))
	s.completeFlag(c, "roles", resourceNames("role"))
	return s.reading(c)
}

func (s *shell) tryPage(r client.Request) {
	s.sayf("%s may ask for %s, for %s\n", r.User, asked(r), duration(r.Duration))
	s.annotationLines(r.Annotations)
	s.thresholdLines(r)
	outcome := ""
	if r.Evaluation != nil {
		outcome = r.Evaluation.Outcome
	}
	s.sayf("%s\n", map[string]string{
		"approve": "It would be approved at once, by the on-call reviewer:",
		"people":  "People would decide:",
		"wait":    "People would decide, and PagerDuty would be asked again: it does not answer now:",
		"":        "People would decide.",
	}[outcome])
	if r.Evaluation != nil {
		s.reasonLines(r.Evaluation.Reasons, r.Evaluation.Evidence)
	}
}

func (s *shell) policyReplay() *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE",
		Short: "Play scenarios through the rules, without a server",
		Long: `Play whole scenarios (roles, users, a request, reviews) through the rules, and write one JSON line for each:
{"id", "accepted", "error", "system_annotations", "thresholds", "steps"}. FILE holds request_review_cases, a list
of scenarios, or a single one; - is standard input.`,
		Example: "  sallyport policy replay scenarios.json | jq -r 'select(.accepted | not) | .id'",
		Args:    takes("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := s.readFile(args[0])
			if err != nil {
				return err
			}
			results, err := core.ReplayFile(data)
			if err != nil {
				return err
			}
			for _, r := range results {
				if err := s.writeLine(r); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
