package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/config"
)

func (s *shell) serveCommand() *cobra.Command {
	var file, listen string
	c := &cobra.Command{
		Use:   "serve [--config FILE] [--data DIR] [--listen ADDR]",
		Short: "Run the server",
		Long: `Run the server until it is interrupted. Without a configuration it keeps its state in SQLite in the
data folder and listens on loopback only. Flags win over the environment, and that over the file.`,
		Example: `  sallyport serve
  sallyport serve --config /etc/sallyport.yaml
  sallyport serve --data ./data --listen 127.0.0.1:7373`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := config.Load(file, os.Environ())
			if err != nil {
				return err
			}
			if c.Flags().Changed("data") {
				settings.Data = s.data
			}
			if c.Flags().Changed("listen") {
				settings.Listen = listen
			}
			if err := settings.Check(); err != nil {
				return err
			}
			err = s.Serve(c.Context(), settings, s.version(), s.out, s.err)
			if errors.Is(err, context.Canceled) && c.Context().Err() != nil {
				return nil // an interrupt is how a server ends
			}
			return err
		},
	}
	c.Flags().StringVar(&file, "config", os.Getenv("SALLYPORT_CONFIG"), "configuration file (SALLYPORT_CONFIG)")
	c.Flags().StringVar(&listen, "listen", "", "HOST:PORT of the API")
	_ = c.MarkFlagFilename("config", "yaml", "yml")
	return c
}
