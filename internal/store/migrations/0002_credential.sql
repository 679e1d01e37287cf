-- What people and machines prove who they are with, and the keys of the server itself.
-- No row holds what its holder has: of a token there is its digest, and a key is sealed.

-- +goose Up

CREATE TABLE credential (
    kind       text   NOT NULL,
    id         text   NOT NULL,
    user_name  text   NOT NULL, -- whom it stands for; empty: nobody yet, or the server
    author     text   NOT NULL, -- who made it for them; empty: they did, or the local administrator
    body       text   NOT NULL, -- JSON: the rest, by its kind
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL, -- 0: never
    PRIMARY KEY (kind, id)
);
CREATE INDEX credential_of_user ON credential (user_name, kind, created_at, id);
CREATE INDEX credential_by_author ON credential (author, kind, created_at, id) WHERE author <> '';
CREATE INDEX credential_expires ON credential (expires_at) WHERE expires_at > 0;
