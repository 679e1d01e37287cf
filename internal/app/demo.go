package app

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/manifest"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

//go:embed sample/organisation.yaml
var sampleOrganisation []byte

//go:embed sample/resources.yaml
var sampleResources []byte

// DemoOptions configure the demo.
type DemoOptions struct {
	Once       bool   // end after the story
	Listen     string // of the server; empty: a free port
	Out, Err   io.Writer
	Executable string // this program, for the commands that the story runs
	Version    string
}

// A stage is the throw-away server and simulator that the story is played on.
type stage struct {
	DemoOptions
	app   *App
	sim   *pdsim.Server
	pd    string // the simulator's address
	data  string
	token string
}

// Demo sets up a server and a simulator in a folder that goes away, and plays the story. With
// Once it then ends, with an error if any step differed from what was announced; else the
// page stays up until ctx ends.
func Demo(ctx context.Context, o DemoOptions) error {
	data, err := os.MkdirTemp("", "sallyport-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	s := &stage{DemoOptions: o, data: data, token: rand.Text()}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := s.startSimulator(ctx); err != nil {
		return err
	}
	defer s.sim.Close()
	ended, err := s.startServer(ctx)
	if err != nil {
		return err
	}
	err = s.play(ctx)
	if err == nil && !o.Once {
		s.invite()
		select {
		case <-ctx.Done():
		case err = <-ended:
			return err
		}
	}
	stop()
	if left := <-ended; err == nil {
		err = left
	}
	return err
}

// startSimulator serves the sample organisation on a free port.
func (s *stage) startSimulator(ctx context.Context) error {
	org, err := pdsim.Parse(sampleOrganisation)
	if err != nil {
		return err
	}
	key := rand.Text()
	org.Tokens = append(org.Tokens, pdsim.Token{Token: key, Access: "full"})
	// The server reads the key from a file, as it would read a real one.
	if err := os.WriteFile(s.data+"/pagerduty-key", []byte(key), 0o600); err != nil {
		return err
	}
	if s.sim, err = pdsim.New(pdsim.Options{Data: org, Token: s.token}); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.pd = "http://" + listener.Addr().String()
	server := &http.Server{Handler: s.sim, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}

// startServer starts Sallyport on the simulator, whose clock is its own, and gives it the sample resources.
func (s *stage) startServer(ctx context.Context) (ended chan error, err error) {
	c := config.Default()
	c.Data, c.Listen = s.data, s.Listen
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	c.OnCall.SyncEvery = time.Second
	c.Defaults.Grace = time.Second
	log := slog.New(slog.NewTextHandler(s.Err, &slog.HandlerOptions{Level: slog.LevelError}))
	s.app, err = New(ctx, Options{Config: c, Log: log, Version: s.Version, Demo: s.token, Wall: s.sim.Now})
	if err != nil {
		return nil, err
	}
	ended = make(chan error, 1)
	up := make(chan struct{})
	go func() { ended <- s.app.Run(ctx, func() { close(up) }) }()
	select {
	case <-up:
	case err := <-ended:
		return nil, err
	}
	account := fmt.Sprintf("{kind: pagerduty_account, version: v1, metadata: {name: default}, spec: {default: true, region: us, api_token: %q, from_email: sallyport@example.com, rest_url: %q}}",
		"file:"+s.data+"/pagerduty-key", s.pd)
	for _, text := range []string{account, string(sampleResources)} {
		items, err := manifest.Read([]byte(text))
		if err != nil {
			return nil, err
		}
		if _, err := s.app.Engine.Apply(ctx, engine.Actor{Admin: true, Via: "demo"}, items, false); err != nil {
			return nil, err
		}
	}
	return ended, nil
}
