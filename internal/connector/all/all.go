// Package all knows every connector by its name: one line each.
package all

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/internal/connector"
	"github.com/sallyport/sallyport/internal/connector/memory"
	"github.com/sallyport/sallyport/internal/connector/postgres"
	"github.com/sallyport/sallyport/internal/core"
)

// Deps are what connectors need from us.
type Deps struct {
	// Secret resolves a reference to a credential, at the moment it is used.
	Secret func(ctx context.Context, ref core.SecretRef) (string, error)
}

// connectors are all there are.
var connectors = map[string]struct {
	check   func(core.Target) error
	open    func(core.Target, Deps) (connector.Provisioner, error)
	secrets []string // the settings that refer to credentials
}{
	"memory":   {memory.Check, func(t core.Target, _ Deps) (connector.Provisioner, error) { return memory.Open(t) }, nil},
	"postgres": {postgres.Check, func(t core.Target, d Deps) (connector.Provisioner, error) { return postgres.Open(t, d.Secret) }, []string{"dsn"}},
}

// Known returns the names of all connectors, sorted.
func Known() []string { return slices.Sorted(maps.Keys(connectors)) }

// Check validates a target: its connector, and strictly its settings. It dials nobody.
func Check(t core.Target) error {
	c, ok := connectors[t.Connector]
	if !ok {
		return unknown(t)
	}
	return c.check(t)
}

// Secrets returns the settings of a connector that must be references to credentials, so
// that a literal one can be sealed before Check refuses it.
func Secrets(name string) []string { return slices.Clone(connectors[name].secrets) }

// Open opens a target. A Provisioner that is an io.Closer is closed by the caller.
func Open(_ context.Context, t core.Target, d Deps) (connector.Provisioner, error) {
	c, ok := connectors[t.Connector]
	if !ok {
		return nil, unknown(t)
	}
	if err := c.check(t); err != nil {
		return nil, err // and not what open returns beside an error: a pointer to nothing
	}
	return c.open(t, d)
}

func unknown(t core.Target) error {
	err := core.Errorf(core.Invalid, "target %s: no connector is named %q", t.Name, t.Connector)
	list := "there are: " + strings.Join(Known(), ", ")
	if near := core.Nearest(t.Connector, Known()); near != "" {
		return err.WithHint("did you mean %q? %s", near, list)
	}
	return err.WithHint("%s", list)
}
