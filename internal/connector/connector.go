// Package connector is the contract between Sallyport and the systems it works with.
//
// A connector is one folder below this one. It plays one or more roles; the only role so
// far is Provisioner. Package connectortest holds every connector, fakes included, to the
// same behaviour.
package connector

import (
	"context"

	"github.com/sallyport/sallyport/internal/core"
)

// A Provisioner gives and takes access on one target.
//
// All methods may be called again with the same argument, at any time and from any replica:
// giving what is there and taking what is gone are no errors. Errors of kind
// core.Unavailable are tried again; every other error is shown to people as it is.
type Provisioner interface {
	// Has reports whether the target shows the entitlement now.
	Has(ctx context.Context, e core.Entitlement) (bool, error)
	// Grant gives the entitlement. A user or resource that the target does not know is core.NotFound.
	Grant(ctx context.Context, e core.Entitlement) error
	// Revoke takes the entitlement and ends the sessions that rest on it. core.NotFound says that
	// the access cannot be there; where it may be and cannot be touched, the answer is another error.
	Revoke(ctx context.Context, e core.Entitlement) error
	// List returns every entitlement that the target shows on the resources it manages.
	List(ctx context.Context) ([]core.Entitlement, error)
}
