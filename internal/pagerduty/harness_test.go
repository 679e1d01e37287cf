package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// pipes is a listener without a network: connections are pipes, so that a server also works
// where time is fake.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
	case <-ctx.Done():
	}
	return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
}

// plain sends https over pipes too: there is nobody between us and ourselves.
type plain struct{ *http.Transport }

func (p plain) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return p.Transport.RoundTrip(r)
}

// serve runs a handler and returns a client that reaches it under every name.
func serve(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	var wg sync.WaitGroup
	tracked := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wg.Add(1)
		defer wg.Done()
		h.ServeHTTP(w, r)
	})
	s := &http.Server{Handler: tracked, ErrorLog: log.New(io.Discard, "", 0)}
	wg.Go(func() { _ = s.Serve(l) })
	tr := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = s.Close()
		wg.Wait()
	})
	return &http.Client{Transport: plain{tr}}
}

// ask is one call that a fake got.
type ask struct {
	method, path, host, body string
	query                    map[string][]string
	header                   http.Header
	at                       time.Time
}

// fake is PagerDuty as a test wants it: answers by "METHOD /path", and a record of the calls.
type fake struct {
	mu      sync.Mutex
	answers map[string]func(w http.ResponseWriter, r *http.Request)
	asked   []ask
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.asked = append(f.asked, ask{r.Method, r.URL.Path, r.Host, string(body), r.URL.Query(), r.Header.Clone(), time.Now()})
	answer := f.answers[r.Method+" "+r.URL.Path]
	f.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"message":"Not Found","code":2100}}`)
		return
	}
	answer(w, r)
}

// on sets the answer to a call.
func (f *fake) on(call string, answer func(w http.ResponseWriter, r *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answers == nil {
		f.answers = map[string]func(http.ResponseWriter, *http.Request){}
	}
	f.answers[call] = answer
}

// says sets a constant answer to a call.
func (f *fake) says(call string, status int, body string, header ...string) {
	f.on(call, func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// calls returns the calls so far, those to a path alone where one is given.
func (f *fake) calls(path ...string) []ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []ask
	for _, a := range f.asked {
		if len(path) == 0 || a.path == path[0] {
			found = append(found, a)
		}
	}
	return found
}

const testToken = "k3y-of-the-account"

func testAccount() core.Account {
	return core.Account{Name: "acme", Subdomain: "acme", FromEmail: "bot@example.com", Default: true}
}

// client builds a client of a handler, with no jitter unless an option says otherwise.
func client(t *testing.T, h http.Handler, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{
		Account: testAccount(), HTTP: serve(t, h), Random: func() float64 { return 0.5 },
		Token: func(context.Context) (string, error) { return testToken, nil },
	}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const org = `
subdomain: acme
tokens: [{token: ` + testToken + `, access: full}]
users:
  - {id: PUANN01, name: Ann, email: Ann@example.com}
  - {id: PUBOB01, name: Bob, email: bob@example.com}
  - {id: PUCEE01, name: Cee, email: cee@example.com}
  - {id: PUBOT01, name: Bot, email: bot@example.com}
schedules:
  - {id: PSV2001, name: Classic, kind: v2, shifts: [{user: PUANN01, start: now-1h, end: now+2h}, {user: PUBOB01, start: now+2h, end: now+4h}]}
  - {id: PSV3001, name: Shifts, kind: v3, shifts: [{user: PUANN01, start: now-1h, end: now+1h}, {user: PUBOB01, start: now-1h, end: now+3h}, {start: now-1h, end: now+3h}]}
  - {id: PSLOOSE, name: Loose, kind: v2, shifts: [{user: PUCEE01, start: now-1h, end: now+1h}]}
  - {id: PSLOOS3, name: Loose Shifts, kind: v3, shifts: [{user: PUCEE01, start: now-1h, end: now+1h}]}
escalation_policies:
  - {id: PE00001, name: Payments, rules: [[{schedule: PSV2001}], [{schedule: PSV3001}], [{user: PUCEE01}]]}
services:
  - {id: PSVC001, name: Payments API, escalation_policy: PE00001, integration_key: 0123456789abcdef0123456789abcdef}
`

// simulate starts a simulator with an account.
func simulate(t *testing.T, yaml string) *pdsim.Server {
	t.Helper()
	data, err := pdsim.Parse([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	s, err := pdsim.New(pdsim.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// strike orders a fault of the simulator.
func strike(t *testing.T, s *pdsim.Server, f pdsim.Fault) {
	t.Helper()
	if err := s.Fault(f); err != nil {
		t.Fatal(err)
	}
}

// index builds an index over a handler.
func index(t *testing.T, h http.Handler, change ...func(*IndexOptions)) *Index {
	t.Helper()
	o := IndexOptions{Client: client(t, h)}
	for _, c := range change {
		c(&o)
	}
	x := NewIndex(o)
	t.Cleanup(x.Close)
	return x
}

// running runs an index until the test ends.
func running(t *testing.T, x *Index) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { x.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// wantKind fails unless err is of a kind and its text has all parts.
func wantKind(t *testing.T, err error, kind core.Kind, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", kind)
	}
	if got := core.KindOf(err); got != kind {
		t.Fatalf("kind %s, want %s: %v", got, kind, err)
	}
	text := err.Error()
	if e, ok := asCore(err); ok {
		text += " | " + e.Hint
	}
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("error %q does not say %q", text, p)
		}
	}
}

// items writes a page of a list.
func items(key string, more bool, total int, list ...any) string {
	if list == nil {
		list = []any{}
	}
	b, _ := json.Marshal(map[string]any{key: list, "more": more, "total": total, "limit": 100})
	return string(b)
}

func paths(s *pdsim.Server) map[string]int {
	n := map[string]int{}
	for _, c := range s.Calls() {
		n[c.Method+" "+c.Path]++
	}
	return n
}

// answer keeps what a handler writes.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newAnswer() *answer                      { return &answer{header: http.Header{}} }
func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
