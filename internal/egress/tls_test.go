package egress

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func as[T any](err error, into *T) bool { return errors.As(err, into) }

// certificate makes a certificate for a host, signed by itself.
func certificate(t *testing.T, host string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// asvs: 12.1.1, 12.3.1, 12.3.2
func TestF068AnUpstreamThatCannotBeTrustedIsNotSpokenTo(t *testing.T) {
	const host = "pagerduty.example"
	good, trusted := certificate(t, host, time.Now().Add(time.Hour))
	old, oldRoots := certificate(t, host, time.Now().Add(-time.Hour))
	wrong, wrongRoots := certificate(t, "other.example", time.Now().Add(time.Hour))
	tests := []struct {
		name  string
		tls   *tls.Config
		roots *x509.CertPool
		says  string
	}{
		{"signed by itself", &tls.Config{Certificates: []tls.Certificate{good}}, x509.NewCertPool(), "the certificate of pagerduty.example is of an authority that is not known here"},
		{"expired", &tls.Config{Certificates: []tls.Certificate{old}}, oldRoots, "the certificate of pagerduty.example is valid from "},
		{"of another host", &tls.Config{Certificates: []tls.Certificate{wrong}}, wrongRoots, "the certificate of pagerduty.example is for another host: other.example"},
		{"TLS 1.0", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, trusted, "pagerduty.example speaks no TLS 1.2 or newer"},
		{"TLS 1.1", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, trusted, "pagerduty.example speaks no TLS 1.2 or newer"},
		{"no TLS", nil, trusted, "pagerduty.example does not speak TLS at that port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.TLS = tt.tls
			if tt.tls != nil {
				s.StartTLS()
			} else {
				s.Start()
			}
			t.Cleanup(s.Close)
			c := client(t, Options{Policy: Administrator, Roots: tt.roots, Resolver: always("127.0.0.1").resolver(t)})
			for range 2 { // and there is no second, weaker try
				_, err := call(t, c, "https://"+host+":"+port(s)+"/")
				wantRefused(t, tt.name, err, tt.says)
			}
			if asked.Load() > 0 {
				t.Error("it was spoken to")
			}
		})
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, canary) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	if got, err := call(t, client(t, Options{Policy: Administrator, Roots: trusted, Resolver: always("127.0.0.1").resolver(t)}), "https://"+host+":"+port(s)+"/"); got != "200 "+canary {
		t.Errorf("a good one: %q, %v", got, err)
	}
}
