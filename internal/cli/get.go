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

func (s *shell) getCommand() *cobra.Command {
	var target string
	c := &cobra.Command{
		Use:   "get KIND [NAME]",
		Short: "Show resources",
		Long: `Show the resources of a kind, or one of them. KIND/NAME and plural kinds are understood.
The kind entitlement shows what a target shows now: who has what there.`,
		Example: `  sallyport get roles
  sallyport get users/ann@example.com -o yaml
  sallyport get entitlement --target demo`,
		Args:              takes("KIND", "[NAME]"),
		ValidArgsFunction: s.completeResource,
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			if strings.TrimSuffix(strings.ToLower(args[0]), "s") == "entitlement" {
				return s.entitlements(ctx, c, target)
			}
			if target != "" {
				return misuse("--target belongs to sallyport get entitlement")
			}
			kind, name, err := resourceArgs(args)
			if err != nil {
				return err
			}
			if name == "" {
				found, err := c.Resources(ctx, kind)
				if err != nil {
					return err
				}
				return s.showResources(kind, found.Items)
			}
			found, err := c.Resource(ctx, kind, name)
			if err != nil {
				return err
			}
			return s.show(found, func() error { return s.resourceTable(kind, []client.Resource{found}) })
		}),
	}
	c.Flags().StringVar(&target, "target", "", "the target whose entitlements are shown")
	s.completeFlag(c, "target", resourceNames("target"))
	return s.reading(c)
}

// elsewhere are nouns that are no resources, and the command that shows them.
var elsewhere = map[string]string{
	"request": "sallyport request list", "requests": "sallyport request list", "access_request": "sallyport request list",
	"grant": "sallyport grant list", "grants": "sallyport grant list",
	"incident": "sallyport incident list", "incidents": "sallyport incident list",
	"audit": "sallyport audit list", "oncall": "sallyport oncall",
}

// resourceArgs reads KIND, KIND NAME or KIND/NAME.
func resourceArgs(args []string) (kind, name string, err error) {
	kind = args[0]
	if before, after, ok := strings.Cut(kind, "/"); ok {
		if len(args) > 1 {
			return "", "", misuse("the name is given twice: %s and %s", args[0], args[1])
		}
		if before == "" || after == "" {
			return "", "", misuse("%q does not name a resource", args[0]).WithHint("write KIND/NAME, such as users/ann@example.com")
		}
		kind, name = before, after
	} else if len(args) > 1 {
		name = args[1]
	}
	if instead := elsewhere[strings.ToLower(kind)]; instead != "" {
		return "", "", misuse("%s is not a kind of resource", kind).WithHint("use %s", instead)
	}
	kind, err = manifest.ParseKind(kind)
	return kind, name, err
}

// showResources shows a list: in YAML as a file that apply takes.
func (s *shell) showResources(kind string, found []client.Resource) error {
	if s.output == "yaml" {
		for i, r := range found {
			if i > 0 {
				s.sayf("---\n")
			}
			if err := s.writeYAML(r); err != nil {
				return err
			}
		}
		return nil
	}
	return s.show(list(found), func() error { return s.resourceTable(kind, found) })
}

// A specShape is what the tables show of a spec, whatever the kind.
type specShape struct {
	Roles  []string `json:"roles"`
	Locked bool     `json:"locked"`
	Bot    bool     `json:"bot"`

	Connector string `json:"connector"`

	Region  string `json:"region"`
	Default bool   `json:"default"`
	From    string `json:"from_email"`

	Allow struct {
		Request struct {
			Roles []string `json:"roles"`
		} `json:"request"`
		Review struct {
			Roles []string `json:"roles"`
		} `json:"review_requests"`
	} `json:"allow"`
	Entitlements []struct {
		Target   string `json:"target"`
		Resource string `json:"resource"`
	} `json:"entitlements"`
}

func (s *shell) resourceTable(kind string, found []client.Resource) error {
	headings := map[string][]string{
		manifest.KindRole:    {"Name", "May request", "May review", "Gives"},
		manifest.KindUser:    {"Name", "Roles", "Status"},
		manifest.KindTarget:  {"Name", "Connector"},
		manifest.KindAccount: {"Name", "Region", "From", "Default"},
	}[kind]
	if headings == nil {
		headings = []string{"Kind", "Name"}
	}
	t := s.table(headings...)
	for _, r := range found {
		var spec specShape
		if err := json.Unmarshal(r.Spec, &spec); err != nil {
			return core.Errorf(core.Internal, "%s/%s: the server's answer cannot be read: %w", r.Kind, r.Name(), err)
		}
		t.row(resourceRow(kind, r, spec)...)
	}
	return t.print("there are none")
}

func resourceRow(kind string, r client.Resource, spec specShape) []string {
	joined := func(words []string) string { return dash(strings.Join(words, ",")) }
	switch kind {
	case manifest.KindRole:
		var gives []string
		for _, e := range spec.Entitlements {
			gives = append(gives, e.Target+"/"+e.Resource)
		}
		return []string{r.Name(), joined(spec.Allow.Request.Roles), joined(spec.Allow.Review.Roles), joined(gives)}
	case manifest.KindUser:
		state := "active"
		if spec.Locked {
			state = "locked"
		}
		return []string{r.Name(), joined(spec.Roles), state}
	case manifest.KindTarget:
		return []string{r.Name(), spec.Connector}
	case manifest.KindAccount:
		isDefault := "-"
		if spec.Default {
			isDefault = "yes"
		}
		return []string{r.Name(), dash(spec.Region), dash(spec.From), isDefault}
	}
	return []string{r.Kind, r.Name()}
}

// entitlements shows what a target shows.
func (s *shell) entitlements(ctx context.Context, c *client.Client, target string) error {
	if target == "" {
		return misuse("--target is needed: entitlements are asked of one target").WithHint("targets there are: sallyport get targets")
	}
	found, err := c.Entitlements(ctx, target)
	if err != nil {
		return err
	}
	return s.show(list(found.Items), func() error {
		t := s.table("User", "Entitlement")
		for _, e := range found.Items {
			t.row(e.User, e.Entitlement)
		}
		return t.print("nobody has anything on " + plain(target))
	})
}
