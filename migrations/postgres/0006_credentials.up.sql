-- Platform table. What a caller shows instead of a name, for a user and, if it says so, for one workspace only. Of its
-- secret there is the SHA-256 and nothing else. Revoked, never deleted: audit events name it.
CREATE TABLE api_tokens (
    id                 uuid NOT NULL,
    user_id            uuid NOT NULL,
    workspace_id       uuid,
    label              text COLLATE "C" NOT NULL,
    secret_sha256      text COLLATE "C" NOT NULL,
    may_act_for_others boolean NOT NULL,
    created_at         timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,
    revoked_at         timestamptz,
    CONSTRAINT pk_tokens PRIMARY KEY (id),
    CONSTRAINT fk_tokens_user
        FOREIGN KEY (user_id)
        REFERENCES users (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_tokens_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_tokens_not_platform CHECK (workspace_id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT ck_tokens_label CHECK (octet_length(label) BETWEEN 1 AND 512),
    CONSTRAINT ck_tokens_secret_sha256 CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_tokens_expires_later CHECK (expires_at > created_at)
);

-- Platform table. Which user the subject of an identity provider is. Ended, never deleted; linking again updates the
-- row.
CREATE TABLE user_identities (
    issuer     text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    user_id    uuid NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at   timestamptz,
    CONSTRAINT pk_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_identities_user
        FOREIGN KEY (user_id)
        REFERENCES users (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_identities_issuer CHECK (octet_length(issuer) BETWEEN 1 AND 255),
    CONSTRAINT ck_identities_subject CHECK (octet_length(subject) BETWEEN 1 AND 255)
);
CREATE INDEX ix_identities_user
    ON user_identities (user_id);
