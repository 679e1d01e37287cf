package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
)

// refusals counts what was refused, by reason.
type refusals struct {
	mu    sync.Mutex
	count map[string]int
}

func (r *refusals) add(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = map[string]int{}
	}
	r.count[reason]++
}

func (r *refusals) of(reason string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count[reason]
}

// from sends a call over the network from an address.
func (h *harness) from(door http.Handler, address, method, path string, headers ...string) reply {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, path, http.NoBody)
	r.RemoteAddr, r.Host = address, demoHost
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	return reply{w, h.t}
}

// limited is a harness whose limits go by a clock that the test turns.
func limited(t *testing.T) (h *harness, turn func(time.Duration), seen *refusals) {
	t.Helper()
	seen = &refusals{}
	h = newHarness(t, func(o *Options) { o.Refused = seen.add })
	now := time.Now()
	h.limits.now = func() time.Time { return now }
	return h, func(d time.Duration) { now = now.Add(d) }, seen
}

// asvs: 2.4.1, 6.3.1
func TestStrangersAreAnsweredTenTimesASecondFromOneAddress(t *testing.T) {
	h, turn, seen := limited(t)
	door := h.TCP()
	for i := range strangerBurst {
		if r := h.from(door, "192.0.2.1:1", "GET", "/healthz"); r.Code != 200 {
			t.Fatalf("call %d: %d", i, r.Code)
		}
	}
	r := h.from(door, "192.0.2.1:2", "GET", "/healthz")
	r.wantProblem(429, client.KindUnavailable, "this address makes more calls than 10 a second")
	if got := r.Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q", got)
	}
	h.from(door, "192.0.2.1:2", "GET", "/v1/requests").wantProblem(429, client.KindUnavailable, "wait 1 s")
	if r := h.from(door, "192.0.2.2:1", "GET", "/healthz"); r.Code != 200 {
		t.Errorf("another address: %d", r.Code)
	}
	turn(time.Second)
	for range strangerRate {
		if r := h.from(door, "192.0.2.1:1", "GET", "/healthz"); r.Code != 200 {
			t.Errorf("a second later: %d", r.Code)
		}
	}
	if r := h.from(door, "192.0.2.1:1", "GET", "/healthz"); r.Code != 429 || seen.of(refusedRate) != 3 {
		t.Errorf("beyond: %d, %d are counted", r.Code, seen.of(refusedRate))
	}
	for range 2 * callerBurst { // the socket has no such limit
		if r := h.local("GET", "/healthz", ""); r.Code != 200 {
			t.Fatalf("through the socket: %d", r.Code)
		}
	}
}

// asvs: 15.3.4
func TestOneNetworkOfIPv6IsOneAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:80": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:80": "fe80::/64", "@": "@", "": "",
	} {
		if got := addressOf(remote); got != want {
			t.Errorf("%q counts as %q, want %q", remote, got, want)
		}
	}
}

// asvs: 6.3.1
func TestWhoGuessesGetsNoFurtherThanWhoBringsNothing(t *testing.T) {
	h, _, _ := limited(t)
	door := h.demo()
	guess := func() reply {
		return h.from(door, "127.0.0.1:1", "GET", "/v1/status", "Authorization", "Bearer wrong")
	}
	for range strangerBurst {
		guess().wantProblem(401, client.KindUnauthenticated, "token")
	}
	guess().wantProblem(429, client.KindUnavailable, "this address")
	// Whoever is known is not kept out by them, on the same address.
	into[client.Status](h.from(door, "127.0.0.1:1", "GET", "/v1/status", "Authorization", "Bearer t0ken"))
}

// asvs: 2.4.1
func TestKnownCallersAreAnsweredTwoHundredTimesASecond(t *testing.T) {
	h, turn, _ := limited(t)
	door := h.demo()
	ask := func(port int) reply {
		return h.from(door, fmt.Sprintf("127.0.0.%d:1", port), "GET", "/v1/nothing", "Authorization", "Bearer t0ken")
	}
	for i := range callerBurst {
		if r := ask(1 + i%2); r.Code != 404 {
			t.Fatalf("call %d: %d %s", i, r.Code, r.Body)
		}
	}
	ask(1).wantProblem(429, client.KindUnavailable, "this caller makes more calls than 200 a second")
	turn(time.Second)
	if r := ask(1); r.Code != 404 {
		t.Errorf("a second later: %d", r.Code)
	}
}

func TestTheTableOfAddressesIsBounded(t *testing.T) {
	b, now := newBuckets(strangerRate, 1), time.Now()
	for i := range 2 * maxBuckets {
		b.take(fmt.Sprint(i), now)
	}
	if n := len(b.byName); n != maxBuckets {
		t.Errorf("%d are remembered", n)
	}
	if _, ok := b.take("late", now); ok {
		t.Error("those for whom there is no room share one bucket, and it was empty")
	}
	if _, ok := b.take("later", now.Add(time.Minute)); !ok || len(b.byName) != 1 {
		t.Errorf("full buckets are not forgotten: %d", len(b.byName))
	}
}

// asvs: 2.3.2, 5.2.1
func TestB084WhatIsTooLargeIsRefusedWithItsLimit(t *testing.T) {
	h, _, seen := limited(t)
	h.local("GET", "/v1/requests?user="+strings.Repeat("x", maxURL), "").wantProblem(414, client.KindInvalid, "8192")
	h.local("GET", "/v1/requests?a=1"+strings.Repeat("&a=1", maxQuery), "").wantProblem(400, client.KindInvalid, "more than 64 query parameters")
	var many []string
	for i := range maxHeaders + 1 {
		many = append(many, fmt.Sprint("X-", i), "v")
	}
	h.local("GET", "/v1/requests", "", many...).wantProblem(431, client.KindInvalid, "at most 100 are read")
	h.from(h.TCP(), "192.0.2.1:1", "GET", "/healthz?"+strings.Repeat("x", maxURL)).wantProblem(414, client.KindInvalid, "8192")
	h.local("POST", "/v1/requests", strings.Repeat(" ", maxBody+1)).wantProblem(400, client.KindInvalid, "1 MiB")
	for reason, want := range map[string]int{refusedURL: 2, refusedQuery: 1, refusedHeader: 1, refusedBody: 1} {
		if got := seen.of(reason); got != want {
			t.Errorf("%d refused for %s, want %d", got, reason, want)
		}
	}
}

// network serves a door over TCP.
func network(t *testing.T, door http.Handler, change func(*http.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := Server(door)
	if change != nil {
		change(s)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(Strict(l)) }()
	t.Cleanup(func() {
		must(t, s.Close())
		<-done
	})
	return l.Addr().String()
}

func TestMoreConnectionsThanAreHeldAreClosed(t *testing.T) {
	h, _, seen := limited(t)
	c := newConnections(h.Refused)
	c.total, c.perAddress = func() int { return 3 }, 2
	address := network(t, h.TCP(), func(s *http.Server) { s.ConnState = c.changed })
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	answered := func(conn net.Conn) bool {
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return false
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err == nil && res.Body.Close() == nil && res.StatusCode == 200
	}
	one, two := dial(), dial()
	if !answered(one) || !answered(two) {
		t.Error("the first two are not answered")
	}
	if answered(dial()) || seen.of(refusedConnections) != 1 {
		t.Errorf("a third one is answered, or not counted: %d", seen.of(refusedConnections))
	}
	must(t, one.Close())
	for began := time.Now(); !answered(dial()); { // the server notices by and by
		if time.Since(began) > 10*time.Second {
			t.Fatal("there is no room again")
		}
	}
}

func TestTheTotalOfConnectionsIsBounded(t *testing.T) {
	c := newConnections(func(string) {})
	c.total = func() int { return 2 }
	for i, want := range []bool{true, true, false} {
		conn := &fromAddress{address: fmt.Sprintf("192.0.2.%d:1", i)}
		if c.hold(conn) != want {
			t.Errorf("connection %d: held %t", i, !want)
		}
	}
	if n := total(); n < 1 || n > maxConnections {
		t.Errorf("%d connections are held", n)
	}
}

type fromAddress struct {
	net.Conn
	address string
}

func (f *fromAddress) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", f.address)
	return a
}

// B087: the preface of HTTP/2 is a request that nobody understands, and an upgrade is not made.
func TestB087HTTP2IsNotOffered(t *testing.T) {
	h := newHarness(t)
	address := network(t, h.TCP(), nil)
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	if got := raw(t, address, preface+strings.Repeat("\x00\x00\x00\x04\x00\x00\x00\x00\x00", 1000)); got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") && !strings.HasPrefix(got, "HTTP/1.1 505") {
		t.Errorf("the preface is answered with %.80q", got)
	}
	got := raw(t, address, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("an upgrade is answered with %.80q", got)
	}
	if p := Server(h.TCP()).Protocols; p.HTTP2() || p.UnencryptedHTTP2() || !p.HTTP1() {
		t.Errorf("protocols %v", p)
	}
}

// A body that does not come holds nobody up for ever, and neither does one that is not wanted.
func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	h := newHarness(t)
	for _, door := range []http.Handler{h.TCP(), http.NotFoundHandler()} {
		deadline := make(chan time.Time, 1)
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/healthz", strings.NewReader("x"))
		r.RemoteAddr = "192.0.2.1:1"
		incoming(door).ServeHTTP(&timed{httptest.NewRecorder(), deadline}, r)
		if left := time.Until(<-deadline); left <= 0 || left > bodyTime {
			t.Errorf("a body may take %v", left)
		}
	}
}

// timed is a recorder that tells the deadline it was given.
type timed struct {
	*httptest.ResponseRecorder
	deadline chan time.Time
}

func (t *timed) SetReadDeadline(d time.Time) error { t.deadline <- d; return nil }

func TestAnAnswerThatNobodyTakesIsGivenUp(t *testing.T) {
	here, there := net.Pipe()
	t.Cleanup(func() { _ = here.Close(); _ = there.Close() })
	seen := &deadlines{Conn: here}
	c := &strictConn{Conn: seen}
	go func() { _, _ = io.Copy(io.Discard, there) }()
	if n, err := c.Write(make([]byte, 3*writePiece)); n != 3*writePiece || err != nil || seen.writes != 3 {
		t.Errorf("%d bytes, %v, %d deadlines", n, err, seen.writes)
	}
	must(t, c.SetWriteDeadline(time.Now().Add(time.Hour)))
	if _, err := c.Write([]byte("x")); err != nil || seen.writes != 4 {
		t.Errorf("a handler's own deadline is not kept: %v, %d", err, seen.writes)
	}
}

type deadlines struct {
	net.Conn
	writes int
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.writes++
	return d.Conn.SetWriteDeadline(t)
}

func TestACookieThatIsWorthNothingWidensNoLimitOfWhatIsOpen(t *testing.T) {
	h := newHarness(t, func(o *Options) {
		o.Public = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		o.IsPublic = func(r *http.Request) bool {
			return r.URL.Path == "/signin" || strings.HasPrefix(r.URL.Path, "/static/")
		}
	})
	door := h.TCP()
	for _, path := range []string{"/signin", "/v1/ca", "/static/pico.css"} {
		h.limits.strangers = newBuckets(strangerRate, strangerBurst)
		h.limits.now = func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
		refused := 0
		for range strangerBurst + 5 {
			if w := h.from(door, "192.0.2.7:1", "GET", path, "Cookie", "__Host-sallyport=guess"); w.Code == http.StatusTooManyRequests {
				refused++
			}
		}
		if want := map[bool]int{true: 0, false: 5}[strings.HasPrefix(path, "/static/")]; refused != want {
			t.Errorf("%s: %d calls were refused, want %d", path, refused, want)
		}
	}
}
