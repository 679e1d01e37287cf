package api

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWhereBytesAreCutMakesNoDifference(t *testing.T) {
	parts := []string{"GET / HTTP/1.1\r\n", "Host: x\r\n", "Content-Length: 3\r\n", "\r\n", "abc", "\n", "\r", " ", "X: y\r\n", "Transfer-Encoding: chunked\r\n", "content-length:0\r\n", ":", "\x00"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom(parts)).Draw(t, "text"), "")
		var whole framing
		want := whole.look([]byte(text))
		var cut framing
		got := 0
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			good := cut.look([]byte(rest[:n]))
			got += good
			if good < n {
				break
			}
			rest = rest[n:]
		}
		if got != want || cut.begun != whole.begun {
			t.Errorf("%q: %d bytes are good in one piece, %d in several", text, want, got)
		}
	})
}
