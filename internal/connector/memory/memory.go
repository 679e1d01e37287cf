// Package memory is a target that lives in this process: a map.
//
// It is the honest fake of every target, for demonstrations and for the tests of whoever
// uses a connector; a test can also make it fail, lie and dawdle. What it holds is gone when
// the process ends.
package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/internal/connector/settings"
	"github.com/sallyport/sallyport/internal/core"
)

// A Target is a map of who has what. It plays connector.Provisioner.
type Target struct {
	name             string   // "": each entitlement keeps the target it came with
	users, resources []string // that exist; empty: any

	mu    sync.Mutex
	held  map[core.Entitlement]bool
	fault fault
}

// fault is what a test has made of the target.
type fault struct {
	err   error
	lies  bool
	delay time.Duration
}

// New returns an empty target that knows every user and resource.
func New() *Target { return &Target{held: map[core.Entitlement]bool{}} }

// Open returns the empty target that settings describe.
func Open(t core.Target) (*Target, error) {
	r := settings.Of(t)
	m := New()
	m.name = t.Name
	m.users, m.resources = r.Names("users"), r.Names("resources")
	if err := r.Done(); err != nil {
		return nil, err
	}
	return m, nil
}

// Check validates settings.
func Check(t core.Target) error {
	_, err := Open(t)
	return err
}

// Has reports whether the user has the resource.
func (t *Target) Has(ctx context.Context, e core.Entitlement) (bool, error) {
	if _, err := t.begin(ctx, &e); err != nil {
		return false, err
	}
	return t.Shows(e), nil
}

// Grant gives the user the resource.
func (t *Target) Grant(ctx context.Context, e core.Entitlement) error {
	lies, err := t.begin(ctx, &e)
	if err == nil && !lies {
		t.Set(e)
	}
	return err
}

// Revoke takes the resource from the user. There are no sessions to end.
func (t *Target) Revoke(ctx context.Context, e core.Entitlement) error {
	lies, err := t.begin(ctx, &e)
	if err == nil && !lies {
		t.Unset(e)
	}
	return err
}

// List returns everything that everybody has.
func (t *Target) List(ctx context.Context) ([]core.Entitlement, error) {
	if _, err := t.wait(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(maps.Keys(t.held), func(a, b core.Entitlement) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.User, b.User))
	}), nil
}

// begin is what happens before every call on an entitlement, and whether the target lies.
func (t *Target) begin(ctx context.Context, e *core.Entitlement) (lies bool, err error) {
	if lies, err = t.wait(ctx); err != nil {
		return false, err
	}
	if !known(t.users, e.User) {
		return false, core.Errorf(core.NotFound, "target %s has no user %q", t.name, e.User)
	}
	if !known(t.resources, e.Name) {
		return false, core.Errorf(core.NotFound, "target %s has no resource %q", t.name, e.Name)
	}
	*e = t.own(*e)
	return lies, nil
}

// wait lets the delay pass and returns the fault that is set at its end.
func (t *Target) wait(ctx context.Context) (lies bool, err error) {
	t.mu.Lock()
	f := t.fault
	t.mu.Unlock()
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	if err := ctx.Err(); err != nil {
		return false, core.Errorf(core.Unavailable, "target %s: %w", t.name, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fault.lies, t.fault.err
}

// own gives an entitlement the target's name.
func (t *Target) own(e core.Entitlement) core.Entitlement {
	if t.name != "" {
		e.Target = t.name
	}
	return e
}

func known(list []string, name string) bool {
	return name != "" && (len(list) == 0 || slices.Contains(list, name))
}
