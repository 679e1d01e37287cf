package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	leafTime  = 24 * time.Hour // of the server's certificate by its own authority
	lookEvery = 2 * time.Second
	warnAhead = 14 * 24 * time.Hour // of the end of a certificate from a file
)

// A ServerCertificate is what the server shows: one by its own authority, renewed at two
// thirds of its life, or one from files, taken over when they change.
type ServerCertificate struct {
	Authority *Authority // nil where Cert is set
	Names     []string   // host names and addresses that the authority's certificate is for
	Cert, Key string     // files in PEM; empty: by the authority
	Now       func() time.Time
	Log       *slog.Logger

	mu     sync.Mutex
	shown  *tls.Certificate
	by     string    // the generation that signed it
	renew  time.Time // of the authority's: when another is made
	looked time.Time // of a file: when it was last looked at
	was    [2]time.Time
	bad    error // why the files that are there now are not taken over
}

// Get returns the certificate to show, for tls.Config.
func (s *ServerCertificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Cert != "" {
		return s.fromFiles()
	}
	g := s.Authority.newest()
	now := s.Now()
	if s.shown != nil && s.by == g.name && now.Before(s.renew) {
		return s.shown, nil
	}
	made, err := s.make(g, now)
	if err != nil {
		return nil, err
	}
	s.shown, s.by, s.renew = made, g.name, now.Add(leafTime*2/3)
	return made, nil
}

// make makes a certificate by a generation. The one by the generation before comes along, for
// clients that know only that.
func (s *ServerCertificate) make(g generation, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	number, _ := new(big.Int).SetString(NewSerial(), 16)
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: "Sallyport"}, NotBefore: now.Add(-skew), NotAfter: now.Add(leafTime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, name := range s.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, g.cert, key.Public(), g.key)
	if err != nil {
		return nil, fmt.Errorf("make the server's certificate: %w", err)
	}
	out := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if g.cross != nil && now.Before(g.made.Add(overlap)) {
		out.Certificate = append(out.Certificate, g.cross.Raw)
	}
	// The authority itself comes last, so that a client that meets the server for the first
	// time can show its pin.
	out.Certificate = append(out.Certificate, g.cert.Raw)
	return out, nil
}

// fromFiles takes the files over when they have changed. A pair that cannot be read leaves the
// one before in place.
func (s *ServerCertificate) fromFiles() (*tls.Certificate, error) {
	now := s.Now()
	if s.shown != nil && now.Sub(s.looked) < lookEvery {
		return s.shown, nil
	}
	s.looked = now
	var is [2]time.Time
	for i, name := range []string{s.Cert, s.Key} {
		if info, err := os.Stat(name); err == nil {
			is[i] = info.ModTime()
		}
	}
	if s.shown != nil && is == s.was {
		return s.shown, nil
	}
	s.was = is
	pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
	if err != nil {
		s.bad = core.Errorf(core.Invalid, "the certificate in %s and the key in %s cannot be used: %w", s.Cert, s.Key, err).
			WithHint("mend the files; they are looked at again every few seconds")
		if s.shown == nil {
			return nil, s.bad
		}
		s.Log.Warn("the server goes on with the certificate that it has", "error", s.bad)
		return s.shown, nil
	}
	s.shown, s.bad = &pair, nil
	return s.shown, nil
}

// Trouble says what is amiss with the certificate that is shown; nil: nothing.
func (s *ServerCertificate) Trouble() error {
	shown, err := s.Get(nil)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad != nil {
		return s.bad
	}
	leaf, err := x509.ParseCertificate(shown.Certificate[0])
	if err != nil {
		return fmt.Errorf("read the server's certificate: %w", err)
	}
	switch left := leaf.NotAfter.Sub(s.Now()); {
	case s.Cert == "":
		return nil
	case left <= 0:
		return core.Errorf(core.Unavailable, "the server's certificate ended at %s", stamp(leaf.NotAfter)).WithHint("renew %s", s.Cert)
	case left < warnAhead:
		return core.Errorf(core.Unavailable, "the server's certificate ends in %d days", int(left.Hours()/24)).WithHint("renew %s", s.Cert)
	}
	return nil
}

// ServerNames returns the names that a server goes by: those given that are one, localhost,
// loopback, and the host's own.
func ServerNames(given ...string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil {
		given = append(given, host)
	}
	for _, name := range given {
		ip, err := netip.ParseAddr(name)
		if name == "" || err == nil && ip.IsUnspecified() || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
	}
	return names
}

// TLS returns the settings of a listener: TLS 1.3, HTTP/1.1. A caller's certificate is asked
// for and looked at by the door, which can say in words what is wrong with it.
func (s *ServerCertificate) TLS() *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS13, GetCertificate: s.Get, ClientAuth: tls.RequestClientCert, NextProtos: []string{"http/1.1"},
		SessionTicketsDisabled: true, // a resumed session would show the certificate of long ago
	}
	if s.Authority != nil {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			named := c.Clone()
			named.GetConfigForClient = nil
			named.ClientCAs = x509.NewCertPool() // browsers offer certificates of these only
			for _, g := range s.Authority.trusted() {
				named.ClientCAs.AddCert(g.cert)
			}
			return named, nil
		}
	}
	return c
}
