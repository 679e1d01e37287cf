package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// Server returns a server for a door: bounded in what it reads, how long it waits and how many
// connections it holds. What a call may take is the route's business, as some wait on purpose.
// Shutdown ends those. It speaks HTTP/1.1 only: nothing here needs the streams of HTTP/2, which
// one connection can open without end.
func Server(door http.Handler) *http.Server {
	refused := func(string) {}
	if g, is := door.(*guarded); is {
		refused = g.Refused
	}
	stop, cancel := context.WithCancel(context.Background())
	s := &http.Server{
		Protocols:         new(http.Protocols),
		ConnState:         newConnections(refused).changed,
		Handler:           incoming(door),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stoppingKey{}, stop)
		},
		ConnContext: withPeer,
	}
	s.Protocols.SetHTTP1(true)
	s.RegisterOnShutdown(cancel)
	return s
}

// incoming completes what net/http does for a request. It bounds how long a body takes, whether a
// handler reads it or not: net/http reads what is left of one before it answers, and sets no
// time for that. And it tells of TLS below Strict, which net/http does not see.
func incoming(door http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, is := r.Context().Value(tlsKey{}).(func() *tls.ConnectionState); is {
			r.TLS = state() // its handshake is done: a request came through it
		}
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime)) // every connection has one
		}
		door.ServeHTTP(w, r)
	})
}

type stoppingKey struct{}

type tlsKey struct{}

// stopping returns a context that ends when the server begins to stop.
func stopping(ctx context.Context) context.Context {
	if s, known := ctx.Value(stoppingKey{}).(context.Context); known {
		return s
	}
	return context.Background()
}

// withPeer puts who is at the other end into the context of a connection's calls: of a Unix
// socket the process, of TLS its state.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if s, wrapped := c.(*strictConn); wrapped {
		c = s.Conn
	}
	switch t := c.(type) {
	case *secureConn:
		return context.WithValue(ctx, tlsKey{}, t.state)
	case *tls.Conn:
		return context.WithValue(ctx, tlsKey{}, func() *tls.ConnectionState { s := t.ConnectionState(); return &s })
	}
	u, unix := c.(*net.UnixConn)
	if !unix {
		return ctx
	}
	p, err := peerOf(u)
	p.err = err
	return context.WithValue(ctx, peerKey{}, p)
}

// longestSocket is the most bytes that a socket's path can have on Linux.
const longestSocket = 107

// ListenSocket makes the socket of a server, for its own user only. One that a dead server left
// behind is replaced; one that answers is refused.
func ListenSocket(path string) (net.Listener, error) {
	if len(path) > longestSocket {
		return nil, core.Errorf(core.Invalid, "the path of the socket has %d bytes, and a socket's path has at most %d: %s", len(path), longestSocket, path).
			WithHint("use a shorter folder for --data")
	}
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the socket: %w", err)
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(closeToOthers)
	}}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("close %s to others: %w", path, err), l.Close())
	}
	return Strict(l), nil
}

// clearSocket removes a socket at which nobody answers.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for a socket at %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return core.Errorf(core.Conflict, "%s is there and is not a socket", path).WithHint("move it away, or use another folder for --data")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	switch {
	case err == nil:
		return errors.Join(core.Errorf(core.Conflict, "another server answers at %s", path).WithHint("stop it first, or use another folder for --data"), c.Close())
	case !errors.Is(err, syscall.ECONNREFUSED):
		return core.Errorf(core.Conflict, "there is a socket at %s, and it cannot be told whether a server is behind it: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket of a dead server: %w", err)
	}
	return nil
}
