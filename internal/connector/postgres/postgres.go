// Package postgres gives and takes membership in PostgreSQL roles.
//
// A resource is a role, a user is a login. Only the roles that the target lists are ever
// looked at or touched. GRANT and REVOKE take no bind parameters, so a name goes into them
// only after the catalogue has shown that exactly this name exists, and then quoted.
package postgres

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sallyport/sallyport/internal/connector/settings"
	"github.com/sallyport/sallyport/internal/core"
)

// timeout bounds each call, its waiting for a connection included.
const timeout = 5 * time.Second

// A Target is one PostgreSQL server. It plays connector.Provisioner. Whoever opens it closes it.
type Target struct {
	name string
	config
	secret func(context.Context, core.SecretRef) (string, error)

	// Each pool always keeps one connection open, so that a server whose connections are
	// all taken can still be told to end access.
	pool, revokes *pgxpool.Pool
}

// config is what the settings say.
type config struct {
	dsn             core.SecretRef
	roles           []string // the only ones that exist for us
	domain          string   // "": a login is named as the user; else users are LOGIN@domain
	allowPrivileged bool
}

// Check validates settings. It dials nobody.
func Check(t core.Target) error {
	_, err := read(t)
	return err
}

// Open returns a target and does not wait for its server. The credential is resolved for
// every new connection, so a changed one is used from the next on.
func Open(t core.Target, secret func(context.Context, core.SecretRef) (string, error)) (*Target, error) {
	c, err := read(t)
	if err != nil {
		return nil, err
	}
	p := &Target{name: t.Name, config: c, secret: secret}
	if p.pool, err = p.newPool(); err != nil {
		return nil, err
	}
	if p.revokes, err = p.newPool(); err != nil {
		p.pool.Close()
		return nil, err
	}
	return p, nil
}

// Close ends the connections.
func (t *Target) Close() error {
	t.pool.Close()
	t.revokes.Close()
	return nil
}

func read(t core.Target) (config, error) {
	r := settings.Of(t)
	c := config{dsn: r.Secret("dsn")}
	r.Require("roles")
	c.roles = r.Names("roles")
	if i := slices.IndexFunc(c.roles, func(s string) bool { return !isName(s) }); i >= 0 {
		r.Reject("roles: %q cannot be the name of a role", c.roles[i])
	}
	login := r.Choice("login", "name", "email_local")
	c.domain = r.Text("domain")
	if (login == "email_local") != (c.domain != "") {
		r.Reject("login: email_local and domain need each other: with domain example.com, ann@example.com has the login ann")
	}
	c.allowPrivileged = r.Bool("allow_privileged")
	return c, r.Done()
}

// Has reports whether the login is a direct member of the role.
func (t *Target) Has(ctx context.Context, e core.Entitlement) (bool, error) {
	var m membership
	err := t.use(ctx, t.pool, func(ctx context.Context, c *pgx.Conn) (err error) {
		m, err = t.find(ctx, c, e)
		return err
	})
	return m.held, t.explain(err)
}

// List returns every direct member of the listed roles, Sallyport's own login excepted.
func (t *Target) List(ctx context.Context) ([]core.Entitlement, error) {
	var list []core.Entitlement
	err := t.use(ctx, t.pool, func(ctx context.Context, c *pgx.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT DISTINCT m.rolname::text, r.rolname::text
			FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid
			WHERE r.rolname::text = ANY($1) AND m.rolname <> session_user
			ORDER BY 1, 2`, t.roles)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (core.Entitlement, error) {
			e := core.Entitlement{Resource: core.Resource{Target: t.name}}
			err := row.Scan(&e.User, &e.Name)
			e.User = t.user(e.User)
			return e, err
		})
		return err
	})
	return list, t.explain(err)
}

// login returns the login of a user.
func (t *Target) login(user string) (string, error) {
	login := user
	if t.domain != "" {
		local, isOurs := strings.CutSuffix(user, "@"+t.domain)
		if !isOurs {
			return "", core.Errorf(core.NotFound, "target %s has no login for %q: it is not of the domain %s", t.name, user, t.domain)
		}
		login = local
	}
	if !isName(login) {
		return "", core.Errorf(core.NotFound, "target %s has no login %q", t.name, login)
	}
	return login, nil
}

// user returns whose login it is.
func (t *Target) user(login string) string {
	if t.domain != "" {
		return login + "@" + t.domain
	}
	return login
}

// isListed reports whether the target may touch a role.
func (t *Target) isListed(role string) bool { return isName(role) && slices.Contains(t.roles, role) }

// isName reports whether PostgreSQL could have something of that name. Quoting would drop
// a NUL, and so turn a name into another.
func isName(s string) bool { return s != "" && utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// A membership is what the catalogue says of a login and a role, both of which exist.
type membership struct {
	login, role string
	canLogin    bool
	held        bool
	ours        string // the login that Sallyport itself uses
}

// find looks an entitlement up by the exact names. Names are compared as text: as the type
// name, one that is too long would be cut off and could match another.
func (t *Target) find(ctx context.Context, c *pgx.Conn, e core.Entitlement) (membership, error) {
	login, err := t.login(e.User)
	if err != nil {
		return membership{}, err
	}
	if !utf8.ValidString(e.Name) || strings.ContainsRune(e.Name, 0) { // no name of PostgreSQL's can be
		return membership{}, core.Errorf(core.NotFound, "target %s has no role %q", t.name, e.Name)
	}
	m := membership{login: login, role: e.Name}
	var isLogin, isRole bool
	err = c.QueryRow(ctx, `
		SELECT u.oid IS NOT NULL, r.oid IS NOT NULL, coalesce(u.rolcanlogin, false), session_user::text,
		       EXISTS (SELECT FROM pg_auth_members a WHERE a.member = u.oid AND a.roleid = r.oid)
		FROM (VALUES (1)) one
		LEFT JOIN pg_roles u ON u.rolname::text = $1
		LEFT JOIN pg_roles r ON r.rolname::text = $2`, login, e.Name).
		Scan(&isLogin, &isRole, &m.canLogin, &m.ours, &m.held)
	switch {
	case err != nil:
		return m, err
	case !isLogin:
		return m, core.Errorf(core.NotFound, "target %s has no login %q", t.name, login)
	case !isRole:
		return m, core.Errorf(core.NotFound, "target %s has no role %q", t.name, e.Name)
	case !t.isListed(e.Name):
		// Not NotFound: a role that was taken off the list may still have members, and must not
		// be taken for gone.
		return m, core.Errorf(core.Refused, "target %s does not manage the role %q", t.name, e.Name).
			WithHint("the roles it may touch stand in its setting roles; keep one there until nobody holds it")
	case login == m.ours:
		return m, core.Errorf(core.Refused, "target %s: %q is Sallyport's own login", t.name, login).
			WithHint("give Sallyport a login that is nobody's")
	}
	return m, nil
}
