package config

import (
	"errors"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
)

func FuzzFile(f *testing.F) {
	for _, s := range []string{
		full, string(Sample()), "", "a: &a [*a]", "listen: [", "oncall: {max_staleness: 1e9s}", "? [a]\n: b", "listen: !!binary aGk=", "<<: {listen: x}", "oncall: &o {sync_every: 1s}\ndefaults: *o", "---\n---\n", "data: \"\\0\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Load(write(t, string(data)), home)
		var shown *core.Error
		switch {
		case err == nil && c.Check() != nil:
			t.Errorf("%q is taken, and is %v", data, c.Check())
		case err != nil && (!errors.As(err, &shown) || shown.Kind != core.Invalid):
			t.Errorf("%q: %v", data, err)
		}
	})
}
