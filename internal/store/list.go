package store

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/internal/core"
	"github.com/sallyport/sallyport/internal/engine"
	"github.com/sallyport/sallyport/internal/store/db"
)

// pageSize is how many rows a list has where its caller does not say.
const pageSize = 1000

func page(limit int) int32 {
	if limit <= 0 {
		return pageSize
	}
	return int32(min(limit, math.MaxInt32))
}

// A list is a SELECT that is put together from what its caller asks for. Conditions are
// left out, not neutralised, so that each list finds the index that was made for it.
type list struct {
	text strings.Builder
	args []any
	next string // what goes before the next condition
}

// The columns are named, so that this release still reads what the next one adds columns to.
const (
	requests  = "id, user_name, author, state, created_at, expires_at, body FROM request"
	reviews   = "request_id, author, position, human, state, reason, created_at, counts_for FROM review"
	grants    = "id, ordinal, request_id, user_name, target, name, state, duration, not_before, starts_at, ends_at, ended_at, end_cause, ended_by, until_off_call, off_call_at, first_at, error, rule FROM access_grant"
	incidents = "id, request_id, account, service, service_id, key, title, details, state, pagerduty_id, url, tried_at, created_at, resolve, error, retry_at, failures, done FROM incident"
	notes     = "incident_id, seq, text, tried, posted FROM note"
	audits    = "seq, at, actor, via, action, subject, detail, prev, hash FROM audit"
)

func selectFrom(columns string) *list {
	l := &list{next: " WHERE "}
	l.text.WriteString("SELECT " + columns)
	return l
}

// where adds a condition. Each ? in it stands for the next of args.
func (l *list) where(condition string, args ...any) {
	l.text.WriteString(l.next)
	l.next = " AND "
	l.write(condition, args...)
}

func (l *list) write(text string, args ...any) {
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			l.args = append(l.args, args[i-1]) //nolint:gosec // callers give one for each ?
			l.text.WriteString("$" + strconv.Itoa(len(l.args)))
		}
		l.text.WriteString(part)
	}
}

// whereIn adds that a column has one of some values.
func (l *list) whereIn(column string, values []any) {
	l.where(column+" IN ("+strings.Repeat("?, ", len(values)-1)+"?)", values...)
}

// Texts keeps the statements that lists were prepared to. They differ only in which
// conditions they have, so there are few.
type texts struct {
	db *sql.DB

	mu     sync.Mutex
	known  map[string]*sql.Stmt
	wanted []string
}

func newTexts(d *sql.DB) *texts { return &texts{db: d, known: map[string]*sql.Stmt{}} }

// find returns the statement of a text, or nil and a note to prepare it.
func (t *texts) find(text string) *sql.Stmt {
	t.mu.Lock()
	defer t.mu.Unlock()
	stmt, known := t.known[text]
	if !known {
		t.known[text] = nil
		t.wanted = append(t.wanted, text)
	}
	return stmt
}

// prepare prepares what was noted. It is called between transactions, because the writer
// has only one connection. What cannot be prepared goes on being sent as text.
func (t *texts) prepare(ctx context.Context) {
	t.mu.Lock()
	wanted := t.wanted
	t.wanted = nil
	t.mu.Unlock()
	for _, text := range wanted {
		if stmt, err := t.db.PrepareContext(ctx, text); err == nil {
			t.mu.Lock()
			t.known[text] = stmt
			t.mu.Unlock()
		}
	}
}

// query runs a list and gives each row to scan.
func (v *view) query(doing string, l *list, scan func(*sql.Rows) error) error {
	if err := v.ask(); err != nil {
		return err
	}
	found, err := v.find(l.text.String(), l.args)
	if err != nil {
		return v.check(doing, err)
	}
	defer found.Close() //nolint:errcheck // Err below has it
	for found.Next() {
		if err := scan(found); err != nil {
			return v.check(doing, err)
		}
	}
	return v.check(doing, found.Err())
}

func (v *view) find(text string, args []any) (*sql.Rows, error) {
	switch stmt := v.texts.find(text); {
	case stmt == nil && v.tx == nil:
		return v.texts.db.QueryContext(v.ctx, text, args...)
	case stmt == nil:
		return v.tx.QueryContext(v.ctx, text, args...)
	case v.tx == nil:
		return stmt.QueryContext(v.ctx, args...)
	default:
		return v.tx.StmtContext(v.ctx, stmt).QueryContext(v.ctx, args...)
	}
}

func (v *view) Requests(q engine.RequestQuery) ([]core.Request, error) {
	l := selectFrom(requests)
	if q.User != "" {
		l.where("user_name = ?", q.User)
	}
	if q.State != "" {
		l.where("state = ?", string(q.State))
	}
	if !q.ExpiresBy.IsZero() {
		l.where("state = 'PENDING' AND expires_at <= ?", micros(q.ExpiresBy))
	}
	if q.After != "" {
		last, err := v.Request(q.After)
		if err != nil {
			return nil, err
		}
		l.where("(created_at, id) < (?, ?)", micros(last.CreatedAt), last.ID)
	}
	l.write(" ORDER BY created_at DESC, id DESC LIMIT ?", page(q.Limit))

	var out []core.Request
	var ids []string
	err := v.query("list requests", l, func(s *sql.Rows) error {
		var r db.Request
		if err := s.Scan(&r.ID, &r.UserName, &r.Author, &r.State, &r.CreatedAt, &r.ExpiresAt, &r.Body); err != nil {
			return err
		}
		noun, err := requestOf(r)
		out, ids = append(out, noun), append(ids, r.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, v.addReviews(ids, out)
}

// addReviews reads the reviews of a list of requests.
func (v *view) addReviews(ids []string, into []core.Request) error {
	return v.parts("list reviews", reviews, "request_id", "position", ids, func(s *sql.Rows, at func(string) int) error {
		var r db.Review
		if err := s.Scan(&r.RequestID, &r.Author, &r.Position, &r.Human, &r.State, &r.Reason, &r.CreatedAt, &r.CountsFor); err != nil {
			return err
		}
		review, err := reviewOf(r)
		i := at(r.RequestID)
		into[i].Reviews = append(into[i].Reviews, review)
		return err
	})
}

// parts reads the rows that belong to some ids, in chunks of few sizes. The function at
// tells where in ids an id stands.
func (v *view) parts(doing, columns, column, order string, ids []string, scan func(s *sql.Rows, at func(string) int) error) error {
	place := make(map[string]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	at := func(id string) int { return place[id] }
	for chunk := range slices.Chunk(ids, 256) {
		size := 1
		for size < len(chunk) {
			size *= 4
		}
		values := make([]any, size)
		for i := range values {
			values[i] = chunk[min(i, len(chunk)-1)]
		}
		l := selectFrom(columns)
		l.whereIn(column, values)
		l.write(" ORDER BY " + column + ", " + order)
		if err := v.query(doing, l, func(s *sql.Rows) error { return scan(s, at) }); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) Grants(q engine.GrantQuery) ([]core.Grant, error) {
	l := selectFrom(grants)
	if q.RequestID != "" {
		l.where("request_id = ?", q.RequestID)
	}
	if e := q.Entitlement; e != (core.Entitlement{}) {
		l.where("user_name = ? AND target = ? AND name = ?", e.User, e.Target, e.Name)
	}
	if q.User != "" {
		l.where("user_name = ?", q.User)
	}
	if q.Target != "" {
		l.where("target = ?", q.Target)
	}
	if !q.EndsBy.IsZero() {
		l.where("state = 'active' AND ends_at <= ?", micros(q.EndsBy))
	}
	if len(q.States) > 0 {
		column := "state"
		if len(l.args) > 0 {
			column = "state || ''" // SQLite would take the index of states, which is no match for the others
		}
		l.whereIn(column, each(q.States, func(s core.GrantState) any { return string(s) }))
	}
	if q.UntilOffCall {
		l.where("until_off_call = true")
	}
	if err := v.orderGrants(l, q); err != nil {
		return nil, err
	}

	var out []core.Grant
	err := v.query("list grants", l, func(s *sql.Rows) error {
		g, err := scanGrant(s)
		if err != nil {
			return err
		}
		noun, err := v.rules.grantOf(g)
		out = append(out, noun)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// orderGrants puts grants that end in the order of their ends, and others newest first.
func (v *view) orderGrants(l *list, q engine.GrantQuery) error {
	var last db.AccessGrant
	if q.After != "" {
		var err error
		last, err = one(v, "read grant "+q.After, core.Errorf(core.NotFound, "no grant %s", q.After),
			func() (db.AccessGrant, error) { return v.q.Grant(v.ctx, q.After) })
		if err != nil {
			return err
		}
	}
	switch byEnd := !q.EndsBy.IsZero(); {
	case byEnd && q.After != "":
		l.where("(ends_at, id) > (?, ?)", last.EndsAt, last.ID)
		fallthrough
	case byEnd:
		l.write(" ORDER BY ends_at, id LIMIT ?", page(q.Limit))
	case q.After != "":
		l.where("ordinal < ?", last.Ordinal)
		fallthrough
	default:
		l.write(" ORDER BY ordinal DESC LIMIT ?", page(q.Limit))
	}
	return nil
}

func scanGrant(s *sql.Rows) (g db.AccessGrant, err error) {
	err = s.Scan(&g.ID, &g.Ordinal, &g.RequestID, &g.UserName, &g.Target, &g.Name, &g.State, &g.Duration,
		&g.NotBefore, &g.StartsAt, &g.EndsAt, &g.EndedAt, &g.EndCause, &g.EndedBy, &g.UntilOffCall,
		&g.OffCallAt, &g.FirstAt, &g.Error, &g.Rule)
	return g, err
}

func (v *view) Incidents(q engine.IncidentQuery) ([]core.Incident, error) {
	l := selectFrom(incidents)
	if q.RequestID != "" {
		l.where("request_id = ?", q.RequestID)
	}
	if q.Unfinished {
		l.where("done = false")
		if !q.RetryBy.IsZero() {
			l.where("retry_at <= ?", micros(q.RetryBy))
		}
	}
	if q.After != "" {
		last, err := v.Incident(q.After)
		if err != nil {
			return nil, err
		}
		l.where("(created_at, id) < (?, ?)", micros(last.CreatedAt), last.ID)
	}
	l.write(" ORDER BY created_at DESC, id DESC LIMIT ?", page(q.Limit))

	var out []core.Incident
	var ids []string
	err := v.query("list incidents", l, func(s *sql.Rows) error {
		var i db.Incident
		err := s.Scan(&i.ID, &i.RequestID, &i.Account, &i.Service, &i.ServiceID, &i.Key, &i.Title, &i.Details,
			&i.State, &i.PagerdutyID, &i.Url, &i.TriedAt, &i.CreatedAt, &i.Resolve, &i.Error, &i.RetryAt,
			&i.Failures, &i.Done)
		out, ids = append(out, incidentOf(i)), append(ids, i.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, v.parts("list notes", notes, "incident_id", "seq", ids, func(s *sql.Rows, at func(string) int) error {
		var n db.Note
		err := s.Scan(&n.IncidentID, &n.Seq, &n.Text, &n.Tried, &n.Posted)
		i := at(n.IncidentID)
		out[i].Notes = append(out[i].Notes, noteOf(n))
		return err
	})
}

// clockSkew is by how much the clocks of replicas may differ, and so how far entries may stand
// from where their moments say.
const clockSkew = time.Minute

// AuditEntries walks the log by its numbers, from one end. A span of time is found by its
// index first, so that the walk begins and ends there.
func (v *view) AuditEntries(q engine.AuditQuery) ([]core.AuditEntry, error) {
	l := selectFrom(audits)
	if q.Actor != "" {
		l.where("actor = ?", q.Actor)
	}
	if q.Subject != "" {
		l.where("subject = ?", q.Subject)
	}
	if q.Action != "" {
		l.where("substr(action, 1, ?) = ?", utf8.RuneCountInString(q.Action), q.Action)
	}
	if !q.Since.IsZero() {
		l.where("seq >= COALESCE((SELECT seq FROM audit WHERE at >= ? ORDER BY at LIMIT 1), 0)", micros(q.Since.Add(-clockSkew)))
		l.where("at + 0 >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		l.where("seq <= COALESCE((SELECT seq FROM audit WHERE at < ? ORDER BY at DESC LIMIT 1), 0)", micros(q.Until.Add(clockSkew)))
		l.where("at + 0 < ?", micros(q.Until))
	}
	order, beyond := "", "seq > ?"
	if q.Newest {
		order, beyond = " DESC", "seq < ?"
	}
	if q.After > 0 {
		l.where(beyond, q.After)
	}
	l.write(" ORDER BY seq"+order+" LIMIT ?", page(q.Limit))
	var out []core.AuditEntry
	err := v.query("list audit entries", l, func(s *sql.Rows) error {
		var a db.Audit
		err := s.Scan(&a.Seq, &a.At, &a.Actor, &a.Via, &a.Action, &a.Subject, &a.Detail, &a.Prev, &a.Hash)
		out = append(out, auditOf(a))
		return err
	})
	return out, err
}
