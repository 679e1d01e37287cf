package engine

import (
	"context"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/manifest"
)

// A knownDirectory is the compiled roles and users of one revision of the documents.
type knownDirectory struct {
	revision int64
	*core.Directory
}

// dir returns the roles and users as the transaction sees them. They are compiled once for each revision.
//
// What a write transaction compiles is for others only after its commit: a revision that is
// undone comes again with other documents.
func (e *Engine) dir(v View) (*core.Directory, error) {
	revision, err := v.Revision()
	if err != nil {
		return nil, err
	}
	tx, writing := v.(*txn)
	if writing && tx.known != nil && tx.known.revision == revision {
		return tx.known.Directory, nil
	}
	if known := e.directory.Load(); known != nil && known.revision == revision {
		return known.Directory, nil
	}
	d, err := e.compile(v)
	if err != nil {
		return nil, err
	}
	known := &knownDirectory{revision, d}
	if writing {
		tx.known = known
	} else {
		e.directory.Store(known)
	}
	return d, nil
}

// compile reads and compiles all roles and users.
func (e *Engine) compile(v View) (*core.Directory, error) {
	roles, err := nouns(v, "role", manifest.Role)
	if err != nil {
		return nil, err
	}
	users, err := nouns(v, "user", manifest.User)
	if err != nil {
		return nil, err
	}
	stored := map[string]bool{}
	for _, r := range roles {
		stored[r.Name] = true
	}
	for _, r := range core.BuiltinRoles() {
		if !stored[r.Name] {
			roles = append(roles, r)
		}
	}
	d, problems := core.NewDirectory(roles, users)
	for _, p := range problems {
		e.Log.Warn("a stored role is broken and gives nothing", "error", p)
	}
	return d, nil
}

func nouns[T any](v View, kind string, decode func(core.Document) (T, error)) ([]T, error) {
	docs, err := v.Documents(kind)
	if err != nil {
		return nil, err
	}
	out := make([]T, len(docs))
	for i, d := range docs {
		if out[i], err = decode(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Directory returns the roles and users as they are now.
func (e *Engine) Directory(ctx context.Context) (*core.Directory, error) {
	var revision int64
	err := e.Store.Glance(ctx, func(v View) (err error) {
		revision, err = v.Revision()
		return err
	})
	if err != nil {
		return nil, err
	}
	if known := e.directory.Load(); known != nil && known.revision == revision {
		return known.Directory, nil
	}
	var d *core.Directory
	err = e.Store.Read(ctx, func(v View) (err error) {
		d, err = e.dir(v)
		return err
	})
	return d, err
}

// Accounts returns the PagerDuty accounts that are configured.
func (e *Engine) Accounts(ctx context.Context) ([]core.Account, error) {
	var out []core.Account
	err := e.Store.Read(ctx, func(v View) (err error) {
		out, err = nouns(v, "pagerduty_account", manifest.Account)
		return err
	})
	return out, err
}

// defaultAccount names the account that counts where none is named; empty where there is none yet.
func defaultAccount(v View) (string, error) {
	accounts, err := nouns(v, "pagerduty_account", manifest.Account)
	for _, a := range accounts {
		if a.Default || len(accounts) == 1 {
			return a.Name, err
		}
	}
	return "", err
}
