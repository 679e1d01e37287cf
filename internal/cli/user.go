package cli

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

func (s *shell) userCommand() *cobra.Command {
	c := group(&cobra.Command{
		Use:     "user",
		Aliases: []string{"users"},
		Short:   "People and bots",
		Example: `  sallyport user add myuser --roles=editor-requester
  sallyport user lock myuser`,
	})
	c.AddCommand(s.userAdd(), s.userList(), s.userLock("lock", true), s.userLock("unlock", false), s.userRemove(), s.userInvite())
	return c
}

func (s *shell) userAdd() *cobra.Command {
	var roles []string
	c := &cobra.Command{
		Use:     "add NAME --roles R,...",
		Short:   "Create a user",
		Example: "  sallyport users add myuser --roles=editor-requester",
		Args:    takes("NAME"),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			return s.addUser(ctx, c, args[0], trimmed(roles))
		}),
		ValidArgsFunction: nothing,
	}
	c.Flags().StringSliceVar(&roles, "roles", nil, "the roles that the user has, with commas between them")
	s.completeFlag(c, "roles", resourceNames("role"))
	return s.reading(c)
}

func (s *shell) addUser(ctx context.Context, c *client.Client, name string, roles []string) error {
	if len(roles) == 0 {
		return misuse("--roles is needed: a user without a role can do nothing").WithHint("roles there are: sallyport get roles")
	}
	_, err := c.Resource(ctx, manifest.KindUser, name)
	if err == nil {
		return core.Errorf(core.Conflict, "user %q exists already", name).WithHint("change it: sallyport edit users/%s", name)
	}
	if p := asProblem(err); p.status != exitNotFound {
		return err
	}
	data, err := json.Marshal(map[string]any{
		"kind": manifest.KindUser, "version": "v2",
		"metadata": map[string]any{"name": name}, "spec": map[string]any{"roles": roles},
	})
	if err != nil {
		return err
	}
	done, err := c.Apply(ctx, data, false)
	if err != nil {
		return err
	}
	invited, err := c.Invite(ctx, name, client.InvitationAsk{})
	if err != nil {
		s.sayf("%s has been created\n", resourceName(manifest.KindUser, name))
		return err
	}
	type added struct {
		client.Applied
		Invitation client.Invitation `json:"invitation"`
	}
	all := make([]added, len(done.Items)) // there is one
	for i, item := range done.Items {
		all[i] = added{item, invited}
	}
	return s.show(all, func() error {
		s.sayf("%s has been created\n", resourceName(manifest.KindUser, name))
		return s.tellInvitation(invited)
	})
}

func (s *shell) userInvite() *cobra.Command {
	var ask client.InvitationAsk
	c := &cobra.Command{
		Use:     "invite NAME",
		Short:   "Make a new invitation link; older ones are void",
		Example: "  sallyport user invite myuser --ttl 2h",
		Args:    takes("NAME"),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			invited, err := c.Invite(ctx, args[0], ask)
			if err != nil {
				return err
			}
			return s.show(invited, func() error { return s.tellInvitation(invited) })
		}),
		ValidArgsFunction: s.completing(resourceNames(manifest.KindUser)),
	}
	c.Flags().StringVar(&ask.TTL, "ttl", "24h", "how long the link is good, at most 7d")
	c.Flags().BoolVar(&ask.Replace, "replace", false, "accepting it removes every other passkey of the user, and ends their sessions")
	return s.reading(c)
}

func (s *shell) tellInvitation(i client.Invitation) error {
	s.sayf("Send this link to %s over a channel you trust. It works once, until %s:\n  %s\n", i.User, i.ExpiresAt.Format("2 Jan 15:04 UTC"), i.Link)
	return nil
}

func (s *shell) userList() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "list",
		Aliases:           []string{"ls"},
		Short:             "List users",
		Example:           "  sallyport user list",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			found, err := c.Resources(ctx, manifest.KindUser)
			if err != nil {
				return err
			}
			return s.showResources(manifest.KindUser, found.Items)
		}),
	})
}

// userLock locks a user, or takes the lock off.
func (s *shell) userLock(verb string, locked bool) *cobra.Command {
	about := "Lock a user: every grant ends now, and nothing can be asked for"
	if !locked {
		about = "Take the lock off a user; what ended stays ended"
	}
	return s.reading(&cobra.Command{
		Use:               verb + " NAME",
		Short:             about,
		Example:           "  sallyport user " + verb + " myuser",
		Args:              takes("NAME"),
		ValidArgsFunction: s.completing(resourceNames(manifest.KindUser)),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.Resource(ctx, manifest.KindUser, args[0])
			if err != nil {
				return err
			}
			data, err := withLock(r, locked)
			if err != nil {
				return err
			}
			done, err := c.Apply(ctx, data, false)
			if err != nil {
				return err
			}
			return s.show(list(done.Items), func() error {
				said := "has been " + verb + "ed"
				if len(done.Items) == 1 && done.Items[0].Action == "unchanged" {
					said = "was " + verb + "ed already"
				}
				s.sayf("%s %s\n", resourceName(manifest.KindUser, args[0]), said)
				return nil
			})
		}),
	})
}

// withLock returns a user's document with the lock set or taken off.
func withLock(r client.Resource, locked bool) ([]byte, error) {
	spec := map[string]json.RawMessage{}
	if len(r.Spec) > 0 {
		if err := json.Unmarshal(r.Spec, &spec); err != nil {
			return nil, err
		}
	}
	if delete(spec, "locked"); locked {
		spec["locked"] = json.RawMessage("true")
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	r.Spec = b
	return json.Marshal(r)
}

func (s *shell) userRemove() *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME",
		Aliases:           []string{"remove", "delete"},
		Short:             "Remove a user: every grant ends now",
		Example:           "  sallyport user rm myuser",
		Args:              takes("NAME"),
		ValidArgsFunction: s.completing(resourceNames(manifest.KindUser)),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			return s.remove(ctx, c, manifest.KindUser, strings.TrimSpace(args[0]))
		}),
	}
}
