package core

import (
	"errors"
	"strings"
	"testing"
)

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"", "@", "a@b", "Ann@Example.COM", "a@b@c", `"a@b"@c`, "Ann <a@b>", "a b@c", "\u212a@x", "a@\x00", "é@ü", "a@b,c@d", "(x)a@b"} {
		f.Add(s, "ann@example.com")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		folded, ok := foldEmail(a)
		if ok {
			if strings.Count(folded, "@") != 1 || len(folded) != len(a) || strings.ContainsAny(folded, "\x00\r\n \t\"<>()[]\\,;:ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
				t.Errorf("%q is taken as %q", a, folded)
			}
			if again, _ := foldEmail(folded); again != folded || !sameEmail(a, folded) {
				t.Errorf("%q folds to %q and then to %q", a, folded, again)
			}
		}
		if sameEmail(a, b) != sameEmail(b, a) || sameEmail(a, b) && len(a) != len(b) {
			t.Errorf("%q and %q", a, b)
		}
		if local, err := emailLocal(a); err == nil && strings.Contains(local, "@") {
			t.Errorf("the local part of %q is %q", a, local)
		}
	})
}

// FuzzReplayFile plays any file of scenarios: it is refused in words, or ends.
func FuzzReplayFile(f *testing.F) {
	for _, s := range []string{
		"", "[]", "{}", "null", "[null]", `{"request_review_cases":[]}`, `{"request_review_cases":null}`, `[{"id":1}]`, `[{"id":"a"}] x`,
		`{"id":"a","roles":{"r":{"request":{"roles":["x"],"thresholds":[{"approve":1,"deny":1,"filter":"equals(review.reason, \"a\")"}]}},"x":{},"v":{"review":{"roles":["*"],"where":"contains(reviewer.roles, \"v\")"}}},"users":{"ann":{"roles":["r"]},"bob":{"roles":["v"]}},"requester":"ann","requested_roles":["x"],"steps":[{"by":"bob","propose":"APPROVED","reason":"a"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		results, err := ReplayFile(data)
		var shown *Error
		if err != nil && (!errors.As(err, &shown) || shown.Kind != Invalid) {
			t.Errorf("%q: %v", data, err)
		}
		for _, r := range results {
			if r.Accepted && r.Error != "" {
				t.Errorf("%q: taken, with %s", data, r.Error)
			}
		}
	})
}
