package engine_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/auth"
	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// authority is a real one whose keys are kept by nobody else.
type authority struct{ *auth.Authority }

func (authority) NewSerial() string { return auth.NewSerial() }

type heldKeys struct{ list []auth.StoredKey }

func (k *heldKeys) All(context.Context) ([]auth.StoredKey, error) { return k.list, nil }

func (k *heldKeys) Add(_ context.Context, key auth.StoredKey, _ string) error {
	k.list = append(k.list, key)
	return nil
}

// withCertificates is a harness that issues some. Its roles are page 004's for machines.
func withCertificates(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t, func(o *engine.Options) {
		sealer, err := auth.OpenSealer(filepath.Join(t.TempDir(), "seal.key"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := auth.OpenAuthority(t.Context(), &heldKeys{}, sealer, o.Clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		o.Authority = func() (engine.Authority, error) { return authority{a}, nil }
	})
	h.apply(resources + `---
{kind: role, version: v5, metadata: {name: access-plugin-impersonator}, spec: {allow: {impersonate: {users: [access-plugin], roles: [access-plugin]}}}}
---
{kind: role, version: v5, metadata: {name: short}, spec: {options: {max_session_ttl: 2h}}}
---
{kind: role, version: v5, metadata: {name: no-plugin}, spec: {deny: {impersonate: {roles: ["access-*"]}}}}
---
{kind: user, version: v2, metadata: {name: imp}, spec: {roles: [access-plugin-impersonator, short]}}
---
{kind: user, version: v2, metadata: {name: denied}, spec: {roles: [access-plugin-impersonator, no-plugin]}}
`)
	return h
}

// request is a certificate request for a new key.
func request(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func (h *harness) identify(i engine.Issued) engine.Actor {
	h.t.Helper()
	a, err := h.Identify(h.t.Context(), core.CredentialCertificate, i.Serial, "192.0.2.1")
	h.must(err)
	return a
}

func (h *harness) wantStranger(i engine.Issued) {
	h.t.Helper()
	if a, err := h.Identify(h.t.Context(), core.CredentialCertificate, i.Serial, "192.0.2.1"); err == nil {
		h.t.Errorf("certificate %s still lets %s in", i.Serial, a.User)
	}
}

func (h *harness) sign(a engine.Actor, user string, ttl time.Duration) (engine.Issued, error) {
	h.t.Helper()
	return h.Sign(h.t.Context(), a, engine.SignRequest{User: user, TTL: ttl, Request: request(h.t)})
}

// browser is somebody who signed in themselves.
func browser(user string) engine.Actor {
	s := engine.Session{Method: "passkey"}
	s.Kind, s.ID, s.User = core.CredentialSession, "s", user
	return engine.Actor{User: user, Via: "test", Session: s}
}

func TestSigningForAnotherTakesTheRightToImpersonateThemWithAllTheirRoles(t *testing.T) {
	h := withCertificates(t)
	hurried := browser("imp")
	hurried.Session.ExpiresAt = firstMoment.Add(20 * time.Minute)
	author := browser("imp")
	author.Session.Author = "ann@example.com"
	for name, c := range map[string]struct {
		as     engine.Actor
		user   string
		ttl    time.Duration
		want   time.Duration // zero: refused
		author string
	}{
		"allowed":                     {browser("imp"), "access-plugin", time.Hour, time.Hour, "imp"},
		"no longer than Teleport":     {browser("imp"), "access-plugin", 100 * time.Hour, 30 * time.Hour, "imp"},
		"no longer than the signer":   {hurried, "access-plugin", time.Hour, 20 * time.Minute, "imp"},
		"no longer than the role":     {browser("imp"), "imp", 3 * time.Hour, 2 * time.Hour, ""},
		"another user":                {browser("imp"), "cy@example.com", time.Hour, 0, ""},
		"nothing allows it":           {browser("cy@example.com"), "access-plugin", time.Hour, 0, ""},
		"a deny wins":                 {browser("denied"), "access-plugin", time.Hour, 0, ""},
		"an impersonated one":         {author, "access-plugin", time.Hour, 0, ""},
		"the local administrator":     {admin, "cy@example.com", time.Hour, time.Hour, ""},
		"nobody":                      {admin, "who@example.com", time.Hour, 0, ""},
		"no time at all":              {browser("imp"), "access-plugin", -time.Hour, 0, ""},
		"the local administrator too": {admin, "", time.Hour, 0, ""},
		"a thousand years":            {browser("imp"), "access-plugin", 2_000_000 * time.Hour, 0, ""},
	} {
		out, err := h.sign(c.as, c.user, c.ttl)
		switch {
		case c.want == 0 && err == nil:
			t.Errorf("%s: got one until %s", name, out.ExpiresAt)
		case c.want == 0:
		case err != nil:
			t.Errorf("%s: %v", name, err)
		default:
			if got := out.ExpiresAt.Sub(firstMoment); got != c.want {
				t.Errorf("%s: it lasts %s, want %s", name, got, c.want)
			}
			if a := h.identify(out); a.User != c.user || a.Author() != c.author {
				t.Errorf("%s: it is of %q by %q", name, a.User, a.Author())
			}
		}
	}
	h.wantChain()
}

func TestLockingWhoSignedACertificateEndsIt(t *testing.T) {
	h := withCertificates(t)
	out, err := h.sign(browser("imp"), "access-plugin", time.Hour)
	h.must(err)
	h.identify(out)
	h.apply(`{kind: user, version: v2, metadata: {name: imp}, spec: {roles: [access-plugin-impersonator], locked: true}}`)
	h.wantStranger(out)
}

func TestARenewedCertificateWorksUntilTheNewOneIsUsed(t *testing.T) {
	h := withCertificates(t)
	renew := func(a engine.Actor) engine.Issued {
		t.Helper()
		out, err := h.Renew(t.Context(), a, engine.SignRequest{TTL: time.Hour, Request: request(t)})
		h.must(err)
		return out
	}
	first, err := h.sign(browser("imp"), "access-plugin", time.Hour)
	h.must(err)
	lost := renew(h.identify(first))
	second := renew(h.identify(first)) // the answer was lost
	h.wantStranger(lost)
	h.identify(first)
	if a := h.identify(second); a.User != "access-plugin" || a.Author() != "imp" {
		t.Errorf("renewed for %q by %q", a.User, a.Author())
	}
	h.wantStranger(first)
	third := renew(h.identify(second))
	h.identify(third)

	copied, err := h.Copied(t.Context(), second.Serial, "198.51.100.1")
	if h.must(err); !copied {
		t.Error("nobody noticed the copy")
	}
	h.wantStranger(third)
	if again, err := h.Copied(t.Context(), second.Serial, "198.51.100.1"); again || err != nil {
		t.Errorf("noticed again: %v, %v", again, err)
	}
	h.wantChain()
}

func TestOnlyMachinesRenewTheirCertificates(t *testing.T) {
	h := withCertificates(t)
	person, err := h.sign(browser("imp"), "", time.Hour)
	h.must(err)
	bot, err := h.sign(browser("imp"), "access-plugin", time.Hour)
	h.must(err)
	if _, err := h.sign(h.identify(bot), "access-plugin", time.Hour); core.KindOf(err) != core.Refused {
		t.Errorf("a machine signed for itself: %v", err)
	}
	machine := h.identify(bot)
	for name, a := range map[string]engine.Actor{"person": h.identify(person), "browser": browser("imp"), "local administrator": admin} {
		if _, err := h.Renew(t.Context(), a, engine.SignRequest{Request: request(t)}); core.KindOf(err) != core.Refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.apply(`{kind: user, version: v2, metadata: {name: imp}, spec: {roles: [short]}}`)
	if _, err := h.Renew(t.Context(), machine, engine.SignRequest{Request: request(t)}); core.KindOf(err) != core.Refused {
		t.Errorf("renewed although its author may not sign any more: %v", err)
	}
}

func TestACommandLineIsLetInOnceWhenItsUserSaysSo(t *testing.T) {
	h := withCertificates(t)
	start := func() (engine.Login, string) {
		t.Helper()
		l, secret, err := h.StartLogin(t.Context(), engine.LoginStart{Label: "laptop", Address: "192.0.2.1", TTL: 60060 * time.Minute, Request: request(t)})
		h.must(err)
		return l, secret
	}
	l, secret := start()
	if _, done, err := h.FinishLogin(t.Context(), l.ID, secret, "192.0.2.1"); done || err != nil {
		t.Fatalf("finished before anybody approved: %v, %v", done, err)
	}
	seen, err := h.PendingLogin(t.Context(), browser("imp"), l.ID)
	if h.must(err); seen != l {
		t.Errorf("the browser sees %+v, the command line %+v", seen, l)
	}
	for name, a := range map[string]engine.Actor{"a certificate": as("imp"), "the local administrator": admin} {
		if err := h.ApproveLogin(t.Context(), a, l.ID); core.KindOf(err) != core.Refused {
			t.Errorf("%s approved: %v", name, err)
		}
	}
	h.must(h.ApproveLogin(t.Context(), browser("imp"), l.ID))
	if _, _, err := h.FinishLogin(t.Context(), l.ID, "guess", "192.0.2.1"); core.KindOf(err) != core.Unauthenticated {
		t.Errorf("a guess: %v", err)
	}
	out, done, err := h.FinishLogin(t.Context(), l.ID, secret, "192.0.2.1")
	if h.must(err); !done || out.ExpiresAt.Sub(firstMoment) != 2*time.Hour {
		t.Errorf("finished %v, until %s", done, out.ExpiresAt)
	}
	if a := h.identify(out); a.User != "imp" {
		t.Errorf("it is of %s", a.User)
	}
	if _, _, err := h.FinishLogin(t.Context(), l.ID, secret, "192.0.2.1"); core.KindOf(err) != core.NotFound {
		t.Errorf("finished twice: %v", err)
	}

	refused, secret := start()
	h.must(h.RefuseLogin(t.Context(), browser("imp"), refused.ID))
	if _, _, err := h.FinishLogin(t.Context(), refused.ID, secret, "192.0.2.1"); core.KindOf(err) != core.NotFound {
		t.Errorf("finished what was refused: %v", err)
	}
	late, _ := start()
	h.clock.advance(10 * time.Minute)
	if err := h.ApproveLogin(t.Context(), browser("imp"), late.ID); core.KindOf(err) != core.NotFound {
		t.Errorf("approved what has ended: %v", err)
	}
	h.wantChain()
}

func TestStrangersCannotFillTheDatabaseWithLogins(t *testing.T) {
	h := withCertificates(t)
	in := engine.LoginStart{Address: "192.0.2.1", Request: request(t)}
	for range 20 {
		_, _, err := h.StartLogin(t.Context(), in)
		h.must(err)
	}
	if _, _, err := h.StartLogin(t.Context(), in); core.KindOf(err) != core.Unavailable {
		t.Errorf("one more: %v", err)
	}
	in.Address, in.Request = "192.0.2.2", []byte("no request")
	if _, _, err := h.StartLogin(t.Context(), in); core.KindOf(err) != core.Invalid {
		t.Errorf("without a request: %v", err)
	}
}
