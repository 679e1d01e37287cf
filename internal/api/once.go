package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

// errNotKept says that an answer is not for keeping: nothing happened.
var errNotKept = errors.New("the call was refused")

// once answers a POST that carries an idempotency key.
func (a *API) once(w http.ResponseWriter, r *http.Request) {
	key, err := readKey(r.Header.Values("Idempotency-Key"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var fresh *recorder
	status, answer, err := a.Engine.Once(r.Context(), caller(r.Context()), key, digest(r), func(ctx context.Context) (int, []byte, error) {
		fresh = &recorder{header: http.Header{}}
		func() {
			defer a.recover(fresh, r)
			a.mux.ServeHTTP(fresh, r.WithContext(ctx))
		}()
		if fresh.status >= http.StatusBadRequest {
			return 0, nil, errNotKept
		}
		return fresh.status, fresh.body.Bytes(), nil
	})
	switch {
	case fresh != nil:
		fresh.copyTo(w)
	case err != nil:
		a.fail(w, r, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Idempotency-Replayed", "true")
		w.WriteHeader(status)
		_, _ = w.Write(answer) //nolint:gosec // our own JSON, by its type and no other; the caller may have gone
	}
}

func readKey(values []string) (string, error) {
	switch {
	case len(values) > 1:
		return "", core.Errorf(core.Invalid, "there are %d Idempotency-Key headers; one call has one key", len(values))
	case values[0] == "" || len(values[0]) > 200 || !printable(values[0]):
		return "", newProblem(http.StatusBadRequest, client.KindInvalid, "the Idempotency-Key must be 1 to 200 printable ASCII characters", "a UUID will do")
	}
	return values[0], nil
}

// digest names a call by what it does. How long the caller would wait is no part of that.
func digest(r *http.Request) string {
	query := r.URL.Query()
	query.Del("wait")
	sum := sha256.Sum256([]byte(strings.Join([]string{r.Method, r.URL.EscapedPath(), query.Encode(), string(body(r.Context()))}, "\x1f")))
	return hex.EncodeToString(sum[:])
}

// A recorder keeps an answer until it is stored.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the headers that will be sent.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader keeps the first status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write keeps a part of the body.
func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

func (r *recorder) copyTo(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()) // the caller has gone
}
