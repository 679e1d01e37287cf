package store

import (
	"context"
	"fmt"
	"time"
)

// fairTrip is how long the database's answer may be under way and still tell its time.
const fairTrip = 500 * time.Millisecond

// CompareClock finds out how far PostgreSQL's clock is ahead of one of ours. A file has no clock.
func (s *Store) CompareClock(ctx context.Context, ours func() time.Time) error {
	if !s.postgres {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	began := time.Now()
	var micros int64
	err := s.r.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&micros)
	if err != nil {
		return s.unavailable(fmt.Errorf("ask for the time: %w", err))
	}
	if trip := time.Since(began); trip <= fairTrip {
		s.skew.Store(int64(time.UnixMicro(micros).Sub(ours().Add(-trip / 2))))
	}
	return nil
}

// Skew returns how far PostgreSQL's clock was ahead of ours when they were last compared; zero on SQLite.
func (s *Store) Skew() time.Duration { return time.Duration(s.skew.Load()) }

// Shared reports whether several replicas may use the database.
func (s *Store) Shared() bool { return s.postgres }
