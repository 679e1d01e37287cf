package cli

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// longest is the longest time that any access may last.
const longest = 14 * 24 * time.Hour

var (
	lengthForm = regexp.MustCompile(`^(\d+(\.\d+)?(w|d|h|m|s))+$`)
	lengthPart = regexp.MustCompile(`(\d+(?:\.\d+)?)(w|d|h|m|s)`)
)

// length reads how long something shall last: 90m, 2h, 1d12h, or bare minutes.
func length(flag, text string) (time.Duration, error) {
	written := text
	bad := func(why string) error {
		return misuse("--%s %q %s", flag, written, why).WithHint("write a time such as 90m, 2h or 1d12h; a bare number is minutes")
	}
	text = strings.TrimSpace(text)
	if minutes, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(minutes, 'f', -1, 64) + "m"
	}
	if strings.HasPrefix(text, "-") {
		return 0, bad("is negative")
	}
	if !lengthForm.MatchString(text) {
		return 0, bad("is not a length of time")
	}
	units := map[string]time.Duration{"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second}
	sum := 0.0
	for _, part := range lengthPart.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		if err != nil {
			return 0, bad("is not a length of time")
		}
		sum += n * float64(units[part[2]])
	}
	switch {
	case sum == 0:
		return 0, bad("is no time at all")
	case sum > float64(longest):
		return 0, bad("is too long: no access lasts longer than " + inWords(longest))
	case sum < float64(time.Second):
		return 0, bad("is too short")
	}
	return time.Duration(sum), nil
}

// inWords writes a length without the noughts: 2h, 1d12h, 90s as 1m30s.
func inWords(d time.Duration) string {
	if d < 0 {
		return "-" + inWords(-d)
	}
	d = d.Round(time.Second)
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / u.of; n > 0 {
			b.WriteString(strconv.Itoa(int(n)) + u.name)
			d -= n * u.of
		}
	}
	return b.String()
}

// moment reads a point in time: RFC 3339, a date with a time in UTC, or +2h from now.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ahead, ok := strings.CutPrefix(text, "+"); ok {
		d, err := length(flag, ahead)
		return now.Add(d), err
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, misuse("--%s %q is not a point in time", flag, text).
		WithHint("write 2026-11-23T15:00:00Z, \"2026-11-23 15:00\" (UTC), or +2h for two hours from now")
}

// stamp writes a point in time as page 004 does; the zero time is a dash.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("02 Jan 06 15:04 UTC")
}

// firstTime returns the first time that is one.
func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
