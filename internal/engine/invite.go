package engine

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

const invitation = "invitation" // the purpose of a ticket

// How long an invitation lasts.
const (
	DefaultInvitation = 24 * time.Hour
	longestInvitation = 7 * 24 * time.Hour
)

// An Invitation lets whoever has its link become a user: store a passkey and be signed in.
type Invitation struct {
	User      string
	By        string
	Replace   bool   // accepting it removes every other way to sign in as the user
	Token     string // only when it is made
	ExpiresAt time.Time
}

type invitationData struct {
	By      string `json:"by"`
	Replace bool   `json:"replace,omitempty"`
}

// Invite makes an invitation; older ones of the user are void. As it gives all that the user
// may do, the caller has to be an administrator or to have all of that.
func (e *Engine) Invite(ctx context.Context, a Actor, in Invitation, ttl time.Duration) (Invitation, error) {
	if ttl == 0 {
		ttl = DefaultInvitation
	}
	if ttl < time.Minute || ttl > longestInvitation {
		return in, core.Errorf(core.Invalid, "an invitation cannot last %s", ttl).WithHint("between 1m and 7d")
	}
	in.Token, in.By = e.newToken(), a.Name()
	err := e.write(ctx, func(tx *txn) error {
		if err := e.mayInvite(tx, a, in.User); err != nil {
			return err
		}
		if err := tx.voidInvitations(in.User); err != nil {
			return err
		}
		data, err := json.Marshal(invitationData{By: in.By, Replace: in.Replace})
		if err != nil {
			return err
		}
		in.ExpiresAt = tx.now.Add(ttl)
		if err := tx.issue(a, in.Token, Ticket{Purpose: invitation, User: in.User, Data: string(data), TTL: ttl}); err != nil {
			return err
		}
		return tx.audit(a, "user.invite", "user/"+in.User, detail{"until": in.ExpiresAt.UTC(), "replace": in.Replace, "id": short(Digest(in.Token))})
	})
	return in, e.refused(ctx, a, "user.invite", "user/"+in.User, err)
}

// mayInvite refuses invitations for those who take none, and by those who would gain by it.
func (e *Engine) mayInvite(tx *txn, a Actor, user string) error {
	if err := e.mayIn(tx, a, "user", "update"); err != nil {
		return err
	}
	dir, err := e.dir(tx)
	if err != nil {
		return err
	}
	u, there := dir.User(user)
	switch {
	case !there:
		return core.Errorf(core.NotFound, "there is no user %q", user).WithHint("users there are: sallyport get users")
	case u.Bot:
		return core.Errorf(core.Invalid, "%s is a bot, and bots take no invitation", user).WithHint("a bot gets a file: sallyport auth sign --user %s --out FILE", user)
	case u.Locked:
		return core.Errorf(core.Refused, "user %s is locked", user).WithHint("unlock first: sallyport user unlock %s", user)
	case a.Admin || isAdministrator(dir, a):
		return nil
	}
	own, _ := dir.User(a.User)
	for _, name := range u.Roles {
		role, known := dir.Role(name)
		if !known || slices.Contains(own.Roles, name) {
			continue
		}
		if !rulesOnly(role) {
			return core.Errorf(core.Refused, "%s may not invite %s, who has the role %s, which %s does not have", a.User, user, name, a.User).
				WithHint("whoever has the link is that user; an administrator can make one")
		}
		if err := mayGiveRules(dir, a, "user "+user, role); err != nil {
			return err
		}
	}
	return nil
}

// rulesOnly tells whether all that a role gives are permissions, which can be compared.
func rulesOnly(r core.Role) bool {
	ask, review := r.Allow.Request, r.Allow.Review
	return len(r.Entitlements)+len(ask.Roles)+len(ask.ClaimsToRoles)+len(ask.SearchAsRoles)+
		len(review.Roles)+len(review.ClaimsToRoles)+len(r.Allow.Impersonate.Roles)+len(r.Allow.Impersonate.Users) == 0
}

func (t *txn) voidInvitations(user string) error {
	all, err := t.Credentials(CredentialQuery{User: user})
	if err != nil {
		return err
	}
	for _, c := range all {
		var body ticketBody
		if c.Kind != core.CredentialTicket || json.Unmarshal([]byte(c.Body), &body) != nil || body.Purpose != invitation {
			continue
		}
		if err := t.DeleteCredential(c.Kind, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// Invitation looks at an invitation and leaves it as it is.
func (e *Engine) Invitation(ctx context.Context, token string) (out Invitation, err error) {
	err = e.Store.Read(ctx, func(v View) error {
		out, err = e.invitation(v, token, e.Clock.Now())
		return err
	})
	return out, err
}

func (e *Engine) invitation(v View, token string, now time.Time) (Invitation, error) {
	c, body, err := ticket(v, invitation, token, now)
	if err != nil {
		return Invitation{}, err
	}
	var data invitationData
	if err := json.Unmarshal([]byte(body.Data), &data); err != nil {
		return Invitation{}, err
	}
	dir, err := e.dir(v)
	if err != nil {
		return Invitation{}, err
	}
	for _, who := range []string{c.User, c.Author} { // whoever invited may have been locked since
		if who != "" && active(dir, Actor{User: who}) != nil {
			return Invitation{}, stale(invitation)
		}
	}
	return Invitation{User: c.User, By: data.By, Replace: data.Replace, ExpiresAt: c.ExpiresAt}, nil
}

// AcceptInvitation uses an invitation up, stores by what the user signs in from now on, and
// signs them in: all of it or nothing.
func (e *Engine) AcceptInvitation(ctx context.Context, token string, p Proof, at Visit) (in SignedIn, err error) {
	in.Token = e.newToken()
	err = e.write(ctx, func(tx *txn) error {
		i, err := e.invitation(tx, token, tx.now)
		if err != nil {
			return err
		}
		if err := tx.DeleteCredential(core.CredentialTicket, Digest(token)); err != nil {
			return err
		}
		a := Actor{User: i.User, Via: "invitation by " + i.By + ", from " + at.Address}
		if i.Replace {
			if err := tx.dismiss(a, i.User, "replaced", true); err != nil {
				return err
			}
		}
		if err := tx.addProof(a, p); err != nil {
			return err
		}
		in.Session, err = e.signIn(tx, a, p, in.Token, at)
		return err
	})
	e.countSignIn(p, err)
	return in, err
}
