package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// explain puts what went wrong before there was an answer into words. What it does not know
// it leaves as it is.
func explain(err error, host string) error {
	var refused *core.Error
	if errors.As(err, &refused) {
		return because(err, refused.Kind, refused.Msg, refused.Hint)
	}
	if msg, hint := trust(err, host); msg != "" {
		return because(err, core.Unavailable, msg, hint)
	}
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns) && dns.IsNotFound:
		return because(err, core.Unavailable, "there is no host "+host, "is the name right, and does this machine's name server know it?")
	case errors.As(err, &dns) && dns.IsTimeout:
		return because(err, core.Unavailable, "the name "+host+" was not resolved within "+dialTime.String(), "ask this machine's name server for it: getent hosts "+host)
	case errors.As(err, &dns):
		return because(err, core.Unavailable, "the name "+host+" cannot be resolved: the name server fails", "ask this machine's name server for it: getent hosts "+host)
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return because(err, core.Unavailable, "the proxy "+dialled(op)+"on the way to "+host+" does not answer", "see HTTPS_PROXY and NO_PROXY in the server's environment")
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return because(err, core.Unavailable, host+" took no connection within "+dialTime.String(), "is there a firewall on the way?")
	}
	return err
}

func because(err error, kind core.Kind, msg, hint string) error {
	return &core.Error{Kind: kind, Msg: msg, Hint: hint, Err: err}
}

// trust tells what is wrong with the other side's TLS. There is no way to go on without.
func trust(err error, host string) (msg, hint string) {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var noTLS tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &unknown):
		return "the certificate of " + host + " is of an authority that is not known here",
			"have the server's host trust that authority, or name its certificates in SSL_CERT_FILE; the check cannot be turned off"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return validity(invalid.Cert, host), "have the certificate of " + host + " renewed, or set this machine's clock"
	case errors.As(err, &invalid):
		return "the certificate of " + host + " is not valid: " + invalid.Error(), "have it replaced"
	case errors.As(err, &name):
		return "the certificate of " + host + " is for another host: " + strings.Join(name.Certificate.DNSNames, ", "), "is the address right?"
	case errors.As(err, &noTLS):
		return host + " does not speak TLS at that port", "is the port right?"
	case strings.Contains(err.Error(), "protocol version"): // theirs or ours, each in its own type
		return host + " speaks no TLS 1.2 or newer", "have it updated; older versions are not spoken"
	case errors.As(err, &alert):
		return host + " ends the TLS handshake: " + alert.Error(), ""
	}
	return "", ""
}

func validity(c *x509.Certificate, host string) string {
	if c == nil {
		return "the certificate of " + host + " has expired"
	}
	return "the certificate of " + host + " is valid from " + c.NotBefore.UTC().Format(time.RFC3339) + " to " + c.NotAfter.UTC().Format(time.RFC3339) + " only"
}

// dialled is the address of a proxy that takes no connection, and a space; empty where it is not known.
func dialled(op *net.OpError) string {
	var dial *net.OpError
	if errors.As(op.Err, &dial) && dial.Addr != nil {
		return dial.Addr.String() + " "
	}
	return ""
}
