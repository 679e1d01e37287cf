package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestOnlyAPageOfTheSessionChangesSomething(t *testing.T) {
	const token = "the token of a session"
	form := func(value string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "http://sallyport.example.com/signout", strings.NewReader(url.Values{csrfField: {value}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	with := func(r *http.Request, name, value string) *http.Request {
		r.Header.Set(name, value)
		return r
	}
	call := func(method string) *http.Request {
		return httptest.NewRequest(method, "http://sallyport.example.com/v1/requests", nil)
	}
	tests := []struct {
		name string
		call *http.Request
		ok   bool
	}{
		{"reading", call(http.MethodGet), true},
		{"a form with its token", form(csrf(token)), true},
		{"a header", with(call(http.MethodPost), csrfHeader, csrf(token)), true},
		{"a form without", form(""), false},
		{"another session's", form(csrf("another")), false},
		{"no token", call(http.MethodDelete), false},
		{"another site", with(form(csrf(token)), "Sec-Fetch-Site", "cross-site"), false},
		{"a subdomain's page", with(form(csrf(token)), "Sec-Fetch-Site", "same-site"), false},
		{"another origin", with(form(csrf(token)), "Origin", "https://evil.example"), false},
	}
	for _, tt := range tests {
		if err := checkPage(httptest.NewRecorder(), tt.call, token); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// asvs: 3.3.1, 3.3.3
func TestTheCookieOfASessionIsForThisHostAndForNoScript(t *testing.T) {
	w := httptest.NewRecorder()
	ClearSession(w)
	for _, part := range []string{"__Host-sallyport=", "Path=/", "Max-Age=0", "HttpOnly", "Secure", "SameSite=Lax"} {
		if got := w.Header().Get("Set-Cookie"); !strings.Contains(got, part) {
			t.Errorf("%q has no %s", got, part)
		}
	}
}
