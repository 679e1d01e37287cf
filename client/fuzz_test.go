package client

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// FuzzEvents reads any stream of changes.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{"", ": hello\n\n", "id: 1\nevent: change\ndata: {}\n\n", "data: a\ndata: b\n\n\n\n", "event: x\n\ndata: y", "data:\r\n\r\n", "event: problem\ndata: {\"detail\":\"x\"}\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		total := 0
		_ = readEvents(bytes.NewReader(stream), func(_ string, data []byte) error { // a broken stream is the caller's to tell
			if total += len(data); len(data) == 0 {
				t.Errorf("%q has an event without data", stream)
			}
			return nil
		})
		if total > len(stream) {
			t.Errorf("%q is made longer", stream)
		}
	})
}

// FuzzProblem reads any answer that is no success.
func FuzzProblem(f *testing.F) {
	for _, s := range []string{"", "{}", "null", "<html>", `{"kind":"refused","detail":"no","status":200}`, `{"detail":7}`} {
		f.Add(403, "application/problem+json", []byte(s))
		f.Add(502, "text/plain", []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, media string, body []byte) {
		err := readError(&http.Response{StatusCode: status, Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(bytes.NewReader(body))})
		var e *Error
		if !errors.As(err, &e) || e.Detail == "" || e.Status != status || e.ExitCode() == 0 {
			t.Errorf("%d %q: %+v", status, body, err)
		}
	})
}
