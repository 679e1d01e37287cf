package engine_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// replace changes the organisation at PagerDuty.
func (h *harness) replace(old, by string) {
	h.t.Helper()
	data, err := pdsim.Parse([]byte(strings.ReplaceAll(organisation, old, by)))
	h.must(err)
	h.must(h.sim.Replace(data))
}

// openAccounts joins the simulator as the one account. Nothing syncs in the background: what
// is known is known because a test made it so.
func openAccounts(t *testing.T, h *harness) *pagerduty.Accounts {
	t.Helper()
	accounts := pagerduty.NewAccounts(pagerduty.AccountsOptions{
		Token:  func(context.Context, core.Account) (string, error) { return "full", nil },
		Now:    h.clock.Now,
		Random: func() float64 { return 0.5 },
		Idle:   true,
	})
	t.Cleanup(accounts.Close)
	h.must(accounts.Set([]core.Account{{Name: "default", Region: "us", Default: true, APIToken: "env:PD", FromEmail: "bot@example.com", RESTURL: h.url, EventsURL: h.url}}))
	return accounts
}

// resolveByHand resolves an incident as a person does in PagerDuty.
func (h *harness) resolveByHand(id string) {
	h.t.Helper()
	h.put("/incidents/"+id, `{"incident":{"type":"incident_reference","status":"resolved"}}`)
}

// put changes something in PagerDuty as a person does.
func (h *harness) put(path, body string) { h.send(http.MethodPut, path, body) }

func (h *harness) send(method, path, body string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, bytes.NewBufferString(body))
	h.must(err)
	req.Header.Set("Authorization", "Token token=full")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("From", "bot@example.com")
	resp, err := http.DefaultClient.Do(req)
	h.must(err)
	h.must(resp.Body.Close())
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		h.t.Fatalf("%s %s by hand: %s", method, path, resp.Status)
	}
}
