package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestB072NothingThatATerminalActsOnIsShown(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                              "plain",
		"Zoë 日本 👩‍🚒":                         "Zoë 日本 👩‍🚒",
		"a\x1b[2Jb\x1b[31;1mc\x1b[0m":        "abc",
		"a\x1b]52;c;aGVsbG8=\ab":             "ab",
		"a\x1b]0;title\x1b\\b":               "ab",
		"\x1b]8;;http://e\x1b\\x\x1b]8;;\a":  "x",
		"a\x1b]52;never ended":               "a",
		"a\x1bPq#0\x1b\\b":                   "ab",
		"a\u009b2Jb\u009d0;t\u009cc":         "abc",
		"a\x1b(0b\x1b7c\x1bc":                "abc",
		"a\x1b":                              "a",
		"a\x1b[":                             "a",
		"a\x1b[12\nb":                        "a b",
		"a\x1b[12é":                          "aé",
		"a\x00b\x07c\x7fd\x08":               "abcd",
		"a\nb\tc\rd":                         "a b c d",
		"txt.\u202eexe":                      "txt.exe",
		"a\x9bb\xff":                         "a�b�",
		"a\x1b]0;x\nsecond line stays there": "a second line stays there",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("a\x1b]52;c;x\x1b[\u009b\u202e\n")
	f.Fuzz(func(t *testing.T, in string) {
		out := plain(in)
		for _, r := range out {
			if acts(r) {
				t.Fatalf("%q keeps %U", in, r)
			}
		}
		if plain(out) != out {
			t.Fatalf("plain twice is not plain once: %q", in)
		}
		value := map[string]string{"k": out + strings.ToValidUTF8(in, "?")}
		want, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		text, err := yamlOf(value)
		if err != nil {
			t.Fatalf("%q as YAML: %v", in, err)
		}
		var back map[string]string
		if err := yaml.Unmarshal(text, &back); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got, _ := json.Marshal(back); string(got) != string(want) {
			t.Fatalf("YAML %q reads as %q, want %q", text, got, want)
		}
		for _, r := range string(text) {
			if r != '\n' && acts(r) {
				t.Fatalf("YAML %q keeps %U", text, r)
			}
		}
	})
}
