package pagerduty

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// metered answers everything with an empty success and counts down a budget like PagerDuty's.
func metered(limit int) (*fake, *atomic.Int64) {
	f, left := &fake{}, new(atomic.Int64)
	left.Store(int64(limit))
	answer := func(body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			now := left.Add(-1)
			w.Header().Set("ratelimit-limit", strconv.Itoa(limit))
			w.Header().Set("ratelimit-remaining", strconv.FormatInt(now, 10))
			w.Header().Set("ratelimit-reset", "30")
			fmt.Fprint(w, body)
		}
	}
	f.on("GET /abilities", answer(`{"abilities":[]}`))
	f.on("GET /users", answer(`{"users":[{"id":"PU1"}]}`))
	f.on("POST /incidents", answer(`{"incident":{"id":"PI1"}}`))
	return f, left
}

func TestTheLastTenthIsKeptForIncidents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := metered(100)
		c := client(t, f)
		n := 0
		var err error
		for ; err == nil; n++ {
			_, err = c.Abilities(t.Context())
		}
		wantKind(t, err, core.Unavailable, "rate limit")
		if n != 91 {
			t.Errorf("%d reads, want 90 and one refused", n)
		}
		for range 8 {
			if _, err := c.CreateIncident(t.Context(), NewIncident{ServiceID: "S", Key: "k", Title: "t"}); err != nil {
				t.Fatal(err)
			}
		}
		if b := c.Budget(); b.Limit != 100 || b.Remaining != 2 || !b.Known {
			t.Errorf("%+v", b)
		}
	})
}

func TestBackgroundReadsSpendAtMostHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, left := metered(100)
		c := client(t, f)
		began := time.Now()
		for i := range 51 {
			if i == 50 {
				go func() { time.Sleep(29 * time.Second); left.Store(100) }()
			}
			if _, err := c.users(t.Context(), laneBulk, nil); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited < 30*time.Second || waited > 31*time.Second {
			t.Errorf("the 51st waited %s, want until the reset at 30 s", waited)
		}
		if _, err := c.Abilities(t.Context()); err != nil {
			t.Errorf("a read that somebody waits for: %v", err)
		}
	})
}

func TestABackgroundReadThatCannotWaitFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := metered(10)
		c := client(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var err error
		for range 6 {
			_, err = c.users(ctx, laneBulk, nil)
		}
		wantKind(t, err, core.Unavailable)
		if RetryAfter(err) < 29*time.Second || ctx.Err() != nil {
			t.Errorf("retry after %s", RetryAfter(err))
		}
	})
}

// limiting answers 429 until a moment, and then as told.
func limiting(until time.Time, header func(w http.ResponseWriter)) *fake {
	f := &fake{}
	for call, body := range map[string]string{
		"GET /oncalls": `{"oncalls":[]}`, "GET /users": `{"users":[{"id":"PU1"}]}`, "GET /abilities": `{"abilities":[]}`,
		"POST /incidents": `{"incident":{"id":"PI1"}}`, "PUT /incidents/P1": `{"incident":{"id":"P1","status":"resolved"}}`,
	} {
		f.on(call, func(w http.ResponseWriter, _ *http.Request) {
			if time.Now().Before(until) {
				header(w)
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			fmt.Fprint(w, body)
		})
	}
	return f
}

var operations = map[string]func(context.Context, *Client) error{
	"create": func(ctx context.Context, c *Client) error {
		_, err := c.CreateIncident(ctx, NewIncident{ServiceID: "S", Key: "k", Title: "t"})
		return err
	},
	"oncalls": func(ctx context.Context, c *Client) error { _, err := c.OnCalls(ctx, OnCallQuery{}); return err },
	"users":   func(ctx context.Context, c *Client) error { _, err := c.Users(ctx); return err },
	"resolve": func(ctx context.Context, c *Client) error { return c.ResolveIncident(ctx, "P1") },
}

func TestF031NoCallIsMadeWhileALimitHoldsAndTheFirstWithinASecondOfItsEnd(t *testing.T) {
	for _, window := range []time.Duration{10 * time.Second, 10 * time.Minute} {
		for _, name := range []string{"ratelimit-reset", "Retry-After"} {
			for op, do := range operations {
				t.Run(fmt.Sprint(window, name, op), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						end := time.Now().Add(window)
						f := limiting(end, func(w http.ResponseWriter) {
							left := strconv.Itoa(int((time.Until(end) + time.Second - 1) / time.Second))
							if w.Header().Set(name, left); name == "ratelimit-reset" {
								w.Header().Set("ratelimit-limit", "960")
								w.Header().Set("ratelimit-remaining", "0")
							}
						})
						c := client(t, f)
						for {
							err := do(t.Context(), c)
							if err == nil {
								break
							}
							wantKind(t, err, core.Unavailable, "rate limit")
							if RetryAfter(err) <= 0 || Doubtful(err) {
								t.Fatalf("retry after %s, doubtful %t", RetryAfter(err), Doubtful(err))
							}
							time.Sleep(100 * time.Millisecond) // many who do not care when to come back
						}
						within, calls := 0, f.calls()
						for _, a := range calls[1:] {
							if a.at.Before(end) {
								within++
							}
						}
						if within > 1 || (within > 0 && window < 15*time.Second) {
							t.Errorf("%d calls while the limit held, want one probe at most", within)
						}
						if late := calls[len(calls)-1].at.Sub(end); late > time.Second {
							t.Errorf("woke %s after the reset", late)
						}
					})
				})
			}
		}
	}
}

func TestF031WithoutHeadersTheWaitDoublesUpToHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(10 * time.Minute)
		f := limiting(end, func(http.ResponseWriter) {})
		c := client(t, f, func(o *Options) { o.Random = func() float64 { return 1 } })
		for do := operations["oncalls"]; do(t.Context(), c) != nil; {
			time.Sleep(50 * time.Millisecond)
		}
		var waits []time.Duration
		calls := f.calls()
		for i := 1; i < len(calls); i++ {
			waits = append(waits, calls[i].at.Sub(calls[i-1].at).Round(time.Second))
		}
		for i, want := range []time.Duration{2, 4, 8, 16, 30, 30} {
			if waits[i] != want*time.Second && i < 4 {
				t.Errorf("wait %d is %s, want %d s", i, waits[i], want)
			}
		}
		if len(calls) > 45 {
			t.Errorf("%d calls in ten minutes", len(calls))
		}
		if late := calls[len(calls)-1].at.Sub(end); late > 31*time.Second {
			t.Errorf("%s late", late)
		}
	})
}

func TestALimitOnOneOperationLeavesTheOthersOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := metered(960)
		f.says("GET /oncalls", 429, "", "ratelimit-limit", "960", "ratelimit-remaining", "900", "ratelimit-reset", "55")
		c := client(t, f)
		err := operations["oncalls"](t.Context(), c)
		if wait := RetryAfter(err); wait < time.Second || wait > 2*time.Second {
			t.Errorf("wait %s: the account's reset is not this operation's", wait)
		}
		if _, err := c.CreateIncident(t.Context(), NewIncident{ServiceID: "S", Key: "k", Title: "t"}); err != nil {
			t.Error(err)
		}
	})
}

func TestAfterALimitOneCallGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := limiting(time.Now().Add(10*time.Second), func(w http.ResponseWriter) { w.Header().Set("Retry-After", "5") })
		for i := range 10 {
			f.says(fmt.Sprint("GET /users/", i), 429, "", "Retry-After", "5")
		}
		c := client(t, f)
		_, _ = c.Users(t.Context())
		time.Sleep(6 * time.Second)
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { _, err := c.User(t.Context(), fmt.Sprint(i)); wantKind(t, err, core.Unavailable) })
		}
		wg.Wait()
		if n := len(f.calls()); n != 2 {
			t.Errorf("%d calls, want one for the limit and one probe", n)
		}
	})
}

func TestF041ARevokedKeyIsProbedEvery15Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := metered(960)
		f.says("GET /users", 401, `{"error":{"message":"Authentication failed","code":2006}}`)
		c := client(t, f)
		for range 600 { // a minute of impatience
			_, err := c.Users(t.Context())
			wantKind(t, err, core.Unavailable, "credentials")
			_, err = c.Abilities(t.Context())
			if err == nil {
				t.Fatal("the same key worked elsewhere")
			}
			if !Credentials(err) {
				t.Fatal("no trouble with credentials")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(f.calls()); n > 5 {
			t.Errorf("%d calls in a minute, want one every 15 s", n)
		}
	})
}

func TestF041ALostScopeOrAbilityStopsOnlyWhatNeedsIt(t *testing.T) {
	for _, status := range []int{402, 403} {
		synctest.Test(t, func(t *testing.T) {
			f, _ := metered(960)
			f.says("GET /users", status, "")
			c := client(t, f)
			for range 10 {
				_, err := c.Users(t.Context())
				wantKind(t, err, core.Unavailable)
				if !Credentials(err) {
					t.Error("no trouble with credentials")
				}
			}
			if _, err := c.Abilities(t.Context()); err != nil {
				t.Error(err)
			}
			if n := len(f.calls("/users")); n != 1 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func TestF041ANewKeyIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.on("GET /abilities", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Token token=good" {
				w.WriteHeader(401)
				return
			}
			fmt.Fprint(w, `{"abilities":[]}`)
		})
		token := "bad"
		c := client(t, f, func(o *Options) { o.Token = func(context.Context) (string, error) { return token, nil } })
		_, err := c.Abilities(t.Context())
		wantKind(t, err, core.Unavailable)
		token = "good"
		for range 3 {
			if _, err := c.Abilities(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if b := c.Budget(); b.Closed != "" {
			t.Errorf("still closed: %s", b.Closed)
		}
	})
}
