package notary

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// The longest message: of a datagram, what every IPv4 host takes in one packet or a few.
const maxDatagram = 60_000

// syslogPriority is facility 13, log audit, severity 5, notice.
const syslogPriority = 13*8 + 5

// syslogTo returns how entries go to a syslog server: by datagram (RFC 5426), or with their
// length before them over TCP (RFC 6587) and TLS (RFC 5425). Nobody confirms a message there:
// what was on its way when a connection broke may be lost.
func syslogTo(to string) (func(context.Context, *Notary, place, engine.Mark) (engine.Mark, error), error) {
	u, err := url.Parse(to)
	if err != nil {
		return nil, core.Errorf(core.Invalid, "audit.export: %.40q is no URL", to)
	}
	network, port := "tcp", "601"
	switch u.Scheme {
	case "syslog":
		network, port = "udp", "514"
	case "syslog+tls":
		port = "6514"
	}
	if u.Port() != "" {
		port = u.Port()
	}
	address := net.JoinHostPort(u.Hostname(), port)
	return func(ctx context.Context, n *Notary, _ place, m engine.Mark) (engine.Mark, error) {
		entries, err := n.following(ctx, m.Seq)
		if err != nil || len(entries) == 0 {
			return m, err
		}
		conn, err := n.Dial(ctx, network, address)
		if err != nil {
			return m, err
		}
		defer conn.Close() //nolint:errcheck // everything was written, or that error counts
		if until, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(until)
		}
		if u.Scheme == "syslog+tls" {
			secure := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname(), RootCAs: n.Roots})
			if err := secure.HandshakeContext(ctx); err != nil {
				return m, core.Errorf(core.Unavailable, "%s: the TLS handshake did not succeed: %w", u.Host, err)
			}
			conn = secure
		}
		if err := writeAll(conn, network, n.Host, entries); err != nil {
			return m, err
		}
		m.Seq, m.At = entries[len(entries)-1].Seq, n.Engine.Clock.Now()
		return m, nil
	}, nil
}

func writeAll(conn net.Conn, network, host string, entries []core.AuditEntry) error {
	for _, e := range entries {
		message := syslogMessage(host, e)
		if network == "udp" {
			if len(message) > maxDatagram {
				e.Detail = `{"cut":"too long for a datagram"}`
				message = syslogMessage(host, e)
			}
		} else {
			message = append(strconv.AppendInt(nil, int64(len(message)), 10), append([]byte{' '}, message...)...)
		}
		if _, err := conn.Write(message); err != nil {
			return fmt.Errorf("write to the syslog server: %w", err)
		}
	}
	if c, ok := conn.(interface{ CloseWrite() error }); ok && network != "udp" {
		return c.CloseWrite()
	}
	return nil
}

// syslogMessage is an entry as RFC 5424 writes one: its message is the line of an export.
func syslogMessage(host string, e core.AuditEntry) []byte {
	at := "-"
	if !e.At.IsZero() {
		at = e.At.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	head := fmt.Sprintf("<%d>1 %s %s sallyport - %s - ", syslogPriority, at, printable(host, 255), printable(e.Action, 32))
	return append([]byte(head), strings.TrimSuffix(string(exported(e)), "\n")...)
}

// printable keeps a header field of RFC 5424 to what it may hold.
func printable(s string, most int) string {
	out := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, s)
	if out == "" {
		return "-"
	}
	return out[:min(len(out), most)]
}
