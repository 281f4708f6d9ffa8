-- Platform table. Which master keys there have been: a fingerprint of each, never a key. Whoever seals something holds the
-- row of the current one, whoever puts another in its place waits for them.
CREATE TABLE master_keys (
    version       integer NOT NULL,
    fingerprint   text COLLATE "C" NOT NULL,
    created_at    timestamptz NOT NULL,
    superseded_at timestamptz,
    retired_at    timestamptz,
    CONSTRAINT pk_master_keys PRIMARY KEY (version),
    CONSTRAINT ck_master_keys_version CHECK (version >= 1),
    CONSTRAINT ck_master_keys_fingerprint CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_master_keys_retired_after CHECK (retired_at IS NULL OR superseded_at IS NOT NULL)
);

-- What a connection logs in with, a row a field: the value sealed under a key of its own, and that key sealed under the
-- master key. Both are tied to where they lie.
CREATE TABLE provider_credentials (
    workspace_id           uuid NOT NULL,
    managed_environment_id uuid NOT NULL,
    provider_key           text COLLATE "C" NOT NULL,
    provider_connection_id uuid NOT NULL,
    field                  text COLLATE "C" NOT NULL,
    data_key_sealed        bytea NOT NULL,
    value_sealed           bytea NOT NULL,
    master_key_version     integer NOT NULL,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    CONSTRAINT pk_credentials PRIMARY KEY (workspace_id, provider_connection_id, field),
    CONSTRAINT fk_credentials_connection
        FOREIGN KEY (workspace_id, managed_environment_id, provider_key, provider_connection_id)
        REFERENCES provider_connections (workspace_id, managed_environment_id, provider_key, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_credentials_master_key
        FOREIGN KEY (master_key_version)
        REFERENCES master_keys (version)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_credentials_provider_key CHECK (provider_key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    CONSTRAINT ck_credentials_field CHECK (field ~ '^[a-z][a-z0-9_]{0,63}$'),
    CONSTRAINT ck_credentials_data_key_sealed CHECK (octet_length(data_key_sealed) = 72),
    CONSTRAINT ck_credentials_value_sealed CHECK (octet_length(value_sealed) BETWEEN 41 AND 16424),
    CONSTRAINT ck_credentials_master_key_version CHECK (master_key_version >= 1)
);
CREATE INDEX ix_credentials_master_key
    ON provider_credentials (workspace_id, master_key_version);
ALTER TABLE provider_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_credentials_workspace ON provider_credentials
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));

-- Of the installation's own runs one at most is active in a scope. A mirrored one is none of the installation's business.
CREATE UNIQUE INDEX ux_runs_active_scope
    ON operation_runs (workspace_id, scope_key)
    WHERE origin = 'own' AND status <> 'completed';
CREATE INDEX ix_runs_type
    ON operation_runs (workspace_id, managed_environment_id, operation_type, id);
CREATE INDEX ix_runs_active
    ON operation_runs (workspace_id, managed_environment_id, id)
    WHERE status <> 'completed';
-- An own run ends once, and never waits again.
CREATE POLICY pl_runs_end_once ON operation_runs AS RESTRICTIVE FOR UPDATE
    USING (origin = 'mirrored' OR status <> 'completed')
    WITH CHECK (origin = 'mirrored' OR status <> 'queued');
-- Which items of a type a collection has not seen.
CREATE INDEX ix_inventory_observed
    ON inventory_items (workspace_id, managed_environment_id, provider_key, subject_type_key, id)
    WHERE observation_status = 'observed';

-- Platform table. Runs to be worked on: when each is due, and who has it. A lease is a due time to come: whoever dies with
-- one leaves the run to be taken when it is over.
CREATE TABLE run_queue (
    run_id       uuid NOT NULL,
    workspace_id uuid NOT NULL,
    due_at       timestamptz NOT NULL,
    lease_id     uuid,
    CONSTRAINT pk_queue PRIMARY KEY (workspace_id, run_id),
    CONSTRAINT fk_queue_run
        FOREIGN KEY (workspace_id, run_id)
        REFERENCES operation_runs (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT
);
CREATE INDEX ix_queue_due
    ON run_queue (due_at);
