// Package connectortest holds every connector to the same behaviour.
//
// A connector's test calls Provisioner with a function that opens a fresh Subject. What the
// connector claims is compared with what its target shows from outside, so that a connector
// that believes itself does not pass.
package connectortest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/core"
)

// A Subject is a connector on a target where nobody has access yet.
type Subject struct {
	Provisioner        connector.Provisioner
	Target             string             // its name
	Users, Resources   [2]string          // that exist
	NoUser, NoResource string             // that do not
	Odd                []core.Entitlement // whose users and resources exist and are named as in OddNames, as far as the target can
	Shows              func(user, resource string) bool
	Change             func(user, resource string, has bool) // behind the connector's back
}

// OddNames are names that a careless connector takes for something else.
var OddNames = []string{
	`O'Brien`, `say "hi"`, `two words`, ` edges `, `UPPER`, `Zoë 李 🦆`, `back\slash`, `a/b`, `..`,
	`$1`, `%s%d`, `x; DROP ROLE y; --`, `"; GRANT x TO y; --`, `' OR '1'='1`, `*`, "tab\tline\n", `PUBLIC`, `{"a":1}`,
}

// Provisioner runs the suite. It opens a subject for each sentence.
func Provisioner(t *testing.T, open func(t *testing.T) Subject) {
	sentences := []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"Granting twice is granting once", grantTwice},
		{"Revoking what is gone is no error", revokeTwice},
		{"Has tells the truth whoever changed it", hasTellsTheTruth},
		{"One user's revoke leaves the other's", revokeIsPrecise},
		{"What the target does not know is not found and changes nothing", unknownNames},
		{"List contains exactly what is there", listIsExact},
		{"A cancelled context returns promptly and changes nothing", cancelled},
		{"Different entitlements do not disturb each other", concurrent},
		{"The same change from two sides is one change", concurrentSame},
		{"Odd names are literals", oddNames},
		{"A name that hides a second name is one unknown name", smuggledNames},
	}
	for _, s := range sentences {
		t.Run(s.name, func(t *testing.T) { s.test(t, open(t)) })
	}
}

func (s Subject) entitlement(user, resource string) core.Entitlement {
	return core.Entitlement{User: user, Resource: core.Resource{Target: s.Target, Name: resource}}
}

// pairs returns every existing user on every existing resource.
func (s Subject) pairs() []core.Entitlement {
	var all []core.Entitlement
	for _, u := range s.Users {
		for _, r := range s.Resources {
			all = append(all, s.entitlement(u, r))
		}
	}
	return append(all, s.Odd...)
}

func (s Subject) grant(t *testing.T, e core.Entitlement) {
	t.Helper()
	if err := s.Provisioner.Grant(t.Context(), e); err != nil {
		t.Fatalf("grant %q on %q: %v", e.User, e.Name, err)
	}
}

func (s Subject) revoke(t *testing.T, e core.Entitlement) {
	t.Helper()
	if err := s.Provisioner.Revoke(t.Context(), e); err != nil {
		t.Fatalf("revoke %q on %q: %v", e.User, e.Name, err)
	}
}

// want checks all there is, three ways: from outside, by Has and by List.
func (s Subject) want(t *testing.T, want ...core.Entitlement) {
	t.Helper()
	for _, e := range s.pairs() {
		should := slices.Contains(want, e)
		if got := s.Shows(e.User, e.Name); got != should {
			t.Errorf("the target shows %q on %q: %v, want %v", e.User, e.Name, got, should)
		}
		if got, err := s.Provisioner.Has(t.Context(), e); err != nil || got != should {
			t.Errorf("has %q on %q: %v, %v; want %v", e.User, e.Name, got, err, should)
		}
	}
	got, err := s.Provisioner.List(t.Context())
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	if got, want := sorted(got), sorted(want); !slices.Equal(got, want) {
		t.Errorf("list: %q, want %q", got, want)
	}
}

func sorted(list []core.Entitlement) []core.Entitlement {
	return slices.SortedFunc(slices.Values(list), func(a, b core.Entitlement) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Name, b.Name))
	})
}

func grantTwice(t *testing.T, s Subject) {
	e := s.entitlement(s.Users[0], s.Resources[0])
	s.grant(t, e)
	s.grant(t, e)
	s.want(t, e)
	s.revoke(t, e)
	s.want(t)
}

func revokeTwice(t *testing.T, s Subject) {
	e := s.entitlement(s.Users[0], s.Resources[0])
	s.revoke(t, e) // never was there
	s.grant(t, e)
	s.revoke(t, e)
	s.revoke(t, e)
	s.want(t)
	s.grant(t, e)
	s.Change(e.User, e.Name, false)
	s.revoke(t, e)
	s.want(t)
}

func hasTellsTheTruth(t *testing.T, s Subject) {
	e := s.entitlement(s.Users[0], s.Resources[1])
	s.want(t)
	s.Change(e.User, e.Name, true)
	s.want(t, e)
	s.grant(t, e)
	s.want(t, e)
	s.Change(e.User, e.Name, false)
	s.want(t)
	s.grant(t, e)
	s.want(t, e)
}

func revokeIsPrecise(t *testing.T, s Subject) {
	all := s.pairs()
	for _, e := range all {
		s.grant(t, e)
	}
	s.want(t, all...)
	for len(all) > 0 {
		s.revoke(t, all[0])
		all = all[1:]
		s.want(t, all...)
	}
}

func listIsExact(t *testing.T, s Subject) {
	s.want(t)
	ours, theirs := s.entitlement(s.Users[0], s.Resources[0]), s.entitlement(s.Users[1], s.Resources[1])
	s.grant(t, ours)
	s.Change(theirs.User, theirs.Name, true)
	s.want(t, ours, theirs)
}

func unknownNames(t *testing.T, s Subject) {
	kept := s.entitlement(s.Users[0], s.Resources[0])
	s.grant(t, kept)
	s.wantUnknown(t, s.entitlement(s.NoUser, s.Resources[0]), s.NoUser)
	s.wantUnknown(t, s.entitlement(s.Users[0], s.NoResource), s.NoResource)
	s.wantUnknown(t, s.entitlement("", s.Resources[0]), "")
	s.wantUnknown(t, s.entitlement(s.Users[0], ""), "")
	s.want(t, kept)
}

// smuggledNames tries to reach existing names through ones that do not exist.
func smuggledNames(t *testing.T, s Subject) {
	kept := s.entitlement(s.Users[0], s.Resources[0])
	s.grant(t, kept)
	for _, between := range []string{`", "`, `,`, ` `, "\x00", `/`, `&`, `"; --`, "\n"} {
		s.wantUnknown(t, s.entitlement(s.Users[0]+between+s.Users[1], s.Resources[1]), "")
		s.wantUnknown(t, s.entitlement(s.Users[1], s.Resources[0]+between+s.Resources[1]), "")
	}
	for _, after := range []string{"\x00", `"`, `'`, `%00`, "\xff", strings.Repeat("x", 300)} {
		s.wantUnknown(t, s.entitlement(s.Users[1]+after, s.Resources[0]), "")
		s.wantUnknown(t, s.entitlement(s.Users[1], s.Resources[0]+after), "")
	}
	s.want(t, kept)
}

// wantUnknown checks that every method calls e not found, and names what is missing.
func (s Subject) wantUnknown(t *testing.T, e core.Entitlement, missing string) {
	t.Helper()
	check := func(verb string, err error) {
		t.Helper()
		if core.KindOf(err) != core.NotFound || err == nil {
			t.Errorf("%s %q on %q: %v, want an error of kind not_found", verb, e.User, e.Name, err)
		} else if !strings.Contains(err.Error(), missing) {
			t.Errorf("%s %q on %q: %v, which does not name %q", verb, e.User, e.Name, err, missing)
		}
	}
	check("grant", s.Provisioner.Grant(t.Context(), e))
	check("revoke", s.Provisioner.Revoke(t.Context(), e))
	has, err := s.Provisioner.Has(t.Context(), e)
	check("has", err)
	if has {
		t.Errorf("has %q on %q", e.User, e.Name)
	}
}

func cancelled(t *testing.T, s Subject) {
	kept, other := s.entitlement(s.Users[0], s.Resources[0]), s.entitlement(s.Users[1], s.Resources[0])
	s.grant(t, kept)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_, hasErr := s.Provisioner.Has(ctx, kept)
	_, listErr := s.Provisioner.List(ctx)
	for verb, err := range map[string]error{
		"has": hasErr, "list": listErr,
		"grant":  s.Provisioner.Grant(ctx, other),
		"revoke": s.Provisioner.Revoke(ctx, kept),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the context's error", verb, err)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	s.want(t, kept)
}

// together runs fn for each entitlement at the same time.
func together(list []core.Entitlement, fn func(core.Entitlement)) {
	var wg sync.WaitGroup
	for _, e := range list {
		wg.Go(func() { fn(e) })
	}
	wg.Wait()
}

func concurrent(t *testing.T, s Subject) {
	all := s.pairs()
	stays := func(e core.Entitlement) bool { return e.User == s.Users[0] }
	together(all, func(e core.Entitlement) {
		for range 5 {
			s.turn(t, e, true)
			s.turn(t, e, false)
		}
		s.turn(t, e, stays(e))
	})
	s.want(t, slices.DeleteFunc(all, func(e core.Entitlement) bool { return !stays(e) })...)
}

// turn makes it so and reads it back.
func (s Subject) turn(t *testing.T, e core.Entitlement, on bool) {
	change := s.Provisioner.Revoke
	if on {
		change = s.Provisioner.Grant
	}
	if err := change(t.Context(), e); err != nil {
		t.Errorf("%q on %q, %v: %v", e.User, e.Name, on, err)
	}
	if got, err := s.Provisioner.Has(t.Context(), e); err != nil || got != on {
		t.Errorf("has %q on %q: %v, %v; want %v", e.User, e.Name, got, err, on)
	}
}

// concurrentSame is two replicas that do the same job.
func concurrentSame(t *testing.T, s Subject) {
	e := s.entitlement(s.Users[0], s.Resources[0])
	same := []core.Entitlement{e, e, e, e}
	for range 5 {
		together(same, func(e core.Entitlement) {
			if err := s.Provisioner.Grant(t.Context(), e); err != nil {
				t.Errorf("grant: %v", err)
			}
		})
		s.want(t, e)
		together(same, func(e core.Entitlement) {
			if err := s.Provisioner.Revoke(t.Context(), e); err != nil {
				t.Errorf("revoke: %v", err)
			}
		})
		s.want(t)
	}
}

func oddNames(t *testing.T, s Subject) {
	if len(s.Odd) == 0 {
		t.Fatal("the subject has no odd names")
	}
	for _, e := range s.Odd {
		s.grant(t, e)
		s.want(t, e)
		s.revoke(t, e)
		s.want(t)
	}
}
