package engine

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// A Login is a command line that waits for its user to say in the browser that it is theirs.
type Login struct {
	ID        string
	Code      string // both sides show it, so that nobody approves what somebody else started
	Label     string // of the host
	Address   string // from where it was started
	TTL       time.Duration
	ExpiresAt time.Time // of the wait
}

// A LoginStart is what the command line says of itself.
type LoginStart struct {
	Label   string
	Address string
	TTL     time.Duration // of the certificate; zero: the server's default
	Request []byte        // certificate request in PEM: the key never travels
}

const (
	loginWait       = 10 * time.Minute
	loginsOfAddress = 20 // that wait at a time
	logins          = 1000
	maxRequest      = 16 << 10
	maxLabel        = 200
)

type loginBody struct {
	Secret   string `json:"secret"` // its digest
	Label    string `json:"label,omitempty"`
	Address  string `json:"address,omitempty"`
	TTL      int64  `json:"ttl"` // seconds
	Request  string `json:"request"`
	Approved bool   `json:"approved,omitempty"`
}

// loginTicket is what a login is stored under.
func loginTicket(id string) string { return "login/" + id }

func loginCode(id string) string {
	sum := sha256.Sum256([]byte(id))
	code := base32.StdEncoding.EncodeToString(sum[:5])
	return code[:4] + "-" + code[4:]
}

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// stranger is who starts a login: nobody knows yet.
func stranger(address string) Actor { return Actor{User: "unknown", Via: "network, from " + address} }

// StartLogin begins the login of a command line. Anybody may; it gives nothing until somebody
// who is signed in approves it. The secret that it returns is what FinishLogin takes.
func (e *Engine) StartLogin(ctx context.Context, in LoginStart) (Login, string, error) {
	if err := e.checkRequest(in.Request); err != nil {
		return Login{}, "", err
	}
	if in.TTL == 0 {
		in.TTL = e.SessionTTL
	}
	if err := checkTTL(in.TTL); err != nil {
		return Login{}, "", err
	}
	if len(in.Label) > maxLabel {
		return Login{}, "", core.Errorf(core.Invalid, "the label has %d bytes; at most %d are kept", len(in.Label), maxLabel)
	}
	id, secret := e.NewID(), e.NewID()+e.NewID()
	body, err := json.Marshal(loginBody{
		Secret: digest(secret), Label: in.Label, Address: in.Address, TTL: int64(in.TTL / time.Second), Request: string(in.Request),
	})
	if err != nil {
		return Login{}, "", err
	}
	var out Login
	err = e.write(ctx, func(tx *txn) error {
		if err := roomForLogin(tx, in.Address); err != nil {
			return err
		}
		c := core.Credential{
			Kind: core.CredentialTicket, ID: loginTicket(id), Body: string(body), CreatedAt: tx.now, ExpiresAt: tx.now.Add(loginWait),
		}
		if out, _, err = loginOf(c); err != nil {
			return err
		}
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.audit(stranger(in.Address), "login.start", "login/"+short(id), detail{"code": out.Code, "label": in.Label, "ttl": in.TTL.String()})
	})
	return out, secret, err
}

// roomForLogin keeps strangers from filling the database.
func roomForLogin(tx *txn, address string) error {
	all, err := tx.Credentials(CredentialQuery{Kind: core.CredentialTicket})
	if err != nil {
		return err
	}
	waiting, same := 0, 0
	for _, c := range all {
		if !strings.HasPrefix(c.ID, loginTicket("")) || c.Expired(tx.now) {
			continue
		}
		waiting++
		if l, _, err := loginOf(c); err == nil && l.Address == address {
			same++
		}
	}
	if same >= loginsOfAddress || waiting >= logins {
		return core.Errorf(core.Unavailable, "too many logins wait for their users").WithHint("finish one of them, or try again in %s", loginWait)
	}
	return nil
}

func loginOf(c core.Credential) (Login, loginBody, error) {
	var b loginBody
	if err := json.Unmarshal([]byte(c.Body), &b); err != nil {
		return Login{}, b, fmt.Errorf("read login %s: %w", c.ID, err)
	}
	id := strings.TrimPrefix(c.ID, loginTicket(""))
	return Login{
		ID: id, Code: loginCode(id), Label: b.Label, Address: b.Address, TTL: time.Duration(b.TTL) * time.Second, ExpiresAt: c.ExpiresAt,
	}, b, nil
}

// login reads a login that is under way.
func login(v View, id string, now time.Time) (core.Credential, Login, loginBody, error) {
	c, err := v.Credential(core.CredentialTicket, loginTicket(id))
	if err != nil && core.KindOf(err) != core.NotFound {
		return c, Login{}, loginBody{}, err
	}
	if err != nil || c.Expired(now) {
		return c, Login{}, loginBody{}, core.Errorf(core.NotFound, "this login has ended, or there never was one").
			WithHint("start again: sallyport login")
	}
	l, b, err := loginOf(c)
	return c, l, b, err
}

// PendingLogin shows a login to whoever is signed in and may approve it.
func (e *Engine) PendingLogin(ctx context.Context, a Actor, id string) (Login, error) {
	if err := inBrowser(a); err != nil {
		return Login{}, err
	}
	var out Login
	err := e.Store.Read(ctx, func(v View) error {
		_, l, b, err := login(v, id, e.Clock.Now())
		if err == nil && b.Approved {
			err = core.Errorf(core.Conflict, "this login is approved already")
		}
		out = l
		return err
	})
	return out, err
}

// inBrowser refuses those who did not sign in themselves: an identity that ends soon would
// otherwise make itself one that does not.
func inBrowser(a Actor) error {
	if a.User == "" || a.Session.Kind != core.CredentialSession {
		return core.Errorf(core.Refused, "only who is signed in in the browser can say whose command line this is").
			WithHint("for a machine or another user: sallyport auth sign")
	}
	return nil
}

// ApproveLogin gives the command line that waits the identity of the caller.
func (e *Engine) ApproveLogin(ctx context.Context, a Actor, id string) error {
	return e.settleLogin(ctx, a, id, func(tx *txn, c core.Credential, l Login, b loginBody) error {
		b.Approved = true
		body, err := json.Marshal(b)
		if err != nil {
			return err
		}
		c.Body, c.User, c.Author = string(body), a.User, a.Author()
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.audit(a, "login.approve", "login/"+short(id), detail{"code": l.Code, "label": l.Label, "address": l.Address})
	})
}

// RefuseLogin ends a login that the caller did not start.
func (e *Engine) RefuseLogin(ctx context.Context, a Actor, id string) error {
	return e.settleLogin(ctx, a, id, func(tx *txn, c core.Credential, l Login, _ loginBody) error {
		if err := tx.DeleteCredential(c.Kind, c.ID); err != nil {
			return err
		}
		return tx.audit(a, "login.refuse", "login/"+short(id), detail{"code": l.Code, "label": l.Label, "address": l.Address})
	})
}

func (e *Engine) settleLogin(ctx context.Context, a Actor, id string, do func(*txn, core.Credential, Login, loginBody) error) error {
	if err := inBrowser(a); err != nil {
		return err
	}
	return e.write(ctx, func(tx *txn) error {
		c, l, b, err := login(tx, id, tx.now)
		if err != nil {
			return err
		}
		if b.Approved {
			return core.Errorf(core.Conflict, "this login is approved already")
		}
		dir, err := e.dir(tx)
		if err == nil {
			err = active(dir, a)
		}
		if err != nil {
			return err
		}
		return do(tx, c, l, b)
	})
}

// FinishLogin gives the certificate of a login that was approved, once. It reports whether the
// wait is over.
func (e *Engine) FinishLogin(ctx context.Context, id, secret, address string) (Issued, bool, error) {
	var out Issued
	done := false
	err := e.write(ctx, func(tx *txn) error {
		out, done = Issued{}, false
		c, l, b, err := login(tx, id, tx.now)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(digest(secret)), []byte(b.Secret)) != 1 {
			return core.Errorf(core.Unauthenticated, "this login was started by somebody else").WithHint("start one: sallyport login")
		}
		if !b.Approved {
			return nil
		}
		done = true
		if err := tx.DeleteCredential(c.Kind, c.ID); err != nil {
			return err
		}
		a := Actor{User: c.User, Via: "login " + l.Code + ", from " + address}
		out, err = e.issue(tx, a, Session{
			Credential: core.Credential{User: c.User, Author: c.Author}, Method: "login", Address: address, Label: l.Label,
		}, l.TTL, []byte(b.Request), "login.finish")
		return err
	})
	return out, done, err
}
