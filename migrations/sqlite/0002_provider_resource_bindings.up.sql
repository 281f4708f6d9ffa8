-- Decisions: in this environment, this subject is that resource, or is excluded, accepted, unsupported or
-- missing. Only binding_status, ended_at, ended_by_user_id, ended_note and updated_at ever change, once, and
-- only from active.
CREATE TABLE provider_resource_bindings (
    workspace_id                    BLOB NOT NULL,
    id                              BLOB NOT NULL,
    managed_environment_id          BLOB NOT NULL,
    provider_key                    TEXT NOT NULL,
    provider_connection_id          BLOB,
    subject_domain                  TEXT NOT NULL,
    subject_class                   TEXT NOT NULL,
    subject_type_key                TEXT NOT NULL,
    legacy_subject_key              TEXT,
    canonical_subject_key           TEXT NOT NULL,
    canonical_key_version           INTEGER NOT NULL,
    resource_key                    TEXT,
    provider_resource_type          TEXT,
    provider_resource_id            TEXT,
    provider_resource_external_id   TEXT,
    provider_resource_discriminator TEXT,
    provider_resource_fingerprint   TEXT,
    binding_status                  TEXT NOT NULL,
    resolution_mode                 TEXT NOT NULL,
    resolution_reason               TEXT,
    operator_note                   TEXT,
    decided_by_kind                 TEXT NOT NULL,
    decided_by_user_id              BLOB,
    decided_at                      TEXT NOT NULL,
    ended_at                        TEXT,
    ended_by_user_id                BLOB,
    ended_note                      TEXT,
    supersedes_binding_id           BLOB,
    source_operation_run_id         BLOB,
    source_baseline_snapshot_id     BLOB,
    source_inventory_item_id        BLOB,
    source_policy_version_id        BLOB,
    created_at                      TEXT NOT NULL,
    updated_at                      TEXT NOT NULL,
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
    CONSTRAINT ck_bindings_ids CHECK (
        length(workspace_id) = 16
        AND length(id) = 16
        AND length(managed_environment_id) = 16
        AND length(provider_connection_id) = 16
        AND length(decided_by_user_id) = 16
        AND length(ended_by_user_id) = 16
        AND length(supersedes_binding_id) = 16
        AND length(source_operation_run_id) = 16
        AND length(source_baseline_snapshot_id) = 16
        AND length(source_inventory_item_id) = 16
        AND length(source_policy_version_id) = 16),
    CONSTRAINT ck_bindings_times CHECK (
        length(CAST(decided_at AS BLOB)) = 27
        AND decided_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(ended_at AS BLOB)) = 27
        AND ended_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(created_at AS BLOB)) = 27
        AND created_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'
        AND length(CAST(updated_at AS BLOB)) = 27
        AND updated_at GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]Z'),
    -- The subject and its key.
    CONSTRAINT ck_bindings_provider_key CHECK (
        provider_key GLOB '[a-z0-9]*'
        AND provider_key NOT GLOB '*[^a-z0-9_-]*'
        AND length(provider_key) <= 64
        AND length(provider_key) = length(CAST(provider_key AS BLOB))),
    CONSTRAINT ck_bindings_subject_domain CHECK (
        subject_domain GLOB '[a-z0-9]*'
        AND subject_domain NOT GLOB '*[^a-z0-9_-]*'
        AND length(subject_domain) <= 64
        AND length(subject_domain) = length(CAST(subject_domain AS BLOB))),
    CONSTRAINT ck_bindings_subject_class CHECK (
        subject_class IN (
            'policy', 'foundation', 'assignment_target', 'virtual_assignment_target', 'provider_builtin',
            'provider_default', 'unsupported', 'unknown')),
    CONSTRAINT ck_bindings_subject_type_key CHECK (length(CAST(subject_type_key AS BLOB)) BETWEEN 1 AND 128),
    CONSTRAINT ck_bindings_legacy_subject_key CHECK (length(CAST(legacy_subject_key AS BLOB)) <= 2048),
    CONSTRAINT ck_bindings_key_version CHECK (canonical_key_version >= 1),
    -- Whatever the grammar; what follows holds keys of its first version, and a later one brings its own.
    CONSTRAINT ck_bindings_key_grammar CHECK (
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
    CONSTRAINT ck_bindings_key_subject CHECK (
        canonical_key_version <> 1 OR instr(
            canonical_subject_key, 'provider:' || provider_key || ':' || CASE subject_class
              WHEN 'assignment_target' THEN 'assignment-target'
              WHEN 'provider_builtin' THEN 'builtin'
              WHEN 'provider_default' THEN 'default'
              WHEN 'virtual_assignment_target' THEN 'virtual-target'
              ELSE subject_class END || ':') = 1),
    CONSTRAINT ck_bindings_key_form CHECK (
        CASE
            WHEN canonical_key_version <> 1 THEN TRUE
            WHEN subject_class IN ('provider_builtin', 'provider_default', 'virtual_assignment_target')
                THEN canonical_subject_key GLOB '*:*:*:*:*:disc:*'
            WHEN subject_class IN ('policy', 'foundation', 'assignment_target')
                THEN NOT (canonical_subject_key GLOB '*:*:*:*:*:disc:*')
            ELSE TRUE END),
    -- The resource and its key.
    CONSTRAINT ck_bindings_resource_key CHECK (
        resource_key IS NULL OR (length(resource_key) <= 1024
            AND length(resource_key) = length(CAST(resource_key AS BLOB))
            AND resource_key NOT GLOB '*[^A-Za-z0-9._~%:-]*'
            AND length(resource_key) - length(replace(resource_key, ':', '')) = 6
            AND resource_key NOT GLOB '*::*'
            AND resource_key NOT GLOB '*:'
            AND (resource_key GLOB 'provider:*:policy:*:*:*:*'
             OR resource_key GLOB 'provider:*:foundation:*:*:*:*'
             OR resource_key GLOB 'provider:*:assignment-target:*:*:*:*'
             OR resource_key GLOB 'provider:*:virtual-target:*:*:*:*'
             OR resource_key GLOB 'provider:*:builtin:*:*:*:*'
             OR resource_key GLOB 'provider:*:default:*:*:*:*'
             OR resource_key GLOB 'provider:*:unsupported:*:*:*:*'
             OR resource_key GLOB 'provider:*:unknown:*:*:*:*')
            AND (resource_key GLOB '*:*:*:*:*:id:*'
             OR resource_key GLOB '*:*:*:*:*:ext:*'
             OR resource_key GLOB '*:*:*:*:*:disc:*')
            AND resource_key NOT GLOB '*%[^0-9A-F]*'
            AND resource_key NOT GLOB '*%[0-9A-F][^0-9A-F]*'
            AND resource_key NOT GLOB '*%'
            AND resource_key NOT GLOB '*%[0-9A-F]'
            AND resource_key NOT GLOB '*%2[DE]*'
            AND resource_key NOT GLOB '*%3[0-9]*'
            AND resource_key NOT GLOB '*%[46][1-9A-F]*'
            AND resource_key NOT GLOB '*%[57][0-9A]*'
            AND resource_key NOT GLOB '*%5F*'
            AND resource_key NOT GLOB '*%7E*')),
    CONSTRAINT ck_bindings_resource_key_form CHECK (
        resource_key IS NULL OR NOT (
            resource_key GLOB '*:*:policy:*:*:disc:*'
            OR resource_key GLOB '*:*:foundation:*:*:disc:*'
            OR resource_key GLOB '*:*:assignment-target:*:*:disc:*'
            OR resource_key GLOB '*:*:virtual-target:*:*:id:*'
            OR resource_key GLOB '*:*:virtual-target:*:*:ext:*'
            OR resource_key GLOB '*:*:builtin:*:*:id:*'
            OR resource_key GLOB '*:*:builtin:*:*:ext:*'
            OR resource_key GLOB '*:*:default:*:*:id:*'
            OR resource_key GLOB '*:*:default:*:*:ext:*')),
    CONSTRAINT ck_bindings_resource_type CHECK (
        (resource_key IS NULL) = (provider_resource_type IS NULL)
        AND (provider_resource_type IS NULL OR length(CAST(provider_resource_type AS BLOB)) BETWEEN 1 AND 128)),
    CONSTRAINT ck_bindings_resource_id CHECK (length(CAST(provider_resource_id AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_bindings_resource_external_id CHECK (
        length(CAST(provider_resource_external_id AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_bindings_resource_fingerprint CHECK (
        length(CAST(provider_resource_fingerprint AS BLOB)) BETWEEN 1 AND 512),
    CONSTRAINT ck_bindings_resource_discriminator CHECK (
        provider_resource_discriminator IS NULL OR (provider_resource_discriminator GLOB '[a-z0-9]*'
            AND provider_resource_discriminator NOT GLOB '*[^a-z0-9._-]*'
            AND length(provider_resource_discriminator) <= 512
            AND length(provider_resource_discriminator) = length(CAST(provider_resource_discriminator AS BLOB)))),
    CONSTRAINT ck_bindings_resource_identity CHECK (
        CASE
            WHEN resource_key IS NULL THEN
                provider_resource_id IS NULL AND provider_resource_external_id IS NULL
                AND provider_resource_discriminator IS NULL AND provider_resource_fingerprint IS NULL
            WHEN resource_key GLOB '*:*:*:*:*:id:*' THEN provider_resource_id IS NOT NULL
            WHEN resource_key GLOB '*:*:*:*:*:ext:*' THEN
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
                canonical_key_version <> 1 OR NOT (canonical_subject_key GLOB '*:*:*:*:*:disc:*')
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
        operator_note IS NULL OR (length(operator_note) BETWEEN 1 AND 2000
            AND length(CAST(operator_note AS BLOB)) <= 8000)),
    CONSTRAINT ck_bindings_mode_reason CHECK (resolution_reason IS NOT NULL OR decided_by_kind = 'operator'),
    CONSTRAINT ck_bindings_reason CHECK (
        resolution_reason IS NULL OR (resolution_reason GLOB '[a-z0-9]*'
            AND resolution_reason NOT GLOB '*[^a-z0-9-]*'
            AND resolution_reason NOT GLOB '*--*'
            AND resolution_reason NOT GLOB '*-'
            AND length(resolution_reason) <= 64
            AND length(resolution_reason) = length(CAST(resolution_reason AS BLOB)))),
    -- Its end.
    CONSTRAINT ck_bindings_status CHECK (binding_status IN ('active', 'superseded', 'revoked')),
    CONSTRAINT ck_bindings_ended_when_not_active CHECK ((binding_status = 'active') = (ended_at IS NULL)),
    CONSTRAINT ck_bindings_ended_by_when_revoked CHECK (
        (binding_status = 'revoked') = (ended_by_user_id IS NOT NULL)),
    CONSTRAINT ck_bindings_ended_note_when_revoked CHECK (
        (binding_status = 'revoked') = (ended_note IS NOT NULL)),
    CONSTRAINT ck_bindings_ended_note_length CHECK (
        ended_note IS NULL OR (length(ended_note) BETWEEN 1 AND 2000
            AND length(CAST(ended_note AS BLOB)) <= 8000)),
    CONSTRAINT ck_bindings_ended_after_decided CHECK (ended_at > decided_at),
    -- The system only ever creates.
    CONSTRAINT ck_bindings_system_creates_only CHECK (
        decided_by_kind = 'operator' OR supersedes_binding_id IS NULL),
    CONSTRAINT ck_bindings_supersedes_another CHECK (supersedes_binding_id <> id)
) STRICT;
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
CREATE TRIGGER tr_bindings_frozen BEFORE UPDATE OF
    workspace_id, id, managed_environment_id, provider_key, provider_connection_id, subject_domain,
    subject_class, subject_type_key, legacy_subject_key, canonical_subject_key, canonical_key_version,
    resource_key, provider_resource_type, provider_resource_id, provider_resource_external_id,
    provider_resource_discriminator, provider_resource_fingerprint, resolution_mode, resolution_reason,
    operator_note, decided_by_kind, decided_by_user_id, decided_at, supersedes_binding_id,
    source_operation_run_id, source_baseline_snapshot_id, source_inventory_item_id,
    source_policy_version_id, created_at
    ON provider_resource_bindings
BEGIN SELECT RAISE(ABORT, 'provider_resource_bindings: only the end of a binding is written later'); END;
CREATE TRIGGER tr_bindings_ends_once BEFORE UPDATE ON provider_resource_bindings
WHEN OLD.binding_status <> 'active' OR NEW.binding_status = 'active'
BEGIN SELECT RAISE(ABORT, 'provider_resource_bindings: a binding ends once and stays ended'); END;
CREATE TRIGGER tr_bindings_no_delete BEFORE DELETE ON provider_resource_bindings
BEGIN SELECT RAISE(ABORT, 'provider_resource_bindings: nothing is deleted'); END;
