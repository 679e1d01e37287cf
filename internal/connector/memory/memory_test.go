package memory

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/connector/connectortest"
	"github.com/sallyport/sallyport/internal/core"
)

var _ connector.Provisioner = (*Target)(nil)

var ann = core.Entitlement{User: "ann", Resource: core.Resource{Target: "demo", Name: "payments"}}

func TestMemoryIsAProvisioner(t *testing.T) {
	connectortest.Provisioner(t, func(t *testing.T) connectortest.Subject {
		users, resources := []any{"ann", "bob"}, []any{"payments", "billing"}
		var odd []core.Entitlement
		for _, name := range connectortest.OddNames {
			odd = append(odd, core.Entitlement{User: name, Resource: core.Resource{Target: "demo", Name: name}})
			users, resources = append(users, name), append(resources, name)
		}
		m, err := Open(core.Target{Name: "demo", Connector: "memory", Settings: map[string]any{"users": users, "resources": resources}})
		if err != nil {
			t.Fatal(err)
		}
		pair := func(user, resource string) core.Entitlement {
			return core.Entitlement{User: user, Resource: core.Resource{Name: resource}}
		}
		return connectortest.Subject{
			Provisioner: m, Target: "demo", Odd: odd,
			Users: [2]string{"ann", "bob"}, Resources: [2]string{"payments", "billing"},
			NoUser: "nobody", NoResource: "nothing",
			Shows: func(user, resource string) bool { return m.Shows(pair(user, resource)) },
			Change: func(user, resource string, has bool) {
				if has {
					m.Set(pair(user, resource))
				} else {
					m.Unset(pair(user, resource))
				}
			},
		}
	})
}

func TestWithoutListsEveryNameIsKnown(t *testing.T) {
	m := New()
	if err := m.Grant(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if list, err := m.List(t.Context()); err != nil || len(list) != 1 || list[0] != ann {
		t.Errorf("list: %v, %v; want %v", list, err, ann)
	}
}

func TestAFailingTargetFailsEveryCallUntilItHeals(t *testing.T) {
	m := New()
	down := core.Errorf(core.Unavailable, "down")
	m.Fail(down)
	_, hasErr := m.Has(t.Context(), ann)
	_, listErr := m.List(t.Context())
	for _, err := range []error{hasErr, listErr, m.Grant(t.Context(), ann), m.Revoke(t.Context(), ann)} {
		if !errors.Is(err, down) {
			t.Errorf("got %v, want %v", err, down)
		}
	}
	m.Fail(nil)
	if err := m.Grant(t.Context(), ann); err != nil || !m.Shows(ann) {
		t.Errorf("healed: %v, shows %v", err, m.Shows(ann))
	}
}

func TestALyingTargetSaysYesAndDoesNothing(t *testing.T) {
	m := New()
	m.Lie(true)
	if err := m.Grant(t.Context(), ann); err != nil || m.Shows(ann) {
		t.Errorf("grant: %v, shows %v", err, m.Shows(ann))
	}
	m.Set(ann)
	if err := m.Revoke(t.Context(), ann); err != nil || !m.Shows(ann) {
		t.Errorf("revoke: %v, shows %v", err, m.Shows(ann))
	}
	if has, err := m.Has(t.Context(), ann); err != nil || !has {
		t.Errorf("has: %v, %v; want the truth", has, err)
	}
}

func TestASlowTargetTakesItsTimeOrTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New()
		m.Delay(time.Minute)
		began := time.Now()
		if err := m.Grant(t.Context(), ann); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := m.Revoke(ctx, ann)
		if core.KindOf(err) != core.Unavailable || !errors.Is(err, context.DeadlineExceeded) || !m.Shows(ann) {
			t.Errorf("got %v, shows %v", err, m.Shows(ann))
		}
	})
}
