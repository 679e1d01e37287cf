package world

import (
	_ "embed"
	"net/http/httptest"
	"testing"

	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

//go:embed organisation.yaml
var organisation []byte

// Token is the PagerDuty key of every world. It is a canary too: nothing may ever show it.
const Token = "c4n4ry+Qz7/vT2mXw9Lk"

// A PagerDuty is a simulator in this process.
type PagerDuty struct {
	*pdsim.Server
	URL string
}

// Simulate starts a simulator of the organisation.
func Simulate(t testing.TB) *PagerDuty {
	t.Helper()
	data, err := pdsim.Parse(organisation)
	if err != nil {
		t.Fatal(err)
	}
	data.Tokens = append(data.Tokens, pdsim.Token{Token: Token})
	sim, err := pdsim.New(pdsim.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() {
		sim.Close() // faults that wait let go
		server.CloseClientConnections()
		server.Close()
	})
	return &PagerDuty{Server: sim, URL: server.URL}
}

// Order orders a fault.
func (p *PagerDuty) Order(t testing.TB, f pdsim.Fault) {
	t.Helper()
	if err := p.Fault(f); err != nil {
		t.Fatal(err)
	}
}

// About returns the incidents with the key of a request.
func (p *PagerDuty) About(request string) []pdsim.Incident {
	var found []pdsim.Incident
	for _, i := range p.Incidents() {
		if i.Key == "sallyport/request/"+request {
			found = append(found, i)
		}
	}
	return found
}
