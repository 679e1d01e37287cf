package world

import (
	"testing"
	"time"
)

// Eventually tries until something holds. It fails the test when that takes too long, with
// what was wrong the last time.
func Eventually(t testing.TB, within time.Duration, what string, try func() error) {
	t.Helper()
	err := try()
	if err == nil {
		return
	}
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if err = try(); err == nil {
				return
			}
		case <-timeout.C:
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
	}
}
