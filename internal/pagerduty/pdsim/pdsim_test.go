package pdsim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// monday is when every test begins.
var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// org is the account of the tests: Ann is on call by a classic schedule, Bob and
// Cid together by a shift-based one, Dee always.
const org = `
subdomain: acme
tokens:
  - {token: full-key, access: full}
  - {token: read-key, access: read}
  - {token: ann-key, user: PU0ANN}
oauth: [{client_id: app, client_secret: s3cret, scopes: [oncalls.read, users.read]}]
users:
  - {id: PU0ANN, name: Ann On, email: Ann@example.com}
  - {id: PU0BOB, name: Bob Both, email: bob@example.com}
  - {id: PU0CID, name: Cid Both, email: cid@example.com}
  - {id: PU0DEE, name: Dee Direct, email: dee@example.com, job_title: Director}
teams: [{id: PT00001, name: Payments, members: [PU0ANN, PU0BOB]}]
schedules:
  - {id: PS00001, name: Classic, teams: [PT00001], shifts: [
      {user: PU0ANN, start: now-1h, end: now+2h}, {user: PU0BOB, start: now+2h, end: now+10h}, {user: PU0ANN, start: now+10h, end: now+20h}]}
  - {id: PS00003, name: Shifted, kind: v3, shifts: [
      {user: PU0BOB, start: now-1h, end: now+1h}, {user: PU0CID, start: now-30m, end: now+1h}, {start: now+1h, end: now+2h}]}
  - {id: PS00009, name: Loose, shifts: [{user: PU0CID, start: now-1h, end: now+1h}]}
escalation_policies:
  - {id: PE00001, name: Payments, teams: [PT00001], rules: [[{schedule: PS00001}], [{schedule: PS00003}, {user: PU0ANN}], [{user: PU0DEE}]]}
  - {id: PE00002, name: Empty at first, rules: [[{schedule: PS00003}], [{user: PU0DEE}]]}
services:
  - {id: PSV0001, name: Payments API, escalation_policy: PE00001, integration_key: 00000000000000000000000000000001, teams: [PT00001]}
  - {id: PSV0002, name: Access, escalation_policy: PE00002, integration_key: 00000000000000000000000000000002}
`

func testAccount(t *testing.T) Data {
	t.Helper()
	d, err := Parse([]byte(org))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A bench is a simulator with a clock that stands still, and a caller.
type bench struct {
	*Server
	t   *testing.T
	url string
}

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	o := Options{Data: testAccount(t), Now: func() time.Time { return monday }}
	for _, c := range change {
		c(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() { web.Close(); s.Close() })
	return &bench{s, t, web.URL}
}

// An ask is one call; its zero value is made with the full key and Ann as From.
type ask struct {
	auth, from, accept, contentType string
}

func (b *bench) ask(a ask, method, path string, body any) (*http.Response, string) {
	b.t.Helper()
	var in io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, b.url+path, in)
	if err != nil {
		b.t.Fatal(err)
	}
	set := func(name, value, fallback string) {
		if value == "" {
			value = fallback
		}
		if value != "-" {
			r.Header.Set(name, value)
		}
	}
	set("Authorization", a.auth, "Token token=full-key")
	set("From", a.from, "ann@example.com")
	set("Accept", a.accept, "application/vnd.pagerduty+json;version=2")
	set("Content-Type", a.contentType, "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(out)
}

// call makes a call that must be answered with status, and decodes the answer.
func (b *bench) call(status int, method, path string, body any) map[string]any {
	b.t.Helper()
	resp, text := b.ask(ask{}, method, path, body)
	if resp.StatusCode != status {
		b.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	var out map[string]any
	if text != "" {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			b.t.Fatalf("%s %s: not a JSON object: %s", method, path, text)
		}
	}
	return out
}

func (b *bench) get(path string) map[string]any {
	b.t.Helper()
	return b.call(200, "GET", path, nil)
}

// at follows names and indices into a JSON value.
func at(v any, path ...any) any {
	for _, p := range path {
		switch key := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[key]
		case int:
			l, _ := v.([]any)
			if key >= len(l) {
				return nil
			}
			v = l[key]
		}
	}
	return v
}

// pluck lists what stands at path in each element of a list.
func pluck(list any, path ...any) []any {
	all := []any{}
	l, _ := list.([]any)
	for _, one := range l {
		all = append(all, at(one, path...))
	}
	return all
}

func incidentBody(service, title, key string) obj {
	i := obj{"type": "incident", "title": title, "service": obj{"id": service, "type": "service_reference"}}
	if key != "" {
		i["incident_key"] = key
	}
	return obj{"incident": i}
}

// open opens an incident and returns its id.
func (b *bench) open(service, key string) string {
	b.t.Helper()
	return at(b.call(201, "POST", "/incidents", incidentBody(service, "It burns", key)), "incident", "id").(string)
}
