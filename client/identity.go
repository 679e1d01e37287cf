package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// An Identity is by what a caller is known elsewhere than on the server's own host: a key, the
// server's certificate for it, and the certificate authorities of the server. It is kept in
// one file, and whoever has that file is that caller.
//
// A file that is written anew, by sallyport auth renew for instance, counts from the next
// connection on.
type Identity struct {
	path string

	mu    sync.Mutex
	was   time.Time // when the file was changed that is read
	pair  tls.Certificate
	leaf  *x509.Certificate
	roots *x509.CertPool // nil: the file names none
}

// NewKey makes a key, and a certificate request (RFC 2986) that proves that one has it. Both
// are PEM. The key never leaves its host.
func NewKey() (key, request []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), nil
}

// WriteIdentity writes an identity file, for its owner only, whole or not at all. It reads it
// back before it takes the place of the one that is there.
func WriteIdentity(path string, key, certificate, authorities []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".identity-*") // for its owner only
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has its name by then
	for _, part := range [][]byte{key, certificate, authorities} {
		if _, err := f.Write(part); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if _, err := LoadIdentity(f.Name()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// LoadIdentity reads an identity file. One that others may read is refused: they may have it.
func LoadIdentity(path string) (*Identity, error) {
	i := &Identity{path: path}
	return i, i.load()
}

func (i *Identity) load() error {
	info, err := os.Stat(i.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no identity file %s", i.path)
	case err != nil:
		return err
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others may read the identity file %s: its mode is %04o; close it with: chmod 600 %s", i.path, info.Mode().Perm(), i.path)
	case info.ModTime().Equal(i.was):
		return nil
	}
	text, err := os.ReadFile(i.path)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return fmt.Errorf("%s is not an identity file: %w", i.path, err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return fmt.Errorf("%s is not an identity file: %w", i.path, err)
	}
	var roots *x509.CertPool
	for _, der := range pair.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%s is not an identity file: %w", i.path, err)
		}
		if roots == nil {
			roots = x509.NewCertPool()
		}
		roots.AddCert(c)
	}
	pair.Certificate = pair.Certificate[:1]
	i.was, i.pair, i.leaf, i.roots = info.ModTime(), pair, leaf, roots
	return nil
}

// now reads the file again where it was changed. One that has become unreadable leaves what was read before.
func (i *Identity) now() (pair tls.Certificate, leaf *x509.Certificate, roots *x509.CertPool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = i.load() // what is there may be half gone; what was read may still do
	return i.pair, i.leaf, i.roots
}

// User is whom the identity is of.
func (i *Identity) User() string {
	_, leaf, _ := i.now()
	return leaf.Subject.CommonName
}

// Until is when the identity ends.
func (i *Identity) Until() time.Time {
	_, leaf, _ := i.now()
	return leaf.NotAfter
}

// TLS returns the settings of a connection that shows this identity. The server has to be
// known by one of the identity's authorities, or else by one that this host trusts.
func (i *Identity) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, _, _ := i.now()
			return &pair, nil
		},
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it, by what the file says now
		VerifyConnection: func(s tls.ConnectionState) error {
			_, _, roots := i.now()
			return VerifyServer(s, roots)
		},
	}
}

// VerifyServer holds the certificate that a server showed against the authorities that are
// known for it, and against those that this host trusts.
func VerifyServer(s tls.ConnectionState, known *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server showed no certificate")
	}
	o := x509.VerifyOptions{DNSName: s.ServerName, Roots: known, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if known != nil {
		if _, err := s.PeerCertificates[0].Verify(o); err == nil {
			return nil
		} else if strangers := (x509.UnknownAuthorityError{}); !errors.As(err, &strangers) {
			return err
		}
	}
	o.Roots = nil
	_, err := s.PeerCertificates[0].Verify(o)
	return err
}
