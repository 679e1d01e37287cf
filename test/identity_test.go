package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/test/world"
)

// machines are page 004's roles for a plugin and for whoever signs for it.
const machines = `
{kind: role, version: v5, metadata: {name: access-plugin-impersonator}, spec: {allow: {impersonate: {users: [access-plugin], roles: [access-plugin]}}}}
---
{kind: role, version: v5, metadata: {name: access-plugin}, spec: {}}
---
{kind: user, version: v2, metadata: {name: access-plugin}, spec: {roles: [access-plugin], bot: true}}
---
{kind: user, version: v2, metadata: {name: signer}, spec: {roles: [access-plugin-impersonator]}}
`

// cluster starts a server with these, and an identity of the signer in its folder. remote runs
// a command over the network.
func cluster(t *testing.T) (s *world.Server, remote func(identity string, args ...string) world.Result) {
	t.Helper()
	s = start(t, "")
	if r := s.Feed(machines, "apply", "-f", "-"); r.Status != 0 {
		t.Fatal(r.Err)
	}
	remote = func(identity string, args ...string) world.Result {
		t.Helper()
		return s.Run(append([]string{"--server", "https://" + s.Address, "--identity", filepath.Join(s.Dir, identity)}, args...)...)
	}
	s.Must("auth", "sign", "--user", "signer", "--out", filepath.Join(s.Dir, "signer"), "--ttl", "2h")
	return s, remote
}

func wantRun(t *testing.T, what string, r world.Result, status int, words string) {
	t.Helper()
	if r.Status != status || !strings.Contains(r.Out+r.Err, words) {
		t.Errorf("%s: ended with %d, want %d, and says\n%s%s", what, r.Status, status, r.Out, r.Err)
	}
}

func TestAMachineIsKnownByItsIdentityFile(t *testing.T) {
	s, remote := cluster(t)
	plugin := filepath.Join(s.Dir, "plugin")
	wantRun(t, "status", remote("signer", "status", "-o", "json"), 0, `"username": "signer"`)
	wantRun(t, "sign", remote("signer", "auth", "sign", "--user", "access-plugin", "--out", plugin, "--ttl", "90"), 0, "is access-plugin until")
	wantRun(t, "another user", remote("signer", "auth", "sign", "--user", "admin", "--out", plugin+"2"), 4, "no user")
	wantRun(t, "rotate", remote("plugin", "auth", "rotate"), 3, "cert_authority")
	wantRun(t, "acting as others", remote("plugin", "--as", "signer", "status"), 2, "socket")

	s.Must("auth", "rotate")
	wantRun(t, "after a rotation", remote("plugin", "status"), 0, "access-plugin")

	out := filepath.Join(s.Dir, "out")
	wantRun(t, "renew", remote("plugin", "auth", "renew", "--out", out, "--once"), 0, "is access-plugin until")
	wantRun(t, "renewed", remote("out/identity", "status"), 0, "Made by:     signer")
	wantRun(t, "spent", remote("plugin", "status"), 3, "was renewed")
	wantRun(t, "a copy", remote("plugin", "auth", "renew", "--out", out+"2", "--once"), 3, "wrong hands")
	wantRun(t, "its whole line", remote("out/identity", "status"), 3, "ended")
	wantRun(t, "the signer goes on", remote("signer", "status"), 0, "signer")
	if log := s.Must("audit", "list", "-o", "json"); !strings.Contains(log, "certificate.copied") {
		t.Error("nothing of the copy in the audit log")
	}
}

func TestF067WhoeverIsLockedIsOutAtOnceAndSoIsWhatTheySigned(t *testing.T) {
	s, remote := cluster(t)
	wantRun(t, "sign", remote("signer", "auth", "sign", "--user", "access-plugin", "--out", filepath.Join(s.Dir, "plugin")), 0, "access-plugin")
	s.Must("auth", "sign", "--user", "access-plugin", "--out", filepath.Join(s.Dir, "second"))
	s.Must("user", "lock", "signer")
	wantRun(t, "locked", remote("signer", "status"), 3, "")
	wantRun(t, "signed by who is locked", remote("plugin", "status"), 3, "")
	wantRun(t, "signed by the local administrator", remote("second", "status"), 0, "access-plugin")
	s.Must("user", "lock", "access-plugin")
	wantRun(t, "locked as well", remote("second", "status"), 3, "")
}

func TestB145AnIdentityFileThatOthersMayReadIsRefusedWithTheCure(t *testing.T) {
	s, remote := cluster(t)
	file := filepath.Join(s.Dir, "signer")
	if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // that is the test
		t.Fatal(err)
	}
	if err := os.Symlink(file, filepath.Join(s.Dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signer", "link"} {
		wantRun(t, name, remote(name, "status"), 2, "chmod 600")
	}
}

func TestB146ALoginTrustsNobodyUnasked(t *testing.T) {
	s, _ := cluster(t)
	at := "https://" + s.Address
	r := s.Run("login", "--no-browser", "--server", at)
	wantRun(t, "without a pin", r, 3, "sallyport login --server "+at+" --ca-pin sha256:")
	wantRun(t, "with another's pin", s.Run("login", "--no-browser", "--server", at, "--ca-pin", "sha256:00"), 3, "another certificate authority")
	wantRun(t, "over plain HTTP", s.Run("login", "--no-browser", "--server", "http://sallyport.example.com"), 2, "https only")
	if _, err := os.Stat(filepath.Join(s.Dir, ".config", "sallyport")); err == nil {
		t.Error("something was stored")
	}
}
