package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/core"
)

// serveSelf is the server in a process that can be looked into: the app as `sallyport serve`
// has it, with a target of ours or a CPU profile of its life.
func serveSelf(args []string) (err error) {
	flags := flag.NewFlagSet(asServer, flag.ContinueOnError)
	data := flags.String("data", "", "the data folder")
	profile := flags.String("profile", "", "a file for a CPU profile")
	held := flags.Int("held", 0, "how many entitlements a recorder shows")
	taken := flags.String("taken", "", "a file for what the recorder saw taken")
	files := flags.String("files", "", "a folder that is the target")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	c := config.Default()
	c.Data, c.Listen = *data, "127.0.0.1:0"
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	a, err := app.New(ctx, app.Options{Config: c, Log: log})
	if err != nil {
		return err
	}
	switch {
	case *files != "":
		a.Engine.Targets = everywhere{folder(*files)}
	case *taken != "":
		r := &recorder{count: *held, taken: map[core.Entitlement]time.Time{}}
		a.Engine.Targets = everywhere{r}
		defer func() { err = errors.Join(err, r.write(*taken)) }()
	}
	return a.Run(ctx, nil)
}

// serveBare is what P8 is held against: a process that opens an empty SQLite file as the store
// does, and answers /healthz at a Unix socket.
func serveBare(args []string) error {
	if len(args) != 1 {
		return errors.New(asBare + " takes a data folder")
	}
	db, err := openSQLite(args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Ping(); err != nil {
		return err
	}
	l, err := net.Listen("unix", filepath.Join(args[0], "sallyport.sock"))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n") // the caller has gone
	})}
	context.AfterFunc(ctx, func() { _ = s.Close() })
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
