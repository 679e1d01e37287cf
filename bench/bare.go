package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// write writes the rows in a number of commits, and returns how long that took. As in the
// server, a request takes three transactions one after the other, and a fourth deletes its
// job; requests beside it share them, and the row of their jobs.
func (b *bare) write(ctx context.Context, commits int) (time.Duration, error) {
	defer b.db.Close()
	w := &writer{ctx: ctx, bare: b}
	if err := w.prepare(); err != nil {
		return 0, err
	}
	steps := []func(from, to int){w.submit, w.plan, w.settle, w.prune}
	n := len(b.requests)
	groups := min(max(commits/len(steps), 1), n)
	begun := time.Now()
	for g := range groups {
		for _, step := range steps {
			tx, err := b.db.BeginTx(ctx, nil)
			if err != nil {
				return 0, err
			}
			w.tx = tx
			step(g*n/groups, (g+1)*n/groups)
			w.do("head", w.seq, w.hash)
			if err := errors.Join(w.err, tx.Commit()); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(begun), nil
}

// A writer executes statements one after the other; after an error it does nothing more.
type writer struct {
	*bare
	ctx   context.Context
	tx    *sql.Tx
	texts map[string]*sql.Stmt
	seq   int64
	hash  any
	next  [3]int // audit rows written, by transaction
	err   error
}

// prepare prepares the statements, and what else does not belong into the time taken.
func (w *writer) prepare() error {
	w.texts = map[string]*sql.Stmt{}
	for name, text := range map[string]string{
		"request":  insert("request", requestColumns),
		"review":   insert("review", reviewColumns),
		"grant":    insert("access_grant", grantColumns),
		"active":   "UPDATE access_grant SET state = $1, starts_at = $2, ends_at = $3, first_at = $4 WHERE id = $5",
		"holding":  insert("holding", holdingColumns),
		"held":     "UPDATE holding SET fresh = $1, owner = $2, owned_until = $3 WHERE user_name = $4 AND target = $5 AND name = $6",
		"audit":    insert("audit", auditColumns),
		"head":     "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1",
		"job":      insert("river_job", "id, args, kind, max_attempts, queue, scheduled_at, state"),
		"finished": "DELETE FROM river_job WHERE id = $1",
	} {
		stmt, err := w.db.PrepareContext(w.ctx, text) //nolint:sqlclosecheck // it is closed with the database
		if err != nil {
			return fmt.Errorf("prepare %s: %w", text, err)
		}
		w.texts[name] = stmt
	}
	return nil
}

func insert(table, columns string) string {
	var places []string
	for i := range strings.Split(columns, ",") {
		places = append(places, fmt.Sprintf("$%d", i+1))
	}
	return "INSERT INTO " + table + " (" + columns + ") VALUES (" + strings.Join(places, ", ") + ")"
}

func (w *writer) do(name string, args ...any) {
	if w.err == nil {
		_, w.err = w.tx.StmtContext(w.ctx, w.texts[name]).ExecContext(w.ctx, args...) //nolint:sqlclosecheck // it is closed with the transaction
		w.statements++
	}
}

// log writes the next audit rows of a transaction, in a chain of their own.
func (w *writer) log(transaction, n int) {
	for range n {
		r := w.audit[transaction][w.next[transaction]]
		w.next[transaction]++
		w.seq++
		w.hash = r[8]
		w.do("audit", append(row{w.seq}, r[1:]...)...)
	}
}

// job writes the row of the jobs of a transaction.
func (w *writer) job(id int, kind string, ids []string) {
	text, err := json.Marshal(map[string]any{"ids": ids})
	w.err = errors.Join(w.err, err)
	w.do("job", id, string(text), kind, 32767, "default", "2026-03-01 12:00:00.000", "scheduled")
}

func (w *writer) submit(from, to int) {
	var ids []string
	for i := from; i < to; i++ {
		g, h := w.grants[i], w.holdings[i]
		w.do("request", w.requests[i]...)
		w.do("review", w.reviews[i]...)
		w.do("grant", w.roles[i]...)
		w.do("holding", h[0], h[1], h[2], true, false, "local", h[6], 0, 0, "")
		w.do("grant", append(append(append(row{}, g[:6]...), "pending", g[7], g[8], 0, 0), append(append(row{}, g[11:16]...), 0, g[17], g[18])...)...)
		w.log(0, 4)
		ids = append(ids, fmt.Sprintf("%s\x1f%s\x1f%s", h[0], h[1], h[2]))
	}
	w.job(from+1, "settle", ids)
}

func (w *writer) plan(from, to int) {
	for i := from; i < to; i++ {
		h := w.holdings[i]
		w.do("held", false, "local", h[6], h[0], h[1], h[2])
		w.log(1, 1)
	}
}

func (w *writer) settle(from, to int) {
	for i := from; i < to; i++ {
		g, h := w.grants[i], w.holdings[i]
		w.do("active", g[6], g[9], g[10], g[16], g[0])
		w.do("held", h[3], h[5], h[6], h[0], h[1], h[2])
		w.log(2, 1)
	}
}

func (w *writer) prune(from, _ int) {
	w.do("finished", from+1)
}
