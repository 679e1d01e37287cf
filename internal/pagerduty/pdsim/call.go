package pdsim

import (
	"net/http"
	"time"
)

// A Call is one request that reached the simulator, control calls apart.
type Call struct {
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Query  string    `json:"query"`
	Status int       `json:"status"` // 0 while it is not answered, and when it never was
	At     time.Time `json:"at"`     // by the simulator's clock
	From   string    `json:"from"`   // the From header
}

func (s *Server) record(r *http.Request) *Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Call{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, At: s.now(), From: r.Header.Get("From")}
	s.calls = append(s.calls, c)
	return c
}

// Calls returns every call since the last ClearCalls, in order of arrival.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = *c
	}
	return calls
}

// ClearCalls forgets the calls so far.
func (s *Server) ClearCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}
