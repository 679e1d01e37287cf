package engine

import (
	"context"
	"strings"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// May refuses a caller who lacks a verb on a kind. It is for what no verb of the engine stands
// behind, such as what the process knows of itself.
func (e *Engine) May(ctx context.Context, a Actor, kind, verb string) error {
	return e.may(ctx, a, kind, verb)
}

// SeesAll tells whether a caller has a verb on a kind, without refusing anything: lists show
// others what is theirs, and say that they are not the whole.
func (e *Engine) SeesAll(ctx context.Context, a Actor, kind, verb string) bool {
	if a.Admin {
		return true
	}
	dir, err := e.Directory(ctx)
	return err == nil && active(dir, a) == nil && dir.Allowed(a.User, kind, verb)
}

// may refuses an actor who lacks a verb on a kind, and leaves that in the audit log.
func (e *Engine) may(ctx context.Context, a Actor, kind, verb string) error {
	if a.Admin {
		return nil
	}
	dir, err := e.Directory(ctx)
	if err != nil {
		return err
	}
	return e.refused(ctx, a, kind+"."+verb, kind, allows(dir, a, kind, verb))
}

// mayIn is may inside a transaction, after which what was refused is to be told.
func (e *Engine) mayIn(tx *txn, a Actor, kind, verb string) error {
	if a.Admin {
		return nil
	}
	dir, err := e.dir(tx)
	if err != nil {
		return err
	}
	return allows(dir, a, kind, verb)
}

// allows refuses an actor who lacks a verb on a kind: it says who they are, what they lack, and
// who can give it.
func allows(dir *core.Directory, a Actor, kind, verb string) error {
	if err := active(dir, a); err != nil {
		return err
	}
	if dir.Allowed(a.User, kind, verb) {
		return nil
	}
	return core.Errorf(core.Refused, "%s", dir.Permission(a.User, kind, verb).Text).WithHint("%s", whoGives(dir, kind, verb))
}

// whoGives says by whom and how a permission can be given.
func whoGives(dir *core.Directory, kind, verb string) string {
	const few = 3
	who := "the administrator on the server's own host"
	if some := dir.Administrators(few); len(some) > 0 {
		who = strings.Join(some, ", ") + " or " + who
	}
	return who + " can give a role with rules: [{resources: [" + kind + "], verbs: [" + verb + "]}]"
}

// active refuses callers who are unknown or locked, bots of such people, and whoever acts by an
// identity that such people made.
func active(dir *core.Directory, a Actor) error {
	if by := a.Author(); by != "" {
		if err := dir.Active(by); err != nil {
			return err
		}
	}
	return dir.Active(a.User)
}

// Known refuses callers who are unknown or locked.
func (e *Engine) Known(ctx context.Context, a Actor) error {
	if a.Admin {
		return nil
	}
	dir, err := e.Directory(ctx)
	if err != nil {
		return err
	}
	return active(dir, a)
}

// sees tells whether an actor may see a request: it is theirs, they may review it, or a rule lets them read all.
func sees(dir *core.Directory, a Actor, r core.Request) bool {
	if a.Admin {
		return true
	}
	return active(dir, a) == nil && (a.User == r.User || a.User == r.Author ||
		dir.Allowed(a.User, "access_request", core.VerbRead) || dir.MayReview(a.User, r) == nil)
}

// sees is the same, and reads who may what only where that matters.
func (e *Engine) sees(v View, a Actor, r core.Request) (bool, error) {
	if a.Admin {
		return true, nil
	}
	dir, err := e.dir(v)
	return err == nil && sees(dir, a, r), err
}

// seesGrant tells whether an actor may see a grant: it is theirs, or a rule lets them read all.
func seesGrant(dir *core.Directory, a Actor, g core.Grant) bool {
	return a.Admin || active(dir, a) == nil && (a.User == g.User || dir.Allowed(a.User, "grant", core.VerbRead))
}

// askerStands refuses to approve what somebody asked for another who was locked or removed since.
func askerStands(dir *core.Directory, r core.Request) error {
	if r.Author == r.User || r.Author == LocalAdmin || dir.Active(r.Author) == nil {
		return nil
	}
	return core.Errorf(core.Refused, "%s, who asked for this, is locked or was removed since", r.Author).
		WithHint("%s can ask again: sallyport request create", r.User)
}

// A hiddenError is what is said of a thing to whom it is not shown: the same as where there is
// none. The audit log tells the two apart.
type hiddenError struct{ error }

func (h hiddenError) Unwrap() error { return h.error }

func hidden(what, id string) error {
	return hiddenError{core.Errorf(core.NotFound, "there is no %s %s", what, id)}
}

// names says which documents a file holds, for the audit log.
func names(items []manifest.Item) string {
	const few = 5
	out := make([]string, 0, few+1)
	for _, i := range items {
		if len(out) == few {
			out = append(out, "…")
			break
		}
		out = append(out, i.Kind+"/"+i.Name)
	}
	return strings.Join(out, ",")
}
