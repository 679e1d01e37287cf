package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestTheHelpOfEveryCommandShowsAnExampleAndTheExitStatus(t *testing.T) {
	var out bytes.Buffer
	s := &shell{out: &out, err: &out}
	root := s.root()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		out.Reset()
		if err := c.Help(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), "Examples:\n  ") || !strings.Contains(out.String(), exitStatus) {
			t.Errorf("%s: the help lacks an example or the exit status", c.CommandPath())
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
		if c.Runnable() && !c.HasSubCommands() && c.Args == nil && c.Parent().Name() != "completion" && c.Name() != "help" {
			t.Errorf("%s takes any arguments", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

func TestLengthsOfTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"2h": 2 * time.Hour, "90": 90 * time.Minute, "1d12h": 36 * time.Hour, "1.5h": 90 * time.Minute, " 45m ": 45 * time.Minute,
		"14d": longest, "2w": longest, "1s": time.Second, "0.5": 30 * time.Second,
	} {
		if got, err := length("for", text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for text, why := range map[string]string{
		"0": "no time", "0h0m": "no time", "-1": "negative", "-2h": "negative", "14d1s": "too long", "60060h": "too long", "1e300": "too long",
		"": "not a length", "h": "not a length", "2 h": "not a length", "NaN": "not a length", "Inf": "not a length", "0x10m": "not a length",
		"2h%s": "not a length", "0.001s": "too short", "99999999999999999999d": "too long",
	} {
		if got, err := length("for", text); err == nil || !strings.Contains(err.Error(), why) || statusOf("invalid") != exitUsage {
			t.Errorf("%q is %v, %v; want an error with %q", text, got, err, why)
		}
	}
}

func TestLengthsInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 36 * time.Hour: "1d12h", 4 * time.Hour: "4h", -time.Minute: "-1m", 1499 * time.Millisecond: "1s",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestMoments(t *testing.T) {
	now := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "+2h": now.Add(2 * time.Hour), "2026-11-23T15:00:00Z": now, "2026-11-23 15:00": now, "2026-11-23T16:00:00+01:00": now,
	} {
		if got, err := moment("at", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestADifferenceShowsWhatStandsNearItOnly(t *testing.T) {
	before := strings.Split("a b c d e f g", " ")
	after := strings.Split("a b c d x f g h", " ")
	want := []string{"  ...", "  c", "  d", "- e", "+ x", "  f", "  g", "+ h"}
	if d := cmp.Diff(want, diff(before, after)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"+ a"}, diff(nil, []string{"a"})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestColourIsForTerminalsOnly(t *testing.T) {
	s := &shell{out: new(bytes.Buffer)}
	if got := s.paint("APPROVED"); got != "APPROVED" {
		t.Errorf("no terminal, and yet %q", got)
	}
}

func TestSpreadsheetsDoNotCalculate(t *testing.T) {
	got := defused([][]string{{"=HYPERLINK(1)", "+1", "-1", "@x", "a=b", "", "\x1b[2Jx", "\x1b[2J=x", "\t=x"}})
	want := [][]string{{"'=HYPERLINK(1)", "'+1", "'-1", "'@x", "a=b", "", "x", "'=x", "' =x"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
