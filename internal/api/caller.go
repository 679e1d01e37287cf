package api

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
)

// asHeader names a user that the local administrator acts as.
const asHeader = "Sallyport-As"

type callerKey struct{}

// Caller returns who is calling, for handlers behind one of the doors. Elsewhere it is nobody,
// who may do nothing.
func Caller(ctx context.Context) (engine.Actor, bool) {
	a, known := ctx.Value(callerKey{}).(engine.Actor)
	return a, known
}

// nobody is a user whom no installation has: names are never that long.
var nobody = engine.Actor{User: "nobody\x00", Via: "unknown"}

func caller(ctx context.Context) engine.Actor {
	if a, known := Caller(ctx); known {
		return a
	}
	return nobody
}

func withCaller(r *http.Request, a engine.Actor) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, a))
}

// A peer is the process at the other end of a Unix socket, as the kernel tells it.
type peer struct {
	uid uint32
	err error // why it is not known
}

type peerKey struct{}

// localAdmin settles who calls through the socket: the server's own user or root, or whoever
// they act as.
func (a *API) localAdmin(r *http.Request) (engine.Actor, error) {
	p, known := r.Context().Value(peerKey{}).(peer)
	switch {
	case !known:
		return engine.Actor{}, core.Errorf(core.Refused, "this is not a Unix socket, so nobody is known to be calling")
	case p.err != nil:
		return engine.Actor{}, fmt.Errorf("ask the kernel who is calling: %w", p.err)
	case p.uid != 0 && int(p.uid) != os.Geteuid():
		return engine.Actor{}, core.Errorf(core.Refused, "the socket takes calls from user id %d and from root only, not from user id %d", os.Geteuid(), p.uid).
			WithHint("run the command as the user that the server runs as, or with sudo")
	}
	return a.actAs(r, engine.Actor{Admin: true, Via: fmt.Sprintf("socket, uid %d", p.uid)})
}

// actAs makes the administrator the user that a call names, rules and all.
func (a *API) actAs(r *http.Request, admin engine.Actor) (engine.Actor, error) {
	names := r.Header.Values(asHeader)
	if len(names) == 0 {
		return admin, nil
	}
	if len(names) > 1 {
		return engine.Actor{}, core.Errorf(core.Invalid, "there are %d %s headers; one call acts as one user", len(names), asHeader)
	}
	dir, err := a.Engine.Directory(r.Context())
	if err != nil {
		return engine.Actor{}, err
	}
	if _, there := dir.User(names[0]); there {
		return engine.Actor{User: names[0], Via: admin.Via + ", as " + names[0]}, nil
	}
	refusal := core.Errorf(core.Refused, "there is no user %q to act as", names[0])
	docs, err := a.Engine.Documents(r.Context(), admin, "user")
	if err != nil {
		return engine.Actor{}, err
	}
	if near := core.Nearest(names[0], list(docs, func(d core.Document) string { return d.Name })); near != "" {
		return engine.Actor{}, refusal.WithHint("did you mean %q?", near)
	}
	return engine.Actor{}, refusal.WithHint("users there are: sallyport get users")
}
