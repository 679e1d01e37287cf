package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/core"
)

// longestSocket is the longest path that a Unix socket can have on every system that we know.
const longestSocket = 103

// connect returns a client of the server that is meant: elsewhere with an identity, by the flags
// or by what login stored, or on this host through its socket. A flag counts before what stands
// in the environment.
func (s *shell) connect() (*client.Client, error) {
	here := s.global != nil && s.global.Changed("data") && !s.global.Changed("server") && !s.global.Changed("identity")
	if !here && (s.server != "" || s.identity != "") {
		return s.elsewhere()
	}
	if s.data == "" {
		stored, err := readLogin()
		if err != nil {
			return nil, err
		}
		if stored.Server != "" {
			return s.network(stored.Server, identityFile())
		}
	}
	return s.onHost()
}

// elsewhere returns a client of the server that --server names, with the identity of --identity;
// what is missing of the two is what login stored.
func (s *shell) elsewhere() (*client.Client, error) {
	stored, err := readLogin()
	if err != nil {
		return nil, err
	}
	server, file := s.server, s.identity
	if server == "" {
		server = stored.Server
	}
	if server == "" {
		return nil, misuse("--identity needs the address of the server").WithHint("write --server https://sallyport.example.com")
	}
	if server, err = serverURL(server); err != nil {
		return nil, err
	}
	if file == "" && stored.Server == server {
		file = identityFile()
	}
	if file == "" {
		return nil, core.Errorf(core.Refused, "you are not logged in at %s", server).WithHint("sallyport login --server %s", server)
	}
	return s.network(server, file)
}

// network returns a client of a server elsewhere that shows an identity.
func (s *shell) network(server, file string) (*client.Client, error) {
	if s.as != "" {
		return nil, misuse("--as is for the local administrator, through the server's socket").WithHint("on the server's own host: sallyport --data DIR --as USER")
	}
	server, err := serverURL(server)
	if err != nil {
		return nil, err
	}
	identity, err := client.LoadIdentity(file)
	if err != nil {
		return nil, core.Errorf(core.Invalid, "%w", err).WithHint("a new one is made by sallyport login, or for a machine by sallyport auth sign")
	}
	c, err := client.New(client.Options{Server: server, Identity: identity, UserAgent: "sallyport/" + s.version()})
	if err != nil {
		return nil, misuse("%w", err)
	}
	return c, nil
}

// onHost returns a client of the server on this host.
func (s *shell) onHost() (*client.Client, error) {
	dir := s.data
	if dir == "" {
		dir = config.Default().Data
	}
	socket := filepath.Join(dir, "sallyport.sock")
	if len(socket) > longestSocket {
		return nil, core.Errorf(core.Invalid, "the path of the server's socket has %d bytes; the system takes at most %d: %s", len(socket), longestSocket, socket).
			WithHint("give --data a shorter path, a symbolic link for instance")
	}
	c, err := client.New(client.Options{Socket: socket, As: s.as, UserAgent: "sallyport/" + s.version()})
	if err != nil {
		return nil, misuse("%w", err)
	}
	return c, nil
}

// calling makes a command's run function of one that calls the server.
func (s *shell) calling(run func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("as") && strings.TrimSpace(s.as) == "" {
			return misuse("--as names nobody; without it you act as the administrator")
		}
		c, err := s.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		return run(cmd.Context(), c, args)
	}
}

// pages reads page after page until there are enough items, or no more. It reports whether there are more.
func pages[T any](limit int, page func(limit int, after string) (items []T, next string, err error)) (all []T, more bool, err error) {
	after := ""
	for {
		items, next, err := page(min(limit-len(all), 1000), after)
		if err != nil {
			return nil, false, err
		}
		all = append(all, items...)
		if next == "" || len(items) == 0 {
			return all, false, nil
		}
		if len(all) >= limit {
			return all, true, nil
		}
		after = next
	}
}

// limited gives a listing command its --limit.
func limited(c *cobra.Command, limit *int) {
	c.Flags().IntVar(limit, "limit", 100, "show at most so many, the newest")
}

func checkLimit(limit int) error {
	if limit < 1 {
		return misuse("--limit %d shows nothing", limit).WithHint("give a number from 1 on")
	}
	return nil
}

// noteMore says that a list was cut.
func (s *shell) noteMore(more bool, limit int) {
	if more {
		s.notef("there is more than these %d; show more with --limit\n", limit)
	}
}

// notePartial says that a list is not the whole, where the caller may not see the rest.
func (s *shell) notePartial(partial bool) {
	if partial {
		s.notef("only what you may see is listed\n")
	}
}

// maxFile is how much is read of one file.
const maxFile = 64 << 20

// readFile reads a file that was named; - is standard input.
func (s *shell) readFile(name string) ([]byte, error) {
	in := s.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fileProblem(err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fileProblem(err)
	}
	if len(data) > maxFile {
		return nil, misuse("%s has more than %d MiB", fileName(name), maxFile>>20)
	}
	return data, nil
}

// fileName is how a file stands in messages.
func fileName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// soon bounds what is worth waiting for while somebody presses the tabulator key.
const soon = 500 * time.Millisecond
