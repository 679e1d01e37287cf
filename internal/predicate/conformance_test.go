package predicate

import (
	"encoding/json"
	"os"
	"testing"
)

// conformance is a file of cases observed on Teleport's own evaluators.
type conformance struct {
	Contexts map[string]json.RawMessage `json:"contexts"`
	Cases    []struct {
		ID      string `json:"id"`
		Kind    string `json:"kind"`
		Context string `json:"context"`
		Expr    string `json:"expr"`
		Current string `json:"current"`
	} `json:"cases"`
}

func loadConformance(t testing.TB) conformance {
	t.Helper()
	data, err := os.ReadFile("testdata/predicates.json")
	if err != nil {
		t.Fatal(err)
	}
	var f conformance
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func loadContext(t testing.TB, name string) *Context {
	t.Helper()
	c, err := DecodeContext(loadConformance(t).Contexts[name])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// asvs: 1.3.2
func TestEveryObservedCaseHasTeleportsOutcome(t *testing.T) {
	f := loadConformance(t)
	if len(f.Cases) < 100 {
		t.Fatalf("only %d cases", len(f.Cases))
	}
	for _, tc := range f.Cases {
		c, err := DecodeContext(f.Contexts[tc.Context])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Outcome(tc.Kind, tc.Expr, c); got != tc.Current {
			t.Errorf("%s %s: %s: got %s (%v), want %s", tc.ID, tc.Kind, tc.Expr, got, err, tc.Current)
		}
	}
}
