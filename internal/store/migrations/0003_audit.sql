-- How far those have come who take the audit log outside, and the lists of it.

-- +goose Up

CREATE TABLE audit_mark (
    name        text   NOT NULL PRIMARY KEY,
    seq         bigint NOT NULL, -- of the last entry done
    at          bigint NOT NULL,
    body        text   NOT NULL, -- the last checkpoint, signed
    error       text   NOT NULL,
    owner       text   NOT NULL, -- the replica that works on it
    owned_until bigint NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_of_actor ON audit (actor, seq);
CREATE INDEX audit_of_subject ON audit (subject, seq);
