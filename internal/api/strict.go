package api

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Strict returns a listener whose connections carry only HTTP that nobody can read in two
// ways. Package net/http is lenient with line ends, folded lines and bodies announced twice,
// which lets requests be smuggled past a proxy in front. Here those are answered with 400 and
// closed; so is Transfer-Encoding, which no client of this API needs.
//
// It reads plain HTTP/1.1 and belongs inside of TLS.
func Strict(l net.Listener) net.Listener { return strictListener{l} }

type strictListener struct{ net.Listener }

// Accept wraps the next connection.
func (l strictListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: c}, nil
}

// spoiled at the start of a header line makes net/http answer 400 and close.
const spoiled = ":\r\n\r\n"

// maxLine is how much of a header line is kept to look at; the names and lengths that matter are shorter.
const maxLine = 256

// Whoever does not take so many bytes of an answer in so long has gone.
const (
	writeTime  = 30 * time.Second
	writePiece = 64 << 10
)

// A strictConn looks at every header before net/http does. It is read by one goroutine at a time.
type strictConn struct {
	net.Conn
	framing  framing
	leftover []byte // looked at, and not read yet
	broken   bool   // nothing comes any more
	timed    atomic.Bool
}

// Write gives every piece of an answer its time, where the handler has set none of its own.
func (c *strictConn) Write(p []byte) (written int, err error) {
	for first := true; first || len(p) > 0; first = false {
		if !c.timed.Load() {
			if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
				return written, err
			}
		}
		n, err := c.Conn.Write(p[:min(len(p), writePiece)])
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// SetWriteDeadline is a handler's own.
func (c *strictConn) SetWriteDeadline(t time.Time) error {
	c.timed.Store(!t.IsZero())
	return c.Conn.SetWriteDeadline(t)
}

// Read reads what has been looked at. After something that is refused, nothing follows.
func (c *strictConn) Read(p []byte) (int, error) {
	if len(c.leftover) == 0 && !c.broken {
		n, err := c.Conn.Read(p)
		if n == 0 {
			return 0, err
		}
		good := c.framing.look(p[:n])
		if good == n {
			return n, err
		}
		c.broken = true
		c.leftover = bytes.Clone(p[:good])
		if c.framing.begun {
			c.leftover = append(c.leftover, "\r\n"...)
		}
		c.leftover = append(c.leftover, spoiled...)
	}
	if len(c.leftover) == 0 {
		// Wait for the other side to go; net/http has answered by then.
		return c.Conn.Read(make([]byte, 1))
	}
	n := copy(p, c.leftover)
	c.leftover = c.leftover[n:]
	return n, nil
}

// framing finds where requests begin and end in what a client sends.
type framing struct {
	skip    int64 // bytes of a body that are still to come
	line    []byte
	lines   int  // complete lines of the current header
	begun   bool // some of the line has been passed on
	long    bool // the line is longer than what is kept
	cr      bool // the last byte was a carriage return
	length  int64
	lengths int // Content-Length lines seen
}

// look goes over bytes and returns how many of them may be passed on.
func (f *framing) look(p []byte) int {
	for i := 0; i < len(p); {
		if f.skip > 0 {
			n := min(f.skip, int64(len(p)-i))
			f.skip -= n
			i += int(n)
			continue
		}
		if !f.header(p[i]) {
			return i
		}
		f.begun = p[i] != '\n'
		i++
	}
	return len(p)
}

// header takes one byte of a header and reports whether it is well-formed so far.
func (f *framing) header(b byte) bool {
	switch {
	case f.cr && b != '\n', b == '\n' && !f.cr, b == 0:
		return false
	case f.cr:
		f.cr = false
		return f.endLine()
	case b == '\r':
		f.cr = true
		return true
	case (b == ' ' || b == '\t') && len(f.line) == 0 && f.lines > 0:
		return false // a line that continues the one before
	}
	if len(f.line) < maxLine {
		f.line = append(f.line, b)
	} else {
		f.long = true
	}
	return true
}

// endLine takes a complete line.
func (f *framing) endLine() bool {
	line, long := string(f.line), f.long
	f.line, f.long = f.line[:0], false
	if line == "" {
		if f.lines == 0 {
			return false
		}
		*f = framing{line: f.line, skip: f.length}
		return true
	}
	f.lines++
	if f.lines == 1 {
		return true
	}
	name, value, _ := strings.Cut(line, ":")
	switch strings.ToLower(strings.Trim(name, " \t")) {
	case "transfer-encoding":
		return false
	case "content-length":
		n, err := strconv.ParseUint(strings.Trim(value, " \t"), 10, 62)
		f.lengths++
		f.length = int64(n)
		return err == nil && !long && f.lengths == 1
	}
	return true
}
