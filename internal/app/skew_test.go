package app

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/auth"
	"github.com/sallyport/sallyport/internal/config"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/pgtest"
)

func TestF028AReplicaWhoseClockIsWrongGoesByTheDatabasesAndSaysSo(t *testing.T) {
	server, err := pgtest.Open(pgtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	dsn, err := server.Database(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seal := filepath.Join(t.TempDir(), "seal.key") // that of all replicas
	if _, err := auth.OpenSealer(seal); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		wrong time.Duration
		says  string // empty: nothing
	}{
		{0, ""},
		{time.Second, ""},
		{10 * time.Minute, "clock: this host's is 10m0s ahead of the database's, whose time counts"},
		{-10 * time.Minute, "clock: this host's is 10m0s behind the database's, whose time counts"},
	}
	for _, tt := range tests {
		t.Run(tt.wrong.String(), func(t *testing.T) {
			c := config.Default()
			c.Data, c.Database = t.TempDir(), config.Database(dsn)
			c.Auth.SealKey = core.SecretRef("file:" + seal)
			a, err := New(t.Context(), Options{Config: c, Wall: func() time.Time { return time.Now().Add(tt.wrong) }})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if off := time.Until(a.clock.Now()).Abs(); off > time.Second {
				t.Errorf("its time is off by %v", off)
			}
			ready, reasons := a.ready(t.Context())
			if got := strings.Join(reasons, "; "); !ready || got != tt.says {
				t.Errorf("ready %t, %q; want %q", ready, got, tt.says)
			}
			if got := strings.Join(a.status(t.Context()).Warnings, "; "); got != tt.says {
				t.Errorf("status warns of %q, want %q", got, tt.says)
			}
			if f := a.doctorClock(); (f.State == "ok") != (tt.says == "") {
				t.Errorf("doctor finds %+v", f)
			}
		})
	}
}
