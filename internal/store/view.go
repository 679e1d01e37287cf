package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store/db"
)

// A view reads in one transaction. It implements engine.View.
type view struct {
	ctx   context.Context
	tx    *sql.Tx // nil: each question is a transaction of its own
	q     *db.Queries
	texts *texts // the prepared lists
	rules *knownRules
	alive func() // called before each question
	fail  error  // the first error of the database; after it the transaction is no good
}

var _ engine.View = (*view)(nil)

// check remembers the first error of the database: a transaction that has had one refuses
// everything else, so that nobody writes half of what they meant to.
func (v *view) check(doing string, err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if v.fail == nil {
		v.fail = fmt.Errorf("%s: %w", doing, err)
	}
	return v.fail
}

// ask comes before each question.
func (v *view) ask() error {
	if v.fail == nil {
		v.alive()
	}
	return v.fail
}

// one reads one row. Where there is none it returns none.
func one[R any](v *view, doing string, none error, read func() (R, error)) (R, error) {
	if err := v.ask(); err != nil {
		var zero R
		return zero, err
	}
	row, err := read()
	if errors.Is(err, sql.ErrNoRows) {
		var zero R
		return zero, none
	}
	return row, v.check(doing, err)
}

// rows reads many rows and makes nouns of them.
func rows[R, N any](v *view, doing string, noun func(R) N, read func() ([]R, error)) ([]N, error) {
	if err := v.ask(); err != nil {
		return nil, err
	}
	found, err := read()
	return each(found, noun), v.check(doing, err)
}

func (v *view) Revision() (int64, error) {
	return one(v, "read the revision", nil, func() (int64, error) { return v.q.Revision(v.ctx) })
}

func (v *view) Document(kind, name string) (core.Document, error) {
	none := core.Errorf(core.NotFound, "no %s %s", kind, name)
	row, err := one(v, "read "+kind+" "+name, none, func() (db.Document, error) {
		return v.q.Document(v.ctx, db.DocumentParams{Kind: kind, Name: name})
	})
	return documentOf(row), err
}

func (v *view) Documents(kind string) ([]core.Document, error) {
	return rows(v, "read documents", documentOf, func() ([]db.Document, error) {
		if kind == "" {
			return v.q.Documents(v.ctx)
		}
		return v.q.DocumentsOfKind(v.ctx, kind)
	})
}

func (v *view) Request(id string) (core.Request, error) {
	row, err := one(v, "read request "+id, core.Errorf(core.NotFound, "no request %s", id), func() (db.Request, error) {
		return v.q.Request(v.ctx, id)
	})
	if err != nil {
		return core.Request{}, err
	}
	r, err := requestOf(row)
	if err != nil {
		return core.Request{}, err
	}
	if err := v.ask(); err != nil {
		return core.Request{}, err
	}
	found, err := v.q.Reviews(v.ctx, id)
	if err != nil {
		return core.Request{}, v.check("read the reviews of "+id, err)
	}
	for _, row := range found {
		review, err := reviewOf(row)
		if err != nil {
			return core.Request{}, err
		}
		r.Reviews = append(r.Reviews, review)
	}
	return r, nil
}

func (v *view) Grant(id string) (core.Grant, error) {
	row, err := one(v, "read grant "+id, core.Errorf(core.NotFound, "no grant %s", id), func() (db.AccessGrant, error) {
		return v.q.Grant(v.ctx, id)
	})
	if err != nil {
		return core.Grant{}, err
	}
	return v.rules.grantOf(row)
}

func (v *view) Holding(e core.Entitlement) (engine.Holding, error) {
	row, err := one(v, "read a holding", nil, func() (db.Holding, error) {
		return v.q.Holding(v.ctx, db.HoldingParams{UserName: e.User, Target: e.Target, Name: e.Name})
	})
	return holdingOf(row), err
}

func (v *view) Incident(id string) (core.Incident, error) {
	row, err := one(v, "read incident "+id, core.Errorf(core.NotFound, "no incident %s", id), func() (db.Incident, error) {
		return v.q.Incident(v.ctx, id)
	})
	if err != nil {
		return core.Incident{}, err
	}
	i := incidentOf(row)
	i.Notes, err = rows(v, "read the notes of "+id, noteOf, func() ([]db.Note, error) { return v.q.Notes(v.ctx, id) })
	return i, err
}

func (v *view) Pin(user, account string) (engine.Pin, error) {
	row, err := one(v, "read a pin", nil, func() (db.Pin, error) {
		return v.q.Pin(v.ctx, db.PinParams{UserName: user, Account: account})
	})
	return pinOf(row), err
}

func (v *view) PinOf(account, pagerDutyUserID string) (engine.Pin, error) {
	row, err := one(v, "read a pin", nil, func() (db.Pin, error) {
		return v.q.PinOf(v.ctx, db.PinOfParams{Account: account, PagerdutyUserID: pagerDutyUserID})
	})
	return pinOf(row), err
}

// Audit reads at most limit entries; zero means 1,000.
func (v *view) Audit(after int64, limit int) ([]core.AuditEntry, error) {
	return rows(v, "read the audit log", auditOf, func() ([]db.Audit, error) {
		return v.q.Audit(v.ctx, db.AuditParams{After: after, Page: page(limit)})
	})
}

func (v *view) AuditHead() (int64, string, error) {
	head, err := one(v, "read the audit head", nil, func() (db.HeadRow, error) { return v.q.Head(v.ctx) })
	return head.Seq, head.Hash, err
}

// Mark returns how far somebody has come; the zero Mark where nobody has begun.
func (v *view) Mark(name string) (engine.Mark, error) {
	row, err := one(v, "read the mark "+name, nil, func() (db.AuditMark, error) { return v.q.Mark(v.ctx, name) })
	return engine.Mark{
		Name: row.Name, Seq: row.Seq, At: moment(row.At), Body: row.Body, Error: row.Error, Owner: row.Owner, OwnedUntil: moment(row.OwnedUntil),
	}, err
}

func (v *view) Answer(key string) (engine.Answer, error) {
	row, err := one(v, "read an answer", nil, func() (db.Answer, error) { return v.q.Answer(v.ctx, key) })
	return engine.Answer{
		Key: row.Key, Digest: row.Digest, Status: int(row.Status), Body: row.Body, CreatedAt: moment(row.CreatedAt),
	}, err
}

// Credential returns one credential, expired or not.
func (v *view) Credential(kind core.CredentialKind, id string) (core.Credential, error) {
	row, err := one(v, "read a credential", core.Errorf(core.NotFound, "no %s of that name", kind), func() (db.Credential, error) {
		return v.q.Credential(v.ctx, db.CredentialParams{Kind: string(kind), ID: id})
	})
	if err != nil {
		return core.Credential{}, err
	}
	return credentialOf(row), nil
}

func (v *view) Credentials(q engine.CredentialQuery) ([]core.Credential, error) {
	return rows(v, "list credentials", credentialOf, func() ([]db.Credential, error) {
		switch {
		case q.User != "":
			return v.q.CredentialsOf(v.ctx, q.User)
		case q.Author != "":
			return v.q.CredentialsBy(v.ctx, q.Author)
		default:
			return v.q.CredentialsOfKind(v.ctx, string(q.Kind))
		}
	})
}
