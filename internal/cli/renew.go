package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

type renewOptions struct {
	out, user, ttl string
	once           bool
}

func (s *shell) authRenew() *cobra.Command {
	var o renewOptions
	c := &cobra.Command{
		Use:   "renew --out DIR|kubernetes-secret:NAMESPACE/NAME",
		Short: "Keep an identity file fresh, at two thirds of its life",
		Long: `A machine keeps its own identity fresh: it begins with --identity and goes on with what it
wrote. With --user an identity is signed for that user instead, each time anew.

It tries again for as long as it can wait, and ends with an error when a sixth of the identity's
life is left, so that somebody hears of it before the identity ends.`,
		Example: `  sallyport auth renew --identity identity --server https://sallyport.example.com --out /run/sallyport
  sallyport auth renew --user access-plugin --out kubernetes-secret:sallyport/plugin-identity --once`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE:              func(c *cobra.Command, _ []string) error { return s.renew(c.Context(), o) },
	}
	c.Flags().StringVar(&o.out, "out", "", "a folder, in which the file is named identity, or a secret of Kubernetes")
	c.Flags().StringVar(&o.user, "user", "", "sign for this user instead of renewing one's own")
	c.Flags().StringVar(&o.ttl, "ttl", "1h", "how long each one lasts")
	c.Flags().BoolVar(&o.once, "once", false, "renew now and end")
	return c
}

func (s *shell) renew(ctx context.Context, o renewOptions) error {
	if o.out == "" {
		return misuse("auth renew needs --out").WithHint("--out /run/sallyport, or --out kubernetes-secret:NAMESPACE/NAME")
	}
	var err error
	if o.ttl, err = readTTL(o.ttl); err != nil {
		return err
	}
	dir := o.out
	var secret *kubernetesSecret
	if name, is := strings.CutPrefix(o.out, "kubernetes-secret:"); is {
		if secret, err = inCluster(name); err != nil {
			return err
		}
		if dir, err = os.MkdirTemp("", "sallyport-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // it is for its owner only
		if err := secret.fetch(ctx, filepath.Join(dir, "identity")); err != nil {
			return err
		}
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return fileProblem(err)
	}
	k := keeper{shell: s, o: o, file: filepath.Join(dir, "identity"), secret: secret}
	return k.run(ctx)
}

// A keeper keeps an identity file fresh.
type keeper struct {
	*shell
	o      renewOptions
	file   string
	secret *kubernetesSecret // where the file goes as well; nil: nowhere
}

const firstWait, longestWait = time.Second, time.Minute

func (k *keeper) run(ctx context.Context) error {
	wait := firstWait
	var until time.Time
	var life time.Duration
	for {
		got, err := k.renewed(ctx)
		if err == nil {
			life, until, wait = time.Until(got.ExpiresAt), got.ExpiresAt, firstWait
			k.sayf("%s is %s until %s\n", k.o.out, got.User, stamp(until))
			if k.o.once {
				return nil
			}
			if err := pause(ctx, life*2/3); err != nil {
				return err
			}
			continue
		}
		if k.o.once || ctx.Err() != nil || !again(err) || life == 0 || time.Until(until) < lastPart(life) {
			return err
		}
		k.notef("degraded: the identity in %s ends in %s and could not be renewed: %s\n", k.o.out, time.Until(until).Round(time.Second).String(), err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, longestWait)
	}
}

// again reports whether an error may go away by itself.
func again(err error) bool {
	var remote *client.Error
	return !errors.As(err, &remote) || remote.Kind == client.KindUnavailable || remote.Kind == client.KindInternal
}

// renewed writes one new identity.
func (k *keeper) renewed(ctx context.Context) (client.Certificate, error) {
	c, err := k.caller()
	if err != nil {
		return client.Certificate{}, err
	}
	defer c.Close()
	ask := c.Renew
	if k.o.user != "" {
		ask = c.Sign
	}
	got, err := signInto(ctx, ask, k.o.user, k.o.ttl, k.file)
	if err == nil && k.secret != nil {
		err = k.secret.store(ctx, k.file)
	}
	return got, err
}

// caller is a client that shows what the identity is renewed by: with --user the caller's own,
// else the one that was written last, where there is one that has not ended.
func (k *keeper) caller() (*client.Client, error) {
	if k.o.user != "" {
		return k.connect()
	}
	server := k.server
	if stored, err := readLogin(); err == nil && server == "" {
		server = stored.Server
	}
	if server == "" {
		return nil, misuse("auth renew needs the address of the server").WithHint("--server https://sallyport.example.com; on the server's own host: --user NAME")
	}
	if i, err := client.LoadIdentity(k.file); err == nil && time.Now().Before(i.Until()) {
		return k.network(server, k.file)
	}
	if k.identity == "" {
		return nil, core.Errorf(core.Invalid, "there is no identity in %s to go on with", k.o.out).WithHint("begin with one: --identity FILE, made by: sallyport auth sign")
	}
	return k.network(server, k.identity)
}
