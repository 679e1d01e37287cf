package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A completer completes an argument.
type completer = func(c *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective)

// nothing completes nothing, files least of all.
func nothing(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completing asks the server for names, for the first argument only. Without an answer
// within the time that a finger waits, there are none.
func (s *shell) completing(names func(ctx context.Context, c *client.Client) ([]string, error)) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nothing(cmd, args, "")
		}
		return s.ask(cmd, names), cobra.ShellCompDirectiveNoFileComp
	}
}

func (s *shell) ask(cmd *cobra.Command, names func(ctx context.Context, c *client.Client) ([]string, error)) []cobra.Completion {
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, soon)
	defer cancel()
	c, err := s.connect()
	if err != nil {
		return nil
	}
	defer c.Close()
	found, err := names(ctx, c)
	if err != nil {
		return nil
	}
	out := make([]cobra.Completion, len(found))
	for i, n := range found {
		name, about, _ := strings.Cut(n, "\t")
		out[i] = cobra.CompletionWithDesc(plain(name), plain(about))
	}
	return out
}

// completeFlag completes the value of a flag with names from the server.
func (s *shell) completeFlag(c *cobra.Command, flag string, names func(ctx context.Context, c *client.Client) ([]string, error)) {
	_ = c.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return s.ask(cmd, names), cobra.ShellCompDirectiveNoFileComp
	})
}

// resourceNames lists the names of a kind.
func resourceNames(kind string) func(context.Context, *client.Client) ([]string, error) {
	return func(ctx context.Context, c *client.Client) ([]string, error) {
		found, err := c.Resources(ctx, kind)
		var names []string
		for _, r := range found.Items {
			names = append(names, r.Name())
		}
		return names, err
	}
}

// requestIDs lists requests in a state; the empty state means all.
func requestIDs(state string) func(context.Context, *client.Client) ([]string, error) {
	return func(ctx context.Context, c *client.Client) ([]string, error) {
		found, err := c.Requests(ctx, client.RequestQuery{State: state, Limit: 50})
		var ids []string
		for _, r := range found.Items {
			ids = append(ids, cobra.CompletionWithDesc(r.ID, r.User+" "+asked(r)))
		}
		return ids, err
	}
}

// grantIDs lists grants in a state.
func grantIDs(state string) func(context.Context, *client.Client) ([]string, error) {
	return func(ctx context.Context, c *client.Client) ([]string, error) {
		found, err := c.Grants(ctx, client.GrantQuery{State: state, Limit: 50})
		var ids []string
		for _, g := range found.Items {
			ids = append(ids, cobra.CompletionWithDesc(g.ID, g.User+" "+g.Entitlement))
		}
		return ids, err
	}
}

// completeResource completes KIND and then NAME.
func (s *shell) completeResource(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return manifest.Kinds(), cobra.ShellCompDirectiveNoFileComp
	case 1:
		if kind, ok := manifest.Kind(args[0]); ok {
			return s.ask(cmd, resourceNames(kind)), cobra.ShellCompDirectiveNoFileComp
		}
	}
	return nothing(cmd, args, "")
}
