package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

// patience is how long one call waits for a decision; then the next one does.
const patience = 30 * time.Second

func (s *shell) requestCreate() *cobra.Command {
	var in client.Ask
	var lasts, start string
	var wait bool
	c := &cobra.Command{
		Use:     "create [USER] --roles R,... | --resources TARGET/NAME,...",
		Aliases: []string{"new"},
		Short:   "Ask for access",
		Long: `Ask for roles, or for single resources. Whoever is on call where the rules say so is approved at once;
every other request waits for people. Asking for somebody else (USER, or --user) needs administrator rights.`,
		Example: `  sallyport request create --roles editor --reason "INC-42" --for 2h
  sallyport request create myuser --roles=editor
  sallyport --as ann@example.com request create --resources db/orders --reason "INC-42" --wait`,
		Annotations:       map[string]string{exits: "With --wait: 0 approved, 3 denied, expired or cancelled."},
		Args:              takes("[USER]"),
		ValidArgsFunction: s.completing(resourceNames("user")),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			if err := completeAsk(&in, args, lasts, start); err != nil {
				return err
			}
			return s.submit(ctx, c, in, wait)
		}),
	}
	askFlags(c, &in, &lasts)
	c.Flags().StringVar(&start, "start", "", "not before: 2026-11-23T15:00:00Z, \"2026-11-23 15:00\" (UTC) or +2h")
	c.Flags().BoolVar(&wait, "wait", false, "wait for the outcome")
	c.Flags().BoolVar(&in.DryRun, "dry-run", false, "check everything and store nothing")
	s.completeFlag(c, "user", resourceNames("user"))
	s.completeFlag(c, "roles", resourceNames("role"))
	return s.reading(c)
}

// askFlags gives a command the flags that say what is asked for.
func askFlags(c *cobra.Command, in *client.Ask, lasts *string) {
	c.Flags().StringSliceVar(&in.Roles, "roles", nil, "the roles, with commas between them")
	c.Flags().StringSliceVar(&in.Resources, "resources", nil, "the resources instead, each as TARGET/NAME")
	c.Flags().StringVar(&in.Reason, "reason", "", "why")
	c.Flags().StringVar(lasts, "for", "", "how long: 90m, 2h, 1d12h; a bare number is minutes")
	c.Flags().StringVar(&in.User, "user", "", "who shall have the access")
}

// completeAsk checks what was given for an ask, and puts it together.
func completeAsk(in *client.Ask, args []string, lasts, start string) error {
	if len(args) > 0 {
		if in.User != "" && in.User != args[0] {
			return misuse("USER is given twice: %s and --user %s", args[0], in.User)
		}
		in.User = args[0]
	}
	in.Roles, in.Resources = trimmed(in.Roles), trimmed(in.Resources)
	switch {
	case len(in.Roles) == 0 && len(in.Resources) == 0:
		return misuse("nothing is asked for").WithHint("name roles with --roles, or resources with --resources TARGET/NAME")
	case len(in.Roles) > 0 && len(in.Resources) > 0:
		return misuse("--roles and --resources cannot be asked for in one request").WithHint("make two requests")
	}
	for _, r := range in.Resources {
		if target, name, ok := strings.Cut(r, "/"); !ok || target == "" || name == "" {
			return misuse("--resources %q is not TARGET/NAME", r)
		}
	}
	if lasts != "" {
		d, err := length("for", lasts)
		if err != nil {
			return err
		}
		in.Duration = d.String()
	}
	var err error
	in.Start, err = moment("start", start, time.Now())
	return err
}

// trimmed drops the space around names, and names that are empty.
func trimmed(names []string) []string {
	var out []string
	for _, n := range names {
		if n = strings.TrimSpace(n); n != "" {
			out = append(out, n)
		}
	}
	return out
}

func (s *shell) submit(ctx context.Context, c *client.Client, in client.Ask, wait bool) error {
	r, err := c.Submit(ctx, in, client.SubmitOptions{})
	if err != nil {
		return err
	}
	if in.DryRun {
		return s.show(r, func() error {
			s.sayf("%s may ask for %s for %s; nothing was stored\n", r.User, asked(r), duration(r.Duration))
			return nil
		})
	}
	return s.follow(ctx, c, r, wait)
}

// follow shows a new request, and with wait what becomes of it.
func (s *shell) follow(ctx context.Context, c *client.Client, r client.Request, wait bool) error {
	if s.output == "table" {
		s.sayf("Seeking request approval... (id: %s)\n", r.ID)
	}
	id := r.ID
	if wait && r.Pending() {
		s.notef("waiting for the outcome; interrupt to stop waiting, the request stays\n")
	}
	for wait && !r.Settled() {
		var err error
		if r, err = c.Request(ctx, id, patience); err != nil {
			if ctx.Err() != nil {
				return &problem{status: exitFailed, text: "interrupted; the request stays", hint: "look again: sallyport request show " + id}
			}
			return err
		}
	}
	err := s.show(r, func() error {
		s.sayf("Status: %s\n", r.State)
		if r.Decision != nil {
			d := *r.Decision
			d.Evidence = nil // the reasons say it in words; request show has all of it
			s.decisionLines(d)
		}
		return s.grantLines(r.Grants)
	})
	if err != nil || !wait {
		return err
	}
	return outcome(r)
}

// outcome is the error of a request that came to nothing.
func outcome(r client.Request) error {
	if r.State != "APPROVED" {
		return &problem{status: exitRefused, text: "request " + r.ID + " is " + r.State, hint: "why: sallyport request explain " + r.ID}
	}
	for _, g := range r.Grants {
		if g.State == "failed" {
			return &problem{status: exitFailed, text: "access to " + g.Entitlement + " could not be given: " + g.Error, hint: "sallyport grant show " + g.ID}
		}
	}
	return nil
}

// duration writes a length from the wire as people do.
func duration(wire string) string {
	d, err := time.ParseDuration(wire)
	if err != nil {
		return wire
	}
	return inWords(d)
}
