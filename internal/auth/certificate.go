package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// identity is what stands in a certificate of ours besides the name: nobody else's has it.
func identity(serial string) *url.URL {
	return &url.URL{Scheme: "sallyport", Opaque: "certificate:" + serial}
}

// Issue returns a caller's certificate, in PEM, for the key of a certificate request (RFC 2986),
// whose signature proves that its sender has the key. Whose name and how long is the engine's.
func (a *Authority) Issue(user, serial string, request []byte, from, until time.Time) ([]byte, error) {
	public, err := requestedKey(request)
	if err != nil {
		return nil, err
	}
	number, ok := new(big.Int).SetString(serial, 16)
	if !ok || number.Sign() <= 0 {
		return nil, core.Errorf(core.Internal, "%q is no serial number", serial)
	}
	g := a.newest()
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: user}, URIs: []*url.URL{identity(serial)},
		NotBefore: from.Add(-skew), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, g.cert, public, g.key)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate: %w", err)
	}
	return encode(der), nil
}

// maxRequest is how much is read of a certificate request.
const maxRequest = 16 << 10

// requestedKey returns the public key of a certificate request in PEM.
func requestedKey(request []byte) (any, error) {
	wrong := func(text string, args ...any) error {
		return core.Errorf(core.Invalid, text, args...).WithHint("send a certificate request (RFC 2986) in PEM, for a key on P-256 or Ed25519")
	}
	if len(request) > maxRequest {
		return nil, wrong("the certificate request has more than %d bytes", maxRequest)
	}
	block, rest := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return nil, wrong("that is not one certificate request in PEM")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || csr.CheckSignature() != nil {
		return nil, wrong("the certificate request cannot be read, or its signature is wrong")
	}
	switch key := csr.PublicKey.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return key, nil
	case *rsa.PublicKey:
		if key.N.BitLen() >= 2048 && key.N.BitLen() <= 8192 {
			return key, nil
		}
	}
	return nil, wrong("the certificate request is for a key that is too weak or not known")
}

// Verify looks at the certificate that a caller showed, whose key TLS has proved them to have.
// It returns whom it names and its serial number, under which the engine knows more.
func (a *Authority) Verify(shown []*x509.Certificate) (user, serial string, err error) {
	const again = "sign in again: sallyport login, or for a machine: sallyport auth sign"
	if len(shown) == 0 {
		return "", "", core.Errorf(core.Unauthenticated, "no certificate was shown")
	}
	leaf := shown[0]
	now := a.now()
	serial = fmt.Sprintf("%032x", leaf.SerialNumber)
	ours := len(leaf.URIs) == 1 && leaf.URIs[0].String() == identity(serial).String() &&
		len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.EmailAddresses) == 0
	switch {
	case !ours || leaf.IsCA || leaf.Subject.CommonName == "":
		return "", "", core.Errorf(core.Unauthenticated, "the certificate shown is not one that this server gives to callers").WithHint(again)
	case a.chain(leaf, leaf.NotBefore) != nil:
		return "", "", core.Errorf(core.Unauthenticated, "the certificate shown is %w", errNotOurs).WithHint(again)
	case now.Before(leaf.NotBefore):
		return "", "", core.Errorf(core.Unauthenticated, "the certificate of %s begins only at %s", leaf.Subject.CommonName, stamp(leaf.NotBefore)).
			WithHint("compare the server's clock with yours")
	case now.After(leaf.NotAfter):
		return "", "", core.Errorf(core.Unauthenticated, "the certificate of %s ended at %s", leaf.Subject.CommonName, stamp(leaf.NotAfter)).WithHint(again)
	}
	return leaf.Subject.CommonName, serial, nil
}

// chain holds a caller's certificate against the generations that are trusted, at a time at
// which it is valid by itself.
func (a *Authority) chain(leaf *x509.Certificate, at time.Time) error {
	roots := x509.NewCertPool()
	for _, g := range a.trusted() {
		roots.AddCert(g.cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, CurrentTime: at.Add(skew), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
