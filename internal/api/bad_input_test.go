package api

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/client"
)

func TestB065QueriesAreWordsFromAListAndNeverSQL(t *testing.T) {
	h := newHarness(t)
	first := h.ask("bob@example.com")
	for _, query := range []string{
		"/v1/requests?sort=name;select", "/v1/requests?order=created_at", "/v1/requests?limit=-1", "/v1/requests?limit=1%20OR%201=1",
		"/v1/requests?limit=1000000", "/v1/requests?limit=1e3", "/v1/requests?state=PENDING'--", "/v1/grants?state=active,1=1",
		"/v1/incidents?unfinished=1%20or%201", "/v1/audit?after=1;drop", "/v1/requests?filter=user", "/v1/grants?fields=*",
	} {
		if p := h.local("GET", query, "").wantProblem(400, client.KindInvalid, ""); strings.Contains(strings.ToLower(p.Detail), "sql") {
			t.Errorf("%s is answered with %q", query, p.Detail)
		}
	}
	// A cursor is the id of the last one seen. Another text is the id of nothing.
	for _, after := range []string{"../../", "'%20OR%20'1'='1", "req_none", "%00", "%F0%9F%92%A9", strings.Repeat("x", 5000)} {
		r := h.local("GET", "/v1/requests?after="+after, "")
		if r.Code == 200 {
			if page := into[client.RequestPage](r); len(page.Items) > 0 {
				t.Errorf("after %.20q come %d requests", after, len(page.Items))
			}
		} else if r.Code != 400 && r.Code != 404 {
			t.Errorf("after %.20q: %d %s", after, r.Code, r.Body)
		}
	}
	for _, user := range []string{"%25", "_", "bob@example.com'%20OR%20'1'='1", "bob@example.com'--", "*"} {
		if page := into[client.RequestPage](h.local("GET", "/v1/requests?user="+user, "")); len(page.Items) != 0 {
			t.Errorf("user %q has the requests of somebody else", user)
		}
	}
	if page := into[client.RequestPage](h.local("GET", "/v1/requests?user=bob@example.com", "")); len(page.Items) != 1 || page.Items[0].ID != first.ID {
		t.Errorf("%+v", page.Items)
	}
}

func TestB079APathLeadsNowhereElse(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{
		"/v1/resources/role/..%2f..%2fetc%2fpasswd", "/v1/resources/role/%2e%2e", "/v1/resources/..%2f..", "/v1/grants/..%2f..%2fstatus",
		"/v1/requests/%00", `/v1/resources/role/C:%5Cwindows`, "/v1/entitlements/..%2fdb", "/docs/..%2f..%2fgo.mod", "/docs/%2e%2e/%2e%2e/go.mod",
	} {
		if r := h.local("GET", path, ""); r.Code != 404 && r.Code != 400 {
			t.Errorf("%s: %d %.200s", path, r.Code, r.Body)
		}
	}
}

func TestB094TheCallersClockSaysNothing(t *testing.T) {
	h := newHarness(t)
	for i, date := range []string{time.Now().Add(24 * time.Hour).Format(http.TimeFormat), time.Now().Add(-24 * time.Hour).Format(http.TimeFormat), "yesterday"} {
		r := into[client.Request](h.as("bob@example.com", "POST", "/v1/requests", fmt.Sprintf(`{"roles":["prod-db"],"reason":"%d","duration":"1h"}`, i), "Date", date, "If-Unmodified-Since", date))
		if want := h.engine.Clock.Now(); r.CreatedAt.Sub(want).Abs() > time.Minute {
			t.Errorf("with Date %q the request is of %s, want %s", date, r.CreatedAt, want)
		}
	}
}

// There is one way to each verb. What looks like an older or another one leads nowhere, and
// every spelling of a path that is served asks the same question about the caller.
func TestB120NoOtherPathLeadsToAVerb(t *testing.T) {
	h := newHarness(t)
	into[client.Request](h.as("ann@example.com", "POST", "/v1/requests?wait=30s", `{"roles":["prod-db"],"reason":"mend it"}`))
	id := into[client.GrantPage](h.local("GET", "/v1/grants?target=db", "")).Items[0].ID
	for _, path := range []string{
		"/v0/grants/" + id + "/revoke", "/v2/grants/" + id + "/revoke", "/grants/" + id + "/revoke", "/v1/grant/" + id + "/revoke",
		"/v1/grants/" + id + "/revoke/", "/v1//grants/" + id + "/revoke", "/V1/grants/" + id + "/revoke", "/v1/grants/" + id + "/Revoke",
		"/v1/grants/" + id, "/v1/grants/" + id + "/delete", "/v1/./grants/" + id + "/revoke", "/v1/requests/../grants/" + id + "/revoke",
		"/v1/grants/" + id + "%2frevoke", "/v1/grants/" + id + "/%72evoke",
	} {
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			if r := h.as("bob@example.com", method, path, `{}`); r.Code < 300 {
				t.Errorf("%s %s by somebody else: %d %s", method, path, r.Code, r.Body)
			}
		}
	}
	if g := into[client.Grant](h.local("GET", "/v1/grants/"+id, "")); g.EndCause != "" {
		t.Errorf("the grant ended: %+v", g)
	}
}

// A list shows what one may see, page by page, and nothing tells how much else there is.
func TestB121AListTellsNothingOfWhatIsLeftOut(t *testing.T) {
	h := newHarness(t)
	for range 3 {
		h.ask("bob@example.com")
		h.as("ann@example.com", "POST", "/v1/requests?wait=30s", `{"roles":["prod-db"],"reason":"mend it","duration":"1h"}`)
	}
	seen, after := 0, ""
	for range 10 {
		r := h.as("bob@example.com", "GET", "/v1/requests?limit=1&after="+after, "")
		page := into[client.RequestPage](r)
		for _, item := range page.Items {
			seen++
			if item.User != "bob@example.com" {
				t.Errorf("Bob sees %s", item.User)
			}
		}
		if strings.Contains(r.Body.String(), "ann@example.com") || r.Header().Get("X-Total-Count") != "" {
			t.Errorf("the answer speaks of others: %s", r.Body)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if seen != 3 || after != "" {
		t.Errorf("Bob sees %d of his 3 requests, and then %q", seen, after)
	}
	if page := into[client.GrantPage](h.as("bob@example.com", "GET", "/v1/grants", "")); len(page.Items) != 0 {
		t.Errorf("Bob sees %+v", page.Items)
	}
	for _, user := range []string{"ann@example.com", "nobody@example.com"} {
		if page := into[client.RequestPage](h.as("bob@example.com", "GET", "/v1/requests?user="+user, "")); len(page.Items) != 0 || page.Next != "" {
			t.Errorf("of %s Bob sees %+v", user, page)
		}
	}
	h.as("bob@example.com", "GET", "/v1/grants?user=ann@example.com", "").wantProblem(403, client.KindRefused, "")
	h.as("bob@example.com", "GET", "/v1/grants?user=nobody@example.com", "").wantProblem(403, client.KindRefused, "")
}

// The listener speaks HTTP/1.1 and nothing else, so there are no streams to reset.
func TestB087HTTP2IsNotSpoken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := httptest.NewUnstartedServer(newHarness(t).TCP())
	s.Listener.Close()
	s.Listener = Strict(l)
	s.Start()
	t.Cleanup(s.Close)
	for name, text := range map[string]string{
		"the preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"an upgrade":  "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = conn.Write([]byte(text))
		must(t, err)
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && !strings.HasPrefix(answer, "HTTP/1.1 200") && !strings.HasPrefix(answer, "HTTP/1.1 4") && !strings.HasPrefix(answer, "HTTP/1.1 505") {
			t.Errorf("%s is answered with %q", name, answer)
		}
		conn.Close()
	}
}
