package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// drawer keeps keys in memory.
type drawer struct {
	mu   sync.Mutex
	keys []StoredKey
	now  func() time.Time
}

func (d *drawer) All(context.Context) ([]StoredKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]StoredKey(nil), d.keys...), nil
}

func (d *drawer) Add(_ context.Context, k StoredKey, after string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	newest := ""
	if len(d.keys) > 0 {
		newest = d.keys[len(d.keys)-1].Name
	}
	if newest != after {
		return core.Errorf(core.Conflict, "there is a newer one")
	}
	k.CreatedAt = d.now()
	d.keys = append(d.keys, k)
	return nil
}

// a rig is an authority with a clock that is turned.
type rig struct {
	*Authority
	t      *testing.T
	at     time.Time
	drawer *drawer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, at: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	r.drawer = &drawer{now: r.now}
	r.Authority = r.open(filepath.Join(t.TempDir(), "seal.key"))
	return r
}

func (r *rig) now() time.Time { return r.at }

func (r *rig) open(seal string) *Authority {
	r.t.Helper()
	sealer, err := OpenSealer(seal)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := OpenAuthority(r.t.Context(), r.drawer, sealer, r.now)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// request makes a key and a certificate request for it.
func request(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *rig) issue(user string, life time.Duration) *x509.Certificate {
	r.t.Helper()
	text, err := r.Issue(user, NewSerial(), request(r.t), r.at, r.at.Add(life))
	if err != nil {
		r.t.Fatal(err)
	}
	return parse(r.t, text)
}

func TestACertificateNamesItsUserAsLongAsItLasts(t *testing.T) {
	r := newRig(t)
	c := r.issue("ann@example.com", time.Hour)
	user, serial, err := r.Verify([]*x509.Certificate{c})
	if user != "ann@example.com" || len(serial) != 32 || err != nil {
		t.Errorf("%q, %q, %v", user, serial, err)
	}
	r.at = r.at.Add(time.Hour + time.Second)
	if _, _, err := r.Verify([]*x509.Certificate{c}); err == nil || !strings.Contains(err.Error(), "of ann@example.com ended at 2026-03-02 10:00:00 UTC") {
		t.Errorf("after its end: %v", err)
	}
	r.at = r.at.Add(-3 * time.Hour)
	if _, _, err := r.Verify([]*x509.Certificate{c}); err == nil || !strings.Contains(err.Error(), "begins only at") {
		t.Errorf("before its beginning: %v", err)
	}
}

func TestB109ACertificateThatIsNotExactlyOursIsRefused(t *testing.T) {
	r, stranger := newRig(t), newRig(t)
	good := r.newest()
	forge := func(change func(*x509.Certificate)) *x509.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		serial := NewSerial()
		number, _ := new(big.Int).SetString(serial, 16)
		template := &x509.Certificate{
			SerialNumber: number, Subject: pkix.Name{CommonName: "ann@example.com"}, URIs: []*url.URL{identity(serial)},
			NotBefore: r.at.Add(-time.Minute), NotAfter: r.at.Add(time.Hour), BasicConstraintsValid: true,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		change(template)
		der, err := x509.CreateCertificate(rand.Reader, template, good.cert, key.Public(), good.key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, _, err := r.Verify([]*x509.Certificate{forge(func(*x509.Certificate) {})}); err != nil {
		t.Fatalf("one that nothing was changed in: %v", err)
	}
	server := &ServerCertificate{Authority: r.Authority, Names: []string{"localhost"}, Now: r.now}
	own, err := server.Get(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]*x509.Certificate{
		"of another authority":     stranger.issue("ann@example.com", time.Hour),
		"the server's own":         leaf,
		"the authority itself":     good.cert,
		"an authority":             forge(func(c *x509.Certificate) { c.IsCA = true }),
		"a wildcard name":          forge(func(c *x509.Certificate) { c.DNSNames = []string{"*"} }),
		"another identity":         forge(func(c *x509.Certificate) { c.URIs = []*url.URL{identity(NewSerial())} }),
		"two identities":           forge(func(c *x509.Certificate) { c.URIs = append(c.URIs, identity(NewSerial())) }),
		"no identity":              forge(func(c *x509.Certificate) { c.URIs = nil }),
		"no name":                  forge(func(c *x509.Certificate) { c.Subject.CommonName = "" }),
		"for servers":              forge(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		"valid only after its end": forge(func(c *x509.Certificate) { c.NotAfter = r.at.Add(-time.Second) }),
	} {
		if user, _, err := r.Verify([]*x509.Certificate{c}); core.KindOf(err) != core.Unauthenticated || user != "" {
			t.Errorf("%s: %q, %v", what, user, err)
		}
	}
	if _, _, err := r.Verify(nil); core.KindOf(err) != core.Unauthenticated {
		t.Errorf("none: %v", err)
	}
}

func TestACertificateRequestIsReadStrictly(t *testing.T) {
	r := newRig(t)
	good := string(request(t))
	for what, text := range map[string]string{
		"nothing":            "",
		"no PEM":             "hello",
		"another block":      strings.ReplaceAll(good, "CERTIFICATE REQUEST", "CERTIFICATE"),
		"two":                good + good,
		"one letter changed": good[:len(good)/2] + swapped(good[len(good)/2]) + good[len(good)/2+1:],
		"far too long":       good + strings.Repeat("\n", maxRequest),
	} {
		if _, err := r.Issue("ann", NewSerial(), []byte(text), r.at, r.at.Add(time.Hour)); core.KindOf(err) != core.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func swapped(b byte) string {
	if b == 'A' {
		return "B"
	}
	return "A"
}

func TestReplicasShareAnAuthorityAndAForeignSealDoesNotOpenIt(t *testing.T) {
	r := newRig(t)
	sealer, err := OpenSealer(filepath.Join(t.TempDir(), "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(t.Context(), r.drawer, sealer, r.now); core.KindOf(err) != core.Unavailable {
		t.Errorf("opened with another seal: %v", err)
	}
	other := &Authority{keys: r.drawer, sealer: r.sealer, now: r.now}
	if err := other.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Verify([]*x509.Certificate{r.issue("ann", time.Hour)}); err != nil {
		t.Errorf("the other replica does not know the certificate: %v", err)
	}
}

// whoever trusts roots verifies the server's certificate.
func (r *rig) verifiesServer(s *ServerCertificate, name string, roots ...*x509.Certificate) error {
	r.t.Helper()
	shown, err := s.Get(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	pool, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	var leaf *x509.Certificate
	for i, der := range shown.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			r.t.Fatal(err)
		}
		if i == 0 {
			leaf = c
		} else {
			between.AddCert(c)
		}
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, Intermediates: between, CurrentTime: r.at})
	return err
}

func TestARotationLeavesNobodyOutsideForThirtyDays(t *testing.T) {
	r := newRig(t)
	server := &ServerCertificate{Authority: r.Authority, Names: []string{"localhost"}, Now: r.now}
	before, old := r.issue("ann", 60*24*time.Hour), r.newest().cert
	if err := r.verifiesServer(server, "localhost", old); err != nil {
		t.Fatal(err)
	}
	r.at = r.at.Add(time.Hour)
	pin, err := r.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bundle, newest := r.Bundle()
	if pin == Pin(old) || newest != pin || strings.Count(string(bundle), "BEGIN CERTIFICATE") != 2 {
		t.Errorf("pin %s, then %s, bundle\n%s", Pin(old), pin, bundle)
	}
	after := r.issue("ann", 60*24*time.Hour)
	for _, root := range []*x509.Certificate{old, r.newest().cert} {
		if err := r.verifiesServer(server, "localhost", root); err != nil {
			t.Errorf("a client that trusts %s: %v", root.Subject.CommonName, err)
		}
	}
	for _, c := range []*x509.Certificate{before, after} {
		if _, _, err := r.Verify([]*x509.Certificate{c}); err != nil {
			t.Error(err)
		}
	}
	r.at = r.at.Add(overlap + time.Second)
	if _, _, err := r.Verify([]*x509.Certificate{before}); core.KindOf(err) != core.Unauthenticated {
		t.Errorf("by the old authority after the overlap: %v", err)
	}
	if _, _, err := r.Verify([]*x509.Certificate{after}); err != nil {
		t.Error(err)
	}
}

func TestOfTwoRotationsAtOnceOneIsRefused(t *testing.T) {
	r := newRig(t)
	newest := r.newest()
	if err := r.add(t.Context(), &newest); err != nil {
		t.Fatal(err)
	}
	if err := r.add(t.Context(), &newest); core.KindOf(err) != core.Conflict {
		t.Errorf("the second: %v", err)
	}
}

func TestTheServersCertificateIsRenewedAtTwoThirdsOfItsLife(t *testing.T) {
	r := newRig(t)
	server := &ServerCertificate{Authority: r.Authority, Names: ServerNames("sallyport.example.com"), Now: r.now}
	get := func() *tls.Certificate {
		c, err := server.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := get()
	r.at = r.at.Add(16*time.Hour - time.Second)
	if get() != first {
		t.Error("renewed early")
	}
	r.at = r.at.Add(time.Second)
	if get() == first {
		t.Error("not renewed")
	}
	for _, name := range []string{"sallyport.example.com", "localhost", "127.0.0.1"} {
		if err := r.verifiesServer(server, name, r.newest().cert); err != nil {
			t.Error(err)
		}
	}
}

func TestF066FilesAreTakenOverWhenTheyChangeAndABadPairLeavesTheOneBefore(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	server := &ServerCertificate{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), Now: r.now, Log: discard()}
	if _, err := server.Get(nil); core.KindOf(err) != core.Invalid {
		t.Errorf("without files: %v", err)
	}
	turn := func() *tls.Certificate {
		t.Helper()
		r.at = r.at.Add(lookEvery)
		c, err := server.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	writePair(t, server, r.at.Add(30*24*time.Hour), 1)
	first := turn()
	if turn() != first {
		t.Error("taken over although nothing changed")
	}
	if err := os.WriteFile(server.Key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if turn() != first || server.Trouble() == nil {
		t.Errorf("a bad pair: %v", server.Trouble())
	}
	writePair(t, server, r.at.Add(13*24*time.Hour), 2)
	if turn() == first {
		t.Error("a new pair was not taken over")
	}
	if err := server.Trouble(); err == nil || !strings.Contains(err.Error(), "ends in 12 days") {
		t.Errorf("13 days ahead of its end: %v", err)
	}
}
