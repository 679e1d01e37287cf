package predicate

import (
	"strings"
	"testing"
	"time"
)

// The language has no loops. What is left that could take long is refused when it is parsed,
// or is a regular expression of a kind that takes linear time.
func TestB035NoConditionTakesLong(t *testing.T) {
	reason := strings.Repeat("a", 4096) + "b"
	ctx := new(Context)
	ctx.Request.Roles, ctx.Request.Reason = strings.Split(strings.Repeat("r,", 300), ","), reason
	for name, src := range map[string]string{
		"a pattern that would go back and forth": `regexp.match(request.reason, "^(a+)+$")`,
		"another one":                            `regexp.match(request.reason, "^(a|a)*(a|aa)+$")`,
		"stars":                                  `regexp.match(request.reason, "` + strings.Repeat("*a", 100) + `")`,
		"repetitions of repetitions":             `regexp.match(request.reason, "^((((a{9}){9}){9}){9}){9}$")`,
		"a long chain":                           strings.Repeat(`contains(request.roles, "x") || `, 2000) + "false",
		"a deep one":                             strings.Repeat("!(", 5000) + "true" + strings.Repeat(")", 5000),
		"many brackets":                          strings.Repeat("(", 100_000) + "true" + strings.Repeat(")", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			e, err := Parse(Review, src)
			if err == nil {
				_, _ = e.Eval(ctx)
			}
			if took := time.Since(began); took > 2*time.Second { // 5 ms without the race detector on a quiet machine
				t.Errorf("it took %v (%v)", took, err)
			}
		})
	}
}
