-- Every key of a tenant's table starts with workspace_id, so a reference into another workspace cannot be
-- written down. No clock and no chance in SQL: the host gives every value. No triggers: what a row lets change
-- is decided by the privileges of the role that writes it.

-- Platform table. The nil id, slug `platform`, holds the platform's own audit chain and no tenant's data.
CREATE TABLE workspaces (
    id           uuid NOT NULL,
    slug         text COLLATE "C" NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    created_at   timestamptz NOT NULL,
    CONSTRAINT pk_workspaces PRIMARY KEY (id),
    CONSTRAINT ux_workspaces_slug UNIQUE (slug),
    CONSTRAINT ck_workspaces_slug CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    CONSTRAINT ck_workspaces_display_name CHECK (octet_length(display_name) BETWEEN 1 AND 512),
    CONSTRAINT ck_workspaces_platform_is_nil CHECK (
        (id = '00000000-0000-0000-0000-000000000000') = (slug = 'platform'))
);

-- Platform table. People and, as `service`, the backends that act with credentials of their own.
CREATE TABLE users (
    id           uuid NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    created_at   timestamptz NOT NULL,
    disabled_at  timestamptz,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT ck_users_display_name CHECK (octet_length(display_name) BETWEEN 1 AND 512),
    CONSTRAINT ck_users_kind CHECK (kind IN ('person', 'service'))
);

-- Where governed resources live. Its workspace is part of its key and so never changes.
CREATE TABLE managed_environments (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    origin       text COLLATE "C" NOT NULL,
    external_ref text COLLATE "C",
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT pk_environments PRIMARY KEY (workspace_id, id),
    CONSTRAINT fk_environments_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_environments_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_environments_display_name CHECK (octet_length(display_name) BETWEEN 1 AND 512),
    CONSTRAINT ck_environments_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_environments_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_environments_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL),
    CONSTRAINT ck_environments_not_platform CHECK (workspace_id <> '00000000-0000-0000-0000-000000000000')
);

-- Ended, never deleted; re-opening updates the row. Decisions reference it, so who decided was a member.
CREATE TABLE workspace_memberships (
    workspace_id uuid NOT NULL,
    user_id      uuid NOT NULL,
    role         text COLLATE "C" NOT NULL,
    origin       text COLLATE "C" NOT NULL,
    external_ref text COLLATE "C",
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    ended_at     timestamptz,
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
    CONSTRAINT ck_memberships_role CHECK (role IN ('owner', 'manager', 'operator', 'readonly')),
    CONSTRAINT ck_memberships_not_platform CHECK (workspace_id <> '00000000-0000-0000-0000-000000000000'),
    CONSTRAINT ck_memberships_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_memberships_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_memberships_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
);

-- Which members see which environment. Ended, never deleted; re-opening updates the row.
CREATE TABLE environment_entitlements (
    workspace_id           uuid NOT NULL,
    managed_environment_id uuid NOT NULL,
    user_id                uuid NOT NULL,
    origin                 text COLLATE "C" NOT NULL,
    external_ref           text COLLATE "C",
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    ended_at               timestamptz,
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
    CONSTRAINT ck_entitlements_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_entitlements_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_entitlements_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
);
CREATE INDEX ix_entitlements_user
    ON environment_entitlements (workspace_id, user_id);

-- Within an environment one provider key means one directory. A NULL directory is not yet known; once known it
-- stays.
CREATE TABLE environment_directories (
    workspace_id           uuid NOT NULL,
    managed_environment_id uuid NOT NULL,
    provider_key           text COLLATE "C" NOT NULL,
    directory_id           text COLLATE "C",
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    CONSTRAINT pk_directories PRIMARY KEY (workspace_id, managed_environment_id, provider_key),
    CONSTRAINT ux_directories_directory UNIQUE (workspace_id, managed_environment_id, provider_key, directory_id),
    CONSTRAINT fk_directories_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_directories_provider_key CHECK (provider_key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    CONSTRAINT ck_directories_directory_id CHECK (octet_length(directory_id) BETWEEN 1 AND 255)
);

-- Two foreign keys to the directory: a composite key with a NULL in it is not looked at, so the first holds
-- the three columns that are never NULL, and the second refuses another directory as soon as one is named.
CREATE TABLE provider_connections (
    workspace_id           uuid NOT NULL,
    id                     uuid NOT NULL,
    managed_environment_id uuid NOT NULL,
    provider_key           text COLLATE "C" NOT NULL,
    directory_id           text COLLATE "C",
    display_name           text COLLATE "C" NOT NULL,
    status                 text COLLATE "C" NOT NULL,
    is_default             boolean NOT NULL,
    health_status          text COLLATE "C" NOT NULL,
    health_reason_code     text COLLATE "C",
    health_checked_at      timestamptz,
    origin                 text COLLATE "C" NOT NULL,
    external_ref           text COLLATE "C",
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
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
    CONSTRAINT ck_connections_provider_key CHECK (provider_key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    CONSTRAINT ck_connections_display_name CHECK (octet_length(display_name) BETWEEN 1 AND 512),
    CONSTRAINT ck_connections_status CHECK (status IN ('enabled', 'disabled')),
    CONSTRAINT ck_connections_health_status CHECK (
        health_status IN ('unknown', 'healthy', 'degraded', 'unhealthy')),
    CONSTRAINT ck_connections_health_reason_code CHECK (
        health_reason_code IS NULL OR (health_reason_code ~ '^[a-z0-9][a-z0-9._-]{0,63}$')),
    CONSTRAINT ck_connections_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_connections_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_connections_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
);
CREATE UNIQUE INDEX ux_connections_default
    ON provider_connections (workspace_id, managed_environment_id, provider_key)
    WHERE is_default;

-- Own runs and, as `mirrored`, those of a platform that bindings name as their source.
CREATE TABLE operation_runs (
    workspace_id           uuid NOT NULL,
    id                     uuid NOT NULL,
    managed_environment_id uuid NOT NULL,
    operation_type         text COLLATE "C" NOT NULL,
    provider_key           text COLLATE "C",
    provider_connection_id uuid,
    scope_key              text COLLATE "C",
    initiated_by_user_id   uuid,
    status                 text COLLATE "C" NOT NULL,
    outcome                text COLLATE "C",
    reason_code            text COLLATE "C",
    message                text COLLATE "C",
    context                text COLLATE "C",
    summary_counts         text COLLATE "C",
    origin                 text COLLATE "C" NOT NULL,
    external_ref           text COLLATE "C",
    created_at             timestamptz NOT NULL,
    started_at             timestamptz,
    ended_at               timestamptz,
    updated_at             timestamptz NOT NULL,
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
    CONSTRAINT ck_runs_operation_type CHECK (operation_type ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    CONSTRAINT ck_runs_provider_key CHECK (
        provider_key IS NULL OR (provider_key ~ '^[a-z0-9][a-z0-9_-]{0,63}$')),
    CONSTRAINT ck_runs_connection_has_provider CHECK (
        provider_connection_id IS NULL OR provider_key IS NOT NULL),
    CONSTRAINT ck_runs_scope_key CHECK (octet_length(scope_key) BETWEEN 1 AND 512),
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
        reason_code IS NULL OR (reason_code ~ '^[a-z0-9][a-z0-9._-]{0,63}$')),
    CONSTRAINT ck_runs_message CHECK (octet_length(message) BETWEEN 1 AND 512),
    CONSTRAINT ck_runs_context CHECK (
        context IS NULL OR (octet_length(context) <= 4096
            AND json_typeof(CAST(context AS json)) = 'object')),
    CONSTRAINT ck_runs_summary_counts CHECK (
        summary_counts IS NULL OR (octet_length(summary_counts) <= 4096
            AND json_typeof(CAST(summary_counts AS json)) = 'object')),
    CONSTRAINT ck_runs_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_runs_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_runs_mirrored_has_external_ref CHECK (origin <> 'mirrored' OR external_ref IS NOT NULL)
);

-- What was last observed, one row per environment and key. Nothing is deleted: what is no longer there is
-- marked. Identity and listed metadata only, never a payload.
CREATE TABLE inventory_items (
    workspace_id            uuid NOT NULL,
    id                      uuid NOT NULL,
    managed_environment_id  uuid NOT NULL,
    provider_key            text COLLATE "C" NOT NULL,
    provider_connection_id  uuid,
    canonical_subject_key   text COLLATE "C" NOT NULL,
    canonical_key_version   integer NOT NULL,
    subject_domain          text COLLATE "C" NOT NULL,
    subject_class           text COLLATE "C" NOT NULL,
    subject_type_key        text COLLATE "C" NOT NULL,
    support_level           text COLLATE "C" NOT NULL,
    resource_type           text COLLATE "C" NOT NULL,
    provider_resource_id    text COLLATE "C",
    external_id             text COLLATE "C",
    discriminator           text COLLATE "C",
    fingerprint             text COLLATE "C",
    built_in                boolean NOT NULL,
    is_default              boolean NOT NULL,
    is_virtual              boolean NOT NULL,
    tenant_owned            boolean NOT NULL,
    display_label           text COLLATE "C",
    descriptor_digest       text COLLATE "C" NOT NULL,
    observation_status      text COLLATE "C" NOT NULL,
    first_observed_at       timestamptz NOT NULL,
    last_observed_at        timestamptz NOT NULL,
    last_import_id          uuid,
    last_import_position    bigint,
    source_operation_run_id uuid,
    adapter_digest          text COLLATE "C",
    created_at              timestamptz NOT NULL,
    updated_at              timestamptz NOT NULL,
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
    CONSTRAINT ck_inventory_provider_key CHECK (provider_key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    CONSTRAINT ck_inventory_subject_domain CHECK (subject_domain ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    CONSTRAINT ck_inventory_subject_class CHECK (
        subject_class IN (
            'policy', 'foundation', 'assignment_target', 'virtual_assignment_target', 'provider_builtin',
            'provider_default', 'unsupported', 'unknown')),
    CONSTRAINT ck_inventory_subject_type_key CHECK (octet_length(subject_type_key) BETWEEN 1 AND 128),
    CONSTRAINT ck_inventory_support_level CHECK (
        support_level IN ('supported', 'inventory_only', 'unsupported')),
    CONSTRAINT ck_inventory_resource_type CHECK (octet_length(resource_type) BETWEEN 1 AND 128),
    CONSTRAINT ck_inventory_provider_resource_id CHECK (octet_length(provider_resource_id) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_external_id CHECK (octet_length(external_id) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_discriminator CHECK (
        discriminator IS NULL OR (discriminator ~ '^[a-z0-9][a-z0-9._-]*$'
            AND octet_length(discriminator) <= 512)),
    CONSTRAINT ck_inventory_fingerprint CHECK (octet_length(fingerprint) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_display_label CHECK (octet_length(display_label) BETWEEN 1 AND 512),
    CONSTRAINT ck_inventory_key_version CHECK (canonical_key_version >= 1),
    -- Whatever the grammar; what follows holds keys of its first version, and a later one brings its own.
    CONSTRAINT ck_inventory_key_grammar CHECK (
        octet_length(canonical_subject_key) BETWEEN 1 AND 1024
        AND octet_length(canonical_subject_key) = length(canonical_subject_key)
        AND (canonical_key_version <> 1 OR (canonical_subject_key ~ ('^provider:[a-z0-9_-]+'
                || ':(policy|foundation|assignment-target|virtual-target|builtin|default|unsupported|unknown)'
                || ':([A-Za-z0-9._~-]|%[0-9A-F]{2})+:([A-Za-z0-9._~-]|%[0-9A-F]{2})+'
                || ':(id|ext|disc):([A-Za-z0-9._~-]|%[0-9A-F]{2})+$')
            AND canonical_subject_key !~ '%(2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)'))),
    CONSTRAINT ck_inventory_key_subject CHECK (
        canonical_key_version <> 1 OR starts_with(
            canonical_subject_key, 'provider:' || provider_key || ':' || CASE subject_class
              WHEN 'assignment_target' THEN 'assignment-target'
              WHEN 'provider_builtin' THEN 'builtin'
              WHEN 'provider_default' THEN 'default'
              WHEN 'virtual_assignment_target' THEN 'virtual-target'
              ELSE subject_class END || ':')),
    CONSTRAINT ck_inventory_key_form CHECK (
        CASE
            WHEN canonical_key_version <> 1 THEN TRUE
            WHEN subject_class IN ('provider_builtin', 'provider_default', 'virtual_assignment_target')
                OR built_in OR is_default OR is_virtual
                THEN canonical_subject_key LIKE '%:%:%:%:%:disc:%'
            WHEN subject_class IN ('policy', 'foundation', 'assignment_target')
                OR tenant_owned
                THEN NOT canonical_subject_key LIKE '%:%:%:%:%:disc:%'
            ELSE TRUE END),
    CONSTRAINT ck_inventory_key_identity CHECK (
        CASE
            WHEN canonical_key_version <> 1 THEN TRUE
            WHEN canonical_subject_key LIKE '%:%:%:%:%:id:%' THEN provider_resource_id IS NOT NULL
            WHEN canonical_subject_key LIKE '%:%:%:%:%:ext:%' THEN
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
    CONSTRAINT ck_inventory_descriptor_digest CHECK (descriptor_digest ~ '^sha256:[0-9a-f]{64}$'),
    CONSTRAINT ck_inventory_adapter_digest CHECK (
        adapter_digest IS NULL OR (adapter_digest ~ '^sha256:[0-9a-f]{64}$')),
    CONSTRAINT ck_inventory_observation_status CHECK (observation_status IN ('observed', 'not_observed')),
    -- Where in its import a row was seen, so that a second sighting can name the first.
    CONSTRAINT ck_inventory_import_position CHECK (
        last_import_position >= 0 AND (last_import_position IS NULL OR last_import_id IS NOT NULL)),
    CONSTRAINT ck_inventory_observed_in_order CHECK (first_observed_at <= last_observed_at)
);

-- Workspace-owned.
CREATE TABLE baseline_profiles (
    workspace_id uuid NOT NULL,
    id           uuid NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    origin       text COLLATE "C" NOT NULL,
    external_ref text COLLATE "C",
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT pk_profiles PRIMARY KEY (workspace_id, id),
    CONSTRAINT fk_profiles_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_profiles_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_profiles_display_name CHECK (octet_length(display_name) BETWEEN 1 AND 512),
    CONSTRAINT ck_profiles_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_profiles_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_profiles_mirrored_has_external_ref CHECK (origin <> 'mirrored' OR external_ref IS NOT NULL),
    CONSTRAINT ck_profiles_not_platform CHECK (workspace_id <> '00000000-0000-0000-0000-000000000000')
);

-- Workspace-owned, of one profile. Valid for an environment through an assignment of its profile.
CREATE TABLE baseline_snapshots (
    workspace_id        uuid NOT NULL,
    id                  uuid NOT NULL,
    baseline_profile_id uuid NOT NULL,
    version_label       text COLLATE "C",
    captured_at         timestamptz,
    origin              text COLLATE "C" NOT NULL,
    external_ref        text COLLATE "C",
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    CONSTRAINT pk_snapshots PRIMARY KEY (workspace_id, id),
    CONSTRAINT fk_snapshots_profile
        FOREIGN KEY (workspace_id, baseline_profile_id)
        REFERENCES baseline_profiles (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ux_snapshots_external_ref UNIQUE (workspace_id, external_ref),
    CONSTRAINT ck_snapshots_version_label CHECK (octet_length(version_label) BETWEEN 1 AND 255),
    CONSTRAINT ck_snapshots_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_snapshots_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_snapshots_mirrored_has_external_ref CHECK (origin <> 'mirrored' OR external_ref IS NOT NULL)
);
CREATE INDEX ix_snapshots_profile
    ON baseline_snapshots (workspace_id, baseline_profile_id);

-- Ended, never deleted. At most one in force per environment and profile.
CREATE TABLE baseline_assignments (
    workspace_id           uuid NOT NULL,
    id                     uuid NOT NULL,
    managed_environment_id uuid NOT NULL,
    baseline_profile_id    uuid NOT NULL,
    origin                 text COLLATE "C" NOT NULL,
    external_ref           text COLLATE "C",
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
    ended_at               timestamptz,
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
    CONSTRAINT ck_assignments_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_assignments_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_assignments_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
);
CREATE UNIQUE INDEX ux_assignments_in_force
    ON baseline_assignments (workspace_id, managed_environment_id, baseline_profile_id)
    WHERE ended_at IS NULL;

-- Versions of governed policies that a decision may name as its source.
CREATE TABLE policy_versions (
    workspace_id           uuid NOT NULL,
    id                     uuid NOT NULL,
    managed_environment_id uuid NOT NULL,
    inventory_item_id      uuid,
    version_label          text COLLATE "C",
    captured_at            timestamptz,
    origin                 text COLLATE "C" NOT NULL,
    external_ref           text COLLATE "C",
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL,
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
    CONSTRAINT ck_policy_versions_version_label CHECK (octet_length(version_label) BETWEEN 1 AND 255),
    CONSTRAINT ck_policy_versions_origin CHECK (origin IN ('own', 'mirrored')),
    CONSTRAINT ck_policy_versions_external_ref CHECK (octet_length(external_ref) BETWEEN 1 AND 255),
    CONSTRAINT ck_policy_versions_mirrored_has_external_ref CHECK (
        origin <> 'mirrored' OR external_ref IS NOT NULL)
);
CREATE INDEX ix_policy_versions_inventory_item
    ON policy_versions (workspace_id, managed_environment_id, inventory_item_id)
    WHERE inventory_item_id IS NOT NULL;

-- One event per mutation and per denied mutation, numbered without gaps and hash-chained per workspace. The
-- columns are the allow-list: no note, label, payload or secret has a place. No reference to bindings, so an
-- event outlives what it tells of.
-- `format` says by which tag and member list `hash` was made: an event is verified by the rules of its own format.
-- It is not itself a member. Format 1: tag `provident-audit-1`, every other column but the two hashes, by name.
CREATE TABLE audit_events (
    workspace_id                uuid NOT NULL,
    number                      bigint NOT NULL,
    event_id                    uuid NOT NULL,
    occurred_at                 timestamptz NOT NULL,
    kind                        text COLLATE "C" NOT NULL,
    managed_environment_id      uuid,
    actor_kind                  text COLLATE "C" NOT NULL,
    actor_user_id               uuid,
    actor_token_id              uuid,
    request_id                  text COLLATE "C",
    action                      text COLLATE "C" NOT NULL,
    attempted_action            text COLLATE "C",
    denial                      text COLLATE "C",
    target_id                   uuid,
    role                        text COLLATE "C",
    old_role                    text COLLATE "C",
    provider_key                text COLLATE "C",
    provider_connection_id      uuid,
    canonical_subject_key       text COLLATE "C",
    subject_domain              text COLLATE "C",
    subject_class               text COLLATE "C",
    subject_type_key            text COLLATE "C",
    old_binding_id              uuid,
    old_resolution_mode         text COLLATE "C",
    old_binding_status          text COLLATE "C",
    new_binding_id              uuid,
    new_resolution_mode         text COLLATE "C",
    new_binding_status          text COLLATE "C",
    source_operation_run_id     uuid,
    source_baseline_snapshot_id uuid,
    source_inventory_item_id    uuid,
    source_policy_version_id    uuid,
    resolution_reason           text COLLATE "C",
    note_length                 integer,
    note_hmac                   text COLLATE "C",
    note_key_version            integer,
    key_version                 integer,
    operation_type              text COLLATE "C",
    run_outcome                 text COLLATE "C",
    run_reason_code             text COLLATE "C",
    import_id                   uuid,
    added_count                 bigint,
    changed_count               bigint,
    unchanged_count             bigint,
    refused_count               bigint,
    format                      integer NOT NULL,
    previous_hash               text COLLATE "C" NOT NULL,
    hash                        text COLLATE "C" NOT NULL,
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
    CONSTRAINT ck_events_number CHECK (number >= 1),
    CONSTRAINT ck_events_kind CHECK (kind IN ('tenant', 'system')),
    CONSTRAINT ck_events_actor_kind CHECK (actor_kind IN ('operator', 'system')),
    -- A stranger's denial may name no user at all.
    CONSTRAINT ck_events_actor CHECK (actor_kind = 'system' OR actor_user_id IS NOT NULL OR denial IS NOT NULL),
    CONSTRAINT ck_events_request_id CHECK (octet_length(request_id) BETWEEN 1 AND 128),
    CONSTRAINT ck_events_action CHECK (
        action ~ '^[a-z][a-z_-]*[.][a-z][a-z_-]*$'
        AND octet_length(action) <= 64),
    CONSTRAINT ck_events_attempted_action CHECK (
        attempted_action IS NULL OR (attempted_action ~ '^[a-z][a-z_-]*[.][a-z][a-z_-]*$'
            AND octet_length(attempted_action) <= 64)),
    CONSTRAINT ck_events_denial CHECK (denial IN ('not-found', 'forbidden')),
    CONSTRAINT ck_events_denied CHECK (
        (denial IS NOT NULL) = (action LIKE '%.denied')
        AND (denial IS NOT NULL) = (attempted_action IS NOT NULL)),
    CONSTRAINT ck_events_role CHECK (role IN ('owner', 'manager', 'operator', 'readonly')),
    CONSTRAINT ck_events_old_role CHECK (old_role IN ('owner', 'manager', 'operator', 'readonly')),
    CONSTRAINT ck_events_provider_key CHECK (
        provider_key IS NULL OR (provider_key ~ '^[a-z0-9][a-z0-9_-]{0,63}$')),
    CONSTRAINT ck_events_canonical_subject_key CHECK (octet_length(canonical_subject_key) BETWEEN 1 AND 1024),
    CONSTRAINT ck_events_subject_domain CHECK (
        subject_domain IS NULL OR (subject_domain ~ '^[a-z0-9][a-z0-9_-]{0,63}$')),
    CONSTRAINT ck_events_subject_class CHECK (
        subject_class IN (
            'policy', 'foundation', 'assignment_target', 'virtual_assignment_target', 'provider_builtin',
            'provider_default', 'unsupported', 'unknown')),
    CONSTRAINT ck_events_subject_type_key CHECK (octet_length(subject_type_key) BETWEEN 1 AND 128),
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
        resolution_reason IS NULL OR (resolution_reason ~ '^[a-z0-9]+(-[a-z0-9]+)*$'
            AND octet_length(resolution_reason) <= 64)),
    CONSTRAINT ck_events_note_length CHECK (note_length BETWEEN 1 AND 2000),
    CONSTRAINT ck_events_note_hmac CHECK (
        note_hmac IS NULL OR (note_hmac ~ '^[0-9a-f]{64}$')),
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
        operation_type IS NULL OR (operation_type ~ '^[a-z0-9][a-z0-9._-]{0,63}$')),
    CONSTRAINT ck_events_run_outcome CHECK (
        run_outcome IN ('succeeded', 'partially_succeeded', 'failed', 'cancelled')),
    CONSTRAINT ck_events_run_reason_code CHECK (
        run_reason_code IS NULL OR (run_reason_code ~ '^[a-z0-9][a-z0-9._-]{0,63}$')),
    CONSTRAINT ck_events_format CHECK (format >= 1),
    CONSTRAINT ck_events_previous_hash CHECK (previous_hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_events_hash CHECK (hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_events_genesis CHECK (
        (number = 1) = (previous_hash = '0000000000000000000000000000000000000000000000000000000000000000'))
);
CREATE INDEX ix_events_environment
    ON audit_events (workspace_id, managed_environment_id, number);

-- The end of each workspace's chain, and the key its notes are fingerprinted with, sealed under the master
-- key. The last row a transaction locks.
CREATE TABLE audit_heads (
    workspace_id     uuid NOT NULL,
    last_number      bigint NOT NULL,
    last_hash        text COLLATE "C" NOT NULL,
    note_key_sealed  bytea NOT NULL,
    note_key_version integer NOT NULL,
    updated_at       timestamptz NOT NULL,
    CONSTRAINT pk_heads PRIMARY KEY (workspace_id),
    CONSTRAINT fk_heads_workspace
        FOREIGN KEY (workspace_id)
        REFERENCES workspaces (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT ck_heads_last_number CHECK (last_number >= 0),
    CONSTRAINT ck_heads_last_hash CHECK (last_hash ~ '^[0-9a-f]{64}$'),
    CONSTRAINT ck_heads_genesis CHECK (
        (last_number = 0) = (last_hash = '0000000000000000000000000000000000000000000000000000000000000000')),
    CONSTRAINT ck_heads_note_key_sealed CHECK (octet_length(note_key_sealed) BETWEEN 32 AND 1024),
    CONSTRAINT ck_heads_note_key_version CHECK (note_key_version >= 1)
);

-- Where the platform's own audit chain hangs.
INSERT INTO workspaces (id, slug, display_name, created_at)
VALUES ('00000000-0000-0000-0000-000000000000', 'platform', 'Platform', '1970-01-01T00:00:00.000000Z');
