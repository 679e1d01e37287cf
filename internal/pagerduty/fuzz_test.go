package pagerduty

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sallyport/sallyport/internal/core"
)

// says answers every call with the same.
type says struct {
	status int
	body   []byte
}

func (s says) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/json"}, "Ratelimit-Remaining": {"900"}, "Ratelimit-Limit": {"960"}, "Ratelimit-Reset": {"30"}}
	return &http.Response{StatusCode: s.status, Header: header, Body: io.NopCloser(bytes.NewReader(s.body)), Request: r}, nil
}

// FuzzAnswer gives every operation any answer: it is understood, or an error in few words.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `null`, ``, `{"users":[{"id":"P1","name":"Ann","email":"ann@example.com"}],"more":false,"total":1}`,
		`{"oncalls":[{"user":{"id":"P1"},"escalation_policy":{"id":"E1"},"escalation_level":1,"start":"2026-01-02T15:04:05Z","end":null}],"more":false}`,
		`{"services":[{"id":"S1","name":"x","escalation_policy":{"id":"E1"}}],"more":true}`, `{"incident":{"id":"Q1","status":"triggered","html_url":"https://x"}}`,
		`{"incidents":[{"id":"Q1","incident_key":"k"}]}`, `{"error":{"message":"no","code":2001,"errors":{"a":["b"]}}}`, `{"error":["` + strings.Repeat("x", 300) + `"]}`,
		`{"schedules":[{"id":"P1","final_schedule":{"rendered_schedule_entries":[{"start":"x","end":"y","user":{}}]}}]}`, `{"status":"success","dedup_key":"d"}`,
		`{"notes":[{"content":"` + testToken + `"}]}`, `{"abilities":["` + testToken + `"]}`, `{"oncalls":[{"start":"` + testToken + `"}],"incident":{"created_at":"` + testToken + `"},"user":"` + testToken + `"}`, "<html>", strings.Repeat("[", 1000), `{"users":null}`, `{"more":true,"users":[]}`,
	} {
		f.Add(200, []byte(s))
		f.Add(400, []byte(s))
	}
	f.Add(503, []byte(testToken))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			for name, do := range everything {
				o := func(o *Options) { o.HTTP = &http.Client{Transport: says{status, body}} }
				err := do(t.Context(), client(t, http.NotFoundHandler(), o))
				if err == nil {
					continue
				}
				if core.KindOf(err) == core.Internal || len(err.Error()) > 700 || name != "event" && strings.Contains(err.Error(), testToken) {
					t.Errorf("%s: %s %v", name, core.KindOf(err), err)
				}
			}
		})
	})
}
