package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sallyport/sallyport/internal/cli"
	"github.com/sallyport/sallyport/internal/config"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sallyport": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(cli.Main(ctx, programs(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

// programs say how they were started, and wait for the end.
func programs() cli.Programs {
	return cli.Programs{
		Version: "v0.0.0-test",
		Serve: func(ctx context.Context, c config.Config, _ string, out, _ io.Writer) error {
			fmt.Fprintf(out, "serve listens on %s, data %s\n", c.Listen, c.Data)
			if c.Database == "" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		},
		Demo: func(_ context.Context, o cli.DemoOptions) error {
			fmt.Fprintf(o.Out, "demo once=%t listen=%q\n", o.Once, o.Listen)
			return nil
		},
	}
}

// TestScripts runs the scripts, each with a server of its own behind $SALLYPORT_DATA.
func TestScripts(t *testing.T) {
	page, err := filepath.Abs("../manifest/testdata/page004")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			data := filepath.Join(env.WorkDir, "data")
			if err := os.Mkdir(data, 0o700); err != nil {
				return err
			}
			at, err := net.Listen("unix", filepath.Join(data, "sallyport.sock"))
			if err != nil {
				return err
			}
			env.Defer(func() { _ = at.Close() })
			go new(fakeServer).serve(at)
			for name, value := range map[string]string{
				"SALLYPORT_DATA": data, "PAGE004": page, "HOME": env.WorkDir, "EDITOR": "sh " + filepath.Join(env.WorkDir, "editor.sh"), "VISUAL": "",
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"status": wantStatus, "json": wantJSON},
	})
}

// run is one command line in this process.
func run(t testing.TB, in string, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = cli.Main(context.Background(), programs(), args, strings.NewReader(in), &o, &e)
	return status, o.String(), e.String()
}

// wantStatus runs a command and holds its exit status against a number: status 3 sallyport check …
func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		got = -1
		if e, ok := err.(interface{ ExitCode() int }); ok {
			got = e.ExitCode()
		}
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// wantJSON holds a value in the last output against a text: json .active.username admin
func wantJSON(ts *testscript.TestScript, neg bool, args []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	for _, key := range strings.Split(strings.Trim(args[0], "."), ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			n := 0
			if _, err := fmt.Sscan(key, &n); err == nil && n < len(v) {
				value = v[n]
			} else {
				value = fmt.Sprintf("list of %d", len(v))
			}
		}
	}
	if got := fmt.Sprint(value); (got == args[1]) == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}

func readLines(t testing.TB, text string, each func(line []byte)) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		each(lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}
