package api

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A farListener is one whose callers seem to come from another host.
type farListener struct{ net.Listener }

func (l farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return farConn{c}, err
}

type farConn struct{ net.Conn }

func (farConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

func TestOnePortSpeaksTLSAndOnItsOwnHostPlainHTTP(t *testing.T) {
	for _, far := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		at := l.Addr().String()
		if far {
			l = farListener{l}
		}
		s := Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			fmt.Fprint(w, r.TLS != nil, " ", string(b))
		}))
		s.ErrorLog = log.New(io.Discard, "", 0)
		done := make(chan error, 1)
		go func() {
			done <- s.Serve(Strict(Secure(l, &tls.Config{Certificates: []tls.Certificate{selfSigned(t, "server")}, MinVersion: tls.VersionTLS13})))
		}()
		t.Cleanup(func() {
			must(t, s.Close())
			<-done
		})
		c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
		for scheme, want := range map[string]string{
			"https": "true hello",
			"http":  map[bool]string{false: "false hello", true: "This port speaks TLS"}[far],
		} {
			res, err := c.Post(scheme+"://"+at, "text/plain", strings.NewReader("hello"))
			must(t, err)
			b, err := io.ReadAll(res.Body)
			must(t, err)
			must(t, res.Body.Close())
			if !strings.HasPrefix(string(b), want) {
				t.Errorf("%s, far %v: got %q", scheme, far, b)
			}
		}
	}
}

func TestAConnectionThatSaysNothingIsClosedWithItsServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := Server(http.NotFoundHandler())
	accepted := make(chan struct{}, 1)
	changed := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		changed(c, state)
		if state == http.StateNew {
			accepted <- struct{}{}
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(Strict(Secure(l, &tls.Config{MinVersion: tls.VersionTLS13}))) }()
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	<-accepted
	must(t, s.Close())
	<-done
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("it was not closed")
	}
}
