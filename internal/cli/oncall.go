package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) oncallCommand() *cobra.Command {
	var q client.OnCallQuery
	var at string
	c := &cobra.Command{
		Use:   "oncall",
		Short: "Who is on call and until when, with the age of the answer",
		Example: `  sallyport oncall --service "My Critical Service"
  sallyport oncall --user ann@example.com --at "2026-11-24 03:00"`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			var err error
			if q.At, err = moment("at", at, time.Now()); err != nil {
				return err
			}
			found, err := c.OnCall(ctx, q)
			if err != nil {
				return err
			}
			found.Duties = list(found.Duties)
			return s.show(found, func() error { return s.dutyTable(found) })
		}),
	}
	c.Flags().StringVar(&q.Service, "service", "", "only for this service, by name or id")
	c.Flags().StringVar(&q.Schedule, "schedule", "", "only on this schedule, by name or id")
	c.Flags().StringVar(&q.User, "user", "", "only this user, or this e-mail address")
	c.Flags().StringVar(&q.Account, "account", "", "the PagerDuty account; empty is the default one")
	c.Flags().StringVar(&at, "at", "", "at this time instead of now")
	s.completeFlag(c, "user", resourceNames("user"))
	s.completeFlag(c, "account", resourceNames("pagerduty_account"))
	return s.reading(c)
}

func (s *shell) dutyTable(found client.OnCall) error {
	t := s.table("User", "Service", "Policy", "Level", "Schedule", "From", "Until")
	for _, d := range found.Duties {
		level, from, until := "-", "always", "no end"
		if d.Level > 0 {
			level = fmt.Sprint(d.Level)
		}
		if !d.Start.IsZero() {
			from = stamp(d.Start)
		}
		if !d.End.IsZero() {
			until = stamp(d.End)
		}
		t.row(d.User, dash(d.Service), dash(d.EscalationPolicy), level, dash(d.Schedule), from, until)
	}
	if err := t.print("nobody is on call"); err != nil {
		return err
	}
	s.notef("as of %s ago (PagerDuty account %s)\n", inWords(seconds(found.AgeSeconds)), found.Account)
	if found.Stale != "" {
		s.notef("warning: nothing fresher is to be had: %s\n", found.Stale)
	}
	return nil
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// dash stands for what is empty.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
