package notary

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/proof"
)

// checkpointMark has the last checkpoint that any replica made.
const checkpointMark = "checkpoint"

// maxBetween is how many entries come without a checkpoint, however little time has passed.
const maxBetween = 1000

// checkpoint makes a checkpoint when it is time. Its places take it from the mark.
func (n *Notary) checkpoint(ctx context.Context) error {
	now := n.Engine.Clock.Now()
	var last engine.Mark
	var first string
	due := false
	err := n.Engine.Store.Read(ctx, func(v engine.View) (err error) {
		if last, err = v.Mark(checkpointMark); err != nil {
			return err
		}
		head, _, err := v.AuditHead()
		if err != nil || !n.due(last, head, now) {
			return err
		}
		due = true
		first, err = logOf(v)
		return err
	})
	if err != nil || !due {
		return err
	}
	key, err := n.signer(ctx)
	if err != nil {
		return err
	}
	return n.Engine.Store.Write(ctx, func(tx engine.Tx) error {
		there, err := tx.Mark(checkpointMark)
		if err != nil || there.Seq != last.Seq || !there.At.Equal(last.At) { // another replica was faster
			return err
		}
		seq, hash, err := tx.AuditHead()
		if err != nil {
			return err
		}
		c := core.Checkpoint{Log: first, Seq: seq, Hash: hash, At: now}.Sign(key)
		return tx.PutMark(engine.Mark{Name: checkpointMark, Seq: seq, At: now, Body: string(proof.Line(c)), Owner: n.Replica})
	})
}

func (n *Notary) due(last engine.Mark, head int64, now time.Time) bool {
	return head > last.Seq && (head-last.Seq >= maxBetween || now.Sub(last.At) >= n.Every)
}

// logOf names the log of a database.
func logOf(v engine.View) (string, error) {
	first, err := v.Audit(0, 1)
	if err != nil || len(first) == 0 {
		return "", err
	}
	return first[0].Hash, nil
}

// lastCheckpoint is the one that the places are to have.
func (n *Notary) lastCheckpoint(ctx context.Context) (engine.Mark, error) {
	var m engine.Mark
	err := n.Engine.Store.Read(ctx, func(v engine.View) (err error) {
		m, err = v.Mark(checkpointMark)
		return err
	})
	return m, err
}

// writeCheckpoint brings the file of a place up to date, after it has held what stands there
// against the database. While the two contradict each other the file is left as it is: it is evidence.
func writeCheckpoint(ctx context.Context, n *Notary, p place, m engine.Mark) (engine.Mark, error) {
	last, err := lastInFile(p.to)
	if err != nil {
		return m, err
	}
	m.Seq = 0
	if last != nil {
		if err := n.hold(ctx, *last); err != nil {
			var contradiction mismatch
			if errors.As(err, &contradiction) && m.Error == "" {
				err = errors.Join(err, n.tell(ctx, p, contradiction))
			}
			return m, err
		}
		m.Seq, m.At = last.Seq, last.At
	}
	made, err := n.lastCheckpoint(ctx)
	if err != nil || made.Seq <= m.Seq {
		return m, err
	}
	if err := appendLine(p.to, made.Body); err != nil {
		return m, err
	}
	m.Seq, m.At = made.Seq, made.At
	return m, nil
}

// A mismatch says how a checkpoint outside contradicts the database.
type mismatch struct{ why *core.Error }

// Error implements error.
func (m mismatch) Error() string { return m.why.Error() }

// Unwrap gives the words and the hint.
func (m mismatch) Unwrap() error { return m.why }

func contradicts(format string, args ...any) error {
	return mismatch{core.Errorf(core.Internal, format, args...).
		WithHint("find out why before anything else: sallyport audit verify; when it is explained, move the file away and keep it, and a new one is begun")}
}

// hold compares a checkpoint from outside with the database.
func (n *Notary) hold(ctx context.Context, c core.Checkpoint) error {
	keys, err := n.keys(ctx)
	if err != nil {
		return err
	}
	signed := false
	for _, k := range keys {
		signed = signed || c.SignedBy(k.Public)
	}
	return n.Engine.Store.Read(ctx, func(v engine.View) error {
		head, _, err := v.AuditHead()
		if err != nil {
			return err
		}
		log, err := logOf(v)
		if err != nil {
			return err
		}
		var there []core.AuditEntry
		if c.Seq <= head {
			if there, err = v.Audit(c.Seq-1, 1); err != nil {
				return err
			}
		}
		at := c.At.Format(time.RFC3339)
		switch {
		case c.Log != log:
			return contradicts("its last checkpoint, of %s, is of another log: this is another database, or its log was begun anew", at)
		case c.Seq > head:
			return contradicts("its last checkpoint, of %s, has %d audit entries and the database only %d: an older copy of the database was restored, or its tail cut off", at, c.Seq, head)
		case len(there) != 1 || there[0].Seq != c.Seq || there[0].Hash != c.Hash:
			return contradicts("audit entry %d of the database is not the one of the checkpoint of %s: the log was changed, or went on from an older copy of the database", c.Seq, at)
		case !signed:
			return contradicts("its last checkpoint, of %s, is not signed by a key of this log", at)
		}
		return nil
	})
}

// tell writes a contradiction into the log.
func (n *Notary) tell(ctx context.Context, p place, why mismatch) error {
	return n.Engine.NoteAuditMismatch(ctx, p.name, why.why.Msg)
}
