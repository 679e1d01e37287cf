package pdsim

import (
	"net/http"
	"strconv"
	"time"
)

// A window is one minute of a credential's REST budget.
type window struct {
	start time.Time
	used  int
}

// spend counts a REST call against the budget of key, says so in the headers
// that PagerDuty's "REST API Rate Limits" page names, and reports whether there
// was any left.
func (s *Server) spend(key string, h http.Header) bool {
	now, limit := s.now(), s.account.data.Limits.RESTPerMinute
	w := s.windows[key]
	if w == nil || !now.Before(w.start.Add(time.Minute)) || now.Before(w.start) {
		w = &window{start: now}
		s.windows[key] = w
	}
	within := w.used < limit
	if within {
		w.used++
	}
	budget(h, limit, limit-w.used, w.start.Add(time.Minute).Sub(now))
	return within
}

// exhausted writes the headers of a budget that is spent.
func (s *Server) exhausted(h http.Header) {
	budget(h, s.account.data.Limits.RESTPerMinute, 0, time.Minute)
}

func budget(h http.Header, limit, remaining int, reset time.Duration) {
	h.Set("ratelimit-limit", strconv.Itoa(limit))
	h.Set("ratelimit-remaining", strconv.Itoa(remaining))
	h.Set("ratelimit-reset", strconv.Itoa(int((reset+time.Second-1)/time.Second)))
}

// arrive counts an event against its integration key's budget over the last
// sixty seconds, and reports whether there was any left.
func (s *Server) arrive(key string) bool {
	now := s.now()
	recent := s.arrivals[key][:0]
	for _, at := range s.arrivals[key] {
		if now.Sub(at) < time.Minute && !at.After(now) {
			recent = append(recent, at)
		}
	}
	within := len(recent) < s.account.data.Limits.EventsPerMinute
	if within {
		recent = append(recent, now)
	}
	s.arrivals[key] = recent
	return within
}
