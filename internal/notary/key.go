package notary

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// self is who the notary writes to the log as.
var self = engine.Actor{User: "sallyport", Admin: true, Via: "engine"}

// keyBody is a key as it is kept.
type keyBody struct {
	Public  []byte `json:"public"`
	Private string `json:"private"` // the seed, sealed under "audit/" and the id
}

// A Key is a key that signs, or signed, the log.
type Key struct {
	ID     string
	Public ed25519.PublicKey
	At     time.Time
}

// Keys returns the keys of the log, the oldest first.
func (n *Notary) Keys(ctx context.Context, a engine.Actor) ([]Key, error) {
	if err := n.Engine.MayReadAuditKeys(ctx, a); err != nil {
		return nil, err
	}
	return n.keys(ctx)
}

func (n *Notary) keys(ctx context.Context) ([]Key, error) {
	stored, err := n.Engine.Keys(ctx, engine.AuditKeys)
	if err != nil {
		return nil, err
	}
	var out []Key
	for _, c := range stored {
		var b keyBody
		if err := json.Unmarshal([]byte(c.Body), &b); err != nil || len(b.Public) != ed25519.PublicKeySize {
			return nil, core.Errorf(core.Internal, "%s cannot be read", c.ID)
		}
		out = append(out, Key{ID: core.AuditKeyID(b.Public), Public: b.Public, At: c.CreatedAt})
	}
	return out, nil
}

// Start opens the key that signs the log, and makes the first one where something is to be
// signed. A key that does not open keeps nobody from starting: there are no checkpoints then,
// and Troubles says so.
func (n *Notary) Start(ctx context.Context) error {
	if n.idle() {
		return nil
	}
	err := n.open(ctx)
	if core.KindOf(err) == core.NotFound {
		err = n.add(ctx, self, nil, "")
		if err == nil || core.KindOf(err) == core.Conflict { // another replica was faster
			err = n.open(ctx)
		}
	}
	if err != nil && n.keyTrouble() == nil {
		return err // the database's
	}
	return nil
}

// open opens the newest key.
func (n *Notary) open(ctx context.Context) error {
	stored, err := n.Engine.Keys(ctx, engine.AuditKeys)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		return core.Errorf(core.NotFound, "there is no key that signs the audit log")
	}
	newest := stored[len(stored)-1]
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.key != nil && newest.ID == keyName(n.key) {
		return nil
	}
	n.key, n.keyErr = nil, nil
	var b keyBody
	if n.keyErr = json.Unmarshal([]byte(newest.Body), &b); n.keyErr != nil {
		return n.keyErr
	}
	seed, err := n.Sealer.Open(newest.ID, b.Private)
	if n.keyErr = err; err != nil {
		return err
	}
	if len(seed) != ed25519.SeedSize {
		n.keyErr = core.Errorf(core.Internal, "%s is no key", newest.ID)
		return n.keyErr
	}
	n.key = ed25519.NewKeyFromSeed(seed)
	return nil
}

func keyName(key ed25519.PrivateKey) string {
	public, _ := key.Public().(ed25519.PublicKey) // it always is
	return engine.AuditKeys + "/" + core.AuditKeyID(public)
}

// add makes a key and brings it into the log, signed by the key before it where there is one.
func (n *Notary) add(ctx context.Context, a engine.Actor, before ed25519.PrivateKey, after string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	k := core.AuditKey{Public: public, After: after}
	tell := map[string]any{"public": []byte(public)}
	if before != nil {
		k = k.Sign(before)
		tell["signature"] = k.Signature
	} else if after != "" {
		tell["lost"] = true
	}
	sealed, err := n.Sealer.Seal(keyName(private), private.Seed())
	if err != nil {
		return err
	}
	body, err := json.Marshal(keyBody{Public: public, Private: sealed})
	if err != nil {
		return err
	}
	return n.Engine.AddKey(ctx, a, engine.Key{
		Purpose: engine.AuditKeys, Name: core.AuditKeyID(public), Body: string(body), After: after, Tell: tell,
	})
}

// Rotate makes a new key, which the present one signs. Where the present one cannot be opened
// any more, lost must say so: then nobody vouches for the new one, and the log tells.
func (n *Notary) Rotate(ctx context.Context, a engine.Actor, lost bool) error {
	if err := n.Engine.MayRotateAuditKey(ctx, a); err != nil {
		return err
	}
	stored, err := n.keys(ctx)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		return n.add(ctx, a, nil, "")
	}
	newest := stored[len(stored)-1].ID
	openErr := n.open(ctx)
	n.mu.Lock()
	key := n.key
	n.mu.Unlock()
	switch {
	case openErr != nil && !lost:
		return core.Errorf(core.KindOf(openErr), "the new key cannot be signed by the present one: %w", openErr).
			WithHint("bring its sealing key back; only if that is gone for good: sallyport audit rotate --lost")
	case openErr == nil && lost:
		return core.Errorf(core.Invalid, "the present key %s is not lost: this server can use it", newest).WithHint("sallyport audit rotate")
	case lost:
		key = nil
	}
	if err := n.add(ctx, a, key, newest); err != nil {
		return err
	}
	return n.open(ctx)
}

// signer returns the newest key, also after another replica rotated it.
func (n *Notary) signer(ctx context.Context) (ed25519.PrivateKey, error) {
	if err := n.open(ctx); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.key, nil
}

func (n *Notary) keyTrouble() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.keyErr
}
