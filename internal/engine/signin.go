package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A Proof is by what somebody has shown who they are; package auth has verified it.
type Proof struct {
	Kind   core.CredentialKind // core.CredentialPasskey or core.CredentialSubject
	ID     string
	Body   string // JSON, by the kind: what is to be known next time
	Before string // the body that it was verified against; empty: it is new
	Cloned bool   // a passkey has counted backwards, so there are two of it
}

// method names a proof in the audit log and in metrics.
func (p Proof) method() string {
	if p.Kind == core.CredentialSubject {
		return "oidc"
	}
	return "passkey"
}

// A Visit is from where somebody signs in.
type Visit struct{ Address, Label string }

// SignedIn is a session with the token of its cookie, which is told once.
type SignedIn struct {
	Token string
	Session
}

// A SignInMeter is a Meter that also counts sign-ins.
type SignInMeter interface {
	SignedIn(method string, ok bool)
}

func (e *Engine) countSignIn(p Proof, err error) {
	if m, counts := e.Meter.(SignInMeter); counts {
		m.SignedIn(p.method(), err == nil)
	}
}

// errNobody is what everybody hears who is not let in: it does not say whether there is such a user.
var errNobody = core.Errorf(core.Unauthenticated, "this does not sign anybody in").
	WithHint("use the passkey that you made with your invitation, or ask an administrator for a new invitation")

// SignIn begins a session for whoever has a passkey or subject that is known. The reason for a
// refusal is in the audit log.
func (e *Engine) SignIn(ctx context.Context, p Proof, at Visit) (in SignedIn, err error) {
	in.Token = e.newToken()
	var user string
	err = e.write(ctx, func(tx *txn) error {
		c, err := tx.Credential(p.Kind, p.ID)
		if err != nil {
			return err
		}
		user = c.User
		switch {
		case p.Cloned:
			return core.Errorf(core.Refused, "the passkey counted backwards: there may be a copy of it")
		case c.Body != p.Before:
			return core.Errorf(core.Refused, "the passkey was used by somebody else at the same time")
		}
		a := Actor{User: c.User, Via: p.method() + ", from " + at.Address}
		c.Body = p.Body
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		in.Session, err = e.signIn(tx, a, p, in.Token, at)
		return err
	})
	e.countSignIn(p, err)
	kind := core.KindOf(err)
	if kind == core.Refused && user != "" {
		e.refused(ctx, Actor{User: user, Via: p.method() + ", from " + at.Address}, "session.begin", "user/"+user, err)
	}
	if kind == core.Refused || kind == core.NotFound {
		err = errNobody
	}
	return in, err
}

// signIn begins the session of a user who may act.
func (e *Engine) signIn(tx *txn, a Actor, p Proof, token string, at Visit) (Session, error) {
	dir, err := e.dir(tx)
	if err != nil {
		return Session{}, err
	}
	if err := active(dir, a); err != nil {
		return Session{}, err
	}
	if u, _ := dir.User(a.User); u.Bot {
		return Session{}, core.Errorf(core.Refused, "%s is a bot, and bots do not sign in with a browser", a.User)
	}
	s := Session{
		Credential: core.Credential{
			Kind: core.CredentialSession, ID: Digest(token), User: a.User,
			CreatedAt: tx.now, ExpiresAt: tx.now.Add(e.sessionTTL(dir, a.User)),
		},
		Method: p.method(), Address: at.Address, Label: at.Label,
	}
	return s, tx.begin(a, s)
}

// sessionTTL is how long a session of a user lasts: no longer than any of their roles allows.
func (e *Engine) sessionTTL(dir *core.Directory, user string) time.Duration {
	return min(e.SessionTTL, dir.LongestSession(user))
}

// SignOut ends the session by which the caller is known.
func (e *Engine) SignOut(ctx context.Context, a Actor) error {
	if a.Session.ID == "" {
		return nil
	}
	err := e.EndSession(ctx, a, a.Session.Kind, a.Session.ID)
	if core.KindOf(err) == core.NotFound {
		return nil // it ended by itself
	}
	return err
}

// addProof stores a way to sign in that nobody has yet.
func (t *txn) addProof(a Actor, p Proof) error {
	_, err := t.Credential(p.Kind, p.ID)
	switch {
	case err == nil:
		return core.Errorf(core.Conflict, "this %s is in use already", p.method()).WithHint("sign in with it, or use another one")
	case core.KindOf(err) != core.NotFound:
		return err
	}
	err = t.PutCredential(core.Credential{Kind: p.Kind, ID: p.ID, User: a.User, Body: p.Body, CreatedAt: t.now})
	if err != nil {
		return err
	}
	return t.audit(a, p.method()+".add", "user/"+a.User, detail{"id": short(p.ID)})
}

// AddProof gives the caller one more way to sign in. It takes a session of their own in a
// browser: whoever acts for somebody else makes no way in that outlasts it.
func (e *Engine) AddProof(ctx context.Context, a Actor, p Proof) error {
	if err := ownSession(a); err != nil {
		return err
	}
	return e.write(ctx, func(tx *txn) error {
		dir, err := e.dir(tx)
		if err != nil {
			return err
		}
		if err := active(dir, a); err != nil {
			return err
		}
		return tx.addProof(a, p)
	})
}

func ownSession(a Actor) error {
	if a.User == "" || a.Session.Kind != core.CredentialSession || a.Author() != "" {
		return core.Errorf(core.Refused, "ways to sign in are changed by their owner only, signed in with a browser")
	}
	return nil
}

// Proofs lists by what a user signs in. Others' take the right to read users.
func (e *Engine) Proofs(ctx context.Context, a Actor, user string) (out []core.Credential, err error) {
	if user != a.User {
		if err := e.may(ctx, a, "user", "read"); err != nil {
			return nil, err
		}
	}
	err = e.Store.Read(ctx, func(v View) error {
		out, err = proofs(v, user)
		return err
	})
	return out, err
}

func proofs(v View, user string) (out []core.Credential, err error) {
	all, err := v.Credentials(CredentialQuery{User: user})
	for _, c := range all {
		if c.Kind == core.CredentialPasskey || c.Kind == core.CredentialSubject {
			out = append(out, c)
		}
	}
	return out, err
}

// RemoveProof takes a way to sign in away from the caller, unless it is the last one.
func (e *Engine) RemoveProof(ctx context.Context, a Actor, kind core.CredentialKind, id string) error {
	if err := ownSession(a); err != nil {
		return err
	}
	return e.write(ctx, func(tx *txn) error {
		all, err := proofs(tx, a.User)
		if err != nil {
			return err
		}
		for _, c := range all {
			if c.Kind != kind || c.ID != id {
				continue
			}
			if len(all) == 1 {
				return core.Errorf(core.Conflict, "this is the last way to sign in as %s", a.User).WithHint("add another passkey first")
			}
			if err := tx.DeleteCredential(kind, id); err != nil {
				return err
			}
			return tx.audit(a, Proof{Kind: kind}.method()+".remove", "user/"+a.User, detail{"id": short(id)})
		}
		return core.Errorf(core.NotFound, "you have no such %s", kind)
	})
}

// FindPasskey returns whose a passkey is, and what is stored of it.
func (e *Engine) FindPasskey(ctx context.Context, id string) (user, body string, err error) {
	err = e.Store.Read(ctx, func(v View) error {
		c, err := v.Credential(core.CredentialPasskey, id)
		user, body = c.User, c.Body
		return err
	})
	return user, body, err
}

// RefuseSignIn takes note of a proof that package auth did not accept, and says what everybody
// hears. What was wrong with it is in the audit log, of one address once a minute.
func (e *Engine) RefuseSignIn(ctx context.Context, p Proof, at Visit, why error) error {
	e.countSignIn(p, errors.Join(why, errNobody))
	_ = e.refused(ctx, stranger(at.Address), "session.begin", "address/"+at.Address, core.Errorf(core.Refused, "%s: %w", p.method(), why))
	return errNobody
}

// LabelOf returns what the owner of a passkey knows it by.
func LabelOf(c core.Credential) string {
	var l struct {
		Label string `json:"label"`
	}
	if json.Unmarshal([]byte(c.Body), &l) != nil {
		return ""
	}
	return l.Label
}
