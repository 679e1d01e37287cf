package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	authorityTime = 10 * 365 * 24 * time.Hour // a generation's life
	overlap       = 30 * 24 * time.Hour       // for which the one before is still trusted
	skew          = time.Minute               // by which a caller's clock may be slow
)

// A StoredKey is a key of the server as it is kept: public parts in the open, the rest sealed.
type StoredKey struct {
	Name      string
	Body      string // JSON
	CreatedAt time.Time
}

// Keys keeps the authority's keys, the oldest first.
type Keys interface {
	All(ctx context.Context) ([]StoredKey, error)
	// Add adds a key behind the one named after. Where that is not the newest any more it is core.Conflict.
	Add(ctx context.Context, k StoredKey, after string) error
}

// An Authority is the server's own certificate authority. Its keys are made at the first start
// and shared by all replicas. A rotation adds a generation, with a certificate by the one
// before it, so that whoever trusts that one goes on; that one stays trusted for thirty days.
type Authority struct {
	keys   Keys
	sealer *Sealer
	now    func() time.Time

	mu   sync.RWMutex
	line []generation // the oldest first; never empty
}

// A generation is one key of an authority.
type generation struct {
	name  string
	made  time.Time
	cert  *x509.Certificate // by itself
	cross *x509.Certificate // of the same key, by the generation before; nil for the first
	key   *ecdsa.PrivateKey // of the newest only
}

type authorityBody struct {
	Certificate []byte `json:"certificate"` // DER
	Cross       []byte `json:"cross,omitempty"`
	Key         string `json:"key"` // sealed
}

// OpenAuthority reads the authority's keys, and makes the first where there are none.
func OpenAuthority(ctx context.Context, keys Keys, sealer *Sealer, now func() time.Time) (*Authority, error) {
	a := &Authority{keys: keys, sealer: sealer, now: now}
	line, err := a.read(ctx)
	if err == nil && len(line) == 0 {
		err = a.add(ctx, nil)
		if err == nil || core.KindOf(err) == core.Conflict { // another replica was faster
			line, err = a.read(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	a.line = line
	return a, nil
}

// Refresh takes over what another replica may have added.
func (a *Authority) Refresh(ctx context.Context) error {
	line, err := a.read(ctx)
	if err != nil {
		return err
	}
	if len(line) == 0 {
		return core.Errorf(core.Unavailable, "the keys of the certificate authority are gone from the database").
			WithHint("restore the database from its backup")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line = line
	return nil
}

// Rotate adds a generation and returns its pin.
func (a *Authority) Rotate(ctx context.Context) (pin string, err error) {
	if err := a.Refresh(ctx); err != nil {
		return "", err
	}
	newest := a.newest()
	if err := a.add(ctx, &newest); err != nil {
		return "", err
	}
	if err := a.Refresh(ctx); err != nil {
		return "", err
	}
	return Pin(a.newest().cert), nil
}

func (a *Authority) newest() generation {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.line[len(a.line)-1]
}

// read reads the generations. Only the newest key is opened: nothing else signs any more.
func (a *Authority) read(ctx context.Context) ([]generation, error) {
	stored, err := a.keys.All(ctx)
	if err != nil {
		return nil, err
	}
	var line []generation
	for i, k := range stored {
		var b authorityBody
		g := generation{name: k.Name, made: k.CreatedAt}
		err := json.Unmarshal([]byte(k.Body), &b)
		if err == nil {
			g.cert, err = x509.ParseCertificate(b.Certificate)
		}
		if err == nil && len(b.Cross) > 0 {
			g.cross, err = x509.ParseCertificate(b.Cross)
		}
		if err != nil {
			return nil, fmt.Errorf("read generation %s of the certificate authority: %w", k.Name, err)
		}
		if i == len(stored)-1 {
			if g.key, err = a.open(k.Name, b.Key); err != nil {
				return nil, err
			}
		}
		line = append(line, g)
	}
	return line, nil
}

func sealedName(generation string) string { return "the certificate authority's key " + generation }

func (a *Authority) open(name, sealed string) (*ecdsa.PrivateKey, error) {
	der, err := a.sealer.Open(sealedName(name), sealed)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", sealedName(name), err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, core.Errorf(core.Internal, "%s is of another kind", sealedName(name))
	}
	return private, nil
}

// add makes a generation behind another, which is nil for the first.
func (a *Authority) add(ctx context.Context, before *generation) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	serial := NewSerial()
	number, _ := new(big.Int).SetString(serial, 16)
	now := a.now()
	name := pkix.Name{CommonName: "Sallyport CA " + serial[:8], Organization: []string{"Sallyport"}}
	template := &x509.Certificate{
		SerialNumber: number, Subject: name, NotBefore: now.Add(-skew), NotAfter: now.Add(authorityTime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	var b authorityBody
	if b.Certificate, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		return fmt.Errorf("make a certificate authority: %w", err)
	}
	after := ""
	if before != nil {
		after = before.name
		template.MaxPathLen, template.MaxPathLenZero = 0, true
		if b.Cross, err = x509.CreateCertificate(rand.Reader, template, before.cert, key.Public(), before.key); err != nil {
			return fmt.Errorf("sign the next generation: %w", err)
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	if b.Key, err = a.sealer.Seal(sealedName(serial), der); err != nil {
		return err
	}
	body, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return a.keys.Add(ctx, StoredKey{Name: serial, Body: string(body)}, after)
}

// trusted returns the generations that are trusted now, the newest first.
func (a *Authority) trusted() []generation {
	a.mu.RLock()
	defer a.mu.RUnlock()
	now := a.now()
	var out []generation
	for i, g := range slices.Backward(a.line) {
		if i < len(a.line)-1 && now.After(a.line[i+1].made.Add(overlap)) {
			break
		}
		out = append(out, g)
	}
	return out
}

// Bundle returns the certificates of the generations that are trusted, in PEM, the newest
// first, and the pin of the newest.
func (a *Authority) Bundle() (bundle []byte, pin string) {
	list := a.trusted()
	for _, g := range list {
		bundle = append(bundle, encode(g.cert.Raw)...)
	}
	return bundle, Pin(list[0].cert)
}

// Until is when the newest generation ends.
func (a *Authority) Until() time.Time { return a.newest().cert.NotAfter }

// Pin names a certificate authority by the SHA-256 of its public key, as RFC 7469 section 2.4
// does and Teleport prints it.
func Pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// NewSerial returns 128 random bits in hex: what names a certificate.
func NewSerial() string {
	var b [16]byte
	_, _ = rand.Read(b[:])  // it never fails
	b[0] = b[0]&0x7f | 0x40 // a positive number of always the same length
	return hex.EncodeToString(b[:])
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

var errNotOurs = errors.New("not by this server's certificate authority")
