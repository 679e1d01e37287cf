package api

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Secure returns a listener whose connections speak TLS. On loopback plain HTTP is answered as
// well: browsers take http://localhost for as safe as https and need no certificate there, and
// a proxy on the same host may do the TLS. From elsewhere plain HTTP gets told so.
func Secure(l net.Listener, config *tls.Config) net.Listener { return secureListener{l, config} }

type secureListener struct {
	net.Listener
	config *tls.Config
}

// Accept returns the next connection. What it speaks is seen when it is first read.
func (l secureListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &secureConn{Conn: c, config: l.config}, nil
}

// A secureConn is a connection of which the first byte tells whether it speaks TLS.
type secureConn struct {
	net.Conn
	config *tls.Config

	once   sync.Once
	secret atomic.Pointer[tls.Conn] // nil: it speaks in the open; it may be closed while that is not known yet
	first  []byte                   // read, and not yet given on
	err    error
}

// handshake is the first byte of a TLS connection (RFC 8446 section 5.1).
const handshake = 22

const speaksTLS = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" +
	"This port speaks TLS: use https. Plain HTTP is answered on the server's own host only.\n"

func (c *secureConn) begin() {
	first := make([]byte, 1)
	if _, c.err = io.ReadFull(c.Conn, first); c.err != nil {
		return
	}
	switch {
	case first[0] == handshake:
		c.secret.Store(tls.Server(&begunConn{c.Conn, first}, c.config))
	case onLoopback(c.RemoteAddr()):
		c.first = first
	default:
		// What is left unread would have the system cut the answer off.
		_, _ = c.Conn.Read(make([]byte, 64<<10))
		_, _ = c.Conn.Write([]byte(speaksTLS)) // it is closed in any case
		c.err = io.EOF
	}
}

// Read reads what was sent, out of TLS where it speaks that.
func (c *secureConn) Read(p []byte) (int, error) {
	c.once.Do(c.begin)
	secret := c.secret.Load()
	switch {
	case c.err != nil:
		return 0, c.err
	case secret != nil:
		return secret.Read(p)
	case len(c.first) > 0:
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write sends an answer, which comes after something was read.
func (c *secureConn) Write(p []byte) (int, error) {
	if secret := c.secret.Load(); secret != nil {
		return secret.Write(p)
	}
	return c.Conn.Write(p)
}

// Close closes the connection.
func (c *secureConn) Close() error {
	if secret := c.secret.Load(); secret != nil {
		return secret.Close()
	}
	return c.Conn.Close()
}

// state is that of TLS; nil where the connection speaks in the open.
func (c *secureConn) state() *tls.ConnectionState {
	secret := c.secret.Load()
	if secret == nil {
		return nil
	}
	s := secret.ConnectionState()
	return &s
}

// A begunConn is a connection of which a part was read already.
type begunConn struct {
	net.Conn
	first []byte
}

// Read reads that part, and then the rest.
func (c *begunConn) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = bytes.Clone(c.first[n:])
		return n, nil
	}
	return c.Conn.Read(p)
}

func onLoopback(a net.Addr) bool {
	p, err := netip.ParseAddrPort(a.String())
	return err == nil && p.Addr().Unmap().IsLoopback()
}
