package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport/sallyport/test/world"
)

// drip opens connections that begin a request and never end it.
func drip(t *testing.T, address string, n int) {
	t.Helper()
	for range n {
		conn, err := net.DialTimeout("tcp", address, world.Patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-") // it may be closed already
	}
}

// refused reads how often something was refused.
func refused(t *testing.T, s *world.Server, reason string) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^sallyport_http_refused_total\{reason="` + reason + `"\} (\d+)$`).FindStringSubmatch(get(t, s, "/metrics"))
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wellAgain waits until the network is answered.
func wellAgain(t *testing.T, s *world.Server) {
	t.Helper()
	world.Eventually(t, world.Patience, "the network is answered again", func() error {
		c := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Address+"/healthz", http.NoBody)
		if err != nil {
			return err
		}
		res, err := c.Do(r)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", res.Status)
		}
		return nil
	})
}

func TestF072AccessEndsOnTimeWhileThousandsHoldTheDoor(t *testing.T) {
	t.Parallel()
	s := startTeleport(t, "")
	isReady(t, s)
	r := decided(t, s, ask(t, s, "--as", "ann@example.com", "--roles=demo-role", "--for", "2s"), "APPROVED")
	drip(t, s.Address, 5000)
	ended(t, s, r)
	end, err := s.Client().Grant(t.Context(), r.Grants[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if late := end.EndedAt.Sub(end.EndsAt); end.EndCause != "time" || late > 5*time.Second {
		t.Errorf("it ended by %s, %v late", end.EndCause, late)
	}
	if n := refused(t, s, "connections"); n < 1000 {
		t.Errorf("%d connections of 5000 were refused", n)
	}
	wellAgain(t, s) // those that are held have five seconds for their header
}

func TestF072AServerWithFewFilesKeepsSomeForItsWork(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "")
	s.Around = []string{"/bin/sh", "-c", `ulimit -n 64; exec "$@"`, "sh"}
	s.Start()
	s.Account()
	s.Teleport()
	isReady(t, s)
	drip(t, s.Address, 200)
	r := decided(t, s, ask(t, s, "--as", "ann@example.com", "--roles=demo-role", "--for", "2s"), "APPROVED")
	ended(t, s, r)
	wellAgain(t, s)
}

func TestStrangersAreSlowedDownAndCounted(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	slowed := 0
	for range 100 {
		res := callFrom(t, net.IPv4(127, 8, 0, 1), "GET", "http://"+s.Address+"/v1/requests", "Bearer "+world.Token, [2]string{})
		switch res.StatusCode {
		case http.StatusUnauthorized:
		case http.StatusTooManyRequests:
			slowed++
			if after, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || after < 1 || after > 5 {
				t.Errorf("Retry-After: %q", res.Header.Get("Retry-After"))
			}
		default:
			t.Fatalf("it answers %s", res.Status)
		}
	}
	if n := refused(t, s, "rate"); slowed < 30 || n != slowed {
		t.Errorf("%d of 100 calls were refused, %d are counted", slowed, n)
	}
}
