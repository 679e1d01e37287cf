package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// scream pages the owners because access that should be gone for long is still there. Access
// that another grant holds stays rightly, and nobody is woken for it.
func (e *Engine) scream(ctx context.Context, overdue []core.Grant) error {
	var silent []core.Grant
	n := 0
	err := e.Store.Read(ctx, func(v View) error {
		silent, n = nil, 0
		for _, g := range overdue {
			stays, err := held(v, g.Entitlement)
			if err != nil {
				return err
			}
			if stays {
				continue
			}
			n++
			if _, err := v.Incident(residueID(g)); core.KindOf(err) == core.NotFound {
				silent = append(silent, g)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.Meter.Overdue(n)
	if len(silent) == 0 || e.OperationsService == "" {
		return nil
	}
	return e.write(ctx, func(tx *txn) error {
		for _, g := range silent {
			if err := e.screamOf(tx, g.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// held tells whether a grant wants an entitlement to be there.
func held(v View, ent core.Entitlement) (bool, error) {
	live, err := v.Grants(GrantQuery{Entitlement: ent, States: heldStates, Limit: 1})
	return len(live) > 0, err
}

func (e *Engine) screamOf(tx *txn, id string) error {
	g, err := tx.Grant(id)
	if err != nil || g.State != core.GrantEnding {
		return err
	}
	if _, err := tx.Incident(residueID(g)); core.KindOf(err) != core.NotFound {
		return err
	}
	h, err := tx.Holding(g.Entitlement)
	if err != nil {
		return err
	}
	trouble := h.Error
	if trouble == "" {
		trouble = "it does not answer"
	}
	return e.wantIncident(tx, core.Incident{
		ID: residueID(g), RequestID: g.RequestID, Account: e.OperationsAccount, Service: e.OperationsService,
		Key:   "sallyport/residue/" + g.ID,
		Title: fmt.Sprintf("Access NOT removed: %s still has %s", g.User, g.Resource),
		Details: fmt.Sprintf("Grant %s ended at %s (%s), but %s does not let go: %s\nSallyport tries again every half minute.\n",
			g.ID, g.EndedAt.UTC().Format(time.RFC1123), g.EndCause, g.Target, trouble),
	})
}

// calm resolves the page of scream once the access is gone.
func (e *Engine) calm(tx *txn, g core.Grant) error {
	i, err := tx.Incident(residueID(g))
	if core.KindOf(err) == core.NotFound {
		return nil
	}
	if err != nil || i.Resolve {
		return err
	}
	addNote(&i, fmt.Sprintf("The access of %s to %s has been seen to be gone.", g.User, g.Resource))
	i.Resolve = true
	if err := tx.PutIncident(i); err != nil {
		return err
	}
	return tx.Enqueue(core.Job{Kind: core.JobIncident, ID: i.ID})
}

func residueID(g core.Grant) string { return "inc_residue_" + g.ID }

func isResidue(i core.Incident) bool { return strings.HasPrefix(i.ID, "inc_residue_") }
