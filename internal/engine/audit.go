package engine

import (
	"context"

	"github.com/sallyport/sallyport/internal/core"
)

// AuditKeys is the purpose of the keys that sign the audit log.
const AuditKeys = "audit"

// Audit lists audit entries in order, after a sequence number.
func (e *Engine) Audit(ctx context.Context, a Actor, after int64, limit int) ([]core.AuditEntry, error) {
	if err := e.may(ctx, a, "audit", "list"); err != nil {
		return nil, err
	}
	var out []core.AuditEntry
	err := e.Store.Read(ctx, func(v View) (err error) {
		out, err = v.Audit(after, limit)
		return err
	})
	return out, err
}

// AuditEntries selects audit entries.
func (e *Engine) AuditEntries(ctx context.Context, a Actor, q AuditQuery) ([]core.AuditEntry, error) {
	if err := e.may(ctx, a, "audit", "list"); err != nil {
		return nil, err
	}
	var out []core.AuditEntry
	err := e.Store.Read(ctx, func(v View) (err error) {
		out, err = v.AuditEntries(q)
		return err
	})
	return out, err
}

// MayReadAuditKeys is for those who may read the log.
func (e *Engine) MayReadAuditKeys(ctx context.Context, a Actor) error {
	return e.may(ctx, a, "audit", "list")
}

// MayRotateAuditKey is for those who may change what signs the log.
func (e *Engine) MayRotateAuditKey(ctx context.Context, a Actor) error {
	return e.may(ctx, a, "audit", "update")
}

// VerifyAudit walks the whole chain and returns where it ends. An error names the first bad entry.
func (e *Engine) VerifyAudit(ctx context.Context, a Actor) (core.Chain, error) {
	if err := e.may(ctx, a, "audit", "list"); err != nil {
		return core.Chain{}, err
	}
	var chain core.Chain
	err := e.Store.Read(ctx, func(v View) error {
		for {
			page, err := v.Audit(chain.Seq, 10_000)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			if err := chain.Verify(page...); err != nil {
				return err
			}
		}
		seq, hash, err := v.AuditHead()
		if err == nil && (seq != chain.Seq || (seq > 0 && hash != chain.Hash)) {
			err = core.Errorf(core.Internal, "the audit log ends at entry %d, but %d entries were written: its tail was cut", chain.Seq, seq)
		}
		return err
	})
	return chain, err
}

// NoteAuditMismatch writes down that a checkpoint outside contradicts this database.
func (e *Engine) NoteAuditMismatch(ctx context.Context, place, why string) error {
	return e.write(ctx, func(tx *txn) error {
		return tx.audit(engineActor, "audit.mismatch", "audit", detail{"place": place, "why": why})
	})
}

// auditSettingsMark has the settings of the log outside that were last in force.
const auditSettingsMark = "settings"

// NoteAuditSettings writes down when the settings of where the log is taken have changed since
// the last start: whoever switches that off is seen.
func (e *Engine) NoteAuditSettings(ctx context.Context, settings string) error {
	return e.write(ctx, func(tx *txn) error {
		m, err := tx.Mark(auditSettingsMark)
		if err != nil || m.Body == settings {
			return err
		}
		was := m.Body
		m.Name, m.Body, m.At = auditSettingsMark, settings, tx.now
		if err := tx.PutMark(m); err != nil {
			return err
		}
		return tx.audit(engineActor, "audit.configure", "audit", detail{"before": was, "after": settings})
	})
}
