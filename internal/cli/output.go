package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// reading gives a command the flag that says how its answer is written.
func (s *shell) reading(c *cobra.Command) *cobra.Command {
	c.Flags().StringVarP(&s.output, "output", "o", "table", "table, json or yaml")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if !slices.Contains(formats, s.output) {
			return misuse("-o %q is not known", s.output).WithHint("write -o table, -o json or -o yaml")
		}
		return run(c, args)
	}
	return c
}

var formats = []string{"table", "json", "yaml"}

// show writes an answer: as a table by calling one, else the value itself.
func (s *shell) show(value any, asTable func() error) error {
	switch s.output {
	case "json":
		return s.writeJSON(value)
	case "yaml":
		return s.writeYAML(value)
	default:
		return asTable()
	}
}

// list returns an empty list instead of none, which JSON would write as null.
func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}

// writeJSON writes a value over several lines.
func (s *shell) writeJSON(value any) error {
	b, err := marshal(value, "  ")
	if err != nil {
		return err
	}
	_, err = s.out.Write(quoted(b))
	return err
}

// writeLine writes a value as JSON on one line.
func (s *shell) writeLine(value any) error {
	b, err := marshal(value, "")
	if err != nil {
		return err
	}
	_, err = s.out.Write(quoted(b))
	return err
}

func marshal(value any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(value)
	return b.Bytes(), err
}

// writeYAML writes a value as YAML, under the names that it has in JSON.
func (s *shell) writeYAML(value any) error {
	b, err := yamlOf(value)
	if err != nil {
		return err
	}
	_, err = s.out.Write(b)
	return err
}

// yamlOf goes by way of JSON, which is YAML: so the names and their order are the same.
func yamlOf(value any) ([]byte, error) {
	b, err := marshal(value, "")
	if err != nil {
		return nil, err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(quoted(b), &node); err != nil {
		return nil, err
	}
	restyle(&node)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&node); err != nil {
		return nil, err
	}
	return quoted(out.Bytes()), enc.Close()
}

// restyle takes the marks of JSON off. What a terminal would act on stays in quotes.
func restyle(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0
		switch {
		case strings.ContainsFunc(n.Value, func(r rune) bool { return r != '\n' && acts(r) }):
			n.Style = yaml.DoubleQuotedStyle
		case strings.Contains(n.Value, "\n"):
			n.Style = yaml.LiteralStyle
		}
	}
	if len(n.Content) == 0 && n.Kind != yaml.ScalarNode {
		n.Style |= yaml.FlowStyle
	}
	for _, c := range n.Content {
		restyle(c)
	}
}

// sayf writes text for people. Arguments that are strings lose what a terminal would act on.
func (s *shell) sayf(format string, args ...any) {
	fmt.Fprintf(s.out, format, s.clean(args)...)
}

// notef is sayf for what is not part of the answer: warnings, progress.
func (s *shell) notef(format string, args ...any) {
	fmt.Fprintf(s.err, format, s.clean(args)...)
}

func (s *shell) clean(args []any) []any {
	if s.raw {
		return args
	}
	out := make([]any, len(args))
	for i, a := range args {
		switch v := a.(type) {
		case string:
			out[i] = plain(v)
		case error:
			out[i] = plainLines(v.Error())
		default:
			out[i] = a
		}
	}
	return out
}

// coloured reports whether the answer goes to a terminal that wants colour (no-color.org).
func (s *shell) coloured() bool {
	f, ok := s.out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// paint colours a state: green for what holds, red for what does not, yellow for what waits.
func (s *shell) paint(state string) string {
	if !s.coloured() {
		return state
	}
	colour := map[string]string{
		"APPROVED": "32", "active": "32", "ok": "32", "resolved": "32",
		"DENIED": "31", "failed": "31", "FAIL": "31",
		"PENDING": "33", "pending": "33", "ending": "33", "wanted": "33", "open": "33",
	}[state]
	if colour == "" {
		return state
	}
	return "\x1b[" + colour + "m" + state + "\x1b[0m"
}
