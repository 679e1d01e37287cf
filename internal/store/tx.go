package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store/db"
)

// A tx is one function's part of a batch. It implements engine.Tx.
type tx struct {
	view
	batch   *batch
	guarded bool // it writes in a savepoint
	dirty   bool // it wrote something, or tried to
	vital   bool // it is written although the disk is full
	fended  bool // something was not written, because the disk is full
	closed  bool
}

var _ engine.Tx = (*tx)(nil)

var errTxKept = errors.New("a transaction was used after its function had returned")

// Vital says, before anything is written, that this transaction ends access. On a full disk
// nothing else is written.
func (t *tx) Vital() { t.vital = true }

// begin comes before the first thing that tx writes: it sets the savepoint, if there is one.
func (t *tx) begin() error {
	switch {
	case t.closed:
		return errTxKept
	case t.fail != nil:
		return t.fail
	case t.dirty:
		return nil
	case !t.vital && t.batch.s.reserve.out.Load():
		t.fended = true
		return t.batch.s.full()
	}
	t.dirty = true
	return t.mark(t.batch.s.marks.set)
}

// release makes what tx wrote a part of the batch.
func (t *tx) release() error {
	if !t.dirty {
		return nil
	}
	return t.mark(t.batch.s.marks.release)
}

// undo takes back what tx wrote. A transaction of its own is just not committed.
func (t *tx) undo() error {
	if !t.dirty {
		return nil
	}
	t.fail, t.batch.revision = nil, 0
	if err := t.mark(t.batch.s.marks.back); err != nil {
		return err
	}
	return t.mark(t.batch.s.marks.release)
}

func (t *tx) mark(stmt *sql.Stmt) error {
	if !t.guarded {
		return nil
	}
	_, err := t.tx.StmtContext(t.ctx, stmt).ExecContext(t.ctx)
	return t.check("set a savepoint", err)
}

// Marks set, release and go back to the savepoint of a write.
type marks struct{ set, release, back *sql.Stmt }

func prepareMarks(ctx context.Context, d *sql.DB) (m marks, err error) {
	for text, stmt := range map[string]**sql.Stmt{
		"SAVEPOINT w": &m.set, "RELEASE SAVEPOINT w": &m.release, "ROLLBACK TO SAVEPOINT w": &m.back,
	} {
		if *stmt, err = d.PrepareContext(ctx, text); err != nil {
			return m, fmt.Errorf("prepare %s: %w", text, err)
		}
	}
	return m, nil
}

// put writes one thing.
func (t *tx) put(doing string, write func() error) error {
	if err := t.begin(); err != nil {
		return err
	}
	return t.check(doing, write())
}

// Revision is read once for a batch, as nobody else writes meanwhile and nearly every verb asks.
func (t *tx) Revision() (int64, error) {
	if t.fail == nil && t.batch.revision != 0 {
		return t.batch.revision, nil
	}
	r, err := t.view.Revision()
	t.batch.revision = r
	return r, err
}

func (t *tx) PutDocument(d core.Document) error {
	return t.put("write "+d.Kind+" "+d.Name, func() error {
		err := t.q.PutDocument(t.ctx, db.PutDocumentParams{
			Kind: d.Kind, Name: d.Name, Version: d.Version, Body: d.Body,
			CreatedAt: micros(d.CreatedAt), UpdatedAt: micros(d.UpdatedAt),
		})
		if err != nil {
			return err
		}
		t.batch.revision = 0
		return t.q.MoveRevision(t.ctx)
	})
}

// DeleteDocument deletes a document; one that is not there is core.NotFound.
func (t *tx) DeleteDocument(kind, name string) error {
	var deleted int64
	err := t.put("delete "+kind+" "+name, func() (err error) {
		deleted, err = t.q.DeleteDocument(t.ctx, db.DeleteDocumentParams{Kind: kind, Name: name})
		if err != nil || deleted == 0 {
			return err
		}
		t.batch.revision = 0
		return t.q.MoveRevision(t.ctx)
	})
	if err == nil && deleted == 0 {
		return core.Errorf(core.NotFound, "no %s %s", kind, name)
	}
	return err
}

// PutRequest writes a request and its reviews. Who asked for whom and when never changes,
// and a review is never taken back.
func (t *tx) PutRequest(r core.Request) error {
	return t.put("write request "+r.ID, func() error {
		if err := t.q.PutRequest(t.ctx, rowOfRequest(r)); err != nil {
			return err
		}
		for i, review := range r.Reviews {
			if err := t.q.PutReview(t.ctx, rowOfReview(r.ID, i, review)); err != nil {
				return err
			}
		}
		return nil
	})
}

// PutGrant writes a grant. Which request it came from and what it is for never changes.
func (t *tx) PutGrant(g core.Grant) error {
	return t.put("write grant "+g.ID, func() error { return t.q.PutGrant(t.ctx, rowOfGrant(g)) })
}

func (t *tx) PutHolding(h engine.Holding) error {
	return t.put("write a holding", func() error { return t.q.PutHolding(t.ctx, rowOfHolding(h)) })
}

// DeleteHolding deletes a holding; deleting one that is not there is no error.
func (t *tx) DeleteHolding(e core.Entitlement) error {
	return t.put("delete a holding", func() error {
		return t.q.DeleteHolding(t.ctx, db.DeleteHoldingParams{UserName: e.User, Target: e.Target, Name: e.Name})
	})
}

// PutIncident writes an incident and its notes. What caused it and its key never change,
// and a note is never taken back.
func (t *tx) PutIncident(i core.Incident) error {
	return t.put("write incident "+i.ID, func() error {
		if err := t.q.PutIncident(t.ctx, rowOfIncident(i)); err != nil {
			return err
		}
		for _, n := range i.Notes {
			if err := t.q.PutNote(t.ctx, rowOfNote(i.ID, n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// PutPin writes a pin. A PagerDuty user that somebody else is pinned to is core.Conflict.
func (t *tx) PutPin(p engine.Pin) error {
	there, err := t.PinOf(p.Account, p.PagerDutyUserID)
	if err != nil {
		return err
	}
	if there.User != "" && there.User != p.User {
		return core.Errorf(core.Conflict, "PagerDuty user %s of account %s is %s", p.PagerDutyUserID, p.Account, there.User).
			WithHint("an administrator can remove that pin")
	}
	return t.put("write a pin", func() error {
		return t.q.PutPin(t.ctx, db.PutPinParams{
			UserName: p.User, Account: p.Account, PagerdutyUserID: p.PagerDutyUserID,
			Email: p.Email, PinnedAt: micros(p.PinnedAt),
		})
	})
}

// DeletePin deletes a pin; deleting one that is not there is no error.
func (t *tx) DeletePin(user, account string) error {
	return t.put("delete a pin", func() error {
		return t.q.DeletePin(t.ctx, db.DeletePinParams{UserName: user, Account: account})
	})
}

func (t *tx) PutAnswer(a engine.Answer) error {
	return t.put("write an answer", func() error {
		return t.q.PutAnswer(t.ctx, db.PutAnswerParams{
			Key: a.Key, Digest: a.Digest, Status: int64(a.Status), Body: a.Body, CreatedAt: micros(a.CreatedAt),
		})
	})
}

// DeleteAnswers deletes the answers that were given before a time.
func (t *tx) DeleteAnswers(before time.Time) error {
	return t.put("delete old answers", func() error { return t.q.DeleteAnswers(t.ctx, micros(before)) })
}

// PutCredential writes a credential. When it was made never changes.
func (t *tx) PutCredential(c core.Credential) error {
	return t.put("write a credential", func() error { return t.q.PutCredential(t.ctx, rowOfCredential(c)) })
}

// DeleteCredential deletes a credential; one that is not there is core.NotFound, so that of
// two who use up the same ticket one fails.
func (t *tx) DeleteCredential(kind core.CredentialKind, id string) error {
	var deleted int64
	err := t.put("delete a credential", func() (err error) {
		deleted, err = t.q.DeleteCredential(t.ctx, db.DeleteCredentialParams{Kind: string(kind), ID: id})
		return err
	})
	if err == nil && deleted == 0 {
		return core.Errorf(core.NotFound, "no %s of that name", kind)
	}
	return err
}

// DeleteCredentials deletes the credentials that expire by a time.
func (t *tx) DeleteCredentials(by time.Time) error {
	return t.put("delete old credentials", func() error { return t.q.DeleteCredentials(t.ctx, micros(by)) })
}

func (t *tx) PutMark(m engine.Mark) error {
	return t.put("write the mark "+m.Name, func() error {
		return t.q.PutMark(t.ctx, db.PutMarkParams{
			Name: m.Name, Seq: m.Seq, At: micros(m.At), Body: m.Body, Error: m.Error, Owner: m.Owner, OwnedUntil: micros(m.OwnedUntil),
		})
	})
}

// Append puts an entry at the end of the audit chain. Its place is certain, because the
// transaction holds the head; the head itself is written once per batch.
func (t *tx) Append(e core.AuditEntry) error {
	return t.put("write the audit log", func() error {
		e.Seq = t.batch.head.Seq + 1
		e = core.SealEntry(t.batch.head.Hash, e)
		err := t.q.AppendAudit(t.ctx, db.AppendAuditParams{
			Seq: e.Seq, At: micros(e.At), Actor: e.Actor, Via: e.Via, Action: e.Action,
			Subject: e.Subject, Detail: e.Detail, Prev: e.Prev, Hash: e.Hash,
		})
		if err != nil {
			return err
		}
		t.batch.head.Seq, t.batch.head.Hash = e.Seq, e.Hash
		return nil
	})
}

// AuditHead is the last entry that this transaction knows of, its own included.
func (t *tx) AuditHead() (int64, string, error) {
	if t.fail != nil {
		return 0, "", t.fail
	}
	return t.batch.head.Seq, t.batch.head.Hash, nil
}

// Enqueue keeps a job for the end of the batch, where all of its jobs are written at once.
func (t *tx) Enqueue(j core.Job) error {
	if j.Kind == "" || j.ID == "" {
		return core.Errorf(core.Internal, "a job needs a kind and an id, not %q and %q", j.Kind, j.ID)
	}
	if err := t.begin(); err != nil {
		return err
	}
	t.batch.jobs = append(t.batch.jobs, j)
	return nil
}
