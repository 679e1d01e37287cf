package cli

import (
	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/config"
)

func (s *shell) configureCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "configure",
		Short:             "Print a complete configuration with comments",
		Example:           "  sallyport configure > sallyport.yaml",
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: func(*cobra.Command, []string) error {
			_, err := s.out.Write(config.Sample())
			return err
		},
	}
}
