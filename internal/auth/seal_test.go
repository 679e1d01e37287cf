package auth

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
)

// asvs: 11.3.3
func TestWhatIsSealedOpensUnderItsNameAndItsKeyOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	first, err := OpenSealer(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.Seal("ca/1", []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenSealer(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open("ca/1", sealed); string(got) != "key" || err != nil {
		t.Errorf("opened %q, %v", got, err)
	}
	other, err := OpenSealer(filepath.Join(t.TempDir(), "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func() ([]byte, error){
		"another name":     func() ([]byte, error) { return again.Open("ca/2", sealed) },
		"another key":      func() ([]byte, error) { return other.Open("ca/1", sealed) },
		"not base64":       func() ([]byte, error) { return again.Open("ca/1", "*") },
		"one byte changed": func() ([]byte, error) { return again.Open("ca/1", "A"+sealed[1:len(sealed)-4]+"AAA=") },
	} {
		if got, err := open(); err == nil || core.KindOf(err) != core.Unavailable {
			t.Errorf("%s: opened %q, %v", what, got, err)
		}
	}
}

// asvs: 13.3.2
func TestASealingKeyThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "seal.key")
	if _, err := OpenSealer(path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("made with mode %v, %v", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o640); err != nil { //nolint:gosec // that is the test
		t.Fatal(err)
	}
	if _, err := OpenSealer(path); core.KindOf(err) != core.Invalid {
		t.Errorf("refused with %v", err)
	}
	if err := os.WriteFile(path, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSealer(path); core.KindOf(err) != core.Invalid {
		t.Errorf("refused with %v", err)
	}
}
