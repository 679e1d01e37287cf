package app

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestADemoWhoseStepDiffersFromWhatItAnnouncesFails(t *testing.T) {
	short, err := os.MkdirTemp("", "app-") // a socket's path has little room
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(short)
	t.Setenv("TMPDIR", short)
	tests := []struct{ name, program, want string }{
		{"the command prints something else", "true", `the output has no "req_"`},
		{"the command fails", "false", "exit status 1, want 0"},
		{"there is no command", "nowhere", "nowhere"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, err := exec.LookPath(tt.program)
			if err != nil {
				path = "/nowhere"
			}
			var out strings.Builder
			err = Demo(t.Context(), DemoOptions{Once: true, Out: &out, Err: io.Discard, Executable: path})
			if err == nil || !strings.Contains(err.Error(), "step 1, ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want step 1 and %q", err, tt.want)
			}
			if !strings.Contains(out.String(), "\n1. ") || strings.Contains(out.String(), "\n2. ") {
				t.Errorf("it told:\n%s", &out)
			}
		})
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("the demo left %v behind (%v)", left, err)
	}
}

func TestAStepIsHeldToItsWords(t *testing.T) {
	s := step{wants: []string{"ended"}, lacks: []string{"active"}}
	for out, fine := range map[string]bool{"ended": true, "ended, active": false, "active": false, "": false} {
		if err := s.holds(out); (err == nil) != fine {
			t.Errorf("%q: %v", out, err)
		}
	}
}
