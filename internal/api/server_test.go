package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

func TestTheSocketIsItsOwnersAloneAndADeadOneIsReplaced(t *testing.T) {
	path := filepath.Join(shortDir(t), "data", "sallyport.sock")
	first, err := ListenSocket(path)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := ListenSocket(path); core.KindOf(err) != core.Conflict || !strings.Contains(err.Error(), "another server answers") {
		t.Errorf("a second server: %v", err)
	}
	first.(strictListener).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	must(t, first.Close())
	second, err := ListenSocket(path)
	must(t, err)
	must(t, second.Close())
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestNoOtherFileIsTakenForASocket(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "sallyport.sock")
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
	if _, err := ListenSocket(path); core.KindOf(err) != core.Conflict || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("a file: %v", err)
	}
	link := filepath.Join(dir, "link.sock")
	must(t, os.Symlink(path, link))
	if _, err := ListenSocket(link); core.KindOf(err) != core.Conflict {
		t.Errorf("a link: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("the file is gone")
	}
	if _, err := ListenSocket(filepath.Join(dir, strings.Repeat("x", 108))); core.KindOf(err) != core.Invalid || !strings.Contains(err.Error(), "at most 107") {
		t.Errorf("a long path: %v", err)
	}
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestTheKernelSaysWhoIsCalling(t *testing.T) {
	h := newHarness(t)
	s, err := h.serve(client.Options{}).Status(t.Context())
	must(t, err)
	if want := fmt.Sprintf("socket, uid %d", os.Geteuid()); s.Via != want || s.Caller != "admin" {
		t.Errorf("called as %s via %q, want %q", s.Caller, s.Via, want)
	}
}

// raw sends bytes to a server on TCP and returns everything that comes back until it closes.
func raw(t *testing.T, address, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	if _, err := io.WriteString(c, text); err != nil {
		return "" // it was closed amid our words
	}
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%.60q is never answered and closed", text)
	}
	return string(b)
}

// asvs: 4.2.1
func TestB088RequestsThatCouldBeSmuggledAreAnswered400AndClosed(t *testing.T) {
	h := newHarness(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := Server(h.TCP())
	done := make(chan error, 1)
	go func() { done <- s.Serve(Strict(l)) }()
	t.Cleanup(func() {
		must(t, s.Close())
		<-done
	})
	smuggled := "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
	tests := []struct{ name, text string }{
		{"a length and chunks", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"chunks and a length", "POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"},
		{"chunks in disguise", "POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
		{"chunks spelt oddly", "POST /healthz HTTP/1.1\r\nHost: x\r\ntRANSFER-eNCODING: xchunked\r\n\r\n0\r\n\r\n"},
		{"two lengths", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 33\r\n\r\n"},
		{"the same length twice", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"},
		{"a list of lengths", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 0\r\n\r\n"},
		{"a negative length", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
		{"a length with a sign", "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd"},
		{"a bare line feed", "GET /healthz HTTP/1.1\r\nHost: x\nX: y\r\n\r\n"},
		{"a bare line feed at the end", "GET /healthz HTTP/1.1\r\nHost: x\r\n\n"},
		{"bare line feeds alone", "GET /healthz HTTP/1.1\nHost: x\n\n"},
		{"a bare carriage return", "GET /healthz HTTP/1.1\r\nHost: x\rX: y\r\n\r\n"},
		{"a folded line", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: y\r\n z: 1\r\n\r\n"},
		{"a folded host", "GET /healthz HTTP/1.1\r\nHost:\r\n x\r\n\r\n"},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n"},
		{"a NUL", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n"},
		{"no HTTP at all", "hello\r\n\r\n"},
		{"an empty line first", "\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := raw(t, l.Addr().String(), test.text+smuggled)
			if !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1 ") != 1 {
				t.Errorf("got %q", got)
			}
		})
	}
	t.Run("what came before is still answered", func(t *testing.T) {
		got := raw(t, l.Addr().String(), "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\nHost: x\r\n\r\n"+smuggled)
		if !strings.HasPrefix(got, "HTTP/1.1 200 ") || strings.Count(got, "HTTP/1.1 400 ") != 1 || strings.Count(got, "HTTP/1.1 ") != 2 {
			t.Errorf("got %q", got)
		}
	})
	t.Run("honest requests one after the other", func(t *testing.T) {
		body := "POST /v1/requests HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\nab\n\r\n\r\nTransfer-Encoding: "
		got := raw(t, l.Addr().String(), body+"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 1000)+"\r\nConnection: close\r\n\r\n")
		if strings.Count(got, "HTTP/1.1 ") != 2 || !strings.HasPrefix(got, "HTTP/1.1 401 ") || !strings.Contains(got, "HTTP/1.1 200 ") {
			t.Errorf("got %q", got)
		}
	})
	t.Run("a header without an end", func(t *testing.T) {
		got := raw(t, l.Addr().String(), "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 200<<10))
		if got != "" && !strings.HasPrefix(got, "HTTP/1.1 431 ") {
			t.Errorf("got %.80q", got)
		}
	})
}

func TestAServerWaitsForNobodyForEver(t *testing.T) {
	s := Server(http.NotFoundHandler())
	if s.ReadHeaderTimeout != 5*time.Second || s.IdleTimeout != 2*time.Minute || s.MaxHeaderBytes != 64<<10 {
		t.Errorf("server %+v", s)
	}
}

func TestStoppingEndsThoseWhoWait(t *testing.T) {
	h := newHarness(t)
	r := h.ask("bob@example.com")
	path := filepath.Join(shortDir(t), "s.sock")
	l, err := ListenSocket(path)
	must(t, err)
	looking := make(chan struct{}, 1)
	door := h.Socket()
	s := Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		looking <- struct{}{}
		door.ServeHTTP(w, r)
	}))
	done, waited := make(chan error, 1), make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, err := client.New(client.Options{Socket: path})
	must(t, err)
	go func() {
		_, err := c.Request(context.Background(), r.ID, 40*time.Second)
		waited <- err
	}()
	<-looking
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(t, s.Shutdown(ctx))
	must(t, <-waited)
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
