package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build says which program this is.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

func (s *shell) versionCommand() *cobra.Command {
	return s.reading(&cobra.Command{
		Use:               "version",
		Short:             "Show which program this is",
		Example:           "  sallyport version",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: func(*cobra.Command, []string) error {
			b := build{Version: s.version(), Commit: revision(), Go: runtime.Version()}
			return s.show(b, func() error {
				s.sayf("sallyport %s git:%s %s\n", b.Version, b.Commit, b.Go)
				return nil
			})
		},
	})
}

func (s *shell) version() string {
	if s.Version != "" {
		return s.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

// revision is the commit that the program was built from.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return "unknown"
}
