-- The state, written once for SQLite and PostgreSQL alike. Moments and lengths
-- are microseconds, moments since 1970 in UTC; 0 is "none". JSON is text.

-- +goose Up

CREATE TABLE document (
    kind       text   NOT NULL,
    name       text   NOT NULL,
    version    text   NOT NULL,
    body       text   NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (kind, name)
);

CREATE TABLE revision (
    id     bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    number bigint NOT NULL
);
INSERT INTO revision (id, number) VALUES (1, 0);

CREATE TABLE request (
    id         text   NOT NULL PRIMARY KEY,
    user_name  text   NOT NULL,
    author     text   NOT NULL,
    state      text   NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    body       text   NOT NULL -- everything else, frozen rules included
);
CREATE INDEX request_newest ON request (created_at, id);
CREATE INDEX request_in_state ON request (state, created_at, id);
CREATE INDEX request_of_user ON request (user_name, created_at, id);

CREATE TABLE review (
    request_id text   NOT NULL REFERENCES request (id),
    author     text   NOT NULL,
    position   bigint NOT NULL, -- in the request's list
    human      text   NOT NULL,
    state      text   NOT NULL,
    reason     text   NOT NULL,
    created_at bigint NOT NULL,
    counts_for text   NOT NULL, -- JSON: indexes of thresholds
    PRIMARY KEY (request_id, author)
);

CREATE TABLE access_grant (
    id             text    NOT NULL PRIMARY KEY,
    ordinal        bigint  NOT NULL UNIQUE, -- grows with every new grant
    request_id     text    NOT NULL,
    user_name      text    NOT NULL,
    target         text    NOT NULL,
    name           text    NOT NULL,
    state          text    NOT NULL,
    duration       bigint  NOT NULL,
    not_before     bigint  NOT NULL,
    starts_at      bigint  NOT NULL,
    ends_at        bigint  NOT NULL,
    ended_at       bigint  NOT NULL,
    end_cause      text    NOT NULL,
    ended_by       text    NOT NULL,
    until_off_call boolean NOT NULL,
    off_call_at    bigint  NOT NULL,
    first_at       bigint  NOT NULL,
    error          text    NOT NULL,
    rule           text    NOT NULL -- JSON: the rule that bound it; empty where none did
);
CREATE INDEX access_grant_of_request ON access_grant (request_id, ordinal);
CREATE INDEX access_grant_of_entitlement ON access_grant (user_name, target, name, ordinal);
CREATE INDEX access_grant_of_target ON access_grant (target, ordinal);
CREATE INDEX access_grant_in_state ON access_grant (state, ordinal);
CREATE INDEX access_grant_ends ON access_grant (state, ends_at, id);
CREATE INDEX access_grant_on_call ON access_grant (state, ordinal) WHERE until_off_call = true;

CREATE TABLE holding (
    user_name    text    NOT NULL,
    target       text    NOT NULL,
    name         text    NOT NULL,
    fresh        boolean NOT NULL,
    pre_existing boolean NOT NULL,
    owner        text    NOT NULL,
    owned_until  bigint  NOT NULL,
    retry_at     bigint  NOT NULL,
    failures     bigint  NOT NULL,
    error        text    NOT NULL,
    PRIMARY KEY (user_name, target, name)
);

CREATE TABLE incident (
    id           text    NOT NULL PRIMARY KEY,
    request_id   text    NOT NULL,
    account      text    NOT NULL,
    service      text    NOT NULL,
    service_id   text    NOT NULL,
    key          text    NOT NULL, -- PagerDuty knows it by this name
    title        text    NOT NULL,
    details      text    NOT NULL,
    state        text    NOT NULL,
    pagerduty_id text    NOT NULL,
    url          text    NOT NULL,
    tried_at     bigint  NOT NULL,
    created_at   bigint  NOT NULL,
    resolve      boolean NOT NULL,
    error        text    NOT NULL,
    retry_at     bigint  NOT NULL,
    failures     bigint  NOT NULL,
    done         boolean NOT NULL -- PagerDuty shows everything that it should
);
CREATE INDEX incident_newest ON incident (created_at, id);
CREATE INDEX incident_of_request ON incident (request_id, created_at, id);
CREATE INDEX incident_unfinished ON incident (created_at, id) WHERE done = false;

CREATE TABLE note (
    incident_id text    NOT NULL REFERENCES incident (id),
    seq         bigint  NOT NULL,
    text        text    NOT NULL,
    tried       boolean NOT NULL,
    posted      boolean NOT NULL,
    PRIMARY KEY (incident_id, seq)
);

CREATE TABLE pin (
    user_name         text   NOT NULL,
    account           text   NOT NULL,
    pagerduty_user_id text   NOT NULL,
    email             text   NOT NULL,
    pinned_at         bigint NOT NULL,
    PRIMARY KEY (user_name, account),
    UNIQUE (account, pagerduty_user_id) -- nobody shares a PagerDuty user
);

CREATE TABLE audit (
    seq     bigint NOT NULL PRIMARY KEY,
    at      bigint NOT NULL,
    actor   text   NOT NULL,
    via     text   NOT NULL,
    action  text   NOT NULL,
    subject text   NOT NULL,
    detail  text   NOT NULL,
    prev    text   NOT NULL,
    hash    text   NOT NULL
);

CREATE TABLE audit_head (
    id   bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    seq  bigint NOT NULL,
    hash text   NOT NULL
);
INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TABLE answer (
    key        text   NOT NULL PRIMARY KEY,
    digest     text   NOT NULL,
    status     bigint NOT NULL,
    body       text   NOT NULL,
    created_at bigint NOT NULL
);

CREATE INDEX answer_created ON answer (created_at);
