package pdsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A hook receives webhooks and answers each with the next status.
type hook struct {
	*httptest.Server
	got chan delivery
}

type delivery struct {
	id, signature string
	body          []byte
}

func newHook(t *testing.T, statuses ...int) *hook {
	t.Helper()
	h := &hook{got: make(chan delivery, 100)}
	answers := make(chan int, 100)
	for _, s := range statuses {
		answers <- s
	}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case status := <-answers:
			w.WriteHeader(status)
		default:
		}
		h.got <- delivery{r.Header.Get("X-Webhook-Id"), r.Header.Get("X-PagerDuty-Signature"), body}
	}))
	t.Cleanup(h.Close)
	return h
}

func (d delivery) event(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(d.body, &out); err != nil {
		t.Fatal(err)
	}
	return out["event"].(map[string]any)
}

func TestWebhooksTellWhatHappenedInOrderAndSigned(t *testing.T) {
	h := newHook(t)
	b := newBench(t, func(o *Options) { o.Data.Webhooks = []Webhook{{URL: h.URL, Secret: "whsec"}} })
	id := b.open("PSV0001", "k")
	b.call(200, "POST", "/incidents/"+id+"/notes", obj{"note": obj{"content": "hello"}})
	for _, status := range []string{"acknowledged", "resolved"} {
		b.call(200, "PUT", "/incidents/"+id, obj{"incident": obj{"type": "incident", "status": status}})
	}
	var types []any
	for range 4 {
		d := <-h.got
		mac := hmac.New(sha256.New, []byte("whsec"))
		mac.Write(d.body)
		if d.signature != "v1="+hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %s", d.signature)
		}
		e := d.event(t)
		types = append(types, e["event_type"])
		if e["id"] != d.id || at(e, "agent", "id") != "PU0ANN" {
			t.Errorf("event: %v", e)
		}
		if e["event_type"] == "incident.annotated" {
			if at(e, "data", "content") != "hello" || at(e, "data", "incident", "id") != id {
				t.Errorf("note: %v", e)
			}
		} else if at(e, "data", "id") != id || at(e, "data", "number") != 1.0 {
			t.Errorf("incident: %v", e)
		}
	}
	if diff := cmp.Diff([]any{"incident.triggered", "incident.annotated", "incident.acknowledged", "incident.resolved"}, types); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAWebhookIsTriedAgainUnderTheSameID(t *testing.T) {
	h := newHook(t, 500, 429, 200)
	b := newBench(t, func(o *Options) { o.Data.Webhooks = []Webhook{{URL: h.URL, Secret: "whsec"}} })
	b.open("PSV0001", "k")
	first, second, third := <-h.got, <-h.got, <-h.got
	if first.id == "" || first.id != second.id || second.id != third.id {
		t.Errorf("ids %s %s %s", first.id, second.id, third.id)
	}
}

func TestASubscriptionIsFilteredPingedAndDeleted(t *testing.T) {
	h := newHook(t)
	b := newBench(t)
	made := b.call(201, "POST", "/webhook_subscriptions", obj{"webhook_subscription": obj{
		"type": "webhook_subscription", "events": []string{"incident.triggered"}, "filter": obj{"type": "service_reference", "id": "PSV0002"},
		"delivery_method": obj{"type": "http_delivery_method", "url": h.URL},
	}})["webhook_subscription"]
	if at(made, "delivery_method", "secret") == nil {
		t.Error("the secret is not shown at the creation")
	}
	path := "/webhook_subscriptions/" + at(made, "id").(string)
	if at(b.get(path), "webhook_subscription", "delivery_method", "secret") != nil {
		t.Error("the secret is shown a second time")
	}
	b.open("PSV0001", "k") // another service
	b.open("PSV0002", "k")
	if e := (<-h.got).event(t); at(e, "data", "service", "id") != "PSV0002" {
		t.Errorf("event: %v", e)
	}
	b.call(202, "POST", path+"/ping", nil)
	if e := (<-h.got).event(t); e["event_type"] != "pagey.ping" {
		t.Errorf("ping: %v", e)
	}
	b.call(204, "DELETE", path, nil)
	b.call(404, "GET", path, nil)
}
