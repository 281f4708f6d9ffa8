-- Ids are 16 bytes, times text of 27 characters in UTC, flags 0 or 1. No clock and no chance in SQL: the host
-- gives every value. Nothing is deleted, and a row's key never changes: triggers here, roles on PostgreSQL.
-- Lengths are compared in characters and in bytes where text must be ASCII, since length() stops at a NUL.

-- Platform table. The nil id, slug `platform`, holds the platform's own audit chain and no tenant's data.
CREATE TABLE workspaces (
    id           BLOB NOT NULL,
    slug         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    CONSTRAINT pk_workspaces PRIMARY KEY (id),
    CONSTRAINT ux_workspaces_slug UNIQUE (slug),
    CONSTRAINT ck_workspaces_ids CHECK (
        length(id) = 16),
    CONSTRAINT ck_workspaces_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_workspaces_slug CHECK (
        slug GLOB '[a-z0-9]*'
        AND slug NOT GLOB '*[^a-z0-9-]*'
        AND length(slug) <= 63
        AND length(slug) = length(CAST(slug AS BLOB))),
    CONSTRAINT ck_workspaces_display_name CHECK (length(CAST(display_name AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_workspaces_platform_is_nil CHECK (
        (id = X'00000000000000000000000000000000') = (slug = 'platform'))
) STRICT;
CREATE TRIGGER tr_workspaces_no_delete BEFORE DELETE ON workspaces
BEGIN SELECT RAISE(ABORT, 'workspaces: nothing is deleted'); END;
CREATE TRIGGER tr_workspaces_key_frozen BEFORE UPDATE OF
    id
    ON workspaces
BEGIN SELECT RAISE(ABORT, 'workspaces: its key does not change'); END;

-- Platform table. People and, as `service`, the backends that act with credentials of their own.
CREATE TABLE users (
    id           BLOB NOT NULL,
    display_name TEXT NOT NULL,
    kind         TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    disabled_at  TEXT,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_ids CHECK (
        length(id) = 16),
    CONSTRAINT ck_users_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(disabled_at AS BLOB)) = 27
        AND disabled_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_users_display_name CHECK (length(CAST(display_name AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_users_kind CHECK (kind IN ('person', 'service'))
) STRICT;
CREATE TRIGGER tr_users_no_delete BEFORE DELETE ON users
BEGIN SELECT RAISE(ABORT, 'users: nothing is deleted'); END;
CREATE TRIGGER tr_users_key_frozen BEFORE UPDATE OF
    id
    ON users
BEGIN SELECT RAISE(ABORT, 'users: its key does not change'); END;

-- Where governed resources live. Its workspace is part of its key and so never changes.
CREATE TABLE managed_environments (
    workspace_id BLOB NOT NULL,
    id           BLOB NOT NULL,
    display_name TEXT NOT NULL,
    origin       TEXT NOT NULL,
    external_ref TEXT,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    CONSTRAINT pk_environments PRIMARY KEY (workspace_id, id),
    CONSTRAINT fk_environments_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_environments_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_environments_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16),
    CONSTRAINT ck_environments_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_environments_display_name CHECK (length(CAST(display_name AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_environments_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_environments_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_environments_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL),
    CONSTRAINT ck_environments_not_platform CHECK (workspace_id <> X'00000000000000000000000000000000')
) STRICT;
CREATE TRIGGER tr_environments_no_delete BEFORE DELETE ON managed_environments
BEGIN SELECT RAISE(ABORT, 'managed_environments: nothing is deleted'); END;
CREATE TRIGGER tr_environments_key_frozen BEFORE UPDATE OF
    workspace_id, id
    ON managed_environments
BEGIN SELECT RAISE(ABORT, 'managed_environments: its key does not change'); END;

-- Ended, never deleted; re-opening updates the row. Decisions reference it, so who decided was a member.
CREATE TABLE workspace_memberships (
    workspace_id BLOB NOT NULL,
    user_id      BLOB NOT NULL,
    role         TEXT NOT NULL,
    origin       TEXT NOT NULL,
    external_ref TEXT,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    ended_at     TEXT,
    CONSTRAINT pk_memberships PRIMARY KEY (workspace_id, user_id),
    CONSTRAINT fk_memberships_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_memberships_user
        FOREIGN KEY (user_id)
        REFERENCES users (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_memberships_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_memberships_ids CHECK (
        length(workspace_id) = 16
        AND length(user_id) = 16),
    CONSTRAINT ck_memberships_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(ended_at AS BLOB)) = 27
        AND ended_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_memberships_role CHECK (role IN ('owner', 'manager', 'operator', 'readonly')),
    CONSTRAINT ck_memberships_not_platform CHECK (workspace_id <> X'00000000000000000000000000000000'),
    CONSTRAINT ck_memberships_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_memberships_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_memberships_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
) STRICT;
CREATE TRIGGER tr_memberships_no_delete BEFORE DELETE ON workspace_memberships
BEGIN SELECT RAISE(ABORT, 'workspace_memberships: nothing is deleted'); END;
CREATE TRIGGER tr_memberships_key_frozen BEFORE UPDATE OF
    workspace_id, user_id
    ON workspace_memberships
BEGIN SELECT RAISE(ABORT, 'workspace_memberships: its key does not change'); END;

-- Which members see which environment. Ended, never deleted; re-opening updates the row.
CREATE TABLE environment_entitlements (
    workspace_id           BLOB NOT NULL,
    managed_environment_id BLOB NOT NULL,
    user_id                BLOB NOT NULL,
    origin                 TEXT NOT NULL,
    external_ref           TEXT,
    created_at             TEXT NOT NULL,
    updated_at             TEXT NOT NULL,
    ended_at               TEXT,
    CONSTRAINT pk_entitlements PRIMARY KEY (workspace_id, managed_environment_id, user_id),
    CONSTRAINT fk_entitlements_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_entitlements_membership
        FOREIGN KEY (workspace_id, user_id)
        REFERENCES workspace_memberships (workspace_id, user_id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_entitlements_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_entitlements_ids CHECK (
        length(workspace_id) = 16
        AND length(managed_environment_id) = 16
        AND length(user_id) = 16),
    CONSTRAINT ck_entitlements_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(ended_at AS BLOB)) = 27
        AND ended_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_entitlements_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_entitlements_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_entitlements_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
) STRICT;
CREATE INDEX ix_entitlements_user
    ON environment_entitlements (workspace_id, user_id);
CREATE TRIGGER tr_entitlements_no_delete BEFORE DELETE ON environment_entitlements
BEGIN SELECT RAISE(ABORT, 'environment_entitlements: nothing is deleted'); END;
CREATE TRIGGER tr_entitlements_key_frozen BEFORE UPDATE OF
    workspace_id, managed_environment_id, user_id
    ON environment_entitlements
BEGIN SELECT RAISE(ABORT, 'environment_entitlements: its key does not change'); END;

-- Within an environment one provider key means one directory. A NULL directory is not yet known; once known it
-- stays.
CREATE TABLE environment_directories (
    workspace_id           BLOB NOT NULL,
    managed_environment_id BLOB NOT NULL,
    provider_key           TEXT NOT NULL,
    directory_id           TEXT,
    created_at             TEXT NOT NULL,
    updated_at             TEXT NOT NULL,
    CONSTRAINT pk_directories PRIMARY KEY (workspace_id, managed_environment_id, provider_key),
    CONSTRAINT ux_directories_directory UNIQUE (workspace_id, managed_environment_id, provider_key, directory_id),
    CONSTRAINT fk_directories_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_directories_ids CHECK (
        length(workspace_id) = 16
        AND length(managed_environment_id) = 16),
    CONSTRAINT ck_directories_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_directories_provider_key CHECK (
        provider_key GLOB '[a-z0-9]*'
        AND provider_key NOT GLOB '*[^a-z0-9_-]*'
        AND length(provider_key) <= 64
        AND length(provider_key) = length(CAST(provider_key AS BLOB))),
    CONSTRAINT ck_directories_directory_id CHECK (length(CAST(directory_id AS BLOB)) BETWEEN 1 AND 255)
) STRICT;
CREATE TRIGGER tr_directories_directory_frozen BEFORE UPDATE OF directory_id ON environment_directories
WHEN OLD.directory_id IS NOT NULL AND NEW.directory_id IS NOT OLD.directory_id
BEGIN SELECT RAISE(ABORT, 'environment_directories: a known directory does not change'); END;
CREATE TRIGGER tr_directories_no_delete BEFORE DELETE ON environment_directories
BEGIN SELECT RAISE(ABORT, 'environment_directories: nothing is deleted'); END;
CREATE TRIGGER tr_directories_key_frozen BEFORE UPDATE OF
    workspace_id, managed_environment_id, provider_key
    ON environment_directories
BEGIN SELECT RAISE(ABORT, 'environment_directories: its key does not change'); END;

-- Two foreign keys to the directory: a composite key with a NULL in it is not looked at, so the first holds
-- the three columns that are never NULL, and the second refuses another directory as soon as one is named.
CREATE TABLE provider_connections (
    workspace_id           BLOB NOT NULL,
    id                     BLOB NOT NULL,
    managed_environment_id BLOB NOT NULL,
    provider_key           TEXT NOT NULL,
    directory_id           TEXT,
    display_name           TEXT NOT NULL,
    status                 TEXT NOT NULL,
    is_default             INTEGER NOT NULL,
    health_status          TEXT NOT NULL,
    health_reason_code     TEXT,
    health_checked_at      TEXT,
    origin                 TEXT NOT NULL,
    external_ref           TEXT,
    created_at             TEXT NOT NULL,
    updated_at             TEXT NOT NULL,
    CONSTRAINT pk_connections PRIMARY KEY (workspace_id, id),
    CONSTRAINT ux_connections_environment UNIQUE (workspace_id, managed_environment_id, provider_key, id),
    CONSTRAINT fk_connections_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_connections_provider
        FOREIGN KEY (workspace_id, managed_environment_id, provider_key)
        REFERENCES environment_directories (workspace_id, managed_environment_id, provider_key)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_connections_directory
        FOREIGN KEY (workspace_id, managed_environment_id, provider_key, directory_id)
        REFERENCES environment_directories (workspace_id, managed_environment_id, provider_key, directory_id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_connections_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_connections_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16
        AND length(managed_environment_id) = 16),
    CONSTRAINT ck_connections_times CHECK (
        length(CAST(health_checked_at AS BLOB)) = 27
        AND health_checked_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_connections_flags CHECK (
        is_default IN (0, 1)),
    CONSTRAINT ck_connections_provider_key CHECK (
        provider_key GLOB '[a-z0-9]*'
        AND provider_key NOT GLOB '*[^a-z0-9_-]*'
        AND length(provider_key) <= 64
        AND length(provider_key) = length(CAST(provider_key AS BLOB))),
    CONSTRAINT ck_connections_display_name CHECK (length(CAST(display_name AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_connections_status CHECK (status IN ('enabled', 'disabled')),
    CONSTRAINT ck_connections_health_status CHECK (
        health_status IN ('unknown', 'healthy', 'degraded', 'unhealthy')),
    CONSTRAINT ck_connections_health_reason_code CHECK (
        health_reason_code IS NULL OR (health_reason_code GLOB '[a-z0-9]*'
            AND health_reason_code NOT GLOB '*[^a-z0-9._-]*'
            AND length(health_reason_code) <= 64
            AND length(health_reason_code) = length(CAST(health_reason_code AS BLOB)))),
    CONSTRAINT ck_connections_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_connections_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_connections_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX ux_connections_default
    ON provider_connections (workspace_id, managed_environment_id, provider_key)
    WHERE is_default;
CREATE TRIGGER tr_connections_no_delete BEFORE DELETE ON provider_connections
BEGIN SELECT RAISE(ABORT, 'provider_connections: nothing is deleted'); END;
CREATE TRIGGER tr_connections_key_frozen BEFORE UPDATE OF
    workspace_id, id, managed_environment_id, provider_key
    ON provider_connections
BEGIN SELECT RAISE(ABORT, 'provider_connections: its key does not change'); END;

-- Own runs and, as `mirrored`, those of a platform that bindings name as their source.
CREATE TABLE operation_runs (
    workspace_id           BLOB NOT NULL,
    id                     BLOB NOT NULL,
    managed_environment_id BLOB NOT NULL,
    operation_type         TEXT NOT NULL,
    provider_key           TEXT,
    provider_connection_id BLOB,
    scope_key              TEXT,
    initiated_by_user_id   BLOB,
    status                 TEXT NOT NULL,
    outcome                TEXT,
    reason_code            TEXT,
    message                TEXT,
    context                TEXT,
    summary_counts         TEXT,
    origin                 TEXT NOT NULL,
    external_ref           TEXT,
    created_at             TEXT NOT NULL,
    started_at             TEXT,
    ended_at               TEXT,
    updated_at             TEXT NOT NULL,
    CONSTRAINT pk_runs PRIMARY KEY (workspace_id, id),
    CONSTRAINT ux_runs_environment UNIQUE (workspace_id, managed_environment_id, id),
    CONSTRAINT fk_runs_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_runs_connection
        FOREIGN KEY (workspace_id, managed_environment_id, provider_key, provider_connection_id)
        REFERENCES provider_connections (workspace_id, managed_environment_id, provider_key, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_runs_initiator
        FOREIGN KEY (workspace_id, initiated_by_user_id)
        REFERENCES workspace_memberships (workspace_id, user_id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_runs_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_runs_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16
        AND length(managed_environment_id) = 16
        AND length(provider_connection_id) = 16
        AND length(initiated_by_user_id) = 16),
    CONSTRAINT ck_runs_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(started_at AS BLOB)) = 27
        AND started_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(ended_at AS BLOB)) = 27
        AND ended_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_runs_operation_type CHECK (
        operation_type GLOB '[a-z0-9]*'
        AND operation_type NOT GLOB '*[^a-z0-9._-]*'
        AND length(operation_type) <= 64
        AND length(operation_type) = length(CAST(operation_type AS BLOB))),
    CONSTRAINT ck_runs_provider_key CHECK (
        provider_key IS NULL OR (provider_key GLOB '[a-z0-9]*'
            AND provider_key NOT GLOB '*[^a-z0-9_-]*'
            AND length(provider_key) <= 64
            AND length(provider_key) = length(CAST(provider_key AS BLOB)))),
    CONSTRAINT ck_runs_connection_has_provider CHECK (
        provider_connection_id IS NULL OR provider_key IS NOT NULL),
    CONSTRAINT ck_runs_scope_key CHECK (length(CAST(scope_key AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_runs_own_has_scope CHECK (origin <> 'own' OR scope_key IS NOT NULL),
    CONSTRAINT ck_runs_status CHECK (status IN ('queued', 'running', 'completed')),
    CONSTRAINT ck_runs_outcome CHECK (outcome IN ('succeeded', 'partially_succeeded', 'failed', 'cancelled')),
    CONSTRAINT ck_runs_outcome_when_completed CHECK ((status = 'completed') = (outcome IS NOT NULL)),
    CONSTRAINT ck_runs_ended_when_completed CHECK ((status = 'completed') = (ended_at IS NOT NULL)),
    CONSTRAINT ck_runs_started CHECK (
        CASE status
            WHEN 'queued' THEN started_at IS NULL
            WHEN 'running' THEN started_at IS NOT NULL
            ELSE TRUE END),
    CONSTRAINT ck_runs_reason_code CHECK (
        reason_code IS NULL OR (reason_code GLOB '[a-z0-9]*'
            AND reason_code NOT GLOB '*[^a-z0-9._-]*'
            AND length(reason_code) <= 64
            AND length(reason_code) = length(CAST(reason_code AS BLOB)))),
    CONSTRAINT ck_runs_message CHECK (length(CAST(message AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_runs_context CHECK (
        context IS NULL OR (length(CAST(context AS BLOB)) <= 4096
            AND json_valid(context)
            AND json_type(context) = 'object')),
    CONSTRAINT ck_runs_summary_counts CHECK (
        summary_counts IS NULL OR (length(CAST(summary_counts AS BLOB)) <= 4096
            AND json_valid(summary_counts)
            AND json_type(summary_counts) = 'object')),
    CONSTRAINT ck_runs_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_runs_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_runs_mirrored_has_external_ref CHECK (origin <> 'mirrored' OR external_ref IS NOT NULL)
) STRICT;
CREATE TRIGGER tr_runs_no_delete BEFORE DELETE ON operation_runs
BEGIN SELECT RAISE(ABORT, 'operation_runs: nothing is deleted'); END;
CREATE TRIGGER tr_runs_key_frozen BEFORE UPDATE OF
    workspace_id, id, managed_environment_id
    ON operation_runs
BEGIN SELECT RAISE(ABORT, 'operation_runs: its key does not change'); END;

-- What was last observed, one row per environment and key. Nothing is deleted: what is no longer there is
-- marked. Identity and listed metadata only, never a payload.
CREATE TABLE inventory_items (
    workspace_id            BLOB NOT NULL,
    id                      BLOB NOT NULL,
    managed_environment_id  BLOB NOT NULL,
    provider_key            TEXT NOT NULL,
    provider_connection_id  BLOB,
    canonical_subject_key   TEXT NOT NULL,
    canonical_key_version   INTEGER NOT NULL,
    subject_domain          TEXT NOT NULL,
    subject_class           TEXT NOT NULL,
    subject_type_key        TEXT NOT NULL,
    support_level           TEXT NOT NULL,
    resource_type           TEXT NOT NULL,
    provider_resource_id    TEXT,
    external_id             TEXT,
    discriminator           TEXT,
    fingerprint             TEXT,
    built_in                INTEGER NOT NULL,
    is_default              INTEGER NOT NULL,
    is_virtual              INTEGER NOT NULL,
    tenant_owned            INTEGER NOT NULL,
    display_label           TEXT,
    descriptor_digest       TEXT NOT NULL,
    observation_status      TEXT NOT NULL,
    first_observed_at       TEXT NOT NULL,
    last_observed_at        TEXT NOT NULL,
    last_import_id          BLOB,
    last_import_position    INTEGER,
    source_operation_run_id BLOB,
    adapter_digest          TEXT,
    created_at              TEXT NOT NULL,
    updated_at              TEXT NOT NULL,
    CONSTRAINT pk_inventory PRIMARY KEY (workspace_id, id),
    CONSTRAINT ux_inventory_environment UNIQUE (workspace_id, managed_environment_id, id),
    CONSTRAINT ux_inventory_subject UNIQUE (workspace_id, managed_environment_id, canonical_subject_key),
    CONSTRAINT fk_inventory_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_inventory_connection
        FOREIGN KEY (workspace_id, managed_environment_id, provider_key, provider_connection_id)
        REFERENCES provider_connections (workspace_id, managed_environment_id, provider_key, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_inventory_operation_run
        FOREIGN KEY (workspace_id, managed_environment_id, source_operation_run_id)
        REFERENCES operation_runs (workspace_id, managed_environment_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_inventory_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16
        AND length(managed_environment_id) = 16
        AND length(provider_connection_id) = 16
        AND length(last_import_id) = 16
        AND length(source_operation_run_id) = 16),
    CONSTRAINT ck_inventory_times CHECK (
        length(CAST(first_observed_at AS BLOB)) = 27
        AND first_observed_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(last_observed_at AS BLOB)) = 27
        AND last_observed_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_inventory_flags CHECK (
        built_in IN (0, 1)
        AND is_default IN (0, 1)
        AND is_virtual IN (0, 1)
        AND tenant_owned IN (0, 1)),
    CONSTRAINT ck_inventory_provider_key CHECK (
        provider_key GLOB '[a-z0-9]*'
        AND provider_key NOT GLOB '*[^a-z0-9_-]*'
        AND length(provider_key) <= 64
        AND length(provider_key) = length(CAST(provider_key AS BLOB))),
    CONSTRAINT ck_inventory_subject_domain CHECK (
        subject_domain GLOB '[a-z0-9]*'
        AND subject_domain NOT GLOB '*[^a-z0-9_-]*'
        AND length(subject_domain) <= 64
        AND length(subject_domain) = length(CAST(subject_domain AS BLOB))),
    CONSTRAINT ck_inventory_subject_class CHECK (
        subject_class IN (
            'policy', 'foundation', 'assignment_target', 'virtual_assignment_target', 'provider_builtin',
            'provider_default', 'unsupported', 'unknown')),
    CONSTRAINT ck_inventory_subject_type_key CHECK (length(CAST(subject_type_key AS BLOB)) BETWEEN 1 AND 128),
    CONSTRAINT ck_inventory_support_level CHECK (
        support_level IN ('supported', 'inventory_only', 'unsupported')),
    CONSTRAINT ck_inventory_resource_type CHECK (length(CAST(resource_type AS BLOB)) BETWEEN 1 AND 128),
    CONSTRAINT ck_inventory_provider_resource_id CHECK (
        length(CAST(provider_resource_id AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_external_id CHECK (length(CAST(external_id AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_discriminator CHECK (
        discriminator IS NULL OR (discriminator GLOB '[a-z0-9]*'
            AND discriminator NOT GLOB '*[^a-z0-9._-]*'
            AND length(discriminator) <= 512
            AND length(discriminator) = length(CAST(discriminator AS BLOB)))),
    CONSTRAINT ck_inventory_fingerprint CHECK (length(CAST(fingerprint AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_display_label CHECK (length(CAST(display_label AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_key_version CHECK (canonical_key_version >= 1),
    -- Whatever the grammar; what follows holds keys of its first version, and a later one brings its own.
    CONSTRAINT ck_inventory_key_grammar CHECK (
        length(canonical_subject_key) BETWEEN 1 AND 1024
        AND length(canonical_subject_key) = length(CAST(canonical_subject_key AS BLOB))
        AND (canonical_key_version <> 1 OR (canonical_subject_key NOT GLOB '*[^A-Za-z0-9._~%:-]*'
            AND length(canonical_subject_key) - length(replace(canonical_subject_key, ':', '')) = 6
            AND canonical_subject_key NOT GLOB '*::*'
            AND canonical_subject_key NOT GLOB '*:'
            AND (canonical_subject_key GLOB 'provider:*:policy:*:*:*:*'
                 OR canonical_subject_key GLOB 'provider:*:foundation:*:*:*:*'
                 OR canonical_subject_key GLOB 'provider:*:assignment-target:*:*:*:*'
                 OR canonical_subject_key GLOB 'provider:*:virtual-target:*:*:*:*'
                 OR canonical_subject_key GLOB 'provider:*:builtin:*:*:*:*'
                 OR canonical_subject_key GLOB 'provider:*:default:*:*:*:*'
                 OR canonical_subject_key GLOB 'provider:*:unsupported:*:*:*:*'
                 OR canonical_subject_key GLOB 'provider:*:unknown:*:*:*:*')
            AND (canonical_subject_key GLOB '*:*:*:*:*:id:*'
                 OR canonical_subject_key GLOB '*:*:*:*:*:ext:*'
                 OR canonical_subject_key GLOB '*:*:*:*:*:disc:*')
            AND canonical_subject_key NOT GLOB '*%[^0-9A-F]*'
            AND canonical_subject_key NOT GLOB '*%[0-9A-F][^0-9A-F]*'
            AND canonical_subject_key NOT GLOB '*%'
            AND canonical_subject_key NOT GLOB '*%[0-9A-F]'
            AND canonical_subject_key NOT GLOB '*%2[DE]*'
            AND canonical_subject_key NOT GLOB '*%3[0-9]*'
            AND canonical_subject_key NOT GLOB '*%[46][1-9A-F]*'
            AND canonical_subject_key NOT GLOB '*%[57][0-9A]*'
            AND canonical_subject_key NOT GLOB '*%5F*'
            AND canonical_subject_key NOT GLOB '*%7E*'))),
    CONSTRAINT ck_inventory_key_subject CHECK (
        canonical_key_version <> 1 OR instr(
            canonical_subject_key, 'provider:' || provider_key || ':' || CASE subject_class
              WHEN 'assignment_target' THEN 'assignment-target'
              WHEN 'provider_builtin' THEN 'builtin'
              WHEN 'provider_default' THEN 'default'
              WHEN 'virtual_assignment_target' THEN 'virtual-target'
              ELSE subject_class END || ':') = 1),
    CONSTRAINT ck_inventory_key_form CHECK (
        CASE
            WHEN canonical_key_version <> 1 THEN TRUE
            WHEN subject_class IN ('provider_builtin', 'provider_default', 'virtual_assignment_target')
                OR built_in OR is_default OR is_virtual
                THEN canonical_subject_key GLOB '*:*:*:*:*:disc:*'
            WHEN subject_class IN ('policy', 'foundation', 'assignment_target')
                OR tenant_owned
                THEN NOT (canonical_subject_key GLOB '*:*:*:*:*:disc:*')
            ELSE TRUE END),
    CONSTRAINT ck_inventory_key_identity CHECK (
        CASE
            WHEN canonical_key_version <> 1 THEN TRUE
            WHEN canonical_subject_key GLOB '*:*:*:*:*:id:*' THEN provider_resource_id IS NOT NULL
            WHEN canonical_subject_key GLOB '*:*:*:*:*:ext:*' THEN
                provider_resource_id IS NULL AND external_id IS NOT NULL
            ELSE discriminator IS NOT NULL END),
    CONSTRAINT ck_inventory_identity_flags CHECK (
        NOT (tenant_owned AND (built_in OR is_default OR is_virtual))),
    CONSTRAINT ck_inventory_class_flags CHECK (
        CASE
            WHEN subject_class IN ('provider_builtin', 'provider_default', 'virtual_assignment_target')
                THEN NOT tenant_owned
            WHEN subject_class IN ('policy', 'foundation', 'assignment_target')
                THEN NOT (built_in OR is_default OR is_virtual)
            ELSE TRUE END),
    CONSTRAINT ck_inventory_descriptor_digest CHECK (
        descriptor_digest GLOB 'sha256:*'
        AND substr(descriptor_digest, 8) NOT GLOB '*[^0-9a-f]*'
        AND length(descriptor_digest) = 71
        AND length(CAST(descriptor_digest AS BLOB)) = 71),
    CONSTRAINT ck_inventory_adapter_digest CHECK (
        adapter_digest IS NULL OR (adapter_digest GLOB 'sha256:*'
            AND substr(adapter_digest, 8) NOT GLOB '*[^0-9a-f]*'
            AND length(adapter_digest) = 71
            AND length(CAST(adapter_digest AS BLOB)) = 71)),
    CONSTRAINT ck_inventory_observation_status CHECK (observation_status IN ('observed', 'not_observed')),
    -- Where in its import a row was seen, so that a second sighting can name the first.
    CONSTRAINT ck_inventory_import_position CHECK (
        last_import_position >= 0 AND (last_import_position IS NULL OR last_import_id IS NOT NULL)),
    CONSTRAINT ck_inventory_observed_in_order CHECK (first_observed_at <= last_observed_at)
) STRICT;
CREATE TRIGGER tr_inventory_no_delete BEFORE DELETE ON inventory_items
BEGIN SELECT RAISE(ABORT, 'inventory_items: nothing is deleted'); END;
CREATE TRIGGER tr_inventory_key_frozen BEFORE UPDATE OF
    workspace_id, id, managed_environment_id, provider_key, canonical_subject_key,
    canonical_key_version, first_observed_at
    ON inventory_items
BEGIN SELECT RAISE(ABORT, 'inventory_items: its key does not change'); END;

-- Workspace-owned.
CREATE TABLE baseline_profiles (
    workspace_id BLOB NOT NULL,
    id           BLOB NOT NULL,
    display_name TEXT NOT NULL,
    origin       TEXT NOT NULL,
    external_ref TEXT,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    CONSTRAINT pk_profiles PRIMARY KEY (workspace_id, id),
    CONSTRAINT fk_profiles_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_profiles_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_profiles_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16),
    CONSTRAINT ck_profiles_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_profiles_display_name CHECK (length(CAST(display_name AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_profiles_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_profiles_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_profiles_mirrored_has_external_ref CHECK (origin <> 'mirrored' OR external_ref IS NOT NULL),
    CONSTRAINT ck_profiles_not_platform CHECK (workspace_id <> X'00000000000000000000000000000000')
) STRICT;
CREATE TRIGGER tr_profiles_no_delete BEFORE DELETE ON baseline_profiles
BEGIN SELECT RAISE(ABORT, 'baseline_profiles: nothing is deleted'); END;
CREATE TRIGGER tr_profiles_key_frozen BEFORE UPDATE OF
    workspace_id, id
    ON baseline_profiles
BEGIN SELECT RAISE(ABORT, 'baseline_profiles: its key does not change'); END;

-- Workspace-owned, of one profile. Valid for an environment through an assignment of its profile.
CREATE TABLE baseline_snapshots (
    workspace_id        BLOB NOT NULL,
    id                  BLOB NOT NULL,
    baseline_profile_id BLOB NOT NULL,
    version_label       TEXT,
    captured_at         TEXT,
    origin              TEXT NOT NULL,
    external_ref        TEXT,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    CONSTRAINT pk_snapshots PRIMARY KEY (workspace_id, id),
    CONSTRAINT fk_snapshots_profile
        FOREIGN KEY (workspace_id, baseline_profile_id)
        REFERENCES baseline_profiles (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_snapshots_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_snapshots_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16
        AND length(baseline_profile_id) = 16),
    CONSTRAINT ck_snapshots_times CHECK (
        length(CAST(captured_at AS BLOB)) = 27
        AND captured_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_snapshots_version_label CHECK (length(CAST(version_label AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_snapshots_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_snapshots_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_snapshots_mirrored_has_external_ref CHECK (origin <> 'mirrored' OR external_ref IS NOT NULL)
) STRICT;
CREATE INDEX ix_snapshots_profile
    ON baseline_snapshots (workspace_id, baseline_profile_id);
CREATE TRIGGER tr_snapshots_no_delete BEFORE DELETE ON baseline_snapshots
BEGIN SELECT RAISE(ABORT, 'baseline_snapshots: nothing is deleted'); END;
CREATE TRIGGER tr_snapshots_key_frozen BEFORE UPDATE OF
    workspace_id, id, baseline_profile_id
    ON baseline_snapshots
BEGIN SELECT RAISE(ABORT, 'baseline_snapshots: its key does not change'); END;

-- Ended, never deleted. At most one in force per environment and profile.
CREATE TABLE baseline_assignments (
    workspace_id           BLOB NOT NULL,
    id                     BLOB NOT NULL,
    managed_environment_id BLOB NOT NULL,
    baseline_profile_id    BLOB NOT NULL,
    origin                 TEXT NOT NULL,
    external_ref           TEXT,
    created_at             TEXT NOT NULL,
    updated_at             TEXT NOT NULL,
    ended_at               TEXT,
    CONSTRAINT pk_assignments PRIMARY KEY (workspace_id, id),
    CONSTRAINT fk_assignments_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_assignments_profile
        FOREIGN KEY (workspace_id, baseline_profile_id)
        REFERENCES baseline_profiles (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_assignments_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_assignments_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16
        AND length(managed_environment_id) = 16
        AND length(baseline_profile_id) = 16),
    CONSTRAINT ck_assignments_times CHECK (
        length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(ended_at AS BLOB)) = 27
        AND ended_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_assignments_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_assignments_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_assignments_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX ux_assignments_in_force
    ON baseline_assignments (workspace_id, managed_environment_id, baseline_profile_id)
    WHERE ended_at IS NULL;
CREATE TRIGGER tr_assignments_no_delete BEFORE DELETE ON baseline_assignments
BEGIN SELECT RAISE(ABORT, 'baseline_assignments: nothing is deleted'); END;
CREATE TRIGGER tr_assignments_key_frozen BEFORE UPDATE OF
    workspace_id, id, managed_environment_id, baseline_profile_id
    ON baseline_assignments
BEGIN SELECT RAISE(ABORT, 'baseline_assignments: its key does not change'); END;

-- Versions of governed policies that a decision may name as its source.
CREATE TABLE policy_versions (
    workspace_id           BLOB NOT NULL,
    id                     BLOB NOT NULL,
    managed_environment_id BLOB NOT NULL,
    inventory_item_id      BLOB,
    version_label          TEXT,
    captured_at            TEXT,
    origin                 TEXT NOT NULL,
    external_ref           TEXT,
    created_at             TEXT NOT NULL,
    updated_at             TEXT NOT NULL,
    CONSTRAINT pk_policy_versions PRIMARY KEY (workspace_id, id),
    CONSTRAINT ux_policy_versions_environment UNIQUE (workspace_id, managed_environment_id, id),
    CONSTRAINT fk_policy_versions_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_policy_versions_inventory_item
        FOREIGN KEY (workspace_id, managed_environment_id, inventory_item_id)
        REFERENCES inventory_items (workspace_id, managed_environment_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_policy_versions_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_policy_versions_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16
        AND length(managed_environment_id) = 16
        AND length(inventory_item_id) = 16),
    CONSTRAINT ck_policy_versions_times CHECK (
        length(CAST(captured_at AS BLOB)) = 27
        AND captured_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_policy_versions_version_label CHECK (length(CAST(version_label AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_policy_versions_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_policy_versions_external_ref CHECK (length(CAST(external_ref AS BLOB)) BETWEEN 1 AND 255),
    CONSTRAINT ck_policy_versions_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
) STRICT;
CREATE INDEX ix_policy_versions_inventory_item
    ON policy_versions (workspace_id, managed_environment_id, inventory_item_id)
    WHERE inventory_item_id IS NOT NULL;
CREATE TRIGGER tr_policy_versions_no_delete BEFORE DELETE ON policy_versions
BEGIN SELECT RAISE(ABORT, 'policy_versions: nothing is deleted'); END;
CREATE TRIGGER tr_policy_versions_key_frozen BEFORE UPDATE OF
    workspace_id, id, managed_environment_id
    ON policy_versions
BEGIN SELECT RAISE(ABORT, 'policy_versions: its key does not change'); END;

-- One event per mutation and per denied mutation, numbered without gaps and hash-chained per workspace. The
-- columns are the allow-list: no note, label, payload or secret has a place. No reference to bindings, so an
-- event outlives what it tells of.
-- `format` says by which tag and member list `hash` was made: an event is verified by the rules of its own format.
-- It is not itself a member. Format 1: tag `provident-audit-1`, every other column but the two hashes, by name.
CREATE TABLE audit_events (
    workspace_id                BLOB NOT NULL,
    number                      INTEGER NOT NULL,
    event_id                    BLOB NOT NULL,
    occurred_at                 TEXT NOT NULL,
    kind                        TEXT NOT NULL,
    managed_environment_id      BLOB,
    actor_kind                  TEXT NOT NULL,
    actor_user_id               BLOB,
    actor_token_id              BLOB,
    request_id                  TEXT,
    action                      TEXT NOT NULL,
    attempted_action            TEXT,
    denial                      TEXT,
    target_id                   BLOB,
    role                        TEXT,
    old_role                    TEXT,
    provider_key                TEXT,
    provider_connection_id      BLOB,
    canonical_subject_key       TEXT,
    subject_domain              TEXT,
    subject_class               TEXT,
    subject_type_key            TEXT,
    old_binding_id              BLOB,
    old_resolution_mode         TEXT,
    old_binding_status          TEXT,
    new_binding_id              BLOB,
    new_resolution_mode         TEXT,
    new_binding_status          TEXT,
    source_operation_run_id     BLOB,
    source_baseline_snapshot_id BLOB,
    source_inventory_item_id    BLOB,
    source_policy_version_id    BLOB,
    resolution_reason           TEXT,
    note_length                 INTEGER,
    note_hmac                   TEXT,
    note_key_version            INTEGER,
    key_version                 INTEGER,
    operation_type              TEXT,
    run_outcome                 TEXT,
    run_reason_code             TEXT,
    import_id                   BLOB,
    added_count                 INTEGER,
    changed_count               INTEGER,
    unchanged_count             INTEGER,
    refused_count               INTEGER,
    format                      INTEGER NOT NULL,
    previous_hash               TEXT NOT NULL,
    hash                        TEXT NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (workspace_id, number),
    CONSTRAINT ux_events_event UNIQUE (workspace_id, event_id),
    CONSTRAINT fk_events_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_events_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_events_ids CHECK (
        length(workspace_id) = 16
        AND length(event_id) = 16
        AND length(managed_environment_id) = 16
        AND length(actor_user_id) = 16
        AND length(actor_token_id) = 16
        AND length(target_id) = 16
        AND length(provider_connection_id) = 16
        AND length(old_binding_id) = 16
        AND length(new_binding_id) = 16
        AND length(source_operation_run_id) = 16
        AND length(source_baseline_snapshot_id) = 16
        AND length(source_inventory_item_id) = 16
        AND length(source_policy_version_id) = 16
        AND length(import_id) = 16),
    CONSTRAINT ck_events_times CHECK (
        length(CAST(occurred_at AS BLOB)) = 27
        AND occurred_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_events_number CHECK (number >= 1),
    CONSTRAINT ck_events_kind CHECK (kind IN ('tenant', 'system')),
    CONSTRAINT ck_events_actor_kind CHECK (actor_kind IN ('operator', 'system')),
    -- A stranger's denial may name no user at all.
    CONSTRAINT ck_events_actor CHECK (actor_kind = 'system' OR actor_user_id IS NOT NULL OR denial IS NOT NULL),
    CONSTRAINT ck_events_request_id CHECK (length(CAST(request_id AS BLOB)) BETWEEN 1 AND 128),
    CONSTRAINT ck_events_action CHECK (
        action GLOB '[a-z]*.[a-z]*'
        AND action NOT GLOB '*[^a-z._-]*'
        AND action NOT GLOB '*.*.*'
        AND length(action) <= 64
        AND length(action) = length(CAST(action AS BLOB))),
    CONSTRAINT ck_events_attempted_action CHECK (
        attempted_action IS NULL OR (attempted_action GLOB '[a-z]*.[a-z]*'
            AND attempted_action NOT GLOB '*[^a-z._-]*'
            AND attempted_action NOT GLOB '*.*.*'
            AND length(attempted_action) <= 64
            AND length(attempted_action) = length(CAST(attempted_action AS BLOB)))),
    CONSTRAINT ck_events_denial CHECK (denial IN ('not-found', 'forbidden')),
    CONSTRAINT ck_events_denied CHECK (
        (denial IS NOT NULL) = (action LIKE '%.denied')
        AND (denial IS NOT NULL) = (attempted_action IS NOT NULL)),
    CONSTRAINT ck_events_role CHECK (role IN ('owner', 'manager', 'operator', 'readonly')),
    CONSTRAINT ck_events_old_role CHECK (old_role IN ('owner', 'manager', 'operator', 'readonly')),
    CONSTRAINT ck_events_provider_key CHECK (
        provider_key IS NULL OR (provider_key GLOB '[a-z0-9]*'
            AND provider_key NOT GLOB '*[^a-z0-9_-]*'
            AND length(provider_key) <= 64
            AND length(provider_key) = length(CAST(provider_key AS BLOB)))),
    CONSTRAINT ck_events_canonical_subject_key CHECK (
        length(CAST(canonical_subject_key AS BLOB)) BETWEEN 1 AND 1024),
    CONSTRAINT ck_events_subject_domain CHECK (
        subject_domain IS NULL OR (subject_domain GLOB '[a-z0-9]*'
            AND subject_domain NOT GLOB '*[^a-z0-9_-]*'
            AND length(subject_domain) <= 64
            AND length(subject_domain) = length(CAST(subject_domain AS BLOB)))),
    CONSTRAINT ck_events_subject_class CHECK (
        subject_class IN (
            'policy', 'foundation', 'assignment_target', 'virtual_assignment_target', 'provider_builtin',
            'provider_default', 'unsupported', 'unknown')),
    CONSTRAINT ck_events_subject_type_key CHECK (length(CAST(subject_type_key AS BLOB)) BETWEEN 1 AND 128),
    CONSTRAINT ck_events_old_resolution_mode CHECK (
        old_resolution_mode IN (
            'exact_provider_identity', 'canonical_builtin', 'canonical_virtual_target', 'manual_binding',
            'excluded_non_governed', 'accepted_limitation', 'unsupported_coverage', 'missing_expected')),
    CONSTRAINT ck_events_old_binding_status CHECK (old_binding_status IN ('active', 'superseded', 'revoked')),
    CONSTRAINT ck_events_old_binding CHECK (
        (old_binding_id IS NULL) = (old_resolution_mode IS NULL)
        AND (old_binding_id IS NULL) = (old_binding_status IS NULL)),
    CONSTRAINT ck_events_new_resolution_mode CHECK (
        new_resolution_mode IN (
            'exact_provider_identity', 'canonical_builtin', 'canonical_virtual_target', 'manual_binding',
            'excluded_non_governed', 'accepted_limitation', 'unsupported_coverage', 'missing_expected')),
    CONSTRAINT ck_events_new_binding_status CHECK (new_binding_status IN ('active', 'superseded', 'revoked')),
    CONSTRAINT ck_events_new_binding CHECK (
        (new_binding_id IS NULL) = (new_resolution_mode IS NULL)
        AND (new_binding_id IS NULL) = (new_binding_status IS NULL)),
    CONSTRAINT ck_events_resolution_reason CHECK (
        resolution_reason IS NULL OR (resolution_reason GLOB '[a-z0-9]*'
            AND resolution_reason NOT GLOB '*[^a-z0-9-]*'
            AND resolution_reason NOT GLOB '*--*'
            AND resolution_reason NOT GLOB '*-'
            AND length(resolution_reason) <= 64
            AND length(resolution_reason) = length(CAST(resolution_reason AS BLOB)))),
    CONSTRAINT ck_events_note_length CHECK (note_length BETWEEN 1 AND 2000),
    CONSTRAINT ck_events_note_hmac CHECK (
        note_hmac IS NULL OR (length(CAST(note_hmac AS BLOB)) = 64
            AND note_hmac NOT GLOB '*[^0-9a-f]*'
            AND length(note_hmac) = 64)),
    CONSTRAINT ck_events_note_key_version CHECK (note_key_version >= 1),
    CONSTRAINT ck_events_note CHECK (
        (note_length IS NULL) = (note_hmac IS NULL)
        AND (note_length IS NULL) = (note_key_version IS NULL)),
    CONSTRAINT ck_events_counts CHECK (
        added_count >= 0
        AND changed_count >= 0
        AND unchanged_count >= 0
        AND refused_count >= 0),
    CONSTRAINT ck_events_import CHECK (
        (added_count IS NULL) = (changed_count IS NULL)
        AND (added_count IS NULL) = (unchanged_count IS NULL)
        AND (added_count IS NULL) = (refused_count IS NULL)
        AND (import_id IS NULL OR added_count IS NOT NULL)),
    CONSTRAINT ck_events_key_version CHECK (key_version >= 1),
    CONSTRAINT ck_events_operation_type CHECK (
        operation_type IS NULL OR (operation_type GLOB '[a-z0-9]*'
            AND operation_type NOT GLOB '*[^a-z0-9._-]*'
            AND length(operation_type) <= 64
            AND length(operation_type) = length(CAST(operation_type AS BLOB)))),
    CONSTRAINT ck_events_run_outcome CHECK (
        run_outcome IN ('succeeded', 'partially_succeeded', 'failed', 'cancelled')),
    CONSTRAINT ck_events_run_reason_code CHECK (
        run_reason_code IS NULL OR (run_reason_code GLOB '[a-z0-9]*'
            AND run_reason_code NOT GLOB '*[^a-z0-9._-]*'
            AND length(run_reason_code) <= 64
            AND length(run_reason_code) = length(CAST(run_reason_code AS BLOB)))),
    CONSTRAINT ck_events_format CHECK (format >= 1),
    CONSTRAINT ck_events_previous_hash CHECK (
        length(CAST(previous_hash AS BLOB)) = 64
        AND previous_hash NOT GLOB '*[^0-9a-f]*'
        AND length(previous_hash) = 64),
    CONSTRAINT ck_events_hash CHECK (
        length(CAST(hash AS BLOB)) = 64
        AND hash NOT GLOB '*[^0-9a-f]*'
        AND length(hash) = 64),
    CONSTRAINT ck_events_genesis CHECK (
        (number = 1) = (previous_hash = '0000000000000000000000000000000000000000000000000000000000000000'))
) STRICT;
CREATE INDEX ix_events_environment
    ON audit_events (workspace_id, managed_environment_id, number);
CREATE TRIGGER tr_events_no_update BEFORE UPDATE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit_events: an event does not change'); END;
CREATE TRIGGER tr_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit_events: nothing is deleted'); END;

-- The end of each workspace's chain, and the key its notes are fingerprinted with, sealed under the master
-- key. The last row a transaction locks.
CREATE TABLE audit_heads (
    workspace_id     BLOB NOT NULL,
    last_number      INTEGER NOT NULL,
    last_hash        TEXT NOT NULL,
    note_key_sealed  BLOB NOT NULL,
    note_key_version INTEGER NOT NULL,
    updated_at       TEXT NOT NULL,
    CONSTRAINT pk_heads PRIMARY KEY (workspace_id),
    CONSTRAINT fk_heads_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_heads_ids CHECK (
        length(workspace_id) = 16),
    CONSTRAINT ck_heads_times CHECK (
        length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    CONSTRAINT ck_heads_last_number CHECK (last_number >= 0),
    CONSTRAINT ck_heads_last_hash CHECK (
        length(CAST(last_hash AS BLOB)) = 64
        AND last_hash NOT GLOB '*[^0-9a-f]*'
        AND length(last_hash) = 64),
    CONSTRAINT ck_heads_genesis CHECK (
        (last_number = 0) = (last_hash = '0000000000000000000000000000000000000000000000000000000000000000')),
    CONSTRAINT ck_heads_note_key_sealed CHECK (length(note_key_sealed) BETWEEN 32 AND 1024),
    CONSTRAINT ck_heads_note_key_version CHECK (note_key_version >= 1)
) STRICT;
CREATE TRIGGER tr_heads_forward BEFORE UPDATE OF last_number ON audit_heads
WHEN NEW.last_number < OLD.last_number
BEGIN SELECT RAISE(ABORT, 'audit_heads: a chain does not get shorter'); END;
CREATE TRIGGER tr_heads_no_delete BEFORE DELETE ON audit_heads
BEGIN SELECT RAISE(ABORT, 'audit_heads: nothing is deleted'); END;
CREATE TRIGGER tr_heads_key_frozen BEFORE UPDATE OF
    workspace_id
    ON audit_heads
BEGIN SELECT RAISE(ABORT, 'audit_heads: its key does not change'); END;

-- Where the platform's own audit chain hangs.
INSERT INTO workspaces (id, slug, display_name, created_at)
VALUES (X'00000000000000000000000000000000', 'platform', 'Platform', '1970-01-01T00:00:00.000000Z');
