package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/internal/core"
)

// exitStatus stands at the end of every command's help.
const exitStatus = `Exit status: 0 done, 1 failed, 2 usage, 3 refused by a rule, 4 not found, 5 unavailable.`

// exits is the annotation under which a command says what its exit statuses mean besides.
const exits = "exits"

// group makes a command of one that only holds others: alone it shows its help.
func group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}
	c.ValidArgsFunction = nothing
	return c
}

func unknownCommand(c *cobra.Command, name string) error {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(append(names, sub.Name()), sub.Aliases...)
		}
	}
	err := misuse("%s has no command %q", c.CommandPath(), name)
	if near := core.Nearest(name, names); near != "" {
		return err.WithHint("did you mean %q?", c.CommandPath()+" "+near)
	}
	return err.WithHint("%s --help lists what there is", c.CommandPath())
}

// flagError says what is wrong with a flag, and which one was probably meant.
func flagError(c *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return misuse("%s", err).WithHint("%s --help shows an example", c.CommandPath())
	}
	name := unknown.GetSpecifiedName()
	dashed := "--" + name
	if unknown.GetSpecifiedShortnames() != "" {
		dashed = "-" + name
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	wrong := misuse("%s has no flag %s", c.CommandPath(), dashed)
	if near := core.Nearest(name, names); near != "" && strings.HasPrefix(dashed, "--") {
		return wrong.WithHint("did you mean --%s?", near)
	}
	return wrong.WithHint("%s --help lists what there is", c.CommandPath())
}

// oneSpelling lets --format stand for --output, and _ for -.
func oneSpelling(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.ReplaceAll(name, "_", "-")
	if name == "format" {
		name = "output"
	}
	return pflag.NormalizedName(name)
}

// misuse makes an error about how the program was called.
func misuse(format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, format, args...)
}

// takes holds the arguments against their names. One in brackets may be left out, one that
// ends in dots may be repeated.
func takes(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		hint := c.CommandPath() + " --help shows an example"
		for i, name := range names {
			optional := strings.HasPrefix(name, "[")
			switch {
			case i >= len(args) && optional:
				return nil
			case i >= len(args):
				return misuse("%s needs %s", c.CommandPath(), name).WithHint("%s", hint)
			case args[i] == "" && !optional:
				return misuse("%s is empty", name).WithHint("%s", hint)
			case strings.Contains(name, "..."):
				return nil
			}
		}
		if len(args) > len(names) {
			return misuse("%s does not take %q", c.CommandPath(), args[len(names)]).WithHint("%s", hint)
		}
		return nil
	}
}

// finish gives every command the end of its help.
func finish(root *cobra.Command) {
	show := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		show(c, args)
		c.Printf("\n%s\n", exitStatus)
		if more := c.Annotations[exits]; more != "" {
			c.Println(more)
		}
	})
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = nil
		group(c)
		c.Example = "  source <(sallyport completion bash)"
		for _, sub := range c.Commands() {
			sub.Example = "  sallyport completion " + sub.Name()
		}
	}
}

// helpCommand is "sallyport help COMMAND"; cobra's own forgives what does not exist.
func (s *shell) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND...]",
		Short:   "Show the help of a command",
		Example: "  sallyport help request create",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(found, rest[0])
			}
			return found.Help()
		},
	}
}
