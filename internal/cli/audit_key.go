package cli

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

func (s *shell) auditKey() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:   "key",
		Short: "Print the public keys that sign the audit log, the oldest first",
		Long: `Print the public keys that sign checkpoints and deliveries of the audit log, the oldest first. Keep the output
where nobody who runs the server can change it: sallyport audit verify --key takes it as it is.`,
		Example: `  sallyport audit key > audit.pub
  sallyport audit key -o json`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			keys, err := c.AuditKeys(ctx)
			if err != nil {
				return err
			}
			return s.showKeys(keys.Items)
		}),
	})
}

func (s *shell) showKeys(keys []client.AuditKey) error {
	return s.show(list(keys), func() error {
		for _, k := range keys {
			s.sayf("%s # %s, since %s\n", base64.StdEncoding.EncodeToString(k.Public), k.ID, k.CreatedAt.UTC().Format(time.RFC3339))
		}
		if len(keys) == 0 {
			s.notef("there is no key yet: it is made when audit.checkpoint_to or audit.export is set\n")
		}
		return nil
	})
}

func (s *shell) auditRotate() *cobra.Command {
	var lost bool
	c := s.reading(&cobra.Command{
		Use:   "rotate",
		Short: "Sign the audit log with a new key from now on",
		Long: `Make a new key that signs the audit log from now on. The present key signs an entry that names the new one, so that
whoever kept the old public key can verify what comes after it.`,
		Example: `  sallyport audit rotate
  sallyport audit rotate --lost # the present key is gone for good`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			keys, err := c.RotateAuditKey(ctx, client.KeyRotation{Lost: lost})
			if err != nil {
				return err
			}
			if lost {
				s.notef("warning: nobody vouches for the new key; hand it to your auditors in a way that they trust\n")
			}
			return s.showKeys(keys.Items)
		}),
	})
	c.Flags().BoolVar(&lost, "lost", false, "the present key cannot be used any more; the log tells that nobody vouches for the new one")
	return c
}
