package client

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// A Meeting is what is known of a server after the first look at it, before anything was sent.
type Meeting struct {
	Trusted   bool   // by this host, or by an identity that was had before
	Pin       string // of the authority that the server showed; empty: it showed none
	Authority []byte // that authority, in PEM

	roots *x509.CertPool
}

// Meet looks at the certificate that a server shows. known may be nil, or an identity that was
// had at this server before.
func Meet(ctx context.Context, server string, known *Identity) (Meeting, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return Meeting{}, errors.New("the server's address must be a URL such as https://sallyport.example.com")
	}
	var m Meeting
	if known != nil {
		_, _, m.roots = known.now()
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: u.Hostname(), NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: true, //nolint:gosec // nothing is sent; look judges what was shown
	}}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return m, &Error{Status: http.StatusServiceUnavailable, Kind: KindUnavailable, Title: "No answer", Detail: "no server answers at " + server + ": " + err.Error(), Hint: "check the address given with --server", Err: err}
	}
	defer func() { _ = c.Close() }()
	return m, m.look(c.(*tls.Conn).ConnectionState())
}

// look judges what a server showed. An authority is taken for the server's only where the
// certificate that it shows is by that one, and for its name.
func (m *Meeting) look(s tls.ConnectionState) error {
	err := VerifyServer(s, m.roots)
	if err == nil {
		m.Trusted = true
		return nil
	}
	last := s.PeerCertificates[len(s.PeerCertificates)-1]
	if !last.IsCA {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(last)
	if err := VerifyServer(s, roots); err != nil {
		return err
	}
	sum := sha256.Sum256(last.RawSubjectPublicKeyInfo)
	m.Pin = "sha256:" + hex.EncodeToString(sum[:])
	m.Authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: last.Raw})
	m.roots = roots
	return nil
}

// HTTP returns a client that speaks to the server that was met, and to no other in its place.
func (m Meeting) HTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it
			VerifyConnection:   func(s tls.ConnectionState) error { return VerifyServer(s, m.roots) },
		},
	}}
}
