package pagerduty

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
)

// everything calls each operation that decisions and incidents rest on.
var everything = map[string]func(context.Context, *Client) error{
	"create": operations["create"], "oncalls": operations["oncalls"], "users": operations["users"], "resolve": operations["resolve"],
	"services":  func(ctx context.Context, c *Client) error { _, err := c.Services(ctx); return err },
	"policies":  func(ctx context.Context, c *Client) error { _, err := c.EscalationPolicies(ctx); return err },
	"schedules": func(ctx context.Context, c *Client) error { _, err := c.Schedules(ctx); return err },
	"v3":        func(ctx context.Context, c *Client) error { _, err := c.SchedulesV3(ctx); return err },
	"shifts": func(ctx context.Context, c *Client) error {
		_, err := c.ScheduleOnCall(ctx, "PS1", time.Now(), time.Now().Add(time.Hour))
		return err
	},
	"teams":      func(ctx context.Context, c *Client) error { _, err := c.Teams(ctx); return err },
	"priorities": func(ctx context.Context, c *Client) error { _, err := c.Priorities(ctx); return err },
	"abilities":  func(ctx context.Context, c *Client) error { _, err := c.Abilities(ctx); return err },
	"webhooks":   func(ctx context.Context, c *Client) error { _, err := c.WebhookSubscriptions(ctx); return err },
	"by key":     func(ctx context.Context, c *Client) error { _, err := c.IncidentByKey(ctx, "S", "k"); return err },
	"incident":   func(ctx context.Context, c *Client) error { _, err := c.Incident(ctx, "P1"); return err },
	"notes":      func(ctx context.Context, c *Client) error { _, err := c.Notes(ctx, "P1"); return err },
	"note":       func(ctx context.Context, c *Client) error { return c.AddNote(ctx, "P1", "x") },
	"user":       func(ctx context.Context, c *Client) error { _, err := c.User(ctx, "P1"); return err },
	"event": func(ctx context.Context, c *Client) error {
		_, err := c.Enqueue(ctx, Event{RoutingKey: "r", DedupKey: "d", Action: Trigger, Summary: "s", Source: "s", Severity: "error"})
		return err
	},
}

var writes = map[string]bool{"create": true, "resolve": true, "note": true, "event": true}

// everywhere runs every operation against a handler and checks that it fails as it should.
func everywhere(t *testing.T, h http.HandlerFunc, says string) {
	t.Helper()
	for name, do := range everything {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := do(t.Context(), client(t, h))
				wantKind(t, err, core.Unavailable, says)
				if Doubtful(err) != writes[name] {
					t.Errorf("doubtful is %t: %v", Doubtful(err), err)
				}
				if len(err.Error()) > 600 {
					t.Errorf("%d bytes of error", len(err.Error()))
				}
			})
		})
	}
}

func TestF033AWebPageOfAProxyIsNoAnswer(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504} {
		everywhere(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, "<html>", strings.Repeat("sorry ", 1000), "</html>")
		}, fmt.Sprint(status))
	}
}

func TestF033AShortOutageOfAReadIsNotNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := simulate(t, org)
		strike(t, sim, pdsim.Fault{Method: "GET", Path: "/oncalls", Status: 502, Times: 2})
		if all, err := client(t, sim).OnCalls(t.Context(), OnCallQuery{}); err != nil || len(all) != 4 {
			t.Errorf("%d on call, %v", len(all), err)
		}
	})
}

func TestF035AnAnswerCutShortIsNeverAnAnswer(t *testing.T) {
	body := `{"incident":{"id":"P1","status":"resolved"},"note":{"id":"P1"},"oncalls":[],"users":[],"status":"success"}`
	cuts := map[string]http.HandlerFunc{
		"reset": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"wrong length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5000")
			fmt.Fprint(w, body)
		},
		"length too short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "40")
			_, _ = io.WriteString(w, body[:40])
		},
		"chunks cut": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, body[:30])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"JSON cut":         func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body[:len(body)-1]) },
		"two answers":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body, body) },
		"nothing":          func(http.ResponseWriter, *http.Request) {},
		"nothing at all":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) },
		"other than asked": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"error":null,"data":[1,2,3]}`) },
	}
	for name, h := range cuts {
		t.Run(name, func(t *testing.T) { everywhere(t, h, "") })
	}
}

func TestF036AnAnswerThatDripsIsCutAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drip := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, " "); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				time.Sleep(time.Second)
			}
		})
		began := time.Now()
		_, err := client(t, drip).Users(t.Context())
		wantKind(t, err, core.Unavailable, "cut short")
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestF036AHugeAnswerIsCutAt4MiB(t *testing.T) {
	var written atomic.Int64
	huge := func(w io.Writer, mib int) {
		line := bytes.Repeat([]byte("0,"), 32<<10)
		_, _ = w.Write([]byte(`{"users":[`))
		for range mib << 20 / len(line) {
			n, err := w.Write(line)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}
	bodies := map[string]http.HandlerFunc{
		"plain": func(w http.ResponseWriter, _ *http.Request) { huge(w, 100) },
		"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			huge(z, 32)
			_ = z.Close()
		},
		"error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418); huge(w, 100) },
	}
	for name, h := range bodies {
		t.Run(name, func(t *testing.T) {
			c := client(t, h, func(o *Options) { o.Random = func() float64 { return -0.5 } }) // no pause between tries
			written.Store(0)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, e := c.send(t.Context(), call{op: "GET /users", path: "/users"}, nil, testToken)
			runtime.ReadMemStats(&after)
			if e == nil {
				t.Fatal("no error")
			}
			// All that was allocated on the way, the fake's part included: 10 to 14 MiB, and
			// about 20 with the race detector.
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
			if name == "plain" && written.Load() > 8<<20 {
				t.Errorf("%d MiB were read", written.Load()>>20)
			}
		})
	}
}

func TestF036DeepJSONIsRefused(t *testing.T) {
	deep := strings.Repeat(`[`, 1_000_000) + strings.Repeat(`]`, 1_000_000)
	for _, status := range []int{200, 400} {
		f := &fake{}
		f.says("GET /abilities", status, deep)
		_, _, e := client(t, f).send(t.Context(), call{op: "GET /abilities", path: "/abilities"}, nil, testToken)
		if e == nil || !strings.Contains(e.Error(), "too deep") {
			t.Errorf("%d: %v", status, e)
		}
	}
	if tooDeep([]byte(`{"a":"[[[[\"[[","b":[[]]}`), 3) {
		t.Error("brackets in a text are no depth")
	}
}

func TestF043AKeyOfTheOtherRegionIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.on("GET /abilities", func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "api.eu.pagerduty.com" {
				w.WriteHeader(401)
				return
			}
			fmt.Fprint(w, `{"abilities":[]}`)
		})
		c := client(t, f)
		_, err := c.Abilities(t.Context())
		wantKind(t, err, core.Unavailable, "region (now us)")
		err = c.Diagnose(t.Context())
		wantKind(t, err, core.Unavailable, "region eu, not us", "set region: eu")
		f.says("GET /abilities", 401, "")
		time.Sleep(time.Minute)
		wantKind(t, c.Diagnose(t.Context()), core.Unavailable, "refuses the credentials")
		f.says("GET /abilities", 200, `{"abilities":[]}`)
		time.Sleep(time.Minute)
		if err := c.Diagnose(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestF043AKeyIsNeverSentElsewhereWhereTheAddressIsGiven(t *testing.T) {
	f := &fake{}
	f.says("GET /abilities", 401, "")
	c := client(t, f, func(o *Options) { o.Account.RESTURL = "http://pagerduty.internal/" })
	wantKind(t, c.Diagnose(t.Context()), core.Unavailable)
	for _, a := range f.calls() {
		if a.host != "pagerduty.internal" {
			t.Errorf("a call to %s", a.host)
		}
	}
}
