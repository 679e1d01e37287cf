package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	clients   = 64
	someUsers = 1000
	someRoles = 100
)

// A load is clients who ask, each over a connection of its own: without a pause, or when the
// next of evenly spaced requests is due. No two requests are by the same user for the same role.
type load struct {
	socket string
	next   atomic.Int64
	timing atomic.Bool // the answers count
	errs   chan error

	mu    sync.Mutex
	times spread
}

func newLoad(socket string) *load { return &load{socket: socket, errs: make(chan error, clients)} }

// run asks until stop is called, or one of the clients fails; stop returns the first failure.
// A rate is how many requests are due in a second; without one there is no pause.
func (l *load) run(ctx context.Context, rate float64) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	due := schedule(rate)
	for range clients {
		group.Go(func() {
			if err := l.client(ctx, due); err != nil && ctx.Err() == nil {
				l.errs <- err
				cancel()
			}
		})
	}
	return func() error {
		cancel()
		group.Wait()
		select {
		case err := <-l.errs:
			return err
		default:
			return nil
		}
	}
}

// schedule returns a function that tells when the next request is due.
func schedule(rate float64) func() time.Time {
	if rate == 0 {
		return time.Now
	}
	var given atomic.Int64
	begun := time.Now()
	return func() time.Time {
		return begun.Add(time.Duration(float64(given.Add(1)-1) / rate * float64(time.Second)))
	}
}

// client asks. A request's time begins when it is due: where the client is late because the
// answer before it was, that counts.
func (l *load) client(ctx context.Context, due func() time.Time) error {
	conn, err := net.Dial("unix", l.socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var mine spread
	defer func() {
		l.mu.Lock()
		l.times = append(l.times, mine...)
		l.mu.Unlock()
	}()
	for ctx.Err() == nil {
		n := int(l.next.Add(1)) - 1
		if n >= someUsers*someRoles {
			return errors.New("every user has asked for every role")
		}
		begun := due()
		if pause(ctx, time.Until(begun)); ctx.Err() != nil {
			return nil
		}
		if err := ask(conn, in, email(n%someUsers), fmt.Sprintf("prod-%d", n/someUsers)); err != nil {
			return err
		}
		if l.timing.Load() {
			mine = append(mine, time.Since(begun))
		}
	}
	return nil
}

// ask is one call of POST /v1/requests?wait=10s. It is written and read with less ado than
// package client takes, because the clients share the processors with the server.
func ask(conn net.Conn, in *bufio.Reader, user, role string) error {
	body := fmt.Sprintf(`{"roles":[%q],"reason":"INC-7: the queue is stuck","duration":"1h"}`, role)
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err := fmt.Fprintf(conn, "POST /v1/requests?wait=10s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nSallyport-As: %s\r\nContent-Length: %d\r\n\r\n%s", user, len(body), body)
	if err != nil {
		return err
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var got struct {
		State  string
		Grants []struct{ State string }
	}
	if err := json.Unmarshal(text, &got); err != nil || res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s asked for %s: %s: %s", user, role, res.Status, bytes.TrimSpace(text))
	}
	if got.State != "APPROVED" || len(got.Grants) != 2 || got.Grants[0].State != "active" || got.Grants[1].State != "active" {
		return fmt.Errorf("%s asked for %s, and after 10 s: %s", user, role, text)
	}
	return nil
}
