package pagerduty

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// What PagerDuty takes. Where it documents no limit, the figure is one that is known to be
// accepted, so that a text is cut here, visibly, rather than refused there.
const (
	titleLimit   = 1024    // runes of an incident's title
	summaryLimit = 1024    // runes of an event's summary (Events API v2)
	keyLimit     = 255     // bytes of a dedup_key or incident_key (Events API v2)
	detailsLimit = 65_000  // bytes of an incident's details; undocumented
	noteLimit    = 25_000  // runes of a note; undocumented
	eventLimit   = 512_000 // bytes of an event (Events API v2: 512 KB)
	cutMark      = " … [cut]"
)

// cutRunes shortens a text to a number of runes, the mark included.
func cutRunes(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-utf8.RuneCountInString(cutMark)]) + cutMark
}

// cutBytes shortens a text to a number of bytes, the mark included, at a rune's edge.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n-len(cutMark), 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + cutMark
}

// shortKey is a key that PagerDuty takes: the key itself, or its beginning and its digest.
// Equal keys stay equal and different ones different, whoever computes them, and when.
func shortKey(key string) string {
	if len(key) <= keyLimit {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	n := keyLimit - 1 - hex.EncodedLen(len(sum))
	for n > 0 && !utf8.RuneStart(key[n]) {
		n--
	}
	return key[:n] + "-" + hex.EncodeToString(sum[:])
}
