package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport/sallyport/internal/core"
)

// Grant makes the login a member of the role.
func (t *Target) Grant(ctx context.Context, e core.Entitlement) error {
	err := t.use(ctx, t.pool, func(ctx context.Context, c *pgx.Conn) error {
		m, err := t.find(ctx, c, e)
		if err != nil || m.held {
			return err
		}
		if !m.canLogin {
			return core.Errorf(core.NotFound, "target %s has no login %q: it is a role that cannot log in", t.name, m.login)
		}
		if err := t.refusePrivileged(ctx, c, m.role); err != nil {
			return err
		}
		_, err = c.Exec(ctx, "GRANT "+quote(m.role)+" TO "+quote(m.login))
		return t.ifLacking(err, m, m.role)
	})
	return t.explain(err)
}

// Revoke ends the membership and then every session of the login, since a session that has
// done SET ROLE keeps the role until it ends. It ends them as well where the membership is
// gone already: an earlier call may have got no further.
func (t *Target) Revoke(ctx context.Context, e core.Entitlement) error {
	err := t.use(ctx, t.revokes, func(ctx context.Context, c *pgx.Conn) error {
		m, err := t.find(ctx, c, e)
		if err != nil {
			return err
		}
		if m.held {
			if err := t.remove(ctx, c, e, m); err != nil {
				return err
			}
		}
		return t.endSessions(ctx, c, m)
	})
	return t.explain(err)
}

// remove takes the membership and looks whether it is gone: from PostgreSQL 16 on, REVOKE
// takes only what the same role has granted, and a warning is all it says.
func (t *Target) remove(ctx context.Context, c *pgx.Conn, e core.Entitlement, m membership) error {
	if _, err := c.Exec(ctx, "REVOKE "+quote(m.role)+" FROM "+quote(m.login)); err != nil {
		return t.ifLacking(err, m, m.role)
	}
	m, err := t.find(ctx, c, e)
	if err == nil && m.held {
		return core.Errorf(core.Refused, "target %s: %q is a member of %q still: somebody else granted it too", t.name, m.login, m.role).
			WithHint("as who granted it: REVOKE %s FROM %s", quote(m.role), quote(m.login))
	}
	return err
}

// endSessions ends the login's sessions and waits until they are gone. A session that begins
// meanwhile began without the role, and is left alone. To a login without special rights
// pg_stat_activity shows little more than whose session it is, so nothing more is asked.
func (t *Target) endSessions(ctx context.Context, c *pgx.Conn, m membership) error {
	rows, err := c.Query(ctx, `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE pid <> pg_backend_pid() AND usesysid = (SELECT oid FROM pg_roles WHERE rolname::text = $1)`, m.login)
	if err != nil {
		return t.ifLacking(err, m, "pg_signal_backend")
	}
	told, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pid int32, err error) { return pid, row.Scan(&pid, nil) })
	if err != nil || len(told) == 0 {
		return t.ifLacking(err, m, "pg_signal_backend")
	}
	const wait = `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid = ANY($1)`
	if _, err := c.Exec(ctx, wait, told); err != nil {
		return err
	}
	var left int // what wait answers is no help: it says false also of a session that ended by itself
	if err := c.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE pid = ANY($1)`, told).Scan(&left); err != nil {
		return err
	}
	if left > 0 {
		return core.Errorf(core.Unavailable, "target %s: %d sessions of %q were told to end and have not yet", t.name, left, m.login)
	}
	return nil
}

// ifLacking explains an error if it is that our login lacks a right, and which role mends it.
func (t *Target) ifLacking(err error, m membership, role string) error {
	if sqlState(err) != "42501" {
		return err
	}
	with := " WITH ADMIN OPTION"
	if role == "pg_signal_backend" {
		with = ""
	}
	return core.Errorf(core.Refused, "target %s: %w", t.name, err).
		WithHint("as an administrator: GRANT %s TO %s%s", quote(role), quote(m.ours), with)
}

// refusePrivileged refuses a role that is more than access to data, or leads by SET ROLE to one.
func (t *Target) refusePrivileged(ctx context.Context, c *pgx.Conn, role string) error {
	if t.allowPrivileged {
		return nil
	}
	rows, err := c.Query(ctx, `
		WITH RECURSIVE reach AS (
			SELECT oid FROM pg_roles WHERE rolname::text = $1
			UNION SELECT a.roleid FROM pg_auth_members a JOIN reach ON a.member = reach.oid)
		SELECT rolname::text FROM pg_roles JOIN reach USING (oid)
		WHERE rolsuper OR rolcreaterole OR rolreplication
		   OR (rolname::text = $1 AND starts_with(rolname::text, 'pg_'))
		   OR rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
		ORDER BY rolname::text <> $1, 1`, role)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return err
	}
	reason := "is privileged"
	if found[0] != role {
		reason = fmt.Sprintf("leads to the privileged role %q", found[0])
	}
	return core.Errorf(core.Refused, "target %s: the role %q %s", t.name, role, reason).
		WithHint("to hand it out all the same, set allow_privileged: true on the target")
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
