-- Decisions: in this environment, this subject is that resource, or is excluded, accepted, unsupported or
-- missing. Only binding_status, ended_at, ended_by_user_id, ended_note and updated_at ever change, once, and
-- only from active.
CREATE TABLE provider_resource_bindings (
    workspace_id                    uuid NOT NULL,
    id                              uuid NOT NULL,
    managed_environment_id          uuid NOT NULL,
    provider_key                    text COLLATE "C" NOT NULL,
    provider_connection_id          uuid,
    subject_domain                  text COLLATE "C" NOT NULL,
    subject_class                   text COLLATE "C" NOT NULL,
    subject_type_key                text COLLATE "C" NOT NULL,
    legacy_subject_key              text COLLATE "C",
    canonical_subject_key           text COLLATE "C" NOT NULL,
    canonical_key_version           integer NOT NULL,
    resource_key                    text COLLATE "C",
    provider_resource_type          text COLLATE "C",
    provider_resource_id            text COLLATE "C",
    provider_resource_external_id   text COLLATE "C",
    provider_resource_discriminator text COLLATE "C",
    provider_resource_fingerprint   text COLLATE "C",
    binding_status                  text COLLATE "C" NOT NULL,
    resolution_mode                 text COLLATE "C" NOT NULL,
    resolution_reason               text COLLATE "C",
    operator_note                   text COLLATE "C",
    decided_by_kind                 text COLLATE "C" NOT NULL,
    decided_by_user_id              uuid,
    decided_at                      timestamptz NOT NULL,
    ended_at                        timestamptz,
    ended_by_user_id                uuid,
    ended_note                      text COLLATE "C",
    supersedes_binding_id           uuid,
    source_operation_run_id         uuid,
    source_baseline_snapshot_id     uuid,
    source_inventory_item_id        uuid,
    source_policy_version_id        uuid,
    created_at                      timestamptz NOT NULL,
    updated_at                      timestamptz NOT NULL,
    CONSTRAINT pk_bindings PRIMARY KEY (workspace_id, id),
    CONSTRAINT ux_bindings_environment UNIQUE (workspace_id, managed_environment_id, id),
    CONSTRAINT fk_bindings_environment
        FOREIGN KEY (workspace_id, managed_environment_id)
        REFERENCES managed_environments (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_connection
        FOREIGN KEY (workspace_id, managed_environment_id, provider_key, provider_connection_id)
        REFERENCES provider_connections (workspace_id, managed_environment_id, provider_key, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_decided_by
        FOREIGN KEY (workspace_id, decided_by_user_id)
        REFERENCES workspace_memberships (workspace_id, user_id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_ended_by
        FOREIGN KEY (workspace_id, ended_by_user_id)
        REFERENCES workspace_memberships (workspace_id, user_id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_supersedes
        FOREIGN KEY (workspace_id, managed_environment_id, supersedes_binding_id)
        REFERENCES provider_resource_bindings (workspace_id, managed_environment_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_operation_run
        FOREIGN KEY (workspace_id, managed_environment_id, source_operation_run_id)
        REFERENCES operation_runs (workspace_id, managed_environment_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_baseline_snapshot
        FOREIGN KEY (workspace_id, source_baseline_snapshot_id)
        REFERENCES baseline_snapshots (workspace_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_inventory_item
        FOREIGN KEY (workspace_id, managed_environment_id, source_inventory_item_id)
        REFERENCES inventory_items (workspace_id, managed_environment_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT fk_bindings_policy_version
        FOREIGN KEY (workspace_id, managed_environment_id, source_policy_version_id)
        REFERENCES policy_versions (workspace_id, managed_environment_id, id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    -- The subject and its key.
    CONSTRAINT ck_bindings_provider_key CHECK (provider_key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    CONSTRAINT ck_bindings_subject_domain CHECK (subject_domain ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    CONSTRAINT ck_bindings_subject_class CHECK (
        subject_class IN (
            'policy', 'foundation', 'assignment_target', 'virtual_assignment_target', 'provider_builtin',
            'provider_default', 'unsupported', 'unknown')),
    CONSTRAINT ck_bindings_subject_type_key CHECK (octet_length(subject_type_key) BETWEEN 1 AND 128),
    CONSTRAINT ck_bindings_legacy_subject_key CHECK (octet_length(legacy_subject_key) <= 2048),
    CONSTRAINT ck_bindings_key_version CHECK (canonical_key_version >= 1),
    -- Whatever the grammar; what follows holds keys of its first version, and a later one brings its own.
    CONSTRAINT ck_bindings_key_grammar CHECK (
        octet_length(canonical_subject_key) BETWEEN 1 AND 1024
        AND octet_length(canonical_subject_key) = length(canonical_subject_key)
        AND (canonical_key_version <> 1 OR (canonical_subject_key ~ ('^provider:[a-z0-9_-]+'
                || ':(policy|foundation|assignment-target|virtual-target|builtin|default|unsupported|unknown)'
                || ':([A-Za-z0-9._~-]|%[0-9A-F]{2})+:([A-Za-z0-9._~-]|%[0-9A-F]{2})+'
                || ':(id|ext|disc):([A-Za-z0-9._~-]|%[0-9A-F]{2})+$')
            AND canonical_subject_key !~ '%(2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)'))),
    CONSTRAINT ck_bindings_key_subject CHECK (
        canonical_key_version <> 1 OR starts_with(
            canonical_subject_key, 'provider:' || provider_key || ':' || CASE subject_class
              WHEN 'assignment_target' THEN 'assignment-target'
              WHEN 'provider_builtin' THEN 'builtin'
              WHEN 'provider_default' THEN 'default'
              WHEN 'virtual_assignment_target' THEN 'virtual-target'
              ELSE subject_class END || ':')),
    CONSTRAINT ck_bindings_key_form CHECK (
        CASE
            WHEN canonical_key_version <> 1 THEN TRUE
            WHEN subject_class IN ('provider_builtin', 'provider_default', 'virtual_assignment_target')
                THEN canonical_subject_key LIKE '%:%:%:%:%:disc:%'
            WHEN subject_class IN ('policy', 'foundation', 'assignment_target')
                THEN NOT canonical_subject_key LIKE '%:%:%:%:%:disc:%'
            ELSE TRUE END),
    -- The resource and its key.
    CONSTRAINT ck_bindings_resource_key CHECK (
        resource_key IS NULL OR (octet_length(resource_key) <= 1024
            AND resource_key ~ ('^provider:[a-z0-9_-]+'
            || ':(policy|foundation|assignment-target|virtual-target|builtin|default|unsupported|unknown)'
            || ':([A-Za-z0-9._~-]|%[0-9A-F]{2})+:([A-Za-z0-9._~-]|%[0-9A-F]{2})+'
            || ':(id|ext|disc):([A-Za-z0-9._~-]|%[0-9A-F]{2})+$')
            AND resource_key !~ '%(2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)')),
    CONSTRAINT ck_bindings_resource_key_form CHECK (
        resource_key IS NULL OR NOT (
            resource_key LIKE '%:%:policy:%:%:disc:%'
            OR resource_key LIKE '%:%:foundation:%:%:disc:%'
            OR resource_key LIKE '%:%:assignment-target:%:%:disc:%'
            OR resource_key LIKE '%:%:virtual-target:%:%:id:%'
            OR resource_key LIKE '%:%:virtual-target:%:%:ext:%'
            OR resource_key LIKE '%:%:builtin:%:%:id:%'
            OR resource_key LIKE '%:%:builtin:%:%:ext:%'
            OR resource_key LIKE '%:%:default:%:%:id:%'
            OR resource_key LIKE '%:%:default:%:%:ext:%')),
    CONSTRAINT ck_bindings_resource_type CHECK (
        (resource_key IS NULL) = (provider_resource_type IS NULL)
        AND (provider_resource_type IS NULL OR octet_length(provider_resource_type) BETWEEN 1 AND 128)),
    CONSTRAINT ck_bindings_resource_id CHECK (octet_length(provider_resource_id) BETWEEN 1 AND 512),
    CONSTRAINT ck_bindings_resource_external_id CHECK (
        octet_length(provider_resource_external_id) BETWEEN 1 AND 512),
    CONSTRAINT ck_bindings_resource_fingerprint CHECK (
        octet_length(provider_resource_fingerprint) BETWEEN 1 AND 512),
    CONSTRAINT ck_bindings_resource_discriminator CHECK (
        provider_resource_discriminator IS NULL OR (provider_resource_discriminator ~ '^[a-z0-9][a-z0-9._-]*$'
            AND octet_length(provider_resource_discriminator) <= 512)),
    CONSTRAINT ck_bindings_resource_identity CHECK (
        CASE
            WHEN resource_key IS NULL THEN
                provider_resource_id IS NULL AND provider_resource_external_id IS NULL
                AND provider_resource_discriminator IS NULL AND provider_resource_fingerprint IS NULL
            WHEN resource_key LIKE '%:%:%:%:%:id:%' THEN provider_resource_id IS NOT NULL
            WHEN resource_key LIKE '%:%:%:%:%:ext:%' THEN
                provider_resource_id IS NULL AND provider_resource_external_id IS NOT NULL
            ELSE provider_resource_discriminator IS NOT NULL END),
    -- The decision: who, mode, subject, resource, note and reason go together as the rules say.
    CONSTRAINT ck_bindings_resolution_mode CHECK (
        resolution_mode IN (
            'exact_provider_identity', 'canonical_builtin', 'canonical_virtual_target', 'manual_binding',
            'excluded_non_governed', 'accepted_limitation', 'unsupported_coverage', 'missing_expected')),
    CONSTRAINT ck_bindings_decided_by_kind CHECK (decided_by_kind IN ('operator', 'system')),
    CONSTRAINT ck_bindings_mode_actor CHECK (
        (resolution_mode IN ('exact_provider_identity', 'canonical_builtin', 'canonical_virtual_target'))
            = (decided_by_kind = 'system')),
    CONSTRAINT ck_bindings_actor CHECK ((decided_by_kind = 'operator') = (decided_by_user_id IS NOT NULL)),
    CONSTRAINT ck_bindings_mode_subject CHECK (
        CASE resolution_mode
            WHEN 'exact_provider_identity' THEN
                canonical_key_version <> 1 OR NOT canonical_subject_key LIKE '%:%:%:%:%:disc:%'
            WHEN 'canonical_builtin' THEN subject_class IN ('provider_builtin', 'provider_default')
            WHEN 'canonical_virtual_target' THEN subject_class = 'virtual_assignment_target'
            ELSE TRUE END),
    CONSTRAINT ck_bindings_mode_resource CHECK (
        CASE resolution_mode
            WHEN 'exact_provider_identity' THEN resource_key IS NOT NULL
            WHEN 'manual_binding' THEN resource_key IS NOT NULL
            WHEN 'missing_expected' THEN resource_key IS NULL
            ELSE TRUE END),
    CONSTRAINT ck_bindings_resource_provider CHECK (
        resource_key IS NULL
            OR substr(resource_key, 1, length(provider_key) + 10) = 'provider:' || provider_key || ':'),
    CONSTRAINT ck_bindings_resource_same_key CHECK (
        resource_key IS NULL OR resource_key = canonical_subject_key OR decided_by_kind <> 'system'),
    CONSTRAINT ck_bindings_mode_note CHECK ((operator_note IS NOT NULL) = (decided_by_kind = 'operator')),
    CONSTRAINT ck_bindings_note_length CHECK (
        operator_note IS NULL OR (char_length(operator_note) BETWEEN 1 AND 2000)),
    CONSTRAINT ck_bindings_mode_reason CHECK (resolution_reason IS NOT NULL OR decided_by_kind = 'operator'),
    CONSTRAINT ck_bindings_reason CHECK (
        resolution_reason IS NULL OR (resolution_reason ~ '^[a-z0-9]+(-[a-z0-9]+)*$'
            AND octet_length(resolution_reason) <= 64)),
    -- Its end.
    CONSTRAINT ck_bindings_status CHECK (binding_status IN ('active', 'superseded', 'revoked')),
    CONSTRAINT ck_bindings_ended_when_not_active CHECK ((binding_status = 'active') = (ended_at IS NULL)),
    CONSTRAINT ck_bindings_ended_by_when_revoked CHECK (
        (binding_status = 'revoked') = (ended_by_user_id IS NOT NULL)),
    CONSTRAINT ck_bindings_ended_note_when_revoked CHECK (
        (binding_status = 'revoked') = (ended_note IS NOT NULL)),
    CONSTRAINT ck_bindings_ended_note_length CHECK (
        ended_note IS NULL OR (char_length(ended_note) BETWEEN 1 AND 2000)),
    CONSTRAINT ck_bindings_ended_after_decided CHECK (ended_at > decided_at),
    -- The system only ever creates.
    CONSTRAINT ck_bindings_system_creates_only CHECK (
        decided_by_kind = 'operator' OR supersedes_binding_id IS NULL),
    CONSTRAINT ck_bindings_supersedes_another CHECK (supersedes_binding_id <> id)
);
CREATE UNIQUE INDEX ux_bindings_active
    ON provider_resource_bindings (workspace_id, managed_environment_id, provider_key, canonical_subject_key)
    WHERE binding_status = 'active';
CREATE UNIQUE INDEX ux_bindings_superseded_once
    ON provider_resource_bindings (workspace_id, supersedes_binding_id)
    WHERE supersedes_binding_id IS NOT NULL;
CREATE INDEX ix_bindings_subject
    ON provider_resource_bindings (workspace_id, managed_environment_id, canonical_subject_key, decided_at);
CREATE INDEX ix_bindings_connection
    ON provider_resource_bindings (workspace_id, managed_environment_id, provider_key, provider_connection_id);
CREATE INDEX ix_bindings_status
    ON provider_resource_bindings (workspace_id, managed_environment_id, binding_status, id);
CREATE INDEX ix_bindings_mode
    ON provider_resource_bindings (workspace_id, managed_environment_id, resolution_mode, id);
CREATE INDEX ix_bindings_operation_run
    ON provider_resource_bindings (workspace_id, managed_environment_id, source_operation_run_id)
    WHERE source_operation_run_id IS NOT NULL;
CREATE INDEX ix_bindings_baseline_snapshot
    ON provider_resource_bindings (workspace_id, source_baseline_snapshot_id)
    WHERE source_baseline_snapshot_id IS NOT NULL;
CREATE INDEX ix_bindings_inventory_item
    ON provider_resource_bindings (workspace_id, managed_environment_id, source_inventory_item_id)
    WHERE source_inventory_item_id IS NOT NULL;
CREATE INDEX ix_bindings_policy_version
    ON provider_resource_bindings (workspace_id, managed_environment_id, source_policy_version_id)
    WHERE source_policy_version_id IS NOT NULL;
