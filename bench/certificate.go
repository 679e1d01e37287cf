package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"time"

	"github.com/sallyport/sallyport/client"
)

const certificates = 500

// measureCertificates times one certificate, from the call on the socket to its answer: the
// proof that the caller has the key is checked twice, the certificate signed, the session and
// the audit entries on disk. The caller's key is made outside of the time taken.
func measureCertificates(ctx context.Context, l *lab) ([]figure, error) {
	w, err := l.open(ctx, everybodyOnCall(100), rolesToAsk(100, 10, `{}`))
	if err != nil {
		return nil, err
	}
	ours, err := issueOver(ctx, w.socket)
	if err := errors.Join(err, w.close()); err != nil {
		return nil, err
	}
	peer, err := signAlone()
	if err != nil {
		return nil, err
	}
	return []figure{{
		ID: "P13", Value: us(ours.at(0.5)), Unit: "us", Peer: us(peer.at(0.5)), Goal: "p99 <= 5 ms",
		Met: ours.at(0.99) <= 5*time.Millisecond, P50: us(ours.at(0.5)), P99: us(ours.at(0.99)),
		Note: "peer: crypto/x509 signing a certificate on P-256, and nothing kept",
	}}, nil
}

func issueOver(ctx context.Context, socket string) (spread, error) {
	c, err := client.New(client.Options{Socket: socket})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var request []byte
	var failed error
	prepare := func(int) (err error) {
		_, request, err = client.NewKey()
		return err
	}
	return timed(certificates, prepare, func() {
		_, failed = c.Sign(ctx, client.SignRequest{User: email(0), TTL: "1h", Request: string(request)})
	}, func() bool { return failed == nil })
}

func signAlone() (spread, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	var failed error
	return timed(certificates, func(int) error { return nil }, func() {
		_, failed = x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	}, func() bool { return failed == nil })
}
