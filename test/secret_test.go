package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/pagerduty/pdsim"
	"github.com/sallyport/sallyport/test/world"
)

// story plays what leaves traces: approvals by status and by people, a denial, ends, trouble
// with PagerDuty and with the target.
func story(t *testing.T, s *world.Server, prefix string) {
	t.Helper()
	dsn, resource := target(t, prefix)
	s.Env = append(s.Env, "TARGET_DSN="+dsn+"&password="+url.QueryEscape(canaries["a target's password"]))
	s.Start().Work(prefix, resource)
	s.Teleport()
	s.Work(prefix, resource) // its access-plugin, not the page's
	isReady(t, s)
	first := ask(t, s, "ann@example.com", "--roles=prod", "--reason", "look", "--for", "1s", "--wait")
	second := ask(t, s, "cy@example.com", "--roles=prod", "--for", "1h", "--wait")
	r := decided(t, s, second, "APPROVED")
	s.Must("grant", "revoke", r.Grants[0].ID)
	denied := ask(t, s, "bob@example.com", "--roles=manual")
	s.Must("request", "deny", denied)
	approved := ask(t, s, "fay@example.com", "--roles=manual")
	s.Must("request", "approve", approved)
	decided(t, s, approved, "APPROVED")
	for _, id := range []string{first, second, denied, approved} {
		resolved(t, s, id)
	}
	waiting := ask(t, s, "myuser", "--roles=editor")
	opened(t, s, waiting)
	ended(t, s, decided(t, s, first, "APPROVED"))

	s.PD.Order(t, pdsim.Fault{Status: http.StatusUnauthorized, Times: 2})
	s.PD.Order(t, pdsim.Fault{Status: http.StatusInternalServerError, Body: "no token " + world.Token + " for you", Times: 2})
	s.Run("doctor")
	s.Run("oncall")
	s.PD.ClearFaults()
	s.Must("doctor")
}

// ended waits until a request's grants have ended.
func ended(t *testing.T, s *world.Server, r client.Request) {
	t.Helper()
	c := s.Client()
	for _, g := range r.Grants {
		world.Eventually(t, world.Patience, "grant "+g.ID+" ends", func() error {
			now, err := c.Grant(t.Context(), g.ID)
			if err == nil && now.State != "ended" {
				err = fmt.Errorf("%+v", now)
			}
			return err
		})
	}
}

// I8, B122, B124, B128, B129.
//
// asvs: 14.2.1, 14.2.4, 16.2.5
func TestI8ATokenIsNowhereToBeRead(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "log: {level: debug, format: json}\noncall: {max_staleness: 5s, sync_every: 1s}")
	s.Env = append(s.Env, "UNRELATED="+canaries["a variable of the environment"],
		"HTTPS_PROXY=http://proxy:"+url.QueryEscape(canaries["a proxy's password"])+"@127.0.0.1:1")
	story(t, s, "token")
	said := map[string]string{}
	stray(t, s, said)
	s.Apply(`{kind: pagerduty_account, version: v1, metadata: {name: behind-the-proxy}, spec: {api_token: "env:PD_TOKEN"}}`)
	for place, path := range map[string]string{"the metrics": "/metrics", "/readyz": "/readyz", "the API description": "/v1/openapi.json", "the console": "/", "the page of the API": "/docs"} {
		said[place] = get(t, s, path)
	}
	for _, line := range []string{
		"status", "doctor", "dump", "request list", "grant list", "incident list", "audit list", "audit export", "oncall", "drift",
		"get pagerduty_accounts -o yaml", "get targets -o json", "get entitlement --target db", "get users", "get roles", "serve --help",
	} {
		r := s.Run(words(line)...)
		said[line] = r.Out + r.Err
	}
	if !regexp.MustCompile(`the proxy \S+ on the way to api\.pagerduty\.com does not answer`).MatchString(said["doctor"]) {
		t.Errorf("the proxy was not asked: %s", said["doctor"])
	}
	for _, r := range into[client.RequestPage](t, get(t, s, "/v1/requests")).Items {
		said["explain "+r.ID] = s.Must("request", "explain", r.ID)
		said["show "+r.ID] = s.Must("request", "show", r.ID, "-o", "json")
		said["the page of "+r.ID] = get(t, s, "/requests/"+r.ID)
	}
	told, err := json.Marshal(s.PD.Incidents())
	if err != nil {
		t.Fatal(err)
	}
	said["PagerDuty's incidents"] = string(told)
	files(t, s.Data, said)
	s.Kill()
	files(t, s.Dir, said) // the WAL as a crash leaves it
	said["the log"] = s.Log.String()
	s.Start().Stop()
	files(t, s.Dir, said) // and folded into the database
	said["the log of a second start"] = s.Log.String()
	wantNowhere(t, said)
}

// into reads JSON.
func into[T any](t *testing.T, text string) (v T) {
	t.Helper()
	read(t, text, &v)
	return v
}

// files reads every file of a folder.
func files(t *testing.T, folder string, into map[string]string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if len(b) > 0 {
			into[fmt.Sprintf("file %s (%d)", d.Name(), len(into))] = string(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// B122: the metrics tell what they should, and name nobody.
//
// asvs: 13.4.5
func TestB122MetricsTellOfDecisionsAndOfNobody(t *testing.T) {
	t.Parallel()
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := door.Addr().String()
	door.Close() // it is free now, and nobody else has a reason to take it
	s := world.New(t, program, nil, "oncall: {max_staleness: 5s, sync_every: 1s}\nmetrics: {listen: \""+address+"\"}")
	story(t, s, "metrics")
	for path, want := range map[string]int{"/metrics": 200, "/v1/requests": 404, "/": 404, "/debug/pprof/": 404} {
		if res := call(t, "GET", "http://"+address+path, "", [2]string{}); res.StatusCode != want {
			t.Errorf("at the door for metrics, %s: %s, want %d", path, res.Status, want)
		}
	}
	lines := []string{
		`sallyport_decisions_total\{automatic="true",state="APPROVED"\} 2`,
		`sallyport_decisions_total\{automatic="false",state="APPROVED"\} 1`,
		`sallyport_decisions_total\{automatic="false",state="DENIED"\} 1`,
		`sallyport_grants_ended_total\{cause="time"\} 2`,
		`sallyport_grants_ended_total\{cause="revoked"\} [12]`,
		`sallyport_revoke_lag_seconds_count [12]`,
		`sallyport_revoke_lag_seconds_bucket\{le="10"\} [12]`,
		`sallyport_grants_overdue 0`,
		`sallyport_requests_pending 1`,
		`sallyport_queue_age_seconds [\d.e+-]+`,
		`sallyport_queue_jobs \d+`,
		`sallyport_oncall_sync_age_seconds\{account="default"\} [\d.e+-]+`,
		`sallyport_oncall_sync_ok\{account="default"\} 1`,
		`sallyport_pagerduty_ratelimit_remaining\{account="default"\} \d+`,
		`sallyport_pagerduty_ratelimit_limit\{account="default"\} 100000`,
		`sallyport_pagerduty_call_seconds_count\{account="default",op="POST /incidents",status="20[01]"\} 5`,
		`sallyport_database_writable 1`,
		`process_open_fds \d+`, `go_goroutines \d+`,
	}
	metrics := ""
	world.Eventually(t, world.Patience, "the metrics tell everything", func() error {
		metrics = get(t, s, "/metrics")
		for _, line := range lines {
			if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(metrics) {
				name, _, _ := strings.Cut(line, `\{`)
				return fmt.Errorf("there is no %s; there is %q", line, regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(metrics, -1))
			}
		}
		return nil
	})
	for _, name := range []string{"ann", "bob", "cy", "dee", "fay", "myuser", "admin", "example.com", "PUANN01", "req_", "gr_", "inc_", "prod", "My Critical Service"} {
		if at := regexp.MustCompile(`"[^"\n]*\b` + regexp.QuoteMeta(name) + `[^"\n]*"`).FindString(metrics); at != "" {
			t.Errorf("a label is %s", at)
		}
	}
	if help := strings.Count(metrics, "# HELP sallyport_"); help < 12 {
		t.Errorf("%d families of ours are described", help)
	}
}

// asvs: 16.2.4
func TestTheLogIsOneJSONObjectALineWhereThatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := world.New(t, program, nil, "log: {level: debug, format: json}\noncall: {max_staleness: 5s, sync_every: 1s}")
	s.PD.Order(t, pdsim.Fault{Status: http.StatusInternalServerError, Times: 3})
	s.Start()
	s.Account()
	s.Teleport()
	isReady(t, s)
	decided(t, s, ask(t, s, "--as", "ann@example.com", "--roles=demo-role"), "APPROVED")
	s.Stop()
	levels := map[string]int{}
	for line := range strings.Lines(s.Log.String()) {
		if strings.HasPrefix(line, "sallyport serves on ") {
			continue // that is standard output, for people
		}
		dec := json.NewDecoder(bytes.NewReader([]byte(line)))
		var entry struct {
			Time  time.Time `json:"time"`
			Level string    `json:"level"`
			Msg   string    `json:"msg"`
		}
		if err := dec.Decode(&entry); err != nil || dec.More() || entry.Time.IsZero() || entry.Level == "" || entry.Msg == "" {
			t.Errorf("not an entry: %q (%v)", line, err)
		}
		levels[entry.Level]++
	}
	if levels["INFO"] == 0 || levels["WARN"]+levels["DEBUG"] == 0 {
		t.Errorf("levels %v", levels)
	}
}
