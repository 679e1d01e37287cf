package cli

import (
	"strings"
	"testing"
	"time"
)

func FuzzLength(f *testing.F) {
	for _, s := range []string{"", "90", "90m", "2h", "1d12h", "1.5h", "-1h", "1e3", "NaN", "Inf", "0x10", "0", "1s1s", "99999999999h", ".5h", strings.Repeat("1s", 500)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := length("for", s)
		if err == nil && (d < time.Second || d > longest) {
			t.Errorf("%q is %v", s, d)
		}
		if err == nil && d%time.Second == 0 {
			if again, err := length("for", inWords(d)); err != nil || again != d {
				t.Errorf("%q is %v, written %s, read as %v (%v)", s, d, inWords(d), again, err)
			}
		}
	})
}

func FuzzBatchLine(f *testing.F) {
	for _, s := range []string{"", "{}", `{"id":"a","kind":"review","context":{"reviewer":{"roles":["a"]}},"expr":"contains(reviewer.roles, \"a\")"}`, `{"expr":"","context":null}`, `{"kind":"nothing","expr":"x"}`, `{"context":[],"expr":"x"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		out, err := evalLine(line)
		known := map[string]bool{"true": true, "false": true, "parse_error": true, "eval_error": true}
		if err == nil && !known[string(out.Result)] {
			t.Errorf("%q comes to %q", line, out.Result)
		}
	})
}
