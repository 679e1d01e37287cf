package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/page004/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{
		targetHead + "  {connector: memory, a: [1, -0.5, 1e300, true, ~, 'x: y', \"\\x85\\u2028\\t\"], '<<': 1, b: |\n    text\n  }\n",
		targetHead + "  connector: memory\n  s: \"a\\n b\\n\\n\"\n  u: \"\\n\"\n  v: \" \\n x\"\n  w: \"x \\n\"\n",
		userHead + "  roles: &r [a]\n  traits: {x: *r, <<: {y: z}}\n",
		accountHead + "  region: eu\n",
		`{"kind": "user", "metadata": {"name": "😀"}} {"kind": "List", "items": [{"kind": "role", "metadata": {"name": "r"}}]}`,
		`[{"kind": "target", "metadata": {"name": "t"}, "spec": {"connector": "x", "n": 1E-7}}]`,
		roleHead + "  options: {max_session_ttl: 60060}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		items, err := Read(data)
		if err != nil {
			var e *core.Error
			if !errors.As(err, &e) || e.Kind != core.Invalid || len(items) > 0 {
				t.Fatalf("%d items and %v", len(items), err)
			}
			return
		}
		for _, item := range items {
			sameAfterWriting(t, item.Document)
		}
	})
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"", "0", "60060", "1h30m", "8h0m0s", "7d", "2w", "1w1d1h", "-1h", "1e3h", "999999w", "1.5h", "9223372036854775807ns", "h", "7d7", "+1h", strings.Repeat("9", 1000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Duration(s)
		if err != nil {
			if core.KindOf(err) != core.Invalid || len(err.Error()) > 200 {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if d < 0 || d > 2*longest {
			t.Errorf("%q is %v", s, d)
		}
		if again, err := Duration(shortDuration(d)); d%time.Microsecond == 0 && (err != nil || again != d) {
			t.Errorf("%q is %v, written %s, read as %v (%v)", s, d, shortDuration(d), again, err)
		}
	})
}
