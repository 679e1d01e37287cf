package app

import (
	"sync"
	"time"
)

// A Clock tells the time and never runs backwards, so that a wall clock that is set back
// lengthens no grant. One that jumps ahead is followed: access may end early, never late.
type Clock struct {
	wall    func() time.Time
	elapsed func() time.Duration // since some moment; nobody can set it

	mu   sync.Mutex
	last time.Time     // the last answer
	at   time.Duration // elapsed at that answer
}

// NewClock returns a clock. Its answers begin at atLeast, the newest moment that an earlier
// run has written down.
func NewClock(wall func() time.Time, elapsed func() time.Duration, atLeast time.Time) *Clock {
	c := &Clock{wall: wall, elapsed: elapsed, at: elapsed(), last: wall().Round(0)}
	if atLeast.After(c.last) {
		c.last = atLeast
	}
	return c
}

// Now returns the later of the wall's time and what has passed since the last answer.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, elapsed := c.wall().Round(0), c.elapsed()
	c.last = c.last.Add(max(elapsed-c.at, 0))
	c.at = elapsed
	if wall.After(c.last) {
		c.last = wall
	}
	return c.last.UTC().Truncate(time.Microsecond)
}

// Ahead returns how far the clock is ahead of the wall's.
func (c *Clock) Ahead() time.Duration {
	return c.Now().Sub(c.wall().Round(0)).Round(time.Second)
}
