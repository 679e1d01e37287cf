package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store"
)

// F014: a page is spoilt, another one each time. Where the damage is not found when the file is
// opened, it is met by an error, or does no harm to what is read.
func TestF014ASpoiltPageIsNamedOrDoesNoHarm(t *testing.T) {
	data := folder(t)
	s := open(t, store.Options{Data: data})
	for i := range 100 {
		if err := s.Write(t.Context(), func(tx engine.Tx) error { return tenRows(tx, fmt.Sprint(i)) }); err != nil {
			t.Fatal(err)
		}
	}
	want := everything(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(data, "sallyport.db"))
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	pages := len(whole) / page
	for name, spoil := range map[string]func(b []byte, at int) []byte{
		"whole": func(b []byte, _ int) []byte { return b }, // or the others would show nothing
		"flipped": func(b []byte, at int) []byte {
			for i := range page / 64 {
				b[at+i*64+7] ^= 0xff
			}
			return b
		},
		"lost":      func(b []byte, at int) []byte { clear(b[at : at+page]); return b },
		"misplaced": func(b []byte, at int) []byte { copy(b[at:at+page], whole[3*page:4*page]); return b },
		"cut":       func(b []byte, at int) []byte { return b[:max(at, 1)] },
	} {
		refused, met, harmless := 0, 0, 0
		for n := 0; n < pages; n += max(1, pages/24) {
			folder := t.TempDir()
			spoilt := spoil(slices.Clone(whole), n*page)
			if err := os.WriteFile(filepath.Join(folder, "sallyport.db"), spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(t.Context(), store.Options{Data: folder})
			if err != nil {
				wantTrouble(t, err, core.Internal, "is damaged")
				refused++
				continue
			}
			switch got, err := tryEverything(t.Context(), s); {
			case err != nil:
				met++
			case got == want:
				harmless++
			default:
				t.Errorf("page %d %s: it is opened, and what is read is another thing", n+1, name)
			}
			if err := s.Close(); err != nil {
				t.Log(err)
			}
		}
		if (name == "whole") != (refused+met == 0) {
			t.Errorf("%s: %d refused when opened, %d met by an error, %d harmless", name, refused, met, harmless)
		}
		t.Logf("%s: %d refused when opened, %d met by an error, %d harmless", name, refused, met, harmless)
	}
}

// everything is what can be read of requests and the audit log, as one text.
func everything(t *testing.T, s *store.Store) string {
	t.Helper()
	text, err := tryEverything(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func tryEverything(ctx context.Context, s *store.Store) (text string, err error) {
	err = s.Read(ctx, func(v engine.View) error {
		entries, err := v.Audit(0, 100_000)
		if err != nil {
			return err
		}
		if err := core.VerifyChain(entries...); err != nil {
			return err
		}
		requests, err := v.Requests(engine.RequestQuery{Limit: 100_000})
		if err != nil {
			return err
		}
		grants, err := v.Grants(engine.GrantQuery{Limit: 100_000})
		text = fmt.Sprint(entries, requests, grants)
		return err
	})
	return text, err
}
