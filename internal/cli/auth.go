package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) authCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "auth",
		Short: "Certificates for machines, sessions, and the certificate authority",
		Example: `  sallyport auth sign --user access-plugin --out identity --ttl 1h
  sallyport auth renew --identity identity --out /run/sallyport
  sallyport auth sessions`,
	})
	c.AddCommand(s.authSign(), s.authRenew(), s.authShow(), s.authRotate(), s.authSessions(), s.authEnd())
	return c
}

func (s *shell) authSign() *cobra.Command {
	var user, out, ttl string
	c := &cobra.Command{
		Use:               "sign --user U --out FILE",
		Short:             "Write an identity file: a key, a certificate for it, and the certificate authority",
		Example:           "  sallyport auth sign --user access-plugin --out identity --ttl 1h",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			if out == "" {
				return misuse("auth sign needs --out").WithHint("name the file to write: --out identity")
			}
			length, err := readTTL(ttl)
			if err != nil {
				return err
			}
			got, err := signInto(ctx, c.Sign, user, length, out)
			if err != nil {
				return err
			}
			s.sayf("%s is %s until %s\n", out, got.User, stamp(got.ExpiresAt))
			return nil
		}),
	}
	c.Flags().StringVar(&user, "user", "", "whom it stands for; without it you")
	c.Flags().StringVar(&out, "out", "", "the file to write; whoever has it is that user")
	c.Flags().StringVar(&ttl, "ttl", "1h", "how long it lasts, at most as long as you are signed in and the roles allow")
	return c
}

// signInto makes a key, has a certificate made for it, and writes both.
func signInto(ctx context.Context, ask func(context.Context, client.SignRequest) (client.Certificate, error), user, ttl, file string) (client.Certificate, error) {
	key, request, err := client.NewKey()
	if err != nil {
		return client.Certificate{}, err
	}
	got, err := ask(ctx, client.SignRequest{Request: string(request), User: user, TTL: ttl, Label: hostLabel()})
	if err != nil {
		return client.Certificate{}, err
	}
	return got, client.WriteIdentity(file, key, []byte(got.Certificate), []byte(got.Authority))
}

func (s *shell) authShow() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "show",
		Short:             "Show the pin of the certificate authority",
		Example:           "  sallyport auth show",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			found, err := c.Authority(ctx)
			if err != nil {
				return err
			}
			return s.show(found, func() error { s.facts("CA pin", found.Pin); return nil })
		}),
	})
}

func (s *shell) authRotate() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:   "rotate",
		Short: "Give the certificate authority a new key; the old one stays trusted for 30 days",
		Long: `Certificates by the old key work until their end, and whoever trusts the old key trusts the
new one by it for 30 days.`,
		Example:           "  sallyport auth rotate",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			found, err := c.RotateAuthority(ctx)
			if err != nil {
				return err
			}
			return s.show(found, func() error { s.facts("CA pin", found.Pin); return nil })
		}),
	})
}

func (s *shell) authSessions() *cobra.Command {
	var user string
	c := s.reading(&cobra.Command{
		Use:               "sessions",
		Short:             "List who is signed in as a user: browsers, command lines, machines",
		Example:           "  sallyport auth sessions --user access-plugin",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			found, err := c.Sessions(ctx, user)
			if err != nil {
				return err
			}
			return s.show(found, func() error {
				for _, v := range found.Items {
					s.facts("ID", v.Kind+"/"+v.ID, "User", v.User, "By", v.Author, "Method", v.Method, "From", v.Address, "Host", v.Label, "Until", stamp(v.ExpiresAt))
				}
				return nil
			})
		}),
	})
	c.Flags().StringVar(&user, "user", "", "whose; without it yours")
	return c
}

func (s *shell) authEnd() *cobra.Command {
	return &cobra.Command{
		Use:               "end KIND/ID",
		Short:             "End a session at once",
		Example:           "  sallyport auth end certificate/4f0c...",
		Args:              takes("KIND/ID"),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			kind, id, found := strings.Cut(args[0], "/")
			if !found || id == "" {
				return misuse("%q is not a session", args[0]).WithHint("sessions are listed with: sallyport auth sessions")
			}
			if err := c.EndSession(ctx, kind, id); err != nil {
				return err
			}
			s.sayf("ended %s\n", args[0])
			return nil
		}),
	}
}

// lastPart is what must be left of an identity's life before auth renew gives up: enough for
// somebody to come and look.
func lastPart(life time.Duration) time.Duration { return life / 6 }
