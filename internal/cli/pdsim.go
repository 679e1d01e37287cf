package cli

import (
	"context"
	_ "embed"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// organisation is the account that the simulator plays when it is given none.
//
//go:embed organisation.yaml
var organisation []byte

func (s *shell) pdsimCommand() *cobra.Command {
	var listen, file, token string
	c := &cobra.Command{
		Use:   "pdsim [--listen ADDR] [--data FILE]",
		Short: "Run the PagerDuty simulator",
		Long: `Play PagerDuty's REST API, Events API, OAuth and webhooks on one port, for tests and for trying things out.
Without --data it plays a small organisation: ann@example.com is on call for My Critical Service, bob@example.com
is not, and the API token is demo-token. Control calls go to /_sim/.`,
		Example: `  sallyport pdsim
  sallyport pdsim --listen 127.0.0.1:8099 --data org.yaml`,
		Args:              takes(),
		ValidArgsFunction: nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if !config.Loopback(listen) && token == "" {
				return misuse("--listen %s can be reached from other machines, and control calls would be open to all of them", listen).
					WithHint("listen on 127.0.0.1, or give a --token that control calls must carry")
			}
			data := organisation
			if c.Flags().Changed("data") {
				var err error
				if data, err = s.readFile(file); err != nil {
					return err
				}
			}
			return s.simulate(c.Context(), listen, data, token)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8099", "HOST:PORT; port 0 is a free one")
	c.Flags().StringVar(&file, "data", "", "file with the account to play; - is standard input")
	c.Flags().StringVar(&token, "token", "", "what control calls must carry; needed to listen elsewhere than on loopback")
	_ = c.MarkFlagFilename("data", "yaml", "yml", "json")
	return c
}

func (s *shell) simulate(ctx context.Context, listen string, data []byte, token string) error {
	account, err := pdsim.Parse(data)
	if err != nil {
		return misuse("%w", err)
	}
	sim, err := pdsim.New(pdsim.Options{Data: account, Token: token})
	if err != nil {
		return misuse("%w", err)
	}
	defer sim.Close()
	at, err := net.Listen("tcp", listen)
	if err != nil {
		return core.Errorf(core.Unavailable, "listen on %s: %w", listen, err).WithHint("give another --listen; port 0 is a free one")
	}
	s.sayf("pdsim listens on http://%s\n", at.Addr())
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(at) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	sim.Close() // faults that wait let go
	err = server.Close()
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
