-- A binding's notes may give way to a marker, and nothing else of it changes but its end: a text no note can be,
-- because notes do not end in white space. Row-level security is the other engine's.
DROP TRIGGER tr_bindings_frozen;
DROP TRIGGER tr_bindings_ends_once;
CREATE TRIGGER tr_bindings_frozen BEFORE UPDATE OF
    workspace_id, id, managed_environment_id, provider_key, provider_connection_id, subject_domain,
    subject_class, subject_type_key, legacy_subject_key, canonical_subject_key, canonical_key_version,
    resource_key, provider_resource_type, provider_resource_id, provider_resource_external_id,
    provider_resource_discriminator, provider_resource_fingerprint, resolution_mode, resolution_reason,
    decided_by_kind, decided_by_user_id, decided_at, supersedes_binding_id,
    source_operation_run_id, source_baseline_snapshot_id, source_inventory_item_id,
    source_policy_version_id, created_at
    ON provider_resource_bindings
BEGIN SELECT RAISE(ABORT, 'provider_resource_bindings: only the end of a binding is written later'); END;
CREATE TRIGGER tr_bindings_ends_once BEFORE UPDATE ON provider_resource_bindings
WHEN NOT (
    (OLD.binding_status = 'active' AND NEW.binding_status <> 'active'
        AND NEW.operator_note IS OLD.operator_note)
    OR (NEW.binding_status = OLD.binding_status AND NEW.ended_at IS OLD.ended_at
        AND NEW.ended_by_user_id IS OLD.ended_by_user_id
        AND (NEW.operator_note IS NOT OLD.operator_note OR NEW.ended_note IS NOT OLD.ended_note)
        AND (NEW.operator_note IS NULL) = (OLD.operator_note IS NULL)
        AND (NEW.ended_note IS NULL) = (OLD.ended_note IS NULL)
        AND coalesce(NEW.operator_note, '[redacted]' || char(10)) = '[redacted]' || char(10)
        AND coalesce(NEW.ended_note, '[redacted]' || char(10)) = '[redacted]' || char(10)))
BEGIN SELECT RAISE(ABORT, 'provider_resource_bindings: a binding ends once and stays ended'); END;
