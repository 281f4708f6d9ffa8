-- Platform table. What a caller shows instead of a name, for a user and, if it says so, for one workspace only. Of its
-- secret there is the SHA-256 and nothing else. Revoked, never deleted: audit events name it.
CREATE TABLE api_tokens (
    id                 BLOB NOT NULL,
    user_id            BLOB NOT NULL,
    workspace_id       BLOB,
    label              TEXT NOT NULL,
    secret_sha256      TEXT NOT NULL,
    may_act_for_others INTEGER NOT NULL,
    created_at         TEXT NOT NULL,
    expires_at         TEXT NOT NULL,
    revoked_at         TEXT,
    CONSTRAINT pk_tokens PRIMARY KEY (id),
    CONSTRAINT fk_tokens_user
        FOREIGN KEY (user_id)
        REFERENCES users (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_tokens_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_tokens_ids CHECK (
        length(id) = 16
        AND length(user_id) = 16
        AND length(workspace_id) = 16),
    CONSTRAINT ck_tokens_flags CHECK (
        may_act_for_others IN (0, 1)),
    CONSTRAINT ck_tokens_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(expires_at AS BLOB)) = 27
        AND expires_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(revoked_at AS BLOB)) = 27
        AND revoked_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_tokens_not_platform CHECK (workspace_id <> X'00000000000000000000000000000000'),
    CONSTRAINT ck_tokens_label CHECK (length(CAST(label AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_tokens_secret_sha256 CHECK (
        length(CAST(secret_sha256 AS BLOB)) = 64 AND secret_sha256 NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_tokens_expires_later CHECK (expires_at > created_at)
) STRICT;
CREATE TRIGGER tr_tokens_no_delete BEFORE DELETE ON api_tokens
BEGIN SELECT RAISE(ABORT, 'api_tokens: nothing is deleted'); END;
CREATE TRIGGER tr_tokens_key_frozen BEFORE UPDATE OF
    id
    ON api_tokens
BEGIN SELECT RAISE(ABORT, 'api_tokens: its key does not change'); END;
CREATE TRIGGER tr_tokens_frozen BEFORE UPDATE OF
    user_id, workspace_id, label, secret_sha256, may_act_for_others, created_at, expires_at
    ON api_tokens
BEGIN SELECT RAISE(ABORT, 'api_tokens: a token is revoked and otherwise stays as it was made'); END;
CREATE TRIGGER tr_tokens_revoked_once BEFORE UPDATE ON api_tokens
WHEN OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS NOT OLD.revoked_at
BEGIN SELECT RAISE(ABORT, 'api_tokens: a token is revoked once and stays revoked'); END;

-- Platform table. Which user the subject of an identity provider is. Ended, never deleted; linking again updates the
-- row.
CREATE TABLE user_identities (
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    user_id    BLOB NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    ended_at   TEXT,
    CONSTRAINT pk_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_identities_user
        FOREIGN KEY (user_id)
        REFERENCES users (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_identities_ids CHECK (
        length(user_id) = 16),
    CONSTRAINT ck_identities_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(ended_at AS BLOB)) = 27
        AND ended_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_identities_issuer CHECK (length(CAST(issuer AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_identities_subject CHECK (length(CAST(subject AS BLOB)) BETWEEN 1 AND 255)
) STRICT;
CREATE INDEX ix_identities_user
    ON user_identities (user_id);
CREATE TRIGGER tr_identities_no_delete BEFORE DELETE ON user_identities
BEGIN SELECT RAISE(ABORT, 'user_identities: nothing is deleted'); END;
CREATE TRIGGER tr_identities_key_frozen BEFORE UPDATE OF
    issuer, subject
    ON user_identities
BEGIN SELECT RAISE(ABORT, 'user_identities: its key does not change'); END;
CREATE TRIGGER tr_identities_created_frozen BEFORE UPDATE OF created_at ON user_identities
BEGIN SELECT RAISE(ABORT, 'user_identities: when it was first linked does not change'); END;
CREATE TRIGGER tr_identities_user_frozen BEFORE UPDATE OF user_id ON user_identities
WHEN OLD.ended_at IS NULL AND NEW.user_id IS NOT OLD.user_id
BEGIN SELECT RAISE(ABORT, 'user_identities: a link that holds stays with its user'); END;
