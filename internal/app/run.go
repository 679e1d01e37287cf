package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/api"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/web"
)

// drainTime is what calls in flight get to end in.
const drainTime = 5 * time.Second

// Run serves until ctx ends, then lets what is under way come to its end, and closes
// everything. started is called once callers are answered.
func (a *App) Run(ctx context.Context, started func()) (err error) {
	defer func() { err = errors.Join(err, a.Close()) }()
	doors, err := a.doors(ctx)
	if err != nil {
		return err
	}
	a.documentsChanged(ctx)
	life, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	failed := make(chan error, len(doors)+1)
	run := func(f func() error) {
		group.Go(func() {
			if err := f(); err != nil {
				failed <- err
			}
		})
	}
	run(func() error { return a.jobs.Run(life) })
	group.Go(func() { a.watchDocuments(life) })
	group.Go(func() { a.watchAuthority(life) })
	group.Go(func() { a.reconcileAtStart(life) })
	group.Go(func() { a.probeDatabase(life) })
	group.Go(func() { a.notary.Run(life) })
	for _, d := range doors {
		run(d.serve)
	}
	if started != nil {
		started()
	}
	select {
	case <-life.Done():
	case err = <-failed:
	}
	stop()
	for _, d := range doors {
		group.Go(d.close)
	}
	group.Wait()
	return err
}

// reconcileAtStart looks at once whether the targets still show what the grants say: one in
// memory does not after a restart, and the periodic look may be minutes away.
func (a *App) reconcileAtStart(ctx context.Context) {
	if err := a.Engine.Reconcile(ctx); err != nil && ctx.Err() == nil {
		a.Log.Warn("a target could not be compared with the grants", "error", err)
	}
}

// A door is one listener with its server.
type door struct {
	listener net.Listener
	server   *http.Server
}

func (d door) serve() error {
	if err := d.server.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// close lets calls in flight end, for a while.
func (d door) close() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if d.server.Shutdown(ctx) != nil {
		_ = d.server.Close() // they had their time
	}
}

// doors opens the listeners: the socket for this host's administrator, the TCP address, and
// one for metrics where one is configured.
func (a *App) doors(ctx context.Context) (doors []door, err error) {
	defer func() {
		if err != nil {
			for _, d := range doors {
				_ = d.listener.Close()
			}
		}
	}()
	h, err := a.handlers()
	if err != nil {
		return nil, err
	}
	if a.Config.LocalAdmin {
		l, err := api.ListenSocket(filepath.Join(a.Config.Data, "sallyport.sock"))
		if err != nil {
			return doors, err
		}
		doors = append(doors, door{l, api.Server(h.Socket())})
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.Listen)
	if err != nil {
		return doors, fmt.Errorf("listen on %s: %w", a.Config.Listen, err)
	}
	a.listens(l.Addr().String())
	h.Hosts = a.hosts()
	tcp := h.TCP()
	if a.Demo != "" {
		if !config.Loopback(a.Config.Listen) {
			return append(doors, door{listener: l}), fmt.Errorf("the demo is open to whoever has its link, so it listens on loopback only, not on %s", a.Config.Listen)
		}
		_, port, _ := net.SplitHostPort(a.address) // it is the listener's own
		tcp = h.Demo(a.Demo, []string{a.address, "localhost:" + port})
	}
	if a.Demo == "" && a.authority.certificate != nil {
		l = api.Secure(l, a.authority.certificate.TLS())
	}
	doors = append(doors, door{api.Strict(l), api.Server(tcp)})
	if a.Config.MetricsAt == "" {
		return doors, nil
	}
	l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.MetricsAt)
	if err != nil {
		return doors, fmt.Errorf("listen for metrics on %s: %w", a.Config.MetricsAt, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.Metrics.Handler())
	return append(doors, door{api.Strict(l), api.Server(mux)}), nil
}

func (a *App) handlers() (*api.API, error) {
	notice := ""
	if a.Demo != "" {
		notice = "This is the demo: whoever has its link is the administrator, and everything goes when it stops."
	}
	pages := a.webOptions(notice)
	return api.New(api.Options{
		Engine: a.Engine, Version: a.Version, Log: a.Log, Status: a.status, Doctor: a.doctor, Ready: a.ready,
		Metrics: a.Metrics.Handler(), Certificate: a.verifyCertificate, Rotate: a.rotateAuthority,
		AuditKeys: a.auditKeys, RotateAuditKey: a.rotateAuditKey,
		Console: web.Handler(pages), Public: web.Public(pages), IsPublic: web.IsPublic, Site: a.site,
	})
}

// listens takes over where the TCP listener is, where the system has chosen its port.
func (a *App) listens(address string) {
	a.address = address
	if _, port, err := net.SplitHostPort(a.Config.Listen); err == nil && port == "0" {
		a.Config.Listen = address
	}
}

// Address is where the TCP listener listens. It is known once Run has started.
func (a *App) Address() string { return a.address }

// Serve runs a server with its settings until ctx ends.
func Serve(ctx context.Context, c config.Config, version string, out, errs io.Writer) error {
	log := logger(c, errs)
	a, err := New(ctx, Options{Config: c, Log: log, Version: version})
	if err != nil {
		return err
	}
	for _, note := range c.Notes() {
		log.Warn(note)
	}
	return a.Run(ctx, func() {
		log.Info("sallyport serves", "listen", a.Address(), "data", c.Data, "database", a.database(), "version", version)
		fmt.Fprintf(out, "sallyport serves on %s; the command line talks to it with SALLYPORT_DATA=%s\n", a.Address(), c.Data)
	})
}

func logger(c config.Config, to io.Writer) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(c.Log.Level)) // the settings were checked
	options := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}
