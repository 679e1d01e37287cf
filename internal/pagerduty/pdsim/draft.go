package pdsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// A draft is an answer that is not sent yet.
type draft struct {
	status int
	header http.Header
	body   strings.Builder
}

func newDraft() *draft { return &draft{header: http.Header{}} }

// Header is part of http.ResponseWriter.
func (d *draft) Header() http.Header { return d.header }

// WriteHeader is part of http.ResponseWriter.
func (d *draft) WriteHeader(status int) {
	if d.status == 0 {
		d.status = status
	}
}

// Write is part of http.ResponseWriter.
func (d *draft) Write(b []byte) (int, error) {
	d.WriteHeader(http.StatusOK)
	return d.body.Write(b)
}

func (d *draft) json(status int, body any) {
	d.header.Set("Content-Type", "application/json; charset=utf-8")
	d.WriteHeader(status)
	e := json.NewEncoder(d)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic(fmt.Sprintf("pdsim: an answer is not JSON: %v", err))
	}
}

func (d *draft) fail(f *failure) { d.json(f.status, f.body()) }

func (d *draft) send(w http.ResponseWriter) {
	for k, v := range d.header {
		w.Header()[k] = v
	}
	d.WriteHeader(http.StatusOK)
	w.WriteHeader(d.status)
	// A caller that has gone cannot be told.
	_, _ = w.Write([]byte(d.body.String()))
}
