package test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/test/world"
)

// canaries stand in every place where a secret may be, or where somebody may put one by
// mistake. None may be seen anywhere else.
var canaries = map[string]string{
	"PagerDuty's key":               world.Token,
	"a target's password":           "c4n4ry+Tg3/pW8nLx5Ks0Hv",
	"the database's password":       "c4n4ry+Db8/kq3Rf6Wz1Lp",
	"a proxy's password":            "c4n4ry+Px6/hT4mVc9Ye2Sg",
	"a variable of the environment": "c4n4ry+Ev1/uB7dNj3Xo5Qw",
	"a literal key":                 "c4n4ry+Lk5/zC2fMa8Ir4Ut",
	"a literal address":             "c4n4ry+La9/eG6hKy1Pb7Dn",
	"an Authorization header":       "c4n4ry+Au2/sJ9wQv4Fm6Zr",
	"a cookie":                      "c4n4ry+Ck7/oE3xTi8Lh1Wc",
	"an idempotency key":            "c4n4ry+Ik4/nR5yGu2Vd9Bj",
	"a parameter":                   "c4n4ry+Qp3/aM1tXs7Kf8Oe",
	"a body":                        "c4n4ry+Bo6/lH8cPz5Nw2Yi",
}

// forms are the shapes in which a secret may show, in lower case.
func forms(secret string) map[string]string {
	out := map[string]string{
		"as it is": secret, "for an address": url.QueryEscape(secret), "for a path": url.PathEscape(secret), "in JSON": strings.ReplaceAll(secret, "/", `\/`),
		"in hexadecimal": hex.EncodeToString([]byte(secret)), "its heart": secret[2:12],
	}
	for shift := range 3 { // base64 of it inside of something else
		plain := []byte(strings.Repeat("x", shift) + secret + "xxx")
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64 for addresses": base64.URLEncoding} {
			b := encoding.EncodeToString(plain)
			out[fmt.Sprintf("in %s, shifted by %d", name, shift)] = b[4 : len(b)-8]
		}
	}
	for form, text := range out {
		out[form] = strings.ToLower(text)
	}
	return out
}

// wantNowhere wants no canary in any text, whatever its form.
func wantNowhere(t *testing.T, said map[string]string) {
	t.Helper()
	for place, text := range said {
		if text == "" {
			t.Errorf("%s is empty", place)
		}
		text = strings.ToLower(text)
		for name, secret := range canaries {
			for form, secret := range forms(secret) {
				if i := strings.Index(text, secret); i >= 0 {
					t.Errorf("%s stands in %s, %s: …%q…", name, place, form, text[max(0, i-60):min(len(text), i+60)])
				}
			}
		}
	}
}

func TestEveryFormOfACanaryIsFound(t *testing.T) {
	secret := canaries["a cookie"]
	for _, text := range []string{
		secret, "x" + url.QueryEscape(secret), strings.ToUpper(hex.EncodeToString([]byte(secret))), "{\"a\":\"" + strings.ReplaceAll(secret, "/", `\/`) + `"}`,
		base64.StdEncoding.EncodeToString([]byte("user:" + secret + ":more")), base64.RawURLEncoding.EncodeToString([]byte("as a user:" + secret + " and more")), "cut: " + secret[1:14],
	} {
		found := false
		for _, form := range forms(secret) {
			found = found || strings.Contains(strings.ToLower(text), form)
		}
		if !found {
			t.Errorf("not found in %s", text)
		}
	}
}

// stray sends secrets where none belongs, over the network and through the socket.
func stray(t *testing.T, s *world.Server, said map[string]string) {
	t.Helper()
	header := http.Header{
		"Authorization": {"Bearer " + canaries["an Authorization header"]}, "Proxy-Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+canaries["an Authorization header"]))},
		"Cookie": {"session=" + canaries["a cookie"]}, "Idempotency-Key": {canaries["an idempotency key"]}, "Content-Type": {"application/json"},
	}
	network, local := http.DefaultClient, &http.Client{Transport: throughSocket(s)}
	secret := canaries["a body"]
	for i, c := range []struct {
		method, path, body string
	}{
		{"GET", "/v1/requests", ""}, {"GET", "/v1/requests?token=" + url.QueryEscape(canaries["a parameter"]), ""}, {"GET", "/v1/audit?after=" + url.QueryEscape(canaries["a parameter"]), ""},
		{"GET", "/v1/oncall?at=" + url.QueryEscape(canaries["a parameter"]), ""}, {"GET", "/v1/requests?limit=" + url.QueryEscape(canaries["a parameter"]), ""},
		{"POST", "/v1/requests", `{"user":"myuser","roles":["editor"],"reason":"a call with its key"}`},
		{"POST", "/v1/requests", `{"user":"myuser","roles":["editor"],"reason":"another call with the same key"}`},
		{"POST", "/v1/requests", `{"token":"` + secret + `"}`}, {"POST", "/v1/requests", `{"` + secret + `":1}`}, {"POST", "/v1/requests", secret}, {"POST", "/v1/requests", `{"roles":"` + secret + `"}`},
		{"POST", "/v1/requests", `{"user":"myuser","roles":["editor"],"duration":["` + secret + `"]}`},
		{"POST", "/healthz", secret}, {"POST", "/v1/resources", `{"kind":"pagerduty_account","version":"v1","metadata":{"name":"x"},"spec":{"api_token":"` + canaries["a literal key"] + `"}}`},
	} {
		for door, client := range map[string]*http.Client{"http://" + s.Address: network, "http://sallyport": local} {
			r, err := http.NewRequestWithContext(t.Context(), c.method, door+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = header.Clone()
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			said[fmt.Sprintf("the answer to call %d at %s", i, door)] = res.Status + fmt.Sprint(res.Header) + string(b)
		}
	}
	key, address := canaries["a literal key"], canaries["a literal address"]
	for i, text := range []string{
		"{kind: pagerduty_account, version: v1, metadata: {name: x}, spec: {api_token: " + key + "}}",
		"{kind: pagerduty_account, version: v1, metadata: {name: x}, spec: {api_token: \"env:PD_TOKEN\", rest_url: \"https://u:" + url.QueryEscape(key) + "@example.com\"}}",
		"{kind: target, version: v1, metadata: {name: x}, spec: {connector: postgres, dsn: \"postgres://u:" + url.QueryEscape(address) + "@h/d\", roles: [a]}}",
		"{kind: target, version: v1, metadata: {name: x}, spec: {connector: memory, password: \"" + key + "\"}}",
	} {
		r := s.Feed(text, "apply", "-f", "-")
		if r.Status == 0 {
			t.Errorf("literal %d was taken: %s", i, r.Out)
		}
		said[fmt.Sprintf("the refusal of literal %d", i)] = r.Out + r.Err
	}
}

// Sallyport's own database has a password as well.
func TestI8TheDatabasesPasswordIsNowhereToBeRead(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	with := func(dsn string) string {
		join := "?"
		if strings.Contains(dsn, "?") {
			join = "&"
		}
		return dsn + join + "password=" + url.QueryEscape(canaries["the database's password"])
	}
	s := world.New(t, program, nil, "log: {level: debug, format: json}\noncall: {max_staleness: 5s, sync_every: 1s}")
	plain := s.Env
	s.Env = append(plain, "SALLYPORT_DATABASE="+with(dsn))
	s.Start()
	s.Account()
	s.Teleport()
	isReady(t, s)
	decided(t, s, ask(t, s, "--as", "ann@example.com", "--roles=demo-role"), "APPROVED")
	said := map[string]string{"the metrics": get(t, s, "/metrics"), "status": s.Must("status", "-o", "json"), "doctor": s.Must("doctor")}
	stray(t, s, said)
	s.Stop()
	said["the log"], said["the database"] = s.Log.String(), dumpDatabase(t, dsn)

	s.Env = append(plain, "SALLYPORT_DATABASE="+with("postgres://sallyport@127.0.0.1:1/nowhere"))
	p := s.Launch()
	if status := p.Status(world.Patience); status == 0 {
		t.Errorf("without its database it ended with %d", status)
	}
	said["the log without a database"] = p.Log.String()
	for _, wrong := range []string{"mysql://u:%s@h/d", "postgres://u:%s@h:port/d", "postgres://u:%s", "%s"} {
		s.Env = append(plain, "SALLYPORT_DATABASE="+fmt.Sprintf(wrong, url.QueryEscape(canaries["the database's password"])))
		p := s.Launch()
		if status := p.Status(world.Patience); status == 0 {
			t.Errorf("with %s it ended with %d", wrong, status)
		}
		said["the refusal of "+wrong] = p.Log.String()
	}
	wantNowhere(t, said)
}

// dumpDatabase is every row of every table.
func dumpDatabase(t *testing.T, dsn string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		rows, err := conn.Query(t.Context(), "SELECT row_to_json(t)::text FROM "+table+" t")
		if err != nil {
			t.Fatal(err)
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(strings.Join(texts, "\n"))
	}
	if !strings.Contains(all.String(), "ann@example.com") {
		t.Error("the dump is not of the database")
	}
	return all.String()
}
