package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
)

// A standing is the server's status, with the caller where tsh has them: .active.username.
type standing struct {
	Active struct {
		Username string `json:"username"`
	} `json:"active"`
	Identity client.Who `json:"identity"`
	Server   string     `json:"server,omitempty"`
	Pin      string     `json:"ca_pin,omitempty"`
	client.Status
}

func (s *shell) statusCommand() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:   "status",
		Short: "How the server is doing, and as whom you are talking to it",
		Example: `  sallyport status
  sallyport status --format=json | jq -r .active.username`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: s.calling(func(ctx context.Context, c *client.Client, _ []string) error {
			who, err := c.WhoAmI(ctx)
			if err != nil {
				return err
			}
			found, err := c.Status(ctx)
			if refusal := (*client.Error)(nil); errors.As(err, &refusal) && refusal.Kind == client.KindRefused {
				found, err = client.Status{Caller: who.User, Via: who.Via}, nil // how the server is doing is for those who may know
			}
			if err != nil {
				return err
			}
			found.Accounts, found.Warnings = list(found.Accounts), list(found.Warnings)
			answer := standing{Status: found, Identity: who}
			answer.Active.Username = who.User
			if stored, err := readLogin(); err == nil && s.data == "" && s.identity == "" {
				answer.Server, answer.Pin = stored.Server, stored.Pin
			}
			return s.show(answer, func() error {
				if found.Replica == "" {
					s.facts("You are", who.User, "Via", who.Via)
				} else {
					s.statusPage(found)
				}
				s.facts("Roles", strings.Join(who.Roles, ", "), "Made by", who.Author, "Server", answer.Server, "CA pin", answer.Pin)
				if !who.ExpiresAt.IsZero() {
					s.facts("Until", stamp(who.ExpiresAt))
				}
				return nil
			})
		}),
	})
}

func (s *shell) statusPage(st client.Status) {
	if st.Partial {
		s.facts("Version", st.Version, "You are", st.Caller, "Via", st.Via)
		s.notef("how the server is doing takes the right to read status\n")
		return
	}
	s.facts("Version", st.Version, "You are", st.Caller, "Via", st.Via, "Listens on", st.Listen, "Address", st.PublicURL, "Database", st.Database,
		"Up since", stamp(st.StartedAt), "Requests", fmt.Sprintf("%d pending", st.Pending), "Grants", fmt.Sprintf("%d active", st.Active))
	for _, a := range st.Accounts {
		text := "never asked"
		if !a.SyncedAt.IsZero() {
			text = "asked " + inWords(seconds(a.AgeSeconds)) + " ago"
		}
		if a.Error != "" {
			text += ": " + a.Error
		}
		s.facts("PagerDuty", a.Name+", "+text)
	}
	if st.Overdue > 0 {
		s.facts("OVERDUE", fmt.Sprintf("%d grants whose access should be gone and is not: sallyport grant list --state ending", st.Overdue))
	}
	if st.Unfinished > 0 {
		s.facts("Unfinished", fmt.Sprintf("%d incidents: sallyport incident list --unfinished", st.Unfinished))
	}
	for _, w := range st.Warnings {
		s.notef("warning: %s\n", w)
	}
}
