package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

func (s *shell) editCommand() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:   "edit KIND/NAME",
		Short: "Change a resource in an editor",
		Long: `Open a resource in the editor that $VISUAL or $EDITOR names, else vi, and apply what is saved.
What cannot be applied is opened again, with the error above it as comments.`,
		Example: `  sallyport edit users/ann@example.com
  EDITOR="code --wait" sallyport edit role/demo-role`,
		Args:              takes("KIND/NAME", "[NAME]"),
		ValidArgsFunction: s.completeResource,
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			kind, name, err := resourceArgs(args)
			if err != nil {
				return err
			}
			if name == "" {
				return misuse("which %s is not said", kind).WithHint("sallyport edit %s/NAME", kind)
			}
			return s.edit(ctx, c, kind, name)
		}),
	})
}

func (s *shell) edit(ctx context.Context, c *client.Client, kind, name string) error {
	was, err := c.Resource(ctx, kind, name)
	if err != nil {
		return err
	}
	original, err := yamlOf(was)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sallyport-edit-")
	if err != nil {
		return err
	}
	draft := filepath.Join(dir, kind+".yaml")
	shown := original
	for {
		if err := os.WriteFile(draft, shown, 0o600); err != nil {
			return err
		}
		if err := s.openEditor(ctx, draft); err != nil {
			return err
		}
		saved, err := os.ReadFile(draft)
		if err != nil {
			return err
		}
		text := withoutComments(saved)
		if bytes.Equal(text, withoutComments(original)) || len(bytes.TrimSpace(text)) == 0 {
			s.sayf("%s is unchanged\n", resourceName(kind, name))
			return os.RemoveAll(dir)
		}
		err = s.applyEdited(ctx, c, was, text)
		if err == nil {
			return os.RemoveAll(dir)
		}
		if p := asProblem(err); bytes.Equal(saved, shown) || (p.status != exitUsage && p.status != exitFailed) {
			p.hint = strings.TrimPrefix(p.hint+"; your text is kept in "+draft, "; ")
			return p
		}
		shown = append(asComments(asProblem(err)), text...)
	}
}

// applyEdited applies what was saved, if it still is the same resource and nobody else has changed it.
func (s *shell) applyEdited(ctx context.Context, c *client.Client, was client.Resource, text []byte) error {
	items, err := manifest.Read(text)
	if err != nil {
		return err
	}
	if len(items) != 1 || items[0].Kind != was.Kind || items[0].Name != was.Name() {
		return misuse("this edits %s/%s and nothing else: kind and name must stay", was.Kind, was.Name()).
			WithHint("to make another one: sallyport apply -f FILE")
	}
	now, err := c.Resource(ctx, was.Kind, was.Name())
	if err != nil {
		return err
	}
	if !bytes.Equal(now.Spec, was.Spec) || !bytes.Equal(now.Metadata, was.Metadata) {
		return &problem{status: exitRefused, text: was.Kind + "/" + was.Name() + " was changed by somebody else meanwhile", hint: "edit it again"}
	}
	done, err := c.Apply(ctx, text, false)
	if err != nil {
		return err
	}
	return s.showApplied(done.Items, false)
}

// openEditor runs the user's editor on a file. Its name may carry arguments, so a shell reads it.
func (s *shell) openEditor(ctx context.Context, file string) error {
	editor := os.Getenv("VISUAL")
	if editor == "" {
		editor = os.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$@"`, "editor", file) //nolint:gosec // the editor is the user's own choice
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.in, s.out, s.err
	if err := cmd.Run(); err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			return core.Errorf(core.Internal, "editor %s: %w", editor, err).WithHint("nothing was changed; $VISUAL or $EDITOR names the editor")
		}
		return err
	}
	return nil
}

// errorMark begins the lines that edit writes above a text that was refused.
const errorMark = "#! "

func asComments(p *problem) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(p.text + "\n" + p.below + "\n" + p.hint) {
		if line = plain(strings.TrimRight(line, "\n")); line != "" {
			b.WriteString(errorMark + strings.TrimSpace(line) + "\n")
		}
	}
	b.WriteString(errorMark + "Save to try again; save without a change to give up.\n")
	return b.Bytes()
}

func withoutComments(text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(errorMark)) {
			b.Write(line)
		}
	}
	return b.Bytes()
}
