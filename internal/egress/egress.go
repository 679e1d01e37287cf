// Package egress makes the HTTP clients with which Sallyport calls other systems.
//
// Where a call may go is judged by the address that is about to be connected, after the name
// was resolved and for every attempt, so that no spelling of a host and no name server that
// changes its mind gets past it. Who may set a URL decides on its Policy; the configuration's
// egress.allow opens what a policy keeps shut.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A Policy says which addresses a URL may lead to, by who may set it.
type Policy int

// The policies. The strictest is the zero value.
const (
	Public        Policy = iota // anybody may set it: public addresses only, and no proxy
	Administrator               // only administrators may: everything but what machines tell themselves
)

// What a call waits for. Beyond the connection, the context of a call is its limit.
const (
	dialTime      = 3 * time.Second // resolving and connecting, both families together
	handshakeTime = 5 * time.Second
	idleTime      = 90 * time.Second
	headerLimit   = 64 << 10 // bytes of an answer's header
)

// Options configure a client. The zero value of a field means its default.
type Options struct {
	Policy   Policy
	Allow    Allow          // what the configuration opens
	Resolver *net.Resolver  // default: the system's
	Roots    *x509.CertPool // default: the system's
}

// NewClient returns a client that keeps to a policy. It speaks http and https, TLS 1.2 at
// least, takes no user names in URLs, and gives a redirect back instead of following it; one
// to another host is an error. Errors name the host and what to do, and nothing of an answer.
//
// Proxies of the environment (HTTPS_PROXY) are used for Administrator only: a proxy resolves
// names by itself, so that behind one nobody could say where a call ends.
func NewClient(o Options) *http.Client {
	dialer := dialer{policy: o.Policy, allow: o.Allow, resolver: o.Resolver}
	t := &http.Transport{
		DialContext:            dialer.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    handshakeTime,
		IdleConnTimeout:        idleTime,
		MaxIdleConnsPerHost:    10,
		MaxResponseHeaderBytes: headerLimit,
		ForceAttemptHTTP2:      true,
	}
	if o.Policy == Administrator {
		t.Proxy = http.ProxyFromEnvironment
	}
	return &http.Client{Transport: &gate{dialer: dialer, transport: t}, CheckRedirect: checkRedirect}
}

// Dial returns what connects as NewClient's calls do, for what is not HTTP.
func Dial(o Options) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := dialer{policy: o.Policy, allow: o.Allow, resolver: o.Resolver}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.dial(ctx, network, address)
		if err != nil {
			host, _, _ := net.SplitHostPort(address) // dial has taken it
			return nil, explain(err, host)
		}
		return conn, nil
	}
}

// checkRedirect follows nothing: a redirect would carry what was meant for one host to another.
func checkRedirect(next *http.Request, via []*http.Request) error {
	from := via[0].URL
	if next.URL.Host == from.Host && next.URL.Scheme == from.Scheme {
		return http.ErrUseLastResponse
	}
	return core.Errorf(core.Unavailable, "%s redirects to %s, which is not followed", from.Host, next.URL.Scheme+"://"+next.URL.Host).
		WithHint("write the address that is meant")
}

// A gate looks at every request before it is sent.
type gate struct {
	dialer    dialer
	transport *http.Transport
}

// RoundTrip sends a request whose URL can be read in one way only.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.check(r); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // the contract of a round tripper
		}
		return nil, err
	}
	answer, err := g.transport.RoundTrip(r)
	if err != nil {
		return nil, explain(err, r.URL.Hostname())
	}
	return answer, nil
}

// CloseIdleConnections is http.Client's.
func (g *gate) CloseIdleConnections() { g.transport.CloseIdleConnections() }

func (g *gate) check(r *http.Request) error {
	u := r.URL
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return core.Errorf(core.Refused, "an address with the scheme %.20q is not called", u.Scheme).WithHint("write an http or https URL")
	case u.User != nil:
		return core.Errorf(core.Refused, "an address with a user name in it is not called").WithHint("write the URL without what stands before the @")
	case u.Hostname() == "" || u.Opaque != "":
		return core.Errorf(core.Refused, "an address without a host is not called").WithHint("write a URL such as https://example.com/path")
	}
	// A proxy would connect to this in our place.
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return g.dialer.judge(u.Hostname(), netip.AddrPortFrom(ip, portOf(u)))
	}
	return nil
}

// A dialer connects where its policy lets it.
type dialer struct {
	policy   Policy
	allow    Allow
	resolver *net.Resolver
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n := net.Dialer{
		Timeout: dialTime, Resolver: d.resolver,
		Control: func(_, connecting string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(connecting)
			if err != nil {
				return core.Errorf(core.Refused, "the address of %s cannot be read", host)
			}
			return d.judge(host, to)
		},
	}
	return n.DialContext(ctx, network, address)
}

// judge refuses an address that the policy does not let a host have.
func (d dialer) judge(host string, to netip.AddrPort) error {
	why, shut := d.policy.shut(to.Addr())
	if !shut || d.allow.opens(host, to, why) {
		return nil
	}
	reach := "this URL may lead to public addresses only"
	if d.policy == Administrator {
		reach = "no URL may lead there"
	}
	is := to.Addr().String()
	if is == host {
		is = "it"
	}
	return core.Errorf(core.Refused, "%s is not called: %s is %s, and %s", host, is, why, reach).
		WithHint("where that is meant, open it in the configuration: egress.allow: [%q]", net.JoinHostPort(host, portText(to)))
}
