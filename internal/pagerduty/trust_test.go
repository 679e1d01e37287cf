package pagerduty

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/egress"
)

// outside is a client as the app makes it, for an account at some address.
func outside(t *testing.T, url string, o egress.Options) *Client {
	t.Helper()
	o.Policy = egress.Administrator
	h := egress.NewClient(o)
	t.Cleanup(h.CloseIdleConnections)
	a := testAccount()
	a.RESTURL = url
	c, err := New(Options{
		Account: a, HTTP: h, Random: func() float64 { return 0 },
		Token: func(context.Context) (string, error) { return testToken, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asvs: 12.3.2
func TestF068APagerDutyThatCannotBeTrustedGetsNoToken(t *testing.T) {
	var got atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	c := outside(t, s.URL, egress.Options{Roots: x509.NewCertPool()})
	_, err := c.CreateIncident(t.Context(), NewIncident{ServiceID: "S", Key: "k", Title: "t"})
	wantKind(t, err, core.Unavailable, "an authority that is not known here", "SSL_CERT_FILE")
	if Credentials(err) || got.Load() > 0 {
		t.Errorf("the token went out: %v", err)
	}
}

func TestF069APagerDutyThatIsNotThereWasNotToldAnything(t *testing.T) {
	down := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
	}}
	c := outside(t, "https://api.pagerduty.example", egress.Options{Resolver: down})
	began := time.Now()
	_, err := c.CreateIncident(t.Context(), NewIncident{ServiceID: "S", Key: "k", Title: "t"})
	wantKind(t, err, core.Unavailable, "api.pagerduty.example", "name server")
	if Doubtful(err) {
		t.Error("nothing was sent, and it is said to be doubtful")
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestB054AnAccountCannotPointAtCloudMetadata(t *testing.T) {
	_, err := outside(t, "http://169.254.169.254", egress.Options{}).CreateIncident(t.Context(), NewIncident{ServiceID: "S", Key: "k", Title: "t"})
	wantKind(t, err, core.Unavailable, "169.254.169.254 is not called: it is link-local", "egress.allow")
	if Doubtful(err) {
		t.Error("nothing was sent, and it is said to be doubtful")
	}
}
