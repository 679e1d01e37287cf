-- The fixed queries. Lists with filters are put together in list.go.

-- name: LockHead :one
UPDATE audit_head SET seq = seq WHERE id = 1 RETURNING seq, hash;

-- name: PutHead :exec
UPDATE audit_head SET seq = @seq, hash = @hash WHERE id = 1;

-- name: Head :one
SELECT seq, hash FROM audit_head WHERE id = 1;

-- name: AppendAudit :exec
INSERT INTO audit (seq, at, actor, via, action, subject, detail, prev, hash)
VALUES (@seq, @at, @actor, @via, @action, @subject, @detail, @prev, @hash);

-- name: Audit :many
SELECT * FROM audit WHERE seq > @after ORDER BY seq LIMIT @page;

-- name: AuditHash :one
SELECT hash FROM audit WHERE seq = @seq;

-- name: Mark :one
SELECT * FROM audit_mark WHERE name = @name;

-- name: PutMark :exec
INSERT INTO audit_mark (name, seq, at, body, error, owner, owned_until)
VALUES (@name, @seq, @at, @body, @error, @owner, @owned_until)
ON CONFLICT (name) DO UPDATE SET
    seq = excluded.seq, at = excluded.at, body = excluded.body, error = excluded.error,
    owner = excluded.owner, owned_until = excluded.owned_until;

-- name: Revision :one
SELECT number FROM revision WHERE id = 1;

-- name: MoveRevision :exec
UPDATE revision SET number = number + 1 WHERE id = 1;

-- name: Document :one
SELECT * FROM document WHERE kind = @kind AND name = @name;

-- name: Documents :many
SELECT * FROM document ORDER BY kind, name;

-- name: DocumentsOfKind :many
SELECT * FROM document WHERE kind = @kind ORDER BY name;

-- name: PutDocument :exec
INSERT INTO document (kind, name, version, body, created_at, updated_at)
VALUES (@kind, @name, @version, @body, @created_at, @updated_at)
ON CONFLICT (kind, name) DO UPDATE SET
    version = excluded.version, body = excluded.body,
    created_at = excluded.created_at, updated_at = excluded.updated_at;

-- name: DeleteDocument :execrows
DELETE FROM document WHERE kind = @kind AND name = @name;

-- name: Request :one
SELECT * FROM request WHERE id = @id;

-- name: PutRequest :exec
INSERT INTO request (id, user_name, author, state, created_at, expires_at, body)
VALUES (@id, @user_name, @author, @state, @created_at, @expires_at, @body)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, expires_at = excluded.expires_at, body = excluded.body;

-- name: Reviews :many
SELECT * FROM review WHERE request_id = @request_id ORDER BY position;

-- name: PutReview :exec
INSERT INTO review (request_id, author, position, human, state, reason, created_at, counts_for)
VALUES (@request_id, @author, @position, @human, @state, @reason, @created_at, @counts_for)
ON CONFLICT (request_id, author) DO UPDATE SET
    position = excluded.position, human = excluded.human, state = excluded.state,
    reason = excluded.reason, created_at = excluded.created_at, counts_for = excluded.counts_for
WHERE review.position <> excluded.position OR review.human <> excluded.human
    OR review.state <> excluded.state OR review.reason <> excluded.reason
    OR review.created_at <> excluded.created_at OR review.counts_for <> excluded.counts_for;

-- name: Grant :one
SELECT * FROM access_grant WHERE id = @id;

-- name: PutGrant :exec
INSERT INTO access_grant (id, ordinal, request_id, user_name, target, name, state, duration,
    not_before, starts_at, ends_at, ended_at, end_cause, ended_by, until_off_call, off_call_at,
    first_at, error, rule)
VALUES (@id, (SELECT COALESCE(MAX(ordinal), 0) + 1 FROM access_grant), @request_id, @user_name,
    @target, @name, @state, @duration, @not_before, @starts_at, @ends_at, @ended_at, @end_cause,
    @ended_by, @until_off_call, @off_call_at, @first_at, @error, @rule)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, duration = excluded.duration, not_before = excluded.not_before,
    starts_at = excluded.starts_at, ends_at = excluded.ends_at, ended_at = excluded.ended_at,
    end_cause = excluded.end_cause, ended_by = excluded.ended_by,
    until_off_call = excluded.until_off_call, off_call_at = excluded.off_call_at,
    first_at = excluded.first_at, error = excluded.error, rule = excluded.rule;

-- name: Holding :one
SELECT * FROM holding WHERE user_name = @user_name AND target = @target AND name = @name;

-- name: PutHolding :exec
INSERT INTO holding (user_name, target, name, fresh, pre_existing, owner, owned_until, retry_at, failures, error)
VALUES (@user_name, @target, @name, @fresh, @pre_existing, @owner, @owned_until, @retry_at, @failures, @error)
ON CONFLICT (user_name, target, name) DO UPDATE SET
    fresh = excluded.fresh, pre_existing = excluded.pre_existing, owner = excluded.owner,
    owned_until = excluded.owned_until, retry_at = excluded.retry_at,
    failures = excluded.failures, error = excluded.error;

-- name: DeleteHolding :exec
DELETE FROM holding WHERE user_name = @user_name AND target = @target AND name = @name;

-- name: Incident :one
SELECT * FROM incident WHERE id = @id;

-- name: PutIncident :exec
INSERT INTO incident (id, request_id, account, service, service_id, key, title, details, state,
    pagerduty_id, url, tried_at, created_at, resolve, error, retry_at, failures, done)
VALUES (@id, @request_id, @account, @service, @service_id, @key, @title, @details, @state,
    @pagerduty_id, @url, @tried_at, @created_at, @resolve, @error, @retry_at, @failures, @done)
ON CONFLICT (id) DO UPDATE SET
    service_id = excluded.service_id, title = excluded.title, details = excluded.details,
    state = excluded.state, pagerduty_id = excluded.pagerduty_id, url = excluded.url,
    tried_at = excluded.tried_at, resolve = excluded.resolve, error = excluded.error,
    retry_at = excluded.retry_at, failures = excluded.failures, done = excluded.done;

-- name: Notes :many
SELECT * FROM note WHERE incident_id = @incident_id ORDER BY seq;

-- name: PutNote :exec
INSERT INTO note (incident_id, seq, text, tried, posted)
VALUES (@incident_id, @seq, @text, @tried, @posted)
ON CONFLICT (incident_id, seq) DO UPDATE SET
    text = excluded.text, tried = excluded.tried, posted = excluded.posted
WHERE note.text <> excluded.text OR note.tried <> excluded.tried OR note.posted <> excluded.posted;

-- name: Pin :one
SELECT * FROM pin WHERE user_name = @user_name AND account = @account;

-- name: PinOf :one
SELECT * FROM pin WHERE account = @account AND pagerduty_user_id = @pagerduty_user_id;

-- name: PutPin :exec
INSERT INTO pin (user_name, account, pagerduty_user_id, email, pinned_at)
VALUES (@user_name, @account, @pagerduty_user_id, @email, @pinned_at)
ON CONFLICT (user_name, account) DO UPDATE SET
    pagerduty_user_id = excluded.pagerduty_user_id, email = excluded.email,
    pinned_at = excluded.pinned_at;

-- name: DeletePin :exec
DELETE FROM pin WHERE user_name = @user_name AND account = @account;

-- name: Answer :one
SELECT * FROM answer WHERE key = @key;

-- name: PutAnswer :exec
INSERT INTO answer (key, digest, status, body, created_at)
VALUES (@key, @digest, @status, @body, @created_at)
ON CONFLICT (key) DO UPDATE SET
    digest = excluded.digest, status = excluded.status, body = excluded.body,
    created_at = excluded.created_at;

-- name: DeleteAnswers :exec
DELETE FROM answer WHERE created_at < @before;

-- name: Credential :one
SELECT * FROM credential WHERE kind = @kind AND id = @id;

-- name: CredentialsOfKind :many
SELECT * FROM credential WHERE kind = @kind ORDER BY created_at, id;

-- name: CredentialsOf :many
SELECT * FROM credential WHERE user_name = @user_name ORDER BY created_at, id;

-- name: CredentialsBy :many
SELECT * FROM credential WHERE author = @author ORDER BY created_at, id;

-- name: PutCredential :exec
INSERT INTO credential (kind, id, user_name, author, body, created_at, expires_at)
VALUES (@kind, @id, @user_name, @author, @body, @created_at, @expires_at)
ON CONFLICT (kind, id) DO UPDATE SET
    user_name = excluded.user_name, author = excluded.author, body = excluded.body,
    expires_at = excluded.expires_at;

-- name: DeleteCredential :execrows
DELETE FROM credential WHERE kind = @kind AND id = @id;

-- name: DeleteCredentials :exec
DELETE FROM credential WHERE expires_at > 0 AND expires_at <= @by;
