package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBatchAnswersAsTeleportDoes runs every case of the conformance data through one batch.
func TestBatchAnswersAsTeleportDoes(t *testing.T) {
	var file struct {
		Contexts map[string]json.RawMessage
		Cases    []struct{ ID, Kind, Context, Expr, Current string }
	}
	readJSON(t, "../predicate/testdata/predicates.json", &file)
	var in strings.Builder
	want := map[string]string{}
	for _, c := range file.Cases {
		line := map[string]any{"id": c.ID, "kind": c.Kind, "context": file.Contexts[c.Context], "expr": c.Expr}
		if err := json.NewEncoder(&in).Encode(line); err != nil {
			t.Fatal(err)
		}
		want[c.ID] = c.Current
	}
	status, out, errs := run(t, in.String(), "predicate", "eval", "--batch", "-")
	if status != 0 || errs != "" {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	got := map[string]string{}
	readLines(t, out, func(line []byte) {
		var r struct{ ID, Result, Error string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(r.Result, "error") == (r.Error == "") {
			t.Errorf("%s: result %s with error %q", r.ID, r.Result, r.Error)
		}
		got[r.ID] = r.Result
	})
	if d := cmp.Diff(want, got); d != "" || len(got) < 100 {
		t.Errorf("%d cases, (-want +got):\n%s", len(got), d)
	}
}

// TestEveryCaseOfTheBatchGivesItsExitStatusAlone runs the same cases one by one.
func TestEveryCaseOfTheBatchGivesItsExitStatusAlone(t *testing.T) {
	var file struct {
		Contexts map[string]json.RawMessage
		Cases    []struct{ ID, Kind, Context, Expr, Current string }
	}
	readJSON(t, "../predicate/testdata/predicates.json", &file)
	for _, c := range file.Cases {
		context := filepath.Join(t.TempDir(), "context.json")
		if err := os.WriteFile(context, file.Contexts[c.Context], 0o600); err != nil {
			t.Fatal(err)
		}
		status, out, errs := run(t, "", "predicate", "eval", "--kind", c.Kind, "--context", context, "--", c.Expr)
		want := map[string]int{"true": 0, "false": 0, "parse_error": 2, "eval_error": 3}[c.Current]
		if status != want {
			t.Errorf("%s: exit status %d, want %d for %s", c.ID, status, want, c.Current)
		}
		if want == 0 && out != c.Current+"\n" {
			t.Errorf("%s: %q, want %s", c.ID, out, c.Current)
		}
		if want != 0 && !strings.Contains(errs, c.Current+" at ") {
			t.Errorf("%s: %q does not name %s and its position", c.ID, errs, c.Current)
		}
	}
}

// TestReplayDecidesAsTeleportDoes holds every scenario against what Teleport made of it.
func TestReplayDecidesAsTeleportDoes(t *testing.T) {
	const file = "../core/testdata/requests.json"
	var cases struct {
		List []struct {
			ID     string
			Expect map[string]any
		} `json:"request_review_cases"`
	}
	readJSON(t, file, &cases)
	status, out, errs := run(t, "", "policy", "replay", file)
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	n := 0
	readLines(t, out, func(line []byte) {
		var got map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		want := asReplayed(cases.List[n].Expect)
		if got["id"] != cases.List[n].ID {
			t.Fatalf("line %d is %v, want %s", n+1, got["id"], cases.List[n].ID)
		}
		for _, key := range []string{"accepted", "error", "steps", "system_annotations", "thresholds"} {
			if want["accepted"] == false && want[key] == nil {
				continue // what was never reached was not written down
			}
			if d := cmp.Diff(want[key], got[key]); d != "" {
				t.Errorf("%s %s (-want +got):\n%s", got["id"], key, d)
			}
		}
		n++
	})
	if n != len(cases.List) || n < 40 {
		t.Errorf("%d lines for %d cases", n, len(cases.List))
	}
}

// asReplayed leaves out of an expectation what a replay does not print. Annotations are
// today's: sorted, and each once (annotation case A2), where the data are older.
func asReplayed(expect map[string]any) map[string]any {
	annotations, _ := expect["system_annotations"].(map[string]any)
	for key, values := range annotations {
		list := values.([]any)
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		annotations[key] = slices.Compact(list)
	}
	steps, _ := expect["steps"].([]any)
	for _, s := range steps {
		delete(s.(map[string]any), "resolve_reason")
	}
	if expect["accepted"] == true && steps == nil {
		expect["steps"] = []any{}
	}
	return expect
}

func readJSON(t testing.TB, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}
