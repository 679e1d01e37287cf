package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

func FuzzBody(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `[]`, `{"roles":["a"],"reason":"x","duration":"1h","start":"2026-01-02T15:04:05Z","dry_run":true}`,
		`{"roles":["a"],"Roles":["b"]}`, `{"roles":[[["a"]]]}`, `{"reason":"\ud800"}`, `{"reason":"😀","roles":null}`, `{"resources":["db/x"]} `,
		"{\"reason\":\"\xff\"}", `{"reason":"a\u0000"}`, `{"state":"APPROVED","reason":1e400}`, `{"roles":["a"]}{"roles":["b"]}`, strings.Repeat("[", 300),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx := context.WithValue(t.Context(), bodyKey{}, data)
		for _, into := range []any{&client.Ask{}, &client.Opinion{}, &client.Extension{}, &client.Revocation{}} {
			if err := read(ctx, into); err != nil {
				var p *core.Error
				if !errors.As(err, &p) || p.Kind != core.Invalid || len(p.Msg) > 300 {
					t.Fatalf("%q: %v", data, err)
				}
				continue
			}
			if len(bytes.TrimSpace(data)) == 0 {
				continue
			}
			// What is taken is taken whole: a strict decoder finds nothing more in it.
			strict := json.NewDecoder(bytes.NewReader(data))
			strict.DisallowUnknownFields()
			if err := strict.Decode(into); err != nil {
				t.Fatalf("%q is taken, and is %v", data, err)
			}
		}
	})
}

// FuzzFraming holds the look at what comes in to what net/http makes of it: both see the same
// requests, with the same ends.
func FuzzFraming(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n",
		"GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc", "GET / HTTP/1.1\r\nhost:\tx\r\nCONTENT-LENGTH:\t0 \r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var whole, bytewise framing
		good := whole.look(data)
		for i := range good {
			if bytewise.look(data[i:i+1]) != 1 {
				t.Fatalf("%q: byte %d is good among others and not alone", data, i)
			}
		}
		if good < len(data) && bytewise.look(data[good:good+1]) != 0 {
			t.Fatalf("%q: byte %d is bad among others and good alone", data, good)
		}
		sameRequests(t, data[:good])
	})
}

// sameRequests reads requests with net/http, and wants each to end where the framing has it end.
func sameRequests(t *testing.T, data []byte) {
	t.Helper()
	source := bytes.NewReader(data)
	in := bufio.NewReader(source)
	ours, from := framing{}, 0
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		for name := range r.Header {
			if strings.ContainsAny(name, " \t") {
				return // a server answers 400
			}
		}
		_, err = io.Copy(io.Discard, r.Body)
		if err != nil {
			return // it is cut short
		}
		to := len(data) - source.Len() - in.Buffered()
		ours.look(data[from:to])
		if ours.lines != 0 || ours.skip != 0 || len(ours.line) != 0 || len(r.TransferEncoding) > 0 {
			t.Fatalf("%q: net/http sees an end after %d bytes, and we do not: %+v", data, to, ours)
		}
		from = to
	}
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, s := range []string{"", "k", strings.Repeat("k", 200), strings.Repeat("k", 201), "a b", "a\tb", "é", "\x7f", "a\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		got, err := readKey([]string{key})
		taken := len(key) > 0 && len(key) <= 200 && strings.Trim(key, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") == ""
		if (err == nil) != taken || err == nil && got != key {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	})
}

// FuzzParameters sends every parameter of the lists through its route, on a real database (B065).
func FuzzParameters(f *testing.F) {
	for _, s := range []string{"", "0", "7", "-1", "9223372036854775808", "req_000001", "../../", "name;select", "' OR 1=1 --", "%00", "\x00", "1e9", "2026-01-02T15:04:05Z", "10s", "1d", "é", "a,b", "active,pending"} {
		f.Add(s)
	}
	h := newHarness(f)
	door := h.Socket()
	f.Fuzz(func(t *testing.T, value string) {
		v := url.QueryEscape(value)
		for _, path := range []string{
			"/v1/requests?after=" + v, "/v1/requests?state=" + v, "/v1/requests?limit=" + v, "/v1/grants?after=" + v, "/v1/grants?state=" + v,
			"/v1/incidents?after=" + v, "/v1/audit?after=" + v, "/v1/oncall?at=" + v, "/v1/requests/" + url.PathEscape(value) + "?wait=" + v, "/v1/resources/" + url.PathEscape(value),
			"/v1/check?user=" + v + "&resource=" + v, "/v1/nothing?" + value,
		} {
			r, err := http.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, peer{}), http.MethodGet, path, http.NoBody)
			if err != nil {
				continue
			}
			w := httptest.NewRecorder()
			door.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}
