package main

import (
	"math"
	"slices"
	"time"
)

// A spread is many measurements of one length.
type spread []time.Duration

// at returns the length that a share of the measurements does not exceed.
func (s spread) at(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	slices.Sort(s)
	return s[min(len(s)-1, int(share*float64(len(s))))]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func mb(bytes int64) float64     { return float64(bytes) / (1 << 20) }

// round keeps three significant digits, and all of those before the point.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	unit := math.Pow(10, max(0, 2-math.Floor(math.Log10(math.Abs(v)))))
	return math.Round(v*unit) / unit
}
