package engine

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A SignRequest asks for a certificate.
type SignRequest struct {
	User    string        // whom it shall stand for; empty: the caller
	TTL     time.Duration // zero: as long as it may last, at most the server's default
	Request []byte        // certificate request in PEM: the key never travels
	Label   string        // of the host
	Address string        // from where it is asked
}

// Issued is a certificate with what a caller needs besides.
type Issued struct {
	User, Author string
	Serial       string
	Certificate  []byte // PEM
	Authority    []byte // PEM, the newest first
	Pin          string // of the newest authority
	ExpiresAt    time.Time
}

// checkTTL refuses lengths that nobody means.
func checkTTL(ttl time.Duration) error {
	const hint = "for example 1h, or 60060 for minutes as tsh takes them"
	switch {
	case ttl <= 0:
		return core.Errorf(core.Invalid, "an identity that lasts %s would never be valid", ttl).WithHint(hint)
	case ttl < time.Minute:
		return core.Errorf(core.Invalid, "an identity lasts at least a minute, not %s", ttl).WithHint(hint)
	case ttl > 366*24*time.Hour:
		return core.Errorf(core.Invalid, "an identity that lasts %s is refused: a year is the most that can be asked for", ttl).WithHint(hint)
	}
	return nil
}

// checkRequest refuses what is no certificate request before anybody approves it. The
// certificate made for that has ended already, and is known to nobody.
func (e *Engine) checkRequest(request []byte) error {
	if len(request) > maxRequest {
		return core.Errorf(core.Invalid, "the certificate request has more than %d bytes", maxRequest)
	}
	authority, err := e.Authority()
	if err != nil {
		return err
	}
	past := e.Clock.Now().Add(-time.Hour)
	_, err = authority.Issue("", authority.NewSerial(), request, past, past)
	return err
}

// Sign gives the caller a certificate for themselves, or for another user whom they may
// impersonate. It never outlives the identity by which it was asked for.
func (e *Engine) Sign(ctx context.Context, a Actor, in SignRequest) (Issued, error) {
	if in.User == "" {
		in.User = a.User
	}
	if in.User == "" {
		return Issued{}, core.Errorf(core.Invalid, "the local administrator has no identity of their own").WithHint("name a user: --user")
	}
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
		s := Session{Method: "signed", Address: in.Address, Label: in.Label}
		s.User = in.User
		if err := e.maySign(tx, a, &s); err != nil {
			return err
		}
		if until := a.Session.ExpiresAt; !until.IsZero() {
			in.TTL = min(in.TTL, until.Sub(tx.now))
		}
		var err error
		out, err = e.issue(tx, a, s, in.TTL, in.Request, "certificate.sign")
		return err
	})
	return out, e.refused(ctx, a, "certificate.sign", "user/"+in.User, err)
}

// maySign refuses what the caller may not have made, and says who made it.
func (e *Engine) maySign(tx *txn, a Actor, s *Session) error {
	dir, err := e.dir(tx)
	if err != nil || a.Admin {
		return err
	}
	if err := active(dir, a); err != nil {
		return err
	}
	signer, _ := dir.User(a.User)
	if signer.Bot {
		s.Family = a.Session.Family // what a copy of a machine's certificate signed ends with it
	}
	if s.User == a.User {
		if signer.Bot && a.Session.Kind == core.CredentialCertificate { // a copy of it could make itself another, unseen
			return core.Errorf(core.Refused, "a machine has its certificate renewed and makes none besides").WithHint("sallyport auth renew")
		}
		s.Author = a.Author()
		return nil
	}
	if a.Author() != "" { // or whoever made it could be locked, and what it made went on
		return core.Errorf(core.Refused, "this identity was made by %s for %s, and makes none for others", a.Author(), a.User).
			WithHint("sign with an identity of your own: sallyport login")
	}
	s.Author = a.User
	return dir.MayImpersonate(a.User, s.User)
}

// issue makes a certificate that lasts as long as it was asked for and the roles of its holder
// let it, and stores the session by which its holder is known.
func (e *Engine) issue(tx *txn, a Actor, s Session, ttl time.Duration, request []byte, action string) (Issued, error) {
	dir, err := e.dir(tx)
	if err != nil {
		return Issued{}, err
	}
	for _, user := range []string{s.User, s.Author} {
		if user == "" {
			continue
		}
		if err := active(dir, Actor{User: user}); err != nil {
			return Issued{}, err
		}
	}
	authority, err := e.Authority()
	if err != nil {
		return Issued{}, err
	}
	s.Kind, s.ID, s.CreatedAt = core.CredentialCertificate, authority.NewSerial(), tx.now
	// Whole seconds, as certificates have them: the session ends with the certificate.
	s.ExpiresAt = tx.now.Add(min(ttl, dir.LongestSession(s.User))).Truncate(time.Second)
	if !s.ExpiresAt.After(tx.now) {
		return Issued{}, core.Errorf(core.Refused, "the identity by which this is asked ends now").WithHint("sign in again: sallyport login")
	}
	if s.Family == "" {
		s.Family = s.ID
	}
	certificate, err := authority.Issue(s.User, s.ID, request, tx.now, s.ExpiresAt)
	if err != nil {
		return Issued{}, err
	}
	if err := tx.begin(a, s); err != nil {
		return Issued{}, err
	}
	if m, counts := e.Meter.(interface{ Issued(action string) }); counts {
		tx.count = append(tx.count, func() { m.Issued(action) })
	}
	bundle, pin := authority.Bundle()
	out := Issued{
		User: s.User, Author: s.Author, Serial: s.ID, Certificate: certificate, Authority: bundle, Pin: pin, ExpiresAt: s.ExpiresAt.UTC(),
	}
	return out, tx.audit(a, action, "user/"+s.User, detail{
		"id": short(s.ID), "by": s.Author, "address": s.Address, "label": s.Label, "until": s.ExpiresAt.UTC(),
	})
}

// RotateAuthority has a generation added to the certificate authority, and says so in the audit
// log: once before, as it works on the keys of everybody, and once with what came of it.
func (e *Engine) RotateAuthority(ctx context.Context, a Actor, rotate func(context.Context) (bundle []byte, pin string, err error)) ([]byte, string, error) {
	if err := e.may(ctx, a, "cert_authority", "update"); err != nil {
		return nil, "", e.refused(ctx, a, "ca.rotate", "ca", err)
	}
	if err := e.write(ctx, func(tx *txn) error { return tx.audit(a, "ca.rotate", "ca", nil) }); err != nil {
		return nil, "", err
	}
	bundle, pin, err := rotate(ctx)
	if err != nil {
		return nil, "", err
	}
	return bundle, pin, e.write(ctx, func(tx *txn) error { return tx.audit(a, "ca.rotated", "ca", detail{"pin": pin}) })
}
