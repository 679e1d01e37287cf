package cli

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sallyport/sallyport/internal/config"
)

// Programs are what the command line starts besides calling the API.
type Programs struct {
	Version string // "v1.2.3"; empty: from the build
	Serve   func(ctx context.Context, c config.Config, version string, out, err io.Writer) error
	Demo    func(ctx context.Context, o DemoOptions) error
}

// DemoOptions configure the demo.
type DemoOptions struct {
	Once       bool   // end after the story
	Listen     string // of the server; empty: a free port
	Out, Err   io.Writer
	Executable string // path of this program, for the commands that the story runs
	Version    string
}

// A shell is one run of the command line: where it reads and writes, and its global flags.
type shell struct {
	Programs
	in       io.Reader
	out, err io.Writer

	data, as         string // --data, --as
	server, identity string // --server, --identity
	global           *pflag.FlagSet
	raw              bool   // --raw
	output           string // --output of the command that runs
}

// Main runs one command line and returns the exit status.
func Main(ctx context.Context, p Programs, args []string, in io.Reader, out, err io.Writer) int {
	s := &shell{Programs: p, in: in, out: out, err: err}
	root := s.root()
	root.SetArgs(args)
	return s.fail(root.ExecuteContext(ctx))
}

// root builds the tree of commands.
func (s *shell) root() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "sallyport",
		Short: "On-call access, incidents and their audit log",
		Long:  "Sallyport gives whoever is on call the access that an incident needs, for as long as it is needed.",
		Example: `  sallyport demo --once
  sallyport request create --roles editor --reason "INC-42" --for 2h
  sallyport request list`,
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(flagError)
	root.SetGlobalNormalizationFunc(oneSpelling)
	flags := root.PersistentFlags()
	s.global = flags
	flags.StringVar(&s.data, "data", os.Getenv("SALLYPORT_DATA"), "the server's folder on this host, with its socket (SALLYPORT_DATA)")
	flags.StringVar(&s.server, "server", os.Getenv("SALLYPORT_SERVER"), "the address of a server elsewhere (SALLYPORT_SERVER)")
	flags.StringVar(&s.identity, "identity", os.Getenv("SALLYPORT_IDENTITY"), "the file by which you are known there (SALLYPORT_IDENTITY); default: what login stored")
	flags.StringVar(&s.as, "as", "", "act as this user, rules and all (local administrator only; audited with both names)")
	flags.BoolVar(&s.raw, "raw", false, "leave terminal escapes in what is printed")
	root.AddGroup(
		&cobra.Group{ID: "access", Title: "Access:"},
		&cobra.Group{ID: "resources", Title: "Resources:"},
		&cobra.Group{ID: "identities", Title: "Identities:"},
		&cobra.Group{ID: "programs", Title: "Programs:"},
		&cobra.Group{ID: "looking", Title: "Looking into it:"},
	)
	s.add(root, "access", s.requestCommand(), s.grantCommand(), s.oncallCommand(), s.incidentCommand(), s.checkCommand())
	s.add(root, "resources", s.applyCommand(), s.getCommand(), s.editCommand(), s.deleteCommand(), s.dumpCommand(), s.userCommand())
	s.add(root, "programs", s.demoCommand(), s.serveCommand(), s.pdsimCommand(), s.configureCommand())
	s.add(root, "looking", s.statusCommand(), s.doctorCommand(), s.auditCommand(), s.watchCommand(), s.driftCommand(), s.policyCommand(), s.predicateCommand())
	s.add(root, "identities", s.loginCommand(), s.logoutCommand(), s.authCommand())
	s.add(root, "", s.versionCommand())
	root.SetHelpCommand(s.helpCommand())
	root.InitDefaultCompletionCmd("completion")
	finish(root)
	return root
}

func (s *shell) add(root *cobra.Command, id string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = id
		root.AddCommand(c)
	}
}
