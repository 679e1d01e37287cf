package engine

import (
	"context"
	"encoding/json"

	"github.com/sallyport/sallyport/internal/core"
)

// A Renewal is what a certificate has to do with those before and after it.
type Renewal struct {
	Family   string `json:"family,omitempty"`   // the first of them
	Replaces string `json:"replaces,omitempty"` // the one before, until this one is used
	Next     string `json:"next,omitempty"`     // the one after
	Spent    bool   `json:"spent,omitempty"`    // the one after is in use
}

// keep stores a session anew.
func (t *txn) keep(s Session) error {
	body, err := json.Marshal(sessionBody{Method: s.Method, Address: s.Address, Label: s.Label, Renewal: s.Renewal})
	if err != nil {
		return err
	}
	s.Body = string(body)
	return t.PutCredential(s.Credential)
}

// certificate reads one that has not had its time.
func (t *txn) certificate(id string) (Session, error) {
	c, err := t.Credential(core.CredentialCertificate, id)
	if core.KindOf(err) == core.NotFound || err == nil && c.Expired(t.now) {
		return Session{}, ended(core.CredentialCertificate)
	}
	if err != nil {
		return Session{}, err
	}
	return sessionOf(c)
}

// spend marks the certificate that another one replaces, as that one is in use now.
func (e *Engine) spend(ctx context.Context, by Session) error {
	return e.write(ctx, func(tx *txn) error {
		s, err := tx.certificate(by.ID)
		if err != nil || s.Replaces == "" {
			return err
		}
		before, err := tx.certificate(s.Replaces)
		s.Replaces = ""
		switch {
		case core.KindOf(err) == core.Unauthenticated: // it has had its time
			return tx.keep(s)
		case err != nil:
			return err
		}
		before.Spent = true
		if err := tx.keep(before); err != nil {
			return err
		}
		return tx.keep(s)
	})
}

// Renew gives a bot a new certificate for the one by which it calls, with the same name and
// author. The old one works until the new one is used, so that a bot that lost the answer can
// ask again; then the one that was lost is void.
func (e *Engine) Renew(ctx context.Context, a Actor, in SignRequest) (Issued, error) {
	if in.TTL == 0 {
		in.TTL = e.SessionTTL
	}
	if err := checkTTL(in.TTL); err != nil {
		return Issued{}, err
	}
	if err := e.checkRequest(in.Request); err != nil {
		return Issued{}, err
	}
	var out Issued
	err := e.write(ctx, func(tx *txn) error {
		old, err := e.mayRenew(tx, a)
		if err != nil {
			return err
		}
		if old.Next != "" {
			if err := tx.DeleteCredential(core.CredentialCertificate, old.Next); err != nil && core.KindOf(err) != core.NotFound {
				return err
			}
		}
		s := Session{Credential: core.Credential{User: old.User, Author: old.Author}, Method: "renewed", Address: in.Address, Label: in.Label}
		s.Family, s.Replaces = old.Family, old.ID
		if out, err = e.issue(tx, a, s, in.TTL, in.Request, "certificate.renew"); err != nil {
			return err
		}
		old.Next = out.Serial
		return tx.keep(old)
	})
	return out, e.refused(ctx, a, "certificate.renew", "user/"+a.User, err)
}

// mayRenew refuses everybody but a bot with a certificate, and a bot whose author may not have
// it made any more.
func (e *Engine) mayRenew(tx *txn, a Actor) (Session, error) {
	if a.Session.Kind != core.CredentialCertificate {
		return Session{}, core.Errorf(core.Refused, "only who calls by a certificate can have it renewed").WithHint("people sign in again: sallyport login")
	}
	old, err := tx.certificate(a.Session.ID)
	if err != nil {
		return old, err
	}
	if old.Spent {
		return old, ended(core.CredentialCertificate)
	}
	dir, err := e.dir(tx)
	if err != nil {
		return old, err
	}
	if err := active(dir, a); err != nil {
		return old, err
	}
	if u, _ := dir.User(a.User); !u.Bot {
		return old, core.Errorf(core.Refused, "%s is no bot, so this certificate ends at its time", a.User).
			WithHint("people sign in again: sallyport login; a machine's user has bot: true")
	}
	if old.Author != "" && old.Author != old.User {
		return old, dir.MayImpersonate(old.Author, old.User)
	}
	return old, nil
}

// Copied looks at a certificate that asks to be renewed and was replaced by one in use. Its
// holder has the new one, so somebody else asks: the whole family ends. It reports whether so.
func (e *Engine) Copied(ctx context.Context, serial, address string) (bool, error) {
	copied := false
	err := e.write(ctx, func(tx *txn) error {
		copied = false
		s, err := tx.certificate(serial)
		if err != nil || !s.Spent {
			return err
		}
		copied = true
		a := Actor{User: s.User, Via: s.via(address)}
		family, err := tx.Credentials(CredentialQuery{Kind: core.CredentialCertificate})
		if err != nil {
			return err
		}
		for _, c := range family {
			if other, err := sessionOf(c); err != nil || other.Family != s.Family {
				continue // one that cannot be read lets nobody in either
			}
			if err := tx.endSession(a, c, "a copy of it may be in use"); err != nil {
				return err
			}
		}
		return tx.audit(a, "certificate.copied", "user/"+s.User, detail{"id": short(s.ID), "family": short(s.Family), "address": address})
	})
	if core.KindOf(err) == core.Unauthenticated {
		return false, nil // it is gone, and there is nothing more to end
	}
	return copied, err
}
