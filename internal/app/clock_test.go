package app

import (
	"testing"
	"time"
)

func TestF052TheClockNeverRunsBackwards(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	wall, passed := start, time.Duration(0)
	c := NewClock(func() time.Time { return wall }, func() time.Duration { return passed }, time.Time{})
	y2038 := time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC)
	tests := []struct {
		name   string
		passes time.Duration
		wall   time.Time
		want   time.Time
	}{
		{"an hour passes", time.Hour, start.Add(time.Hour), start.Add(time.Hour)},
		{"the wall is set back an hour", 0, start, start.Add(time.Hour)},
		{"ten minutes pass after that", 10 * time.Minute, start.Add(10 * time.Minute), start.Add(70 * time.Minute)},
		{"the machine slept for eight hours, which only the wall knows", 0, start.Add(8 * time.Hour), start.Add(8 * time.Hour)},
		{"the wall jumps to 2038", time.Second, y2038, y2038},
		{"and back to 1970", 0, time.Unix(0, 0), y2038},
	}
	for _, tt := range tests {
		wall, passed = tt.wall, passed+tt.passes
		if got := c.Now(); !got.Equal(tt.want) {
			t.Errorf("%s: now is %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTheClockBeginsWhereTheLastRunStopped(t *testing.T) {
	wall := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	written := wall.Add(30 * time.Minute)
	c := NewClock(func() time.Time { return wall }, func() time.Duration { return 0 }, written)
	if got := c.Now(); !got.Equal(written) {
		t.Errorf("now is %v, want %v", got, written)
	}
	if got := c.Ahead(); got != 30*time.Minute {
		t.Errorf("ahead of the wall by %v, want 30m", got)
	}
}
