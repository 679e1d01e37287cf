package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
)

func TestAServerThatIsNotThereIsSaidSoWithWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sallyport.sock")
	c, err := client.New(client.Options{Socket: path})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context())
	var e *client.Error
	if !errors.As(err, &e) || e.ExitCode() != 5 || e.Kind != client.KindUnavailable || e.Unwrap() == nil {
		t.Fatalf("got %#v", err)
	}
	if e.Detail != "no server answers at "+path+": is it running?" || e.Hint != "start it: sallyport serve --data "+filepath.Dir(path) {
		t.Errorf("got %q, hint %q", e.Detail, e.Hint)
	}
	for _, err := range c.Watch(t.Context(), client.FromNow) {
		if !errors.As(err, &e) {
			t.Errorf("a watch: %v", err)
		}
	}
}

func TestACallThatIsGivenUpSaysSo(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	c, err := client.New(client.Options{Server: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnswersThatAreNoProblemsAreErrorsAllTheSame(t *testing.T) {
	tests := []struct {
		name, media, body string
		status            int
		kind              client.Kind
		exit              int
		words             string
	}{
		{"a problem", "application/problem+json", `{"kind":"refused","detail":"no policy covers x","hint":"ask for y","status":403}`, 403, client.KindRefused, 3, "no policy covers x"},
		{"a problem with a status of its own", "application/problem+json", `{"kind":"invalid","detail":"d","status":1}`, 400, client.KindInvalid, 2, "d"},
		{"text", "text/plain; charset=utf-8", "400 Bad Request", 400, client.KindInvalid, 2, "400 Bad Request: 400 Bad Request"},
		{"a page", "text/html", "<html>", 502, client.KindUnavailable, 5, "502 Bad Gateway"},
		{"a redirect", "", "", 302, client.KindInvalid, 2, "302 Found"},
		{"nobody known", "", "", 401, client.KindUnauthenticated, 3, "401"},
		{"nothing there", "", "", 404, client.KindNotFound, 4, "404"},
		{"too late", "", "", 409, client.KindConflict, 1, "409"},
		{"broken", "application/json", "{}", 500, client.KindInternal, 1, "500"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.media)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer s.Close()
			c, err := client.New(client.Options{Server: s.URL + "/"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Request(t.Context(), "req_1", 0)
			var e *client.Error
			if !errors.As(err, &e) || e.Kind != test.kind || e.ExitCode() != test.exit || e.Status != test.status || !strings.Contains(e.Error(), test.words) {
				t.Errorf("got %#v", err)
			}
		})
	}
}

// asvs: 1.2.2
func TestWhatTheClientSends(t *testing.T) {
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = w.Write([]byte("{}"))
	}))
	defer s.Close()
	c, err := client.New(client.Options{Server: s.URL, Token: "t0ken", As: "ann@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), client.Ask{Roles: []string{"a"}}, client.SubmitOptions{Key: "k", Wait: 1e9}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Authorization": "Bearer t0ken", "Sallyport-As": "ann@example.com", "Idempotency-Key": "k",
		"Content-Type": "application/json", "User-Agent": "sallyport-client",
	}
	for name, value := range want {
		if got.Header.Get(name) != value {
			t.Errorf("%s: %q", name, got.Header.Get(name))
		}
	}
	if got.URL.String() != "/v1/requests?wait=1s" || got.Method != "POST" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	if _, err := c.Resource(t.Context(), "user", "../a b/ü"); err != nil {
		t.Fatal(err)
	}
	if path := got.URL.EscapedPath(); path != "/v1/resources/user/..%2Fa%20b%2F%C3%BC" {
		t.Errorf("path %s", path)
	}
}

func TestAClientNeedsToKnowItsServer(t *testing.T) {
	for _, o := range []client.Options{{}, {Socket: "/s", Server: "http://x"}, {Server: "x:1"}, {Server: "ftp://x"}, {Server: "http://"}} {
		if _, err := client.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestAnAnswerThatIsNoJSONIsAnError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer s.Close()
	c, err := client.New(client.Options{Server: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "GET /v1/status") {
		t.Errorf("got %v", err)
	}
}
