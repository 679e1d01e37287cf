package test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport/test/world"
)

// stranger is the latest address that a call came from.
var stranger atomic.Uint32

// call makes one HTTP call and gives back the answer, its body closed. Each comes from another
// address of loopback, so that no limit of one address is met.
func call(t *testing.T, method, url, auth string, header [2]string) *http.Response {
	t.Helper()
	n := stranger.Add(1)
	return callFrom(t, net.IPv4(127, 9, byte(n>>8), byte(n)), method, url, auth, header)
}

// callFrom is call, from an address.
func callFrom(t *testing.T, from net.IP, method, url, auth string, header [2]string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	if header[0] == "Host" {
		r.Host = header[1]
	} else if header[0] != "" {
		r.Header.Set(header[0], header[1])
	}
	c := http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext, DisableKeepAlives: true},
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}

// read reads JSON.
func read(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// socket makes one HTTP call through the socket, as the command line does, with a body of JSON as it is.
func socket(t *testing.T, s *world.Server, method, path, body string) (status int, answer string) {
	t.Helper()
	c := http.Client{Transport: throughSocket(s)}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://sallyport"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func throughSocket(s *world.Server) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.Data, "sallyport.sock"))
		},
		DisableKeepAlives: true,
	}
}

// get fetches a path through the socket.
func get(t *testing.T, s *world.Server, path string) string {
	t.Helper()
	status, answer := socket(t, s, http.MethodGet, path, "")
	if status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, status, answer)
	}
	return answer
}

// B030 to B033, B107, B118, B122, B148: whoever shows no identity learns whether the server is
// well, and gets the calls that lead to an identity, and nothing else, whatever they send along.
//
// asvs: 6.3.4, 8.3.1, 13.4.5
func TestB031TheNetworkSeesHealthAndNothingElse(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	isReady(t, s)
	url := "http://" + s.Address
	if status, err := s.Client().Status(t.Context()); err != nil || status.Listen != s.Address {
		t.Errorf("status says that it listens on %q, and it listens on %s (%v)", status.Listen, s.Address, err)
	}
	for _, open := range []string{"/healthz", "/readyz"} {
		if res := call(t, "GET", url+open, "", [2]string{}); res.StatusCode != 200 {
			t.Errorf("GET %s: %s", open, res.Status)
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
			if res := call(t, method, url+open, "", [2]string{}); res.StatusCode != 401 {
				t.Errorf("%s %s: %s", method, open, res.Status)
			}
		}
	}
	var spec struct {
		Paths map[string]map[string]struct {
			Rule struct{ Who string } `json:"x-sallyport-permission"`
		}
	}
	read(t, get(t, s, "/v1/openapi.json"), &spec)
	if len(spec.Paths) < 15 {
		t.Fatalf("only %d paths are described", len(spec.Paths))
	}
	var open []string
	for path, methods := range spec.Paths {
		for method, op := range methods {
			if op.Rule.Who == "open" {
				open = append(open, method+" "+path)
				continue
			}
			if res := call(t, strings.ToUpper(method), url+path, "", [2]string{}); res.StatusCode != 401 {
				t.Errorf("%s %s: %s", method, path, res.Status)
			}
		}
	}
	slices.Sort(open)
	if got := strings.Join(open, ", "); got != "get /v1/ca, post /v1/logins, post /v1/logins/{id}/finish" {
		t.Errorf("open to everybody: %s", got)
	}
	for _, path := range []string{
		"/", "/docs", "/metrics", "/debug/pprof/", "/v1", "/v1/openapi.json", "/healthz/", "//healthz", "/%68ealthz", "/healthz/../v1/requests",
		"/v1/requests/../../healthz", "/healthz;/v1/requests", "/V1/requests", "/v1/requests?x=/healthz", "/v1/requests?token=" + world.Token, "/healthz%2f..%2fv1/requests",
	} {
		if res := call(t, "GET", url+path, "", [2]string{}); res.StatusCode != 401 {
			t.Errorf("GET %s: %s", path, res.Status)
		}
	}
	for _, h := range [][2]string{
		{"Sallyport-As", "ann@example.com"}, {"X-Forwarded-User", "admin"}, {"X_Forwarded_User", "admin"}, {"X-Forwarded-For", "127.0.0.1"},
		{"X-Forwarded-Uri", "/healthz"}, {"X-Original-URL", "/healthz"}, {"X-Rewrite-URL", "/healthz"}, {"X-HTTP-Method-Override", "GET"},
		{"User-Agent", "kube-probe/1.30"}, {"Cookie", "sallyport_demo=1"},
	} {
		if res := call(t, "GET", url+"/v1/requests", "Bearer "+world.Token, h); res.StatusCode != 401 {
			t.Errorf("with %s: %s: %s", h[0], h[1], res.Status)
		}
	}
	for _, host := range []string{"localhost", "sallyport", "evil.example:7373"} { // none of its own, which have a port
		for _, token := range []string{"", "Bearer " + world.Token} {
			if res := call(t, "GET", url+"/v1/requests", token, [2]string{"Host", host}); res.StatusCode != 421 {
				t.Errorf("with Host: %s and %q: %s", host, token, res.Status)
			}
		}
	}
}

// B088: nothing goes over the network that can be read in two ways.
//
// asvs: 4.2.1
func TestB088WhatCanBeReadInTwoWaysIsRefusedAndTheConnectionClosed(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	for name, text := range map[string]string{
		"a body announced twice":     "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"two lengths":                "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
		"a bare line feed":           "GET /healthz HTTP/1.1\nHost: x\n\n",
		"a folded header":            "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
		"two hosts":                  "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":                    "GET /healthz HTTP/1.1\r\n\r\n",
		"a space before the colon":   "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n",
		"something that is not HTTP": "\x15\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
	} {
		conn, err := net.DialTimeout("tcp", s.Address, world.Patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(world.Patience))
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		answers := bufio.NewReader(conn)
		first, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			conn.Close()
			continue
		}
		_, _ = io.Copy(io.Discard, first.Body)
		first.Body.Close()
		if first.StatusCode != 400 || !first.Close {
			t.Errorf("%s: %s, to be closed: %t", name, first.Status, first.Close)
		}
		if more, err := http.ReadResponse(answers, nil); err == nil {
			more.Body.Close()
			t.Errorf("%s: a second answer, %s", name, more.Status)
		}
		conn.Close()
	}
}

// B088: what begins as TLS and is none gets no answer that could be read as HTTP, and is closed.
func TestB088WhatOnlyBeginsAsTLSIsClosedWithoutAnHTTPAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	for name, text := range map[string]string{
		"a record that is no hello":    "\x16\x03\x01\x00\x05hello",
		"a hello that never ends":      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
		"a call behind a broken hello": "\x16\x03\x01\x00\x05helloGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.DialTimeout("tcp", s.Address, world.Patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(world.Patience))
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", name)
		}
		if strings.Contains(string(said), "HTTP/") {
			t.Errorf("%s: answered with %q", name, said)
		}
		conn.Close()
	}
}

func TestTheSimulatorIsControlledFromThisMachineOnlyOrWithItsToken(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "")
	if r := s.Run("pdsim", "--listen", "0.0.0.0:0"); r.Status != 2 || !strings.Contains(r.Err, "can be reached from other machines") || !strings.Contains(r.Err, "hint: listen on 127.0.0.1") {
		t.Errorf("open to all: %+v", r)
	}
	serve := func(args ...string) string {
		p := world.Start(t, s.Environment(), nil, append([]string{string(program), "pdsim", "--listen", "127.0.0.1:0"}, args...)...)
		_, url, _ := strings.Cut(p.Says("pdsim listens on "), "listens on ")
		t.Cleanup(func() {
			p.Signal(syscall.SIGTERM)
			if status := p.Status(10 * time.Second); status != 0 {
				t.Errorf("pdsim ended with %d:\n%s", status, p.Log)
			}
		})
		return url
	}
	open, closed := serve(), serve("--token", "sesame")
	tests := []struct {
		name, url, auth string
		header          [2]string
		want            int
	}{
		{"from here", open, "", [2]string{}, 200},
		{"as localhost", open, "", [2]string{"Host", "localhost"}, 200},
		{"by another name", open, "", [2]string{"Host", "pd.example.com"}, 403},
		{"a page of another site", open, "", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of another origin", open, "", [2]string{"Origin", "http://evil.example.com"}, 403},
		{"without the token", closed, "", [2]string{}, 403},
		{"with another", closed, "Bearer open", [2]string{}, 403},
		{"with it", closed, "Bearer sesame", [2]string{}, 200},
	}
	for _, tt := range tests {
		if res := call(t, "GET", tt.url+"/_sim/calls", tt.auth, tt.header); res.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d", tt.name, res.Status, tt.want)
		}
	}
	if res := call(t, "GET", open+"/users", "Token token=demo-token", [2]string{}); res.StatusCode != 200 {
		t.Errorf("its own account: %s", res.Status)
	}
	if res := call(t, "GET", open+"/users", "Token token=nonsense", [2]string{}); res.StatusCode != 401 {
		t.Errorf("a wrong key: %s", res.Status)
	}
}

// The socket goes by the user id that the kernel tells, and by nothing that a caller says.
func TestTheSocketTakesItsOwnUserAndRootOnly(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	other := nobody()
	if other == nil {
		// Without root there is nobody else to be; the mode is what is left to look at.
		info, err := os.Stat(filepath.Join(s.Data, "sallyport.sock"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket has mode %v (%v)", info.Mode(), err)
		}
		return
	}
	if err := os.Chmod(s.Dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if r := s.RunAs(other, "", "status"); r.Status != 3 || !strings.Contains(r.Err, "permission denied") || !strings.Contains(r.Err, "hint: the socket is for the server's own user and for root") {
		t.Errorf("with the modes as they are: %+v", r)
	}
	// Even where somebody has opened the folder and the socket to all.
	for _, path := range []string{s.Data, filepath.Join(s.Data, "sallyport.sock")} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"status"}, {"request", "list"}, {"--as", "ann@example.com", "request", "list"}, {"audit", "list"}} {
		r := s.RunAs(other, "", args...)
		if r.Status != 3 || !strings.Contains(r.Err, "the socket takes calls from user id 0 and from root only, not from user id 65534") || !strings.Contains(r.Err, "hint: run the command as the user that the server runs as") {
			t.Errorf("%v: %+v", args, r)
		}
		if r.Out != "" {
			t.Errorf("%v shows %s", args, r.Out)
		}
	}
	if r := s.RunAs(other, "{kind: user, version: v2, metadata: {name: mallory}, spec: {roles: [editor]}}", "apply", "-f", "-"); r.Status != 3 {
		t.Errorf("apply: %+v", r)
	}
	if out := s.Must("get", "users"); strings.Contains(out, "mallory") {
		t.Errorf("there is a new user:\n%s", out)
	}

	// A server of somebody else takes them, and root.
	theirs := world.New(t, program, nil, "")
	theirs.As = other
	if err := chown(theirs.Dir, other); err != nil {
		t.Fatal(err)
	}
	theirs.Start()
	if r := theirs.RunAs(other, "", "status"); r.Status != 0 || !strings.Contains(r.Out, fmt.Sprintf("socket, uid %d", other.Uid)) {
		t.Errorf("its own user: %+v", r)
	}
	if out := theirs.Must("status"); !strings.Contains(out, "socket, uid 0") {
		t.Errorf("root: %s", out)
	}
}

// B001, B029, B140: who acts is settled by the door, and a body that says otherwise is refused.
//
// asvs: 2.2.2, 15.3.3
func TestB029ABodyCannotSayWhoIsCalling(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	before := state(t, s)
	for _, body := range []string{
		`{"user":"myuser","roles":["editor"],"author":"admin"}`, `{"user":"myuser","roles":["editor"],"state":"APPROVED"}`,
		`{"user":"myuser","roles":["editor"],"annotations":{"pagerduty_services":["My Critical Service"]}}`,
		`{"user":"myuser","roles":["editor"],"roles":["demo-role"]}`, `{"user":"myuser","Roles":["editor"],"roles":["editor"]}`,
		`{"user":"myuser","roles":["editor"],"__proto__":{"admin":true}}`, `{"user":"myuser","roles":["editor"]} {}`, `[`, ``, `null`,
		strings.Repeat("[", 100_000),
	} {
		status, answer := socket(t, s, http.MethodPost, "/v1/requests", body)
		if status < 400 || status >= 500 || !strings.Contains(answer, `"hint"`) && !strings.Contains(answer, `"detail"`) {
			t.Errorf("%.80s: %d %s", body, status, answer)
		}
	}
	if after := state(t, s); after != before {
		t.Errorf("something changed:\n%s", cmp.Diff(before, after))
	}
}
