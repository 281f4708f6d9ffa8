//! Rows that must be refused, each with the constraint that must say so: one line per way to break a rule.
//!
//! A row breaks its constraint alone, so that the test sees that very one refusing. They start from the valid rows of
//! [`crate::rows`].

use uuid::Uuid;

use crate::catalog::Table;
use crate::rows::{
    ENVIRONMENT, FOREIGN, LATER, MEMBER, NOTHING, OTHER_WORKSPACE, PROVIDER, Row, SECOND_CONNECTION, SECOND_PROVIDER,
    SISTER, STRANGER, THEN, Value, binding_of, connection_of, item_of, profile_of, run_of, snapshot_of, valid,
    version_of,
};

/// A text of so many bytes.
fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// A valid row, the values that break it, and the constraint that must say so.
#[derive(Debug)]
pub struct Broken {
    /// The row.
    pub row: Row,
    /// The constraint that must refuse it.
    pub constraint: String,
}

fn broken(table: &str, constraint: &str, values: Vec<(&str, Value)>) -> Broken {
    let row = values.into_iter().fold(valid(table), |row, (column, value)| row.with(column, value));
    Broken { row, constraint: constraint.to_owned() }
}

macro_rules! broken {
    ($($table:literal { $($constraint:literal: $($column:literal = $value:expr),+;)+ })+) => {
        vec![$($(broken($table, $constraint, vec![$(($column, Value::from($value))),+])),+),+]
    };
}

const NULL: Option<&str> = None;

/// Rows that break one CHECK on both engines.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a table: one line per way to break a rule")]
pub fn of_both_engines() -> Vec<Broken> {
    broken! {
        "workspaces" {
            "ck_workspaces_slug": "slug" = "Upper";
            "ck_workspaces_slug": "slug" = "-a";
            "ck_workspaces_slug": "slug" = "";
            "ck_workspaces_slug": "slug" = text(64);
            "ck_workspaces_display_name": "display_name" = "";
            "ck_workspaces_display_name": "display_name" = text(513);
            "ck_workspaces_platform_is_nil": "slug" = "platform";
        }
        "users" {
            "ck_users_display_name": "display_name" = "";
            "ck_users_kind": "kind" = "robot";
        }
        "api_tokens" {
            "ck_tokens_not_platform": "workspace_id" = Uuid::nil();
            "ck_tokens_label": "label" = "";
            "ck_tokens_label": "label" = text(513);
            "ck_tokens_secret_sha256": "secret_sha256" = "e".repeat(63);
            "ck_tokens_secret_sha256": "secret_sha256" = "E".repeat(64);
            "ck_tokens_secret_sha256": "secret_sha256" = "g".repeat(64);
            "ck_tokens_expires_later": "expires_at" = THEN;
        }
        "user_identities" {
            "ck_identities_issuer": "issuer" = "";
            "ck_identities_issuer": "issuer" = text(256);
            "ck_identities_subject": "subject" = "";
            "ck_identities_subject": "subject" = text(256);
        }
        "master_keys" {
            "ck_master_keys_version": "version" = 0;
            "ck_master_keys_fingerprint": "fingerprint" = "a".repeat(63);
            "ck_master_keys_fingerprint": "fingerprint" = "A".repeat(64);
            "ck_master_keys_fingerprint": "fingerprint" = "g".repeat(64);
            "ck_master_keys_retired_after": "retired_at" = LATER;
        }
        "managed_environments" {
            "ck_environments_display_name": "display_name" = "";
            "ck_environments_origin": "origin" = "stolen";
            "ck_environments_external_ref": "external_ref" = text(256);
            "ck_environments_external_ref": "external_ref" = "";
            "ck_environments_mirrored_has_external_ref": "origin" = "mirrored";
            "ck_environments_not_platform": "workspace_id" = Uuid::nil();
        }
        "workspace_memberships" {
            "ck_memberships_role": "role" = "admin";
            "ck_memberships_not_platform": "workspace_id" = Uuid::nil();
            "ck_memberships_origin": "origin" = "stolen";
            "ck_memberships_external_ref": "external_ref" = "";
            "ck_memberships_external_ref": "external_ref" = text(256);
            "ck_memberships_mirrored_has_external_ref": "origin" = "mirrored";
        }
        "environment_entitlements" {
            "ck_entitlements_origin": "origin" = "stolen";
            "ck_entitlements_external_ref": "external_ref" = "";
            "ck_entitlements_external_ref": "external_ref" = text(256);
            "ck_entitlements_mirrored_has_external_ref": "origin" = "mirrored";
        }
        "environment_directories" {
            "ck_directories_provider_key": "provider_key" = "Fake";
            "ck_directories_provider_key": "provider_key" = text(65);
            "ck_directories_provider_key": "provider_key" = "-fake";
            "ck_directories_provider_key": "provider_key" = "fa.ke";
            "ck_directories_directory_id": "directory_id" = "";
            "ck_directories_directory_id": "directory_id" = text(256);
        }
        "provider_connections" {
            "ck_connections_provider_key": "provider_key" = "Fake";
            "ck_connections_display_name": "display_name" = "";
            "ck_connections_status": "status" = "deleted";
            "ck_connections_health_status": "health_status" = "green";
            "ck_connections_health_reason_code": "health_reason_code" = "no access";
            "ck_connections_origin": "origin" = "stolen";
            "ck_connections_external_ref": "external_ref" = "";
            "ck_connections_mirrored_has_external_ref": "origin" = "mirrored";
        }
        "provider_credentials" {
            "ck_credentials_provider_key": "provider_key" = "Fake";
            "ck_credentials_field": "field" = "";
            "ck_credentials_field": "field" = "Api_key";
            "ck_credentials_field": "field" = "api-key";
            "ck_credentials_field": "field" = text(65);
            "ck_credentials_data_key_sealed": "data_key_sealed" = Value::Bytes(71);
            "ck_credentials_data_key_sealed": "data_key_sealed" = Value::Bytes(73);
            "ck_credentials_value_sealed": "value_sealed" = Value::Bytes(40);
            "ck_credentials_value_sealed": "value_sealed" = Value::Bytes(16_425);
            "ck_credentials_master_key_version": "master_key_version" = 0;
        }
        "operation_runs" {
            "ck_runs_operation_type": "operation_type" = "Collect";
            "ck_runs_provider_key": "provider_key" = "Fake";
            "ck_runs_connection_has_provider": "provider_connection_id" = connection_of(ENVIRONMENT);
            "ck_runs_scope_key": "scope_key" = "";
            "ck_runs_own_has_scope": "scope_key" = NULL;
            "ck_runs_status": "status" = "paused";
            "ck_runs_outcome": "outcome" = "fine", "status" = "completed", "ended_at" = LATER;
            "ck_runs_outcome_when_completed": "status" = "completed", "ended_at" = LATER;
            "ck_runs_outcome_when_completed": "outcome" = "succeeded";
            "ck_runs_ended_when_completed": "status" = "completed", "outcome" = "failed";
            "ck_runs_ended_when_completed": "ended_at" = LATER;
            "ck_runs_started": "status" = "running";
            "ck_runs_started": "started_at" = LATER;
            "ck_runs_reason_code": "reason_code" = "Not a code";
            "ck_runs_message": "message" = text(513);
            "ck_runs_context": "context" = "[1]";
            "ck_runs_context": "context" = format!("{{\"a\":\"{}\"}}", text(4096));
            "ck_runs_summary_counts": "summary_counts" = "7";
            "ck_runs_origin": "origin" = "stolen";
            "ck_runs_external_ref": "external_ref" = "";
            "ck_runs_mirrored_has_external_ref": "origin" = "mirrored";
        }
        "baseline_profiles" {
            "ck_profiles_display_name": "display_name" = "";
            "ck_profiles_origin": "origin" = "stolen";
            "ck_profiles_external_ref": "external_ref" = "";
            "ck_profiles_mirrored_has_external_ref": "origin" = "mirrored";
            "ck_profiles_not_platform": "workspace_id" = Uuid::nil();
        }
        "baseline_snapshots" {
            "ck_snapshots_version_label": "version_label" = "";
            "ck_snapshots_origin": "origin" = "stolen";
            "ck_snapshots_external_ref": "external_ref" = "";
            "ck_snapshots_mirrored_has_external_ref": "origin" = "mirrored";
        }
        "baseline_assignments" {
            "ck_assignments_origin": "origin" = "stolen";
            "ck_assignments_external_ref": "external_ref" = "";
            "ck_assignments_mirrored_has_external_ref": "origin" = "mirrored";
        }
        "policy_versions" {
            "ck_policy_versions_version_label": "version_label" = text(256);
            "ck_policy_versions_origin": "origin" = "stolen";
            "ck_policy_versions_external_ref": "external_ref" = "";
            "ck_policy_versions_mirrored_has_external_ref": "origin" = "mirrored";
        }
        "inventory_items" {
            "ck_inventory_provider_key": "provider_key" = text(65), "canonical_subject_key" = format!("provider:{}:policy:t:w:id:1", text(65));
            "ck_inventory_subject_domain": "subject_domain" = "";
            "ck_inventory_subject_class": "subject_class" = "builtin", "canonical_subject_key" = "provider:fake:builtin:t:w:disc:a", "discriminator" = "a", "tenant_owned" = false;
            "ck_inventory_subject_type_key": "subject_type_key" = text(129);
            "ck_inventory_support_level": "support_level" = "maybe";
            "ck_inventory_resource_type": "resource_type" = "";
            "ck_inventory_provider_resource_id": "provider_resource_id" = text(513);
            "ck_inventory_external_id": "external_id" = "";
            "ck_inventory_discriminator": "discriminator" = "Not Canonical";
            "ck_inventory_discriminator": "discriminator" = text(513);
            "ck_inventory_fingerprint": "fingerprint" = text(513);
            "ck_inventory_display_label": "display_label" = text(513);
            "ck_inventory_display_label": "display_label" = "";
            "ck_inventory_key_version": "canonical_key_version" = 0;
            "ck_inventory_key_grammar": "canonical_key_version" = 2, "canonical_subject_key" = text(1025);
            "ck_inventory_key_grammar": "canonical_key_version" = 2, "canonical_subject_key" = "kéy";
            "ck_inventory_key_grammar": "canonical_subject_key" = "provider:fake:policy:t:w:id:%3a";
            "ck_inventory_key_subject": "subject_class" = "unknown";
            "ck_inventory_key_subject": "provider_key" = SECOND_PROVIDER;
            "ck_inventory_key_form": "canonical_subject_key" = "provider:fake:policy:t:w:disc:a", "discriminator" = "a";
            "ck_inventory_key_form": "subject_class" = "unknown", "canonical_subject_key" = "provider:fake:unknown:t:w:id:a", "built_in" = true, "tenant_owned" = false;
            "ck_inventory_key_form": "subject_class" = "unknown", "canonical_subject_key" = "provider:fake:unknown:t:w:disc:a", "discriminator" = "a";
            "ck_inventory_key_identity": "provider_resource_id" = NULL;
            "ck_inventory_key_identity": "canonical_subject_key" = "provider:fake:policy:t:w:ext:a", "provider_resource_id" = NULL;
            "ck_inventory_identity_flags": "subject_class" = "unknown", "canonical_subject_key" = "provider:fake:unknown:t:w:disc:a", "discriminator" = "a", "built_in" = true;
            "ck_inventory_class_flags": "subject_class" = "provider_builtin", "canonical_subject_key" = "provider:fake:builtin:t:w:disc:a", "discriminator" = "a";
            "ck_inventory_descriptor_digest": "descriptor_digest" = "c".repeat(71);
            "ck_inventory_descriptor_digest": "descriptor_digest" = format!("sha256:{}", "C".repeat(64));
            "ck_inventory_adapter_digest": "adapter_digest" = "sha256:";
            "ck_inventory_observation_status": "observation_status" = "deleted";
            "ck_inventory_import_position": "last_import_position" = -1, "last_import_id" = NOTHING;
            "ck_inventory_import_position": "last_import_position" = 1;
            "ck_inventory_observed_in_order": "first_observed_at" = LATER;
        }
        "provider_resource_bindings" {
            "ck_bindings_provider_key": "provider_key" = text(65), "canonical_subject_key" = format!("provider:{}:policy:t:w:id:1", text(65)), "resource_key" = format!("provider:{}:policy:t:w:id:1", text(65));
            "ck_bindings_subject_domain": "subject_domain" = "Widgets";
            "ck_bindings_subject_class": "subject_class" = "builtin", "canonical_subject_key" = "provider:fake:builtin:t:w:disc:a";
            "ck_bindings_subject_type_key": "subject_type_key" = "";
            "ck_bindings_legacy_subject_key": "legacy_subject_key" = text(2049);
            "ck_bindings_key_version": "canonical_key_version" = 0;
            "ck_bindings_key_grammar": "canonical_key_version" = 2, "canonical_subject_key" = text(1025);
            "ck_bindings_key_grammar": "canonical_key_version" = 2, "canonical_subject_key" = "";
            "ck_bindings_key_grammar": "canonical_subject_key" = format!("provider:fake:policy:t:w:id:{}", text(1000));
            "ck_bindings_key_subject": "subject_class" = "foundation";
            "ck_bindings_key_subject": "subject_class" = "assignment_target", "canonical_subject_key" = "provider:fake:unknown:t:w:id:a";
            "ck_bindings_key_form": "canonical_subject_key" = "provider:fake:policy:t:w:disc:a";
            "ck_bindings_key_form": "subject_class" = "provider_default", "canonical_subject_key" = "provider:fake:default:t:w:id:a";
            "ck_bindings_resource_key": "resource_key" = "provider:fake:policy:t:w:id:";
            "ck_bindings_resource_key_form": "resource_key" = "provider:fake:builtin:t:w:id:a";
            "ck_bindings_resource_key_form": "resource_key" = "provider:fake:foundation:t:w:disc:a", "provider_resource_discriminator" = "a";
            "ck_bindings_resource_type": "provider_resource_type" = NULL;
            "ck_bindings_resource_type": "provider_resource_type" = text(129);
            "ck_bindings_resource_id": "provider_resource_id" = text(513);
            "ck_bindings_resource_external_id": "provider_resource_external_id" = "";
            "ck_bindings_resource_fingerprint": "provider_resource_fingerprint" = text(513);
            "ck_bindings_resource_discriminator": "provider_resource_discriminator" = "A";
            "ck_bindings_resource_identity": "provider_resource_id" = NULL;
            "ck_bindings_resource_identity": "resource_key" = "provider:fake:policy:t:w:ext:a", "provider_resource_id" = NULL;
            "ck_bindings_resource_identity": "resource_key" = NULL, "provider_resource_type" = NULL, "resolution_mode" = "accepted_limitation";
            "ck_bindings_resource_identity": "resource_key" = NULL, "provider_resource_type" = NULL, "provider_resource_id" = NULL, "provider_resource_fingerprint" = "f", "resolution_mode" = "accepted_limitation";
            "ck_bindings_resolution_mode": "resolution_mode" = "canonical_default";
            "ck_bindings_decided_by_kind": "decided_by_kind" = "robot", "decided_by_user_id" = NULL, "operator_note" = NULL, "resolution_reason" = "a";
            "ck_bindings_mode_actor": "resolution_mode" = "exact_provider_identity";
            "ck_bindings_actor": "decided_by_user_id" = NULL;
            "ck_bindings_mode_resource": "resource_key" = NULL, "provider_resource_type" = NULL, "provider_resource_id" = NULL;
            "ck_bindings_mode_resource": "resolution_mode" = "missing_expected";
            "ck_bindings_resource_provider": "resource_key" = "provider:ledger:policy:t:w:id:a";
            "ck_bindings_resource_provider": "resource_key" = "provider:fakes:policy:t:w:id:a";
            "ck_bindings_mode_note": "operator_note" = NULL;
            "ck_bindings_note_length": "operator_note" = "";
            "ck_bindings_note_length": "operator_note" = text(2001);
            "ck_bindings_note_length": "operator_note" = "\u{1F9E9}".repeat(2001);
            "ck_bindings_reason": "resolution_reason" = "Free text";
            "ck_bindings_reason": "resolution_reason" = "";
            "ck_bindings_reason": "resolution_reason" = "a--b";
            "ck_bindings_reason": "resolution_reason" = "a-";
            "ck_bindings_reason": "resolution_reason" = "-a";
            "ck_bindings_reason": "resolution_reason" = text(65);
            "ck_bindings_status": "binding_status" = "inactive", "ended_at" = LATER;
            "ck_bindings_ended_when_not_active": "ended_at" = LATER;
            "ck_bindings_ended_when_not_active": "binding_status" = "superseded";
            "ck_bindings_ended_by_when_revoked": "binding_status" = "revoked", "ended_at" = LATER, "ended_note" = "gone";
            "ck_bindings_ended_by_when_revoked": "binding_status" = "superseded", "ended_at" = LATER, "ended_by_user_id" = MEMBER;
            "ck_bindings_ended_by_when_revoked": "ended_by_user_id" = MEMBER;
            "ck_bindings_ended_note_when_revoked": "binding_status" = "revoked", "ended_at" = LATER, "ended_by_user_id" = MEMBER;
            "ck_bindings_ended_note_when_revoked": "binding_status" = "superseded", "ended_at" = LATER, "ended_note" = "gone";
            "ck_bindings_ended_note_length": "binding_status" = "revoked", "ended_at" = LATER, "ended_by_user_id" = MEMBER, "ended_note" = text(2001);
            "ck_bindings_ended_note_length": "binding_status" = "revoked", "ended_at" = LATER, "ended_by_user_id" = MEMBER, "ended_note" = "";
            "ck_bindings_ended_after_decided": "binding_status" = "superseded", "ended_at" = THEN;
            "ck_bindings_supersedes_another": "id" = NOTHING, "supersedes_binding_id" = NOTHING;
        }
        "audit_events" {
            "ck_events_number": "number" = 0;
            "ck_events_kind": "kind" = "other";
            "ck_events_actor_kind": "actor_kind" = "robot";
            "ck_events_actor": "actor_user_id" = NULL;
            "ck_events_request_id": "request_id" = text(129);
            "ck_events_action": "action" = "created";
            "ck_events_action": "action" = "Binding.created";
            "ck_events_action": "action" = "a.b.c";
            "ck_events_action": "action" = format!("binding.{}", text(60));
            "ck_events_attempted_action": "attempted_action" = "everything", "action" = "binding.denied", "denial" = "forbidden";
            "ck_events_denial": "denial" = "unlucky", "action" = "binding.denied", "attempted_action" = "binding.created";
            "ck_events_denied": "action" = "binding.denied";
            "ck_events_denied": "action" = "binding.denied", "denial" = "not-found";
            "ck_events_denied": "denial" = "not-found", "attempted_action" = "binding.created";
            "ck_events_role": "role" = "admin";
            "ck_events_provider_key": "provider_key" = "Fake";
            "ck_events_canonical_subject_key": "canonical_subject_key" = text(1025);
            "ck_events_subject_domain": "subject_domain" = "A";
            "ck_events_subject_class": "subject_class" = "gadget";
            "ck_events_subject_type_key": "subject_type_key" = text(129);
            "ck_events_old_resolution_mode": "old_resolution_mode" = "auto", "old_binding_id" = NOTHING, "old_binding_status" = "active";
            "ck_events_old_binding_status": "old_resolution_mode" = "manual_binding", "old_binding_id" = NOTHING, "old_binding_status" = "inactive";
            "ck_events_old_binding": "old_binding_id" = NOTHING;
            "ck_events_old_binding": "old_binding_id" = NOTHING, "old_binding_status" = "active";
            "ck_events_new_resolution_mode": "new_resolution_mode" = "auto", "new_binding_id" = NOTHING, "new_binding_status" = "active";
            "ck_events_new_binding_status": "new_resolution_mode" = "manual_binding", "new_binding_id" = NOTHING, "new_binding_status" = "inactive";
            "ck_events_new_binding": "new_binding_id" = NOTHING, "new_resolution_mode" = "manual_binding";
            "ck_events_resolution_reason": "resolution_reason" = "Because I say so";
            "ck_events_note_length": "note_length" = 2001, "note_hmac" = "d".repeat(64), "note_key_version" = 1;
            "ck_events_note_hmac": "note_length" = 1, "note_hmac" = "because", "note_key_version" = 1;
            "ck_events_note_key_version": "note_length" = 1, "note_hmac" = "d".repeat(64), "note_key_version" = 0;
            "ck_events_note": "note_length" = 1;
            "ck_events_note": "note_length" = 1, "note_hmac" = "d".repeat(64);
            "ck_events_counts": "import_id" = NOTHING, "added_count" = 1, "changed_count" = -1, "unchanged_count" = 0, "refused_count" = 0;
            "ck_events_import": "import_id" = NOTHING;
            "ck_events_import": "added_count" = 1, "changed_count" = 1, "unchanged_count" = 0;
            "ck_events_import": "import_id" = NOTHING, "added_count" = 1;
            "ck_events_old_role": "old_role" = "admin";
            "ck_events_key_version": "key_version" = 0;
            "ck_events_operation_type": "operation_type" = "Collect";
            "ck_events_run_outcome": "run_outcome" = "fine";
            "ck_events_run_reason_code": "run_reason_code" = "Not a code";
            "ck_events_format": "format" = 0;
            "ck_events_previous_hash": "previous_hash" = "A".repeat(64);
            "ck_events_hash": "hash" = "b".repeat(63);
            "ck_events_genesis": "previous_hash" = "0".repeat(64);
            "ck_events_genesis": "number" = 1;
        }
        "idempotency_keys" {
            "ck_idempotency_key": "idempotency_key" = "";
            "ck_idempotency_key": "idempotency_key" = text(256);
            "ck_idempotency_operation": "operation" = "binding.read";
            "ck_idempotency_request_sha256": "request_sha256" = text(64);
            "ck_idempotency_request_sha256": "request_sha256" = "d".repeat(63);
            "ck_idempotency_request_sha256": "request_sha256" = "D".repeat(64);
        }
        "audit_heads" {
            "ck_heads_last_number": "last_number" = -1, "last_hash" = "a".repeat(64);
            "ck_heads_last_hash": "last_hash" = "z".repeat(64), "last_number" = 1;
            "ck_heads_genesis": "last_number" = 1;
            "ck_heads_note_key_sealed": "note_key_sealed" = Value::Bytes(16);
            "ck_heads_note_key_version": "note_key_version" = 0;
        }
    }
}

/// Rows by the system that break one CHECK: an automatic mode, a reason, no note, the subject's own key as the resource.
#[must_use]
pub fn of_the_system() -> Vec<Broken> {
    let key = || "provider:fake:policy:t:w:id:auto";
    let system = |constraint, values: Vec<(&'static str, Value)>| {
        let row = [
            ("resolution_mode", Value::from("exact_provider_identity")),
            ("canonical_subject_key", key().into()),
            ("resource_key", key().into()),
            ("decided_by_kind", "system".into()),
            ("decided_by_user_id", Value::Null),
            ("operator_note", Value::Null),
            ("resolution_reason", "same-provider-identity".into()),
        ];
        broken("provider_resource_bindings", constraint, row.into_iter().chain(values).collect())
    };
    vec![
        system("ck_bindings_mode_actor", vec![("resolution_mode", "manual_binding".into())]),
        system("ck_bindings_actor", vec![("decided_by_user_id", MEMBER.into())]),
        system("ck_bindings_mode_note", vec![("operator_note", "a note".into())]),
        system("ck_bindings_mode_reason", vec![("resolution_reason", Value::Null)]),
        system("ck_bindings_mode_subject", vec![("resolution_mode", "canonical_builtin".into())]),
        system("ck_bindings_mode_subject", vec![("resolution_mode", "canonical_virtual_target".into())]),
        system("ck_bindings_resource_same_key", vec![("resource_key", "provider:fake:policy:t:w:id:other".into())]),
        system("ck_bindings_system_creates_only", vec![("supersedes_binding_id", NOTHING.into())]),
    ]
}

/// What only SQLite has to check, and what its `length()` would let through behind a NUL.
#[must_use]
pub fn of_sqlite(tables: &[Table]) -> Vec<Broken> {
    let mut rows = Vec::new();
    for table in tables {
        for column in &table.columns {
            let mut break_it = |suffix: &str, value: Value| {
                let constraint = table.primary_key.name.replacen("pk_", "ck_", 1) + suffix;
                rows.push(broken(&table.name, &constraint, vec![(&column.name, value)]));
            };
            if column.kind == "BLOB" && !column.name.ends_with("_sealed") {
                break_it("_ids", Value::Bytes(15));
            }
            if column.name.ends_with("_at") {
                for time in
                    ["2026-01-02T03:04:05Z", "2026-01-02 03:04:05.000006Z", "2026-01-02T03:04:05.000006+00:00", ""]
                {
                    break_it("_times", time.into());
                }
                break_it("_times", Value::Sql(format!("'{THEN}' || char(0) || 'x'")));
            }
            if ["built_in", "is_default", "is_virtual", "tenant_owned", "may_act_for_others"]
                .contains(&column.name.as_str())
            {
                break_it("_flags", 2.into());
            }
        }
    }
    let nul = |start: &str| Value::Sql(format!("'{start}' || char(0) || 'REST'"));
    rows.extend([
        broken("workspaces", "ck_workspaces_slug", vec![("slug", nul("a"))]),
        broken("environment_directories", "ck_directories_provider_key", vec![("provider_key", nul("a"))]),
        broken("operation_runs", "ck_runs_operation_type", vec![("operation_type", nul("a"))]),
        broken("provider_resource_bindings", "ck_bindings_reason", vec![("resolution_reason", nul("a"))]),
        broken(
            "provider_resource_bindings",
            "ck_bindings_key_grammar",
            vec![("canonical_subject_key", nul("provider:fake:policy:t:w:id:a"))],
        ),
        broken(
            "provider_resource_bindings",
            "ck_bindings_note_length",
            vec![("operator_note", Value::Sql("'a' || char(0) || hex(zeroblob(4000))".to_owned()))],
        ),
        broken("api_tokens", "ck_tokens_secret_sha256", vec![("secret_sha256", nul(&"e".repeat(64)))]),
        broken("master_keys", "ck_master_keys_fingerprint", vec![("fingerprint", nul(&"a".repeat(64)))]),
        broken("provider_credentials", "ck_credentials_field", vec![("field", nul("a"))]),
        broken("audit_events", "ck_events_hash", vec![("hash", nul(&"b".repeat(64)))]),
        broken(
            "inventory_items",
            "ck_inventory_descriptor_digest",
            vec![("descriptor_digest", nul(&format!("sha256:{}", "c".repeat(64))))],
        ),
    ]);
    rows
}

/// References to what lies in another environment or workspace, belongs to another provider, or is not there.
#[must_use]
pub fn references() -> Vec<Broken> {
    broken! {
        "managed_environments" { "fk_environments_workspace": "workspace_id" = NOTHING; }
        "workspace_memberships" {
            "fk_memberships_workspace": "workspace_id" = NOTHING;
            "fk_memberships_user": "user_id" = NOTHING;
        }
        "api_tokens" {
            "fk_tokens_user": "user_id" = NOTHING;
            "fk_tokens_workspace": "workspace_id" = NOTHING;
        }
        "user_identities" { "fk_identities_user": "user_id" = NOTHING; }
        "environment_entitlements" {
            "fk_entitlements_environment": "managed_environment_id" = FOREIGN;
            "fk_entitlements_membership": "user_id" = STRANGER;
        }
        "environment_directories" { "fk_directories_environment": "managed_environment_id" = FOREIGN; }
        "provider_connections" {
            "fk_connections_environment": "managed_environment_id" = FOREIGN;
            "fk_connections_environment": "workspace_id" = OTHER_WORKSPACE;
            "fk_connections_provider": "provider_key" = "unheard-of";
            "fk_connections_provider": "managed_environment_id" = SISTER, "provider_key" = SECOND_PROVIDER;
            "fk_connections_directory": "directory_id" = "dir-2";
            "fk_connections_directory": "provider_key" = SECOND_PROVIDER, "directory_id" = "dir-1";
        }
        "provider_credentials" {
            "fk_credentials_connection": "provider_connection_id" = connection_of(SISTER);
            "fk_credentials_connection": "provider_connection_id" = connection_of(FOREIGN);
            "fk_credentials_connection": "managed_environment_id" = SISTER;
            "fk_credentials_connection": "workspace_id" = OTHER_WORKSPACE;
            "fk_credentials_connection": "provider_key" = SECOND_PROVIDER;
            "fk_credentials_connection": "provider_connection_id" = NOTHING;
            "fk_credentials_master_key": "master_key_version" = 999_999;
        }
        "operation_runs" {
            "fk_runs_environment": "managed_environment_id" = FOREIGN;
            "fk_runs_connection": "provider_key" = PROVIDER, "provider_connection_id" = connection_of(SISTER);
            "fk_runs_connection": "provider_key" = PROVIDER, "provider_connection_id" = connection_of(FOREIGN);
            "fk_runs_connection": "provider_key" = SECOND_PROVIDER, "provider_connection_id" = connection_of(ENVIRONMENT);
            "fk_runs_initiator": "initiated_by_user_id" = STRANGER;
        }
        "run_queue" {
            "fk_queue_run": "run_id" = NOTHING;
            "fk_queue_run": "workspace_id" = OTHER_WORKSPACE;
        }
        "baseline_profiles" { "fk_profiles_workspace": "workspace_id" = NOTHING; }
        "baseline_snapshots" { "fk_snapshots_profile": "baseline_profile_id" = profile_of(OTHER_WORKSPACE); }
        "baseline_assignments" {
            "fk_assignments_environment": "managed_environment_id" = FOREIGN;
            "fk_assignments_profile": "baseline_profile_id" = profile_of(OTHER_WORKSPACE);
        }
        "policy_versions" {
            "fk_policy_versions_environment": "managed_environment_id" = FOREIGN;
            "fk_policy_versions_inventory_item": "inventory_item_id" = item_of(SISTER);
            "fk_policy_versions_inventory_item": "inventory_item_id" = item_of(FOREIGN);
        }
        "inventory_items" {
            "fk_inventory_environment": "managed_environment_id" = FOREIGN;
            "fk_inventory_connection": "provider_connection_id" = connection_of(SISTER);
            "fk_inventory_connection": "provider_connection_id" = connection_of(FOREIGN);
            "fk_inventory_connection": "provider_connection_id" = SECOND_CONNECTION;
            "fk_inventory_operation_run": "source_operation_run_id" = run_of(SISTER);
            "fk_inventory_operation_run": "source_operation_run_id" = run_of(FOREIGN);
        }
        "audit_events" {
            "fk_events_workspace": "workspace_id" = NOTHING, "managed_environment_id" = NULL;
            "fk_events_environment": "managed_environment_id" = FOREIGN;
        }
        "idempotency_keys" {
            "fk_idempotency_membership": "acting_user_id" = STRANGER;
            "fk_idempotency_binding": "binding_id" = NOTHING;
            "fk_idempotency_binding": "binding_id" = binding_of(FOREIGN);
        }
        "audit_heads" { "fk_heads_workspace": "workspace_id" = NOTHING; }
        "provider_resource_bindings" {
            "fk_bindings_environment": "managed_environment_id" = FOREIGN;
            "fk_bindings_environment": "workspace_id" = OTHER_WORKSPACE;
            "fk_bindings_connection": "provider_connection_id" = connection_of(SISTER);
            "fk_bindings_connection": "provider_connection_id" = connection_of(FOREIGN);
            "fk_bindings_connection": "provider_connection_id" = SECOND_CONNECTION;
            "fk_bindings_decided_by": "decided_by_user_id" = STRANGER;
            "fk_bindings_ended_by": "binding_status" = "revoked", "ended_at" = LATER, "ended_by_user_id" = STRANGER, "ended_note" = "gone";
            "fk_bindings_supersedes": "supersedes_binding_id" = NOTHING;
            "fk_bindings_decided_by": "decided_by_user_id" = NOTHING;
            "fk_bindings_operation_run": "source_operation_run_id" = run_of(SISTER);
            "fk_bindings_operation_run": "source_operation_run_id" = run_of(FOREIGN);
            "fk_bindings_baseline_snapshot": "source_baseline_snapshot_id" = snapshot_of(OTHER_WORKSPACE);
            "fk_bindings_inventory_item": "source_inventory_item_id" = item_of(SISTER);
            "fk_bindings_inventory_item": "source_inventory_item_id" = item_of(FOREIGN);
            "fk_bindings_policy_version": "source_policy_version_id" = version_of(SISTER);
            "fk_bindings_policy_version": "source_policy_version_id" = version_of(FOREIGN);
        }
    }
}
