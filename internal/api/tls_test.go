package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestStrictBelongsInsideOfTLSAndHandlersSeeWhoCalls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	who := func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) != 1 {
			t.Errorf("TLS is %+v", r.TLS)
			return
		}
		fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName, " ", r.Proto)
	}
	s := Server(http.HandlerFunc(who))
	s.ErrorLog = log.New(io.Discard, "", 0)
	done := make(chan error, 1)
	go func() {
		done <- s.Serve(Strict(tls.NewListener(l, &tls.Config{
			Certificates: []tls.Certificate{selfSigned(t, "server")}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13,
		})))
	}()
	t.Cleanup(func() {
		must(t, s.Close())
		<-done
	})
	ours := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{selfSigned(t, "bot")}}
	c := http.Client{Transport: &http.Transport{TLSClientConfig: ours, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
	res, err := c.Get("https://" + l.Addr().String())
	must(t, err)
	b, err := io.ReadAll(res.Body)
	must(t, err)
	must(t, res.Body.Close())
	if string(b) != "bot HTTP/1.1" { // B087: HTTP/2 is not offered here either
		t.Errorf("got %q", b)
	}
	conn, err := tls.Dial("tcp", l.Addr().String(), ours)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\nHost: x\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	b, _ = io.ReadAll(conn) // how it is closed does not matter
	if !strings.HasPrefix(string(b), "HTTP/1.1 400 ") || strings.Count(string(b), "HTTP/1.1") != 1 {
		t.Errorf("got %q", b)
	}
}
