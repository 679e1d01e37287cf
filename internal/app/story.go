package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// A step is one thing that happens in the story: a real command, run and shown.
type step struct {
	say    string   // what is about to happen, and who does it
	run    []string // the command's words; {ID} stands for the last request
	wants  []string // what its output must contain
	lacks  []string // and what it must not
	status int      // the exit status it must end with
	wait   bool     // try until the output is as wanted, for a while
	before func(ctx context.Context, s *stage) error
}

// The story of Teleport's PagerDuty guide, in real commands.
var story = []step{
	{
		say:   "Dana is a developer and not on call. She asks for the role editor.",
		run:   []string{"request", "create", "--as", "dana@example.com", "--roles", "editor", "--reason", "mend the status page", "--for", "1h"},
		wants: []string{"req_"},
	},
	{
		say:   "Nobody is approved who is not on call, so people decide. PagerDuty has one incident about it.",
		run:   []string{"incident", "list"},
		wants: []string{"Teleport Access Request Notifications", "open"}, wait: true,
	},
	{
		say:   "Riley may review requests for editor, and approves.",
		run:   []string{"request", "approve", "{ID}", "--as", "riley@example.com", "--reason", "go ahead"},
		wants: []string{"APPROVED"},
	},
	{
		say:   "The access appears on the target.",
		run:   []string{"get", "entitlement", "--target", "demo"},
		wants: []string{"dana@example.com", "wiki-editors"}, wait: true,
	},
	{
		say:   "The incident has the review as a note, and is resolved.",
		run:   []string{"incident", "list"},
		wants: []string{"resolved"}, wait: true,
	},
	{
		say:   "Now somebody who is on call. Who is, for My Critical Service?",
		run:   []string{"oncall", "--service", "My Critical Service"},
		wants: []string{"Ann Arbor", "Primary"},
	},
	{
		say:   "Ann is. She asks for demo-role, and need not wait for anybody.",
		run:   []string{"request", "create", "--as", "ann@example.com", "--roles", "demo-role", "--reason", "checkout is down", "--for", "4h", "--wait"},
		wants: []string{"APPROVED"},
	},
	{
		say:   "Why? The decision keeps the PagerDuty answer that it rests on.",
		run:   []string{"request", "explain", "{ID}"},
		wants: []string{"on call", "My Critical Service", "access-plugin"},
	},
	{
		say:   "She has the database.",
		run:   []string{"get", "entitlement", "--target", "demo"},
		wants: []string{"ann@example.com", "production-db"}, wait: true,
	},
	{
		say:    "Her shift ends: the clock goes two and a half hours ahead. The access ends with it.",
		before: func(ctx context.Context, s *stage) error { return s.turnClock(ctx, "2h30m") },
		run:    []string{"grant", "list", "--user", "ann@example.com"},
		wants:  []string{"ended", "off_call"}, lacks: []string{"active", "ending"}, wait: true,
	},
	{
		say:   "It is gone from the target, which was read back to be sure.",
		run:   []string{"get", "entitlement", "--target", "demo"},
		lacks: []string{"ann@example.com"},
	},
	{
		say:   "Out of habit she asks once more. But Bob has the shift now, so people decide.",
		run:   []string{"request", "create", "--as", "ann@example.com", "--roles", "demo-role", "--reason", "one more look", "--for", "1h"},
		wants: []string{"req_", "PENDING"},
	},
	{
		say:   "Riley says no.",
		run:   []string{"request", "deny", "{ID}", "--as", "riley@example.com", "--reason", "Bob has it now"},
		wants: []string{"DENIED"},
	},
	{
		say:   "Ann can read why, on-call status included.",
		run:   []string{"request", "explain", "{ID}"},
		wants: []string{"not on call", "Bob has it now"},
	},
	{
		say:   "Everything stands in one audit log, each entry sealed to the one before.",
		run:   []string{"audit", "verify"},
		wants: []string{"entries"},
	},
}

// play plays the story, and stops where a step differs from what it announces.
func (s *stage) play(ctx context.Context) error {
	fmt.Fprintf(s.Out, "A throw-away Sallyport with PagerDuty's simulator. Nothing leaves this machine.\n")
	last := ""
	for i, step := range story {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(s.Out, "\n%d. %s\n", i+1, step.say)
		if step.before != nil {
			if err := step.before(ctx, s); err != nil {
				return err
			}
		}
		out, err := s.perform(ctx, step, last)
		if err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, step.say, err)
		}
		if id := requestID.FindString(out); id != "" && step.run[1] == "create" {
			last = id
		}
	}
	return nil
}

var requestID = regexp.MustCompile(`req_[0-9a-z]+`)

// patience is how long a step may take to come out as announced.
const patience = 15 * time.Second

// perform runs a step's command, prints it with its output, and holds that against what was announced.
func (s *stage) perform(ctx context.Context, step step, last string) (string, error) {
	words := make([]string, len(step.run))
	for i, w := range step.run {
		words[i] = strings.ReplaceAll(w, "{ID}", last)
	}
	deadline := time.Now().Add(patience)
	for {
		out, err := s.command(ctx, words, step.status)
		if err == nil {
			err = step.holds(out)
		}
		if err == nil || !step.wait || time.Now().After(deadline) {
			fmt.Fprintf(s.Out, "$ sallyport %s\n%s", shown(words), out)
			return out, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
}

func (st step) holds(out string) error {
	for _, w := range st.wants {
		if !strings.Contains(out, w) {
			return fmt.Errorf("the output has no %q", w)
		}
	}
	for _, l := range st.lacks {
		if strings.Contains(out, l) {
			return fmt.Errorf("the output still has %q", l)
		}
	}
	return nil
}

// command runs this program as a user would.
func (s *stage) command(ctx context.Context, words []string, status int) (string, error) {
	cmd := exec.CommandContext(ctx, s.Executable, words...) //nolint:gosec // our own program, with our own words
	cmd.Env = append(os.Environ(), "SALLYPORT_DATA="+s.data, "NO_COLOR=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return "", err
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		return out.String(), fmt.Errorf("exit status %d, want %d", got, status)
	}
	return out.String(), nil
}

// shown writes a command line as one would type it.
func shown(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if strings.ContainsAny(w, " '\"$") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out[i] = w
	}
	return strings.Join(out, " ")
}

// turnClock moves the simulator's clock ahead, over its control API.
func (s *stage) turnClock(ctx context.Context, by string) error {
	body := fmt.Sprintf(`{"advance":%q}`, by)
	fmt.Fprintf(s.Out, "$ curl -X POST -H 'Authorization: Bearer %s' %s/_sim/clock -d '%s'\n", s.token, s.pd, body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.pd+"/_sim/clock", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return fmt.Errorf("the simulator's clock was not turned: %s: %s", res.Status, text)
	}
	return nil
}

// invite says what to look at next, while the server stays up.
func (s *stage) invite() {
	fmt.Fprintf(s.Out, `
The server stays up until you press Ctrl-C. The page of what is going on (open to this machine only, to whoever has the link):

  http://%s/?token=%s

Five commands to try, in another terminal:

  export SALLYPORT_DATA=%s
  sallyport request list
  sallyport request create --as bob@example.com --roles demo-role --reason 'try it' --wait
  sallyport oncall
  sallyport audit list
  sallyport doctor
`, s.app.Address(), s.token, s.data)
}
