package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/internal/core"
)

// What is read of a body, and how long it may take to arrive.
const (
	maxBody      = 1 << 20
	maxResources = 8 << 20 // what package manifest reads at once
	bodyTime     = 20 * time.Second
)

type bodyKey struct{}

// body returns the body of the call in progress.
func body(ctx context.Context) []byte {
	b, _ := ctx.Value(bodyKey{}).([]byte)
	return b
}

// takeBody reads the body of a call, within the limits of its route.
func (a *API) takeBody(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	limit, named := int64(maxBody), "1 MiB"
	media := []string{"application/json"}
	if r.URL.Path == "/v1/resources" {
		limit, named = maxResources, "8 MiB"
		media = append(media, "application/yaml", "application/x-yaml", "text/yaml")
	}
	patience := http.NewResponseController(w)
	_ = patience.SetReadDeadline(time.Now().Add(bodyTime)) // a recorder in a test has none
	defer func() { _ = patience.SetReadDeadline(time.Time{}) }()
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	var late net.Error
	switch {
	case errors.As(err, &tooLarge):
		a.Refused(refusedBody)
		return r, core.Errorf(core.Invalid, "the body is larger than %s, which is the most that is read", named)
	case errors.As(err, &late) && late.Timeout():
		a.Refused(refusedSlow)
		return r, core.Errorf(core.Invalid, "the body did not arrive within %s", bodyTime)
	case err != nil:
		return r, core.Errorf(core.Invalid, "the body could not be read to its end")
	}
	if len(b) > 0 {
		if err := checkMedia(r.Header.Get("Content-Type"), media); err != nil {
			return r, err
		}
	}
	r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, b))
	r.Body = io.NopCloser(bytes.NewReader(b))
	return r, nil
}

// checkMedia refuses bodies of a type that a form in a browser could send, and all others.
func checkMedia(header string, known []string) error {
	media, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	for _, k := range known {
		if err == nil && media == k && (charset == "" || charset == "utf-8") {
			return nil
		}
	}
	return newProblem(http.StatusUnsupportedMediaType, client.KindInvalid,
		"this path does not take a body of that type", "send it as Content-Type: "+strings.Join(known, " or "))
}
