// Command sallyport is the server, the command line and the PagerDuty simulator in one.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sallyport/sallyport/internal/app"
	"github.com/sallyport/sallyport/internal/cli"
)

// version is set by the linker: -X main.version=v1.2.3.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	demo := func(ctx context.Context, o cli.DemoOptions) error { return app.Demo(ctx, app.DemoOptions(o)) }
	programs := cli.Programs{Version: version, Serve: app.Serve, Demo: demo}
	os.Exit(cli.Main(ctx, programs, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
