package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A Session is a stretch of time in which a caller is known: in a browser by a cookie, on the
// command line and on machines by a certificate. Ending it takes effect with the next call.
type Session struct {
	core.Credential        // its kind is core.CredentialSession or core.CredentialCertificate
	Method          string // how its holder proved who they are: "passkey", "oidc", "signed"
	Address         string // from where it was begun
	Label           string // of the browser or the host

	Renewal // of a certificate
}

type sessionBody struct {
	Method  string `json:"method"`
	Address string `json:"address,omitempty"`
	Label   string `json:"label,omitempty"`
	Renewal
}

// via says in the audit log by what a caller is known, and from where the call came.
func (s Session) via(from string) string {
	text := fmt.Sprintf("%s %.12s, %s", s.Kind, s.ID, s.Method)
	if s.Author != "" {
		text += " by " + s.Author
	}
	return text + ", from " + from
}

func sessionOf(c core.Credential) (Session, error) {
	var b sessionBody
	if err := json.Unmarshal([]byte(c.Body), &b); err != nil {
		return Session{}, fmt.Errorf("read %s %.12s: %w", c.Kind, c.ID, err)
	}
	return Session{Credential: c, Method: b.Method, Address: b.Address, Label: b.Label, Renewal: b.Renewal}, nil
}

// begin stores a new session.
func (t *txn) begin(a Actor, s Session) error {
	body, err := json.Marshal(sessionBody{Method: s.Method, Address: s.Address, Label: s.Label, Renewal: s.Renewal})
	if err != nil {
		return err
	}
	s.Body = string(body)
	if err := t.PutCredential(s.Credential); err != nil {
		return err
	}
	return t.audit(a, "session.begin", "user/"+s.User, detail{
		"kind": s.Kind, "id": short(s.ID), "method": s.Method, "by": s.Author, "address": s.Address, "label": s.Label, "until": s.ExpiresAt.UTC(),
	})
}

// short is what the log tells of an id: enough to find it again.
func short(id string) string { return fmt.Sprintf("%.12s", id) }

// Identify settles who calls by a session or a certificate, of which the door has checked that
// the caller has it. from is the address of the caller. Whoever was locked or removed, and
// whoever had their identity made by somebody who was, gets no further.
func (e *Engine) Identify(ctx context.Context, kind core.CredentialKind, id, from string) (Actor, error) {
	var s Session
	err := e.Store.Read(ctx, func(v View) error {
		c, err := v.Credential(kind, id)
		if core.KindOf(err) == core.NotFound {
			return ended(kind)
		}
		if err != nil {
			return err
		}
		s, err = sessionOf(c)
		return err
	})
	if err != nil {
		return Actor{}, err
	}
	if s.Expired(e.Clock.Now()) {
		return Actor{}, ended(kind)
	}
	if s.Spent {
		return Actor{}, core.Errorf(core.Unauthenticated, "this certificate was renewed, and the new one is in use").WithHint("read the identity file again")
	}
	a := Actor{User: s.User, Via: s.via(from), Session: s}
	dir, err := e.Directory(ctx)
	if err != nil {
		return Actor{}, err
	}
	if err := active(dir, a); err != nil {
		return Actor{}, err
	}
	if s.Author != "" {
		if err := active(dir, Actor{User: s.Author}); err != nil {
			return Actor{}, err
		}
	}
	if s.Replaces != "" {
		return a, e.spend(ctx, s)
	}
	return a, nil
}

func ended(kind core.CredentialKind) error {
	return core.Errorf(core.Unauthenticated, "this %s has ended or was ended", kind).WithHint("sign in again: sallyport login")
}

// Sessions lists the sessions of a user, the oldest first. Others' take the right to read users.
func (e *Engine) Sessions(ctx context.Context, a Actor, user string) ([]Session, error) {
	if user != a.User {
		if err := e.may(ctx, a, "user", "read"); err != nil {
			return nil, err
		}
	}
	var out []Session
	err := e.Store.Read(ctx, func(v View) error {
		out = nil
		found, err := v.Credentials(CredentialQuery{User: user})
		if err != nil {
			return err
		}
		for _, c := range found {
			if c.Expired(e.Clock.Now()) || (c.Kind != core.CredentialSession && c.Kind != core.CredentialCertificate) {
				continue
			}
			s, err := sessionOf(c)
			if err != nil {
				return err
			}
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// still refuses a caller whose session has ended since the call began, or who was locked or
// removed: what goes on for long asks again and again.
func (e *Engine) still(ctx context.Context, a Actor) error {
	if a.Session.ID == "" {
		return e.Known(ctx, a)
	}
	_, err := e.Identify(ctx, a.Session.Kind, a.Session.ID, "")
	return err
}

// EndSession ends a session: one's own, or with the right to change users anybody's.
func (e *Engine) EndSession(ctx context.Context, a Actor, kind core.CredentialKind, id string) error {
	err := e.write(ctx, func(tx *txn) error {
		c, err := tx.Credential(kind, id)
		if err != nil {
			return err
		}
		if c.User != a.User {
			if err := e.mayIn(tx, a, "user", "update"); err != nil {
				return err
			}
		}
		return tx.endSession(a, c, "ended")
	})
	return e.refused(ctx, a, "session.end", string(kind)+"/"+short(id), err)
}

func (t *txn) endSession(a Actor, c core.Credential, why string) error {
	if err := t.DeleteCredential(c.Kind, c.ID); err != nil {
		return err
	}
	return t.audit(a, "session.end", "user/"+c.User, detail{"kind": c.Kind, "id": short(c.ID), "why": why})
}

// dismiss ends every session of a user, and every one that they had made for others; what
// works once and is not used yet is void. With forget their passkeys and subjects go as well.
func (t *txn) dismiss(a Actor, user string, why core.EndCause, forget bool) error {
	own, err := t.Credentials(CredentialQuery{User: user})
	if err != nil {
		return err
	}
	made, err := t.Credentials(CredentialQuery{Author: user})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range append(own, made...) {
		lasting := c.Kind == core.CredentialPasskey || c.Kind == core.CredentialSubject
		key := string(c.Kind) + " " + c.ID
		if seen[key] || lasting && !forget {
			continue
		}
		seen[key] = true
		if err := t.endSession(a, c, string(why)); err != nil {
			return err
		}
	}
	return nil
}

// keyID is what a key of the server is stored under.
func keyID(purpose, name string) string { return purpose + "/" + name }

// Keys returns the server's own keys for a purpose, the oldest first.
func (e *Engine) Keys(ctx context.Context, purpose string) ([]core.Credential, error) {
	var out []core.Credential
	err := e.Store.Read(ctx, func(v View) (err error) {
		out, err = keys(v, purpose)
		return err
	})
	return out, err
}

func keys(v View, purpose string) (out []core.Credential, err error) {
	all, err := v.Credentials(CredentialQuery{Kind: core.CredentialKey})
	for _, c := range all {
		if len(c.ID) > len(purpose) && c.ID[:len(purpose)+1] == keyID(purpose, "") {
			out = append(out, c)
		}
	}
	return out, err
}

// A Key is one of the server's own, sealed.
type Key struct {
	Purpose   string // "ca", "audit"
	Name      string
	Body      string         // JSON, by its purpose
	After     string         // the newest key of the purpose as its maker knows it; empty: none
	ExpiresAt time.Time      // zero: never
	Tell      map[string]any // what the audit entry says of it besides
}

// AddKey adds a key, unless another replica was faster: then it is core.Conflict, and there is
// a newer one to use.
func (e *Engine) AddKey(ctx context.Context, a Actor, k Key) error {
	return e.write(ctx, func(tx *txn) error {
		there, err := keys(tx, k.Purpose)
		if err != nil {
			return err
		}
		newest := ""
		if len(there) > 0 {
			newest = there[len(there)-1].ID[len(k.Purpose)+1:]
		}
		if newest != k.After {
			return core.Errorf(core.Conflict, "there is a newer %s key, %s", k.Purpose, newest)
		}
		err = tx.PutCredential(core.Credential{
			Kind: core.CredentialKey, ID: keyID(k.Purpose, k.Name), Body: k.Body, CreatedAt: tx.now, ExpiresAt: k.ExpiresAt,
		})
		if err != nil {
			return err
		}
		d := detail{"after": k.After}
		maps.Copy(d, k.Tell)
		return tx.audit(a, "key.create", "key/"+keyID(k.Purpose, k.Name), d)
	})
}
