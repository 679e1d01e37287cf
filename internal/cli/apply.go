package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

func (s *shell) applyCommand() *cobra.Command {
	var files []string
	var dryRun bool
	c := &cobra.Command{
		Use:     "apply -f FILE|DIR|-",
		Aliases: []string{"create"},
		Short:   "Create or replace resources from files",
		Long: `Create or replace resources, all of them or none. A file may hold many documents, in YAML or JSON;
of a folder, its .yaml, .yml and .json files are read; - is standard input.`,
		Example: `  sallyport apply -f editor-request-rbac.yaml
  sallyport create -f roles/ -f users.yaml --dry-run`,
		Args: takes("[FILE]..."),
		RunE: s.calling(func(ctx context.Context, c *client.Client, args []string) error {
			files := append(slices.Clone(files), args...)
			if len(files) == 0 {
				return misuse("no file is named").WithHint("sallyport apply -f FILE; - is standard input")
			}
			return s.apply(ctx, c, files, dryRun)
		}),
	}
	c.Flags().StringArrayVarP(&files, "filename", "f", nil, "file, folder or -; may be repeated")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "check everything, keep nothing, and show the difference")
	_ = c.MarkFlagFilename("filename", "yaml", "yml", "json")
	return s.reading(c)
}

func (s *shell) apply(ctx context.Context, c *client.Client, names []string, dryRun bool) error {
	files, err := expand(names)
	if err != nil {
		return err
	}
	data, err := s.gather(files)
	if err != nil {
		return err
	}
	done, err := c.Apply(ctx, data, dryRun)
	if err != nil {
		var wrong *client.Error
		if len(files) == 1 && errors.As(err, &wrong) && wrong.Kind == client.KindInvalid {
			return fmt.Errorf("%s: %w", fileName(files[0]), err)
		}
		return err
	}
	return s.showApplied(done.Items, dryRun)
}

// expand puts the files of a folder in its place.
func expand(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || (err == nil && !info.IsDir()) {
			files = append(files, name)
			continue
		}
		if err != nil {
			return nil, fileProblem(err)
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, fileProblem(err)
		}
		found := slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
			return e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name()))
		})
		if len(found) == 0 {
			return nil, core.Errorf(core.NotFound, "folder %s has no .yaml, .yml or .json file", name)
		}
		for _, e := range found {
			files = append(files, filepath.Join(name, e.Name()))
		}
	}
	return files, nil
}

// gather reads the files into one body. A single one goes to the server as it is; several
// are read here first, so that an error names the file and its line.
func (s *shell) gather(files []string) ([]byte, error) {
	if len(files) == 1 {
		return s.readFile(files[0])
	}
	var body bytes.Buffer
	first := map[string]string{}
	for _, name := range files {
		data, err := s.readFile(name)
		if err != nil {
			return nil, err
		}
		items, err := manifest.Read(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fileName(name), err)
		}
		for _, item := range items {
			key := item.Kind + "/" + item.Name
			if other, twice := first[key]; twice {
				return nil, misuse("%s stands twice: in %s and in %s", key, fileName(other), fileName(name))
			}
			first[key] = name
			for _, w := range item.Warnings {
				s.notef("warning: %s: %s\n", fileName(name), w)
			}
			if err := json.NewEncoder(&body).Encode(envelope(item.Document)); err != nil {
				return nil, err
			}
		}
	}
	return body.Bytes(), nil
}

// envelope writes a document as people do.
func envelope(d core.Document) client.Resource {
	r := client.Resource{Kind: d.Kind, Version: d.Version}
	var parts struct{ Metadata, Spec json.RawMessage }
	_ = json.Unmarshal([]byte(d.Body), &parts) // it is our own canonical form
	r.Metadata, r.Spec = parts.Metadata, parts.Spec
	return r
}

func (s *shell) showApplied(done []client.Applied, dryRun bool) error {
	for _, a := range done {
		for _, w := range a.Warnings {
			s.notef("warning: %s\n", w)
		}
	}
	return s.show(list(done), func() error {
		for _, a := range done {
			s.sayf("%s %s\n", resourceName(a.Kind, a.Name), became(a.Action, dryRun))
			if dryRun && a.Action != "unchanged" {
				if err := s.difference(a.Before, a.After); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// resourceName quotes a name as the page does: role 'x', and user "x".
func resourceName(kind, name string) string {
	if kind == manifest.KindUser {
		return kind + ` "` + name + `"`
	}
	return kind + " '" + name + "'"
}

func became(action string, dryRun bool) string {
	switch {
	case action == "unchanged":
		return "is unchanged"
	case dryRun:
		return "would be " + action
	}
	return "has been " + action
}

// difference shows what a resource was and what it would be.
func (s *shell) difference(before, after json.RawMessage) error {
	var texts [2][]string
	for i, raw := range []json.RawMessage{before, after} {
		if len(raw) == 0 {
			continue
		}
		text, err := yamlOf(raw)
		if err != nil {
			return err
		}
		texts[i] = strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	}
	for _, line := range diff(texts[0], texts[1]) {
		colour := map[byte]string{'+': "32", '-': "31"}[line[0]]
		if colour != "" && s.coloured() {
			line = "\x1b[" + colour + "m" + line + "\x1b[0m"
		}
		fmt.Fprintln(s.out, "  "+line)
	}
	return nil
}
