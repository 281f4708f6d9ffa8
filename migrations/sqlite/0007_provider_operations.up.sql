-- Platform table. Which master keys there have been: a fingerprint of each, never a key. Whoever seals something holds the
-- row of the current one, whoever puts another in its place waits for them.
CREATE TABLE master_keys (
    version       INTEGER NOT NULL,
    fingerprint   TEXT NOT NULL,
    created_at    TEXT NOT NULL,
    superseded_at TEXT,
    retired_at    TEXT,
    CONSTRAINT pk_master_keys PRIMARY KEY (version),
    CONSTRAINT ck_master_keys_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(superseded_at AS BLOB)) = 27
        AND superseded_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(retired_at AS BLOB)) = 27
        AND retired_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_master_keys_version CHECK (version >= 1),
    CONSTRAINT ck_master_keys_fingerprint CHECK (
        length(CAST(fingerprint AS BLOB)) = 64 AND fingerprint NOT GLOB '*[^0-9a-f]*'),
    CONSTRAINT ck_master_keys_retired_after CHECK (retired_at IS NULL OR superseded_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER tr_master_keys_no_delete BEFORE DELETE ON master_keys
BEGIN SELECT RAISE(ABORT, 'master_keys: nothing is deleted'); END;
CREATE TRIGGER tr_master_keys_key_frozen BEFORE UPDATE OF
    version
    ON master_keys
BEGIN SELECT RAISE(ABORT, 'master_keys: its key does not change'); END;
CREATE TRIGGER tr_master_keys_frozen BEFORE UPDATE OF fingerprint, created_at ON master_keys
BEGIN SELECT RAISE(ABORT, 'master_keys: a key is superseded, then retired, and otherwise stays as it was'); END;

-- What a connection logs in with, a row a field: the value sealed under a key of its own, and that key sealed under the
-- master key. Both are tied to where they lie.
CREATE TABLE provider_credentials (
    workspace_id           BLOB NOT NULL,
    managed_environment_id BLOB NOT NULL,
    provider_key           TEXT NOT NULL,
    provider_connection_id BLOB NOT NULL,
    field                  TEXT NOT NULL,
    data_key_sealed        BLOB NOT NULL,
    value_sealed           BLOB NOT NULL,
    master_key_version     INTEGER NOT NULL,
    created_at             TEXT NOT NULL,
    updated_at             TEXT NOT NULL,
    CONSTRAINT pk_credentials PRIMARY KEY (workspace_id, provider_connection_id, field),
    CONSTRAINT fk_credentials_connection
        FOREIGN KEY (workspace_id, managed_environment_id, provider_key, provider_connection_id)
        REFERENCES provider_connections (workspace_id, managed_environment_id, provider_key, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_credentials_master_key
        FOREIGN KEY (master_key_version)
        REFERENCES master_keys (version)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_credentials_ids CHECK (
        length(workspace_id) = 16
        AND length(managed_environment_id) = 16
        AND length(provider_connection_id) = 16),
    CONSTRAINT ck_credentials_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_credentials_provider_key CHECK (
        provider_key GLOB '[a-z0-9]*'
        AND provider_key NOT GLOB '*[^a-z0-9_-]*'
        AND length(provider_key) <= 64
        AND length(provider_key) = length(CAST(provider_key AS BLOB))),
    CONSTRAINT ck_credentials_field CHECK (
        field GLOB '[a-z]*'
        AND field NOT GLOB '*[^a-z0-9_]*'
        AND length(field) <= 64
        AND length(field) = length(CAST(field AS BLOB))),
    CONSTRAINT ck_credentials_data_key_sealed CHECK (length(data_key_sealed) = 72),
    CONSTRAINT ck_credentials_value_sealed CHECK (length(value_sealed) BETWEEN 41 AND 16424),
    CONSTRAINT ck_credentials_master_key_version CHECK (master_key_version >= 1)
) STRICT;
CREATE INDEX ix_credentials_master_key
    ON provider_credentials (workspace_id, master_key_version);
CREATE TRIGGER tr_credentials_no_delete BEFORE DELETE ON provider_credentials
BEGIN SELECT RAISE(ABORT, 'provider_credentials: nothing is deleted'); END;
CREATE TRIGGER tr_credentials_key_frozen BEFORE UPDATE OF
    workspace_id, managed_environment_id, provider_key, provider_connection_id, field
    ON provider_credentials
BEGIN SELECT RAISE(ABORT, 'provider_credentials: its key does not change'); END;
CREATE TRIGGER tr_credentials_created_frozen BEFORE UPDATE OF created_at ON provider_credentials
BEGIN SELECT RAISE(ABORT, 'provider_credentials: when it was first set does not change'); END;

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
CREATE TRIGGER tr_runs_end_once BEFORE UPDATE ON operation_runs
WHEN OLD.origin = 'own' AND (OLD.status = 'completed' OR NEW.status = 'queued')
BEGIN SELECT RAISE(ABORT, 'operation_runs: a run ends once and never waits again'); END;
CREATE TRIGGER tr_runs_frozen BEFORE UPDATE OF
    operation_type, provider_key, provider_connection_id, scope_key, initiated_by_user_id, origin, external_ref,
    created_at
    ON operation_runs
BEGIN SELECT RAISE(ABORT, 'operation_runs: what a run is about does not change'); END;
-- Which items of a type a collection has not seen.
CREATE INDEX ix_inventory_observed
    ON inventory_items (workspace_id, managed_environment_id, provider_key, subject_type_key, id)
    WHERE observation_status = 'observed';

-- Platform table. Runs to be worked on: when each is due, and who has it. A lease is a due time to come: whoever dies with
-- one leaves the run to be taken when it is over.
CREATE TABLE run_queue (
    run_id       BLOB NOT NULL,
    workspace_id BLOB NOT NULL,
    due_at       TEXT NOT NULL,
    lease_id     BLOB,
    CONSTRAINT pk_queue PRIMARY KEY (workspace_id, run_id),
    CONSTRAINT fk_queue_run
        FOREIGN KEY (workspace_id, run_id)
        REFERENCES operation_runs (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_queue_ids CHECK (
        length(run_id) = 16
        AND length(workspace_id) = 16
        AND length(lease_id) = 16),
    CONSTRAINT ck_queue_times CHECK (
        length(CAST(due_at AS BLOB)) = 27
        AND due_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z')
) STRICT;
CREATE INDEX ix_queue_due
    ON run_queue (due_at);
CREATE TRIGGER tr_queue_key_frozen BEFORE UPDATE OF
    workspace_id, run_id
    ON run_queue
BEGIN SELECT RAISE(ABORT, 'run_queue: its key does not change'); END;
