//go:build soak

package soak

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/test/world"
)

// F072: strangers take every file that the server may open, and say nothing.
func TestF072AccessEndsOnTimeAlthoughStrangersHoldEveryConnection(t *testing.T) {
	s := prepare(t, "files", "")
	s.Start()
	if err := unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}, nil); err != nil {
		t.Fatal(err)
	}
	c := s.Client()
	r, err := c.Submit(t.Context(), client.Ask{User: "ann@example.com", Roles: []string{"prod"}, Duration: "5s"}, client.SubmitOptions{Wait: world.Patience})
	if err != nil || r.State != "APPROVED" {
		t.Fatalf("%+v, %v", r, err)
	}
	for range 200 {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err != nil {
			break // nobody takes it any more, which is the point
		}
		defer conn.Close()
	}
	end := time.NewTimer(time.Until(r.Grants[0].EndsAt))
	<-end.C
	var g client.Grant
	world.Eventually(t, world.Patience, "the access ends", func() (err error) {
		if g, err = c.Grant(t.Context(), r.Grants[0].ID); err == nil && g.State != "ended" {
			err = errors.New(g.State + ": " + g.Error)
		}
		return err
	})
	late := time.Since(g.EndsAt)
	if late > 10*time.Second {
		t.Errorf("it ended %v late", late)
	}
	t.Logf("with 64 files and 200 silent connections, access was gone at most %v after its time", late.Round(time.Millisecond))
	s.Kill()
}
