package pdsim

import "time"

// now is the simulator's time. The caller holds the lock.
func (s *Server) now() time.Time { return s.base().Add(s.offset).UTC() }

// Now returns the simulator's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// Advance turns the simulator's clock forward, or back when d is negative.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// SetNow sets the simulator's clock to t, from where it goes on.
func (s *Server) SetNow(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset = t.Sub(s.base())
}

// stamp writes a moment as PagerDuty does: whole seconds, UTC unless asked otherwise.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
