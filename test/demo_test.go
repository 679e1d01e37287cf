package test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport/test/world"
)

func TestTheDemoTellsItsStoryAndEnds(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "")
	out := s.Must("demo", "--once")
	steps := 0
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "$ sallyport ") {
			steps++
		}
	}
	if steps < 10 {
		t.Errorf("the story has %d commands", steps)
	}
	rest := out
	for _, word := range []string{"PENDING", "Teleport Access Request Notifications", "APPROVED", "resolved", "My Critical Service", "on call", "ended (off_call)", "DENIED", "ok: "} {
		_, after, found := strings.Cut(rest, word)
		if !found {
			t.Fatalf("the story does not go on to %q:\n%s", word, out)
		}
		rest = after
	}
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) != 0 {
		t.Errorf("the demo left %v behind (%v)", left, err)
	}
}

func TestADemoThatCannotTellItsStoryFails(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "")
	s.Env = append(s.Env, "TMPDIR="+s.Dir+"/nowhere")
	if r := s.Run("demo", "--once"); r.Status != 1 || !strings.Contains(r.Err, "nowhere") {
		t.Errorf("without a folder: %+v", r)
	}
	s.Env = nil
	if r := s.Run("demo", "--once", "--listen", "0.0.0.0:0"); r.Status == 0 || !strings.Contains(r.Err, "loopback only") {
		t.Errorf("open to all: %+v", r)
	}
}

// A demo that has told its story and stays up.
type demo struct {
	*world.Process
	url, token, sim, data string
}

func startDemo(t *testing.T) demo {
	t.Helper()
	s := world.New(t, program, nil, "")
	p := world.Start(t, s.Environment(), nil, string(program), "demo")
	link := regexp.MustCompile(`(http://\S+)/\?token=(\S+)`).FindStringSubmatch(p.Says("/?token="))
	data := regexp.MustCompile(`SALLYPORT_DATA=(\S+)`).FindStringSubmatch(p.Says("export SALLYPORT_DATA="))
	sim := regexp.MustCompile(`(http://\S+)/_sim/`).FindStringSubmatch(p.Log.String())
	if link == nil || data == nil || sim == nil {
		t.Fatalf("the demo said:\n%s", p.Log)
	}
	return demo{Process: p, url: link[1], token: link[2], sim: sim[1], data: data[1]}
}

// asvs: 3.5.1, 3.7.2
func TestB112TheDemoOpensToItsTokenOnlyAndToNoOtherSite(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	printed := strings.Count(d.Log.String(), d.token)
	auth := "Bearer " + d.token
	tests := []struct {
		name, method, path string
		header             [2]string
		auth               string
		want               int
	}{
		{"with its token", "GET", "/v1/requests", [2]string{}, auth, 200},
		{"the page", "GET", "/", [2]string{}, auth, 200},
		{"its link", "GET", "/?token=" + d.token, [2]string{}, "", 303},
		{"health, for all", "GET", "/healthz", [2]string{}, "", 200},
		{"nothing", "GET", "/v1/requests", [2]string{}, "", 401},
		{"another token", "GET", "/v1/requests", [2]string{}, "Bearer " + strings.Repeat("A", len(d.token)), 401},
		{"the token, cut", "GET", "/v1/requests", [2]string{}, auth[:len(auth)-1], 401},
		{"a wrong link", "GET", "/?token=guess", [2]string{}, "", 401},
		{"the token in the address of a POST", "POST", "/v1/requests?token=" + d.token, [2]string{}, "", 401},
		{"the metrics", "GET", "/metrics", [2]string{}, "", 401},
		{"a name that points here", "GET", "/v1/requests", [2]string{"Host", "rebound.example.com"}, auth, 403},
		{"another port", "GET", "/v1/requests", [2]string{"Host", "127.0.0.1:1"}, auth, 403},
		{"a page of another site", "GET", "/v1/requests", [2]string{"Sec-Fetch-Site", "cross-site"}, auth, 403},
		{"a page of a neighbour", "GET", "/v1/requests", [2]string{"Sec-Fetch-Site", "same-site"}, auth, 403},
		{"another origin", "POST", "/v1/requests", [2]string{"Origin", "http://evil.example.com"}, auth, 403},
		{"no origin in particular", "POST", "/v1/requests", [2]string{"Origin", "null"}, auth, 403},
		{"health, to another site", "GET", "/healthz", [2]string{"Sec-Fetch-Site", "cross-site"}, "", 403},
	}
	for _, tt := range tests {
		got := call(t, tt.method, d.url+tt.path, tt.auth, tt.header)
		if got.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got.StatusCode, tt.want)
		}
		if got.Header.Get("Access-Control-Allow-Origin") != "" { // B113
			t.Errorf("%s: other origins are let in", tt.name)
		}
	}
	cookie := call(t, "GET", d.url+"/?token="+d.token, "", [2]string{}).Header.Get("Set-Cookie")
	for _, word := range []string{"HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(cookie, word) {
			t.Errorf("the cookie %q is not %s", cookie, word)
		}
	}
	if strings.Contains(cookie, d.token) {
		t.Error("the cookie is the token")
	}

	// Its simulator is controlled with the same token, and by nobody else.
	for name, c := range map[string]struct {
		auth   string
		header [2]string
		want   int
	}{
		"with the token": {auth, [2]string{}, 200}, "without": {"", [2]string{}, 403}, "guessed": {"Bearer x", [2]string{}, 403},
		"a page of another site": {"", [2]string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		if got := call(t, "GET", d.sim+"/_sim/calls", c.auth, c.header); got.StatusCode != c.want {
			t.Errorf("the simulator, %s: %d, want %d", name, got.StatusCode, c.want)
		}
	}

	// I8: beyond the links that it prints, the token is nowhere.
	kept := map[string]string{}
	files(t, d.data, kept)
	if len(kept) == 0 {
		t.Error("the demo keeps nothing")
	}
	for place, text := range kept {
		if strings.Contains(text, d.token) {
			t.Errorf("the token stands in %s", place)
		}
	}
	if now := strings.Count(d.Log.String(), d.token); now != printed {
		t.Errorf("the token was printed %d times, and %d times more after calls with it", printed, now-printed)
	}

	d.Signal(syscall.SIGINT)
	if status := d.Status(10 * time.Second); status != 0 {
		t.Errorf("interrupted, it ended with %d:\n%s", status, d.Log)
	}
	if _, err := os.Stat(d.data); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
}

// F052: the clock of a demo is its simulator's, which can be set back.
func TestF052AClockThatIsSetBackIsToldAndTimeGoesOn(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	s := world.New(t, program, nil, "")
	s.Data = d.data
	var before, after struct{ Now time.Time }
	read(t, s.Must("status", "-o", "json"), &before)
	r, err := http.NewRequestWithContext(t.Context(), "POST", d.sim+"/_sim/clock", strings.NewReader(`{"advance":"-1h"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	read(t, s.Must("status", "-o", "json"), &after)
	if after.Now.Before(before.Now) {
		t.Errorf("time went back from %v to %v", before.Now, after.Now)
	}
	world.Eventually(t, 10*time.Second, "doctor sees the clock", func() error {
		if r := s.Run("doctor"); !strings.Contains(r.Out, "warning  clock: the wall clock is") || !strings.Contains(r.Out, "cure: set the host's clock right") {
			return fmt.Errorf("doctor said %d:\n%s", r.Status, r.Out)
		}
		return nil
	})
	readiness(t, s, true, "clock: the wall clock was set back")
}
