//! Which tables are the platform's and which are tenants': the one list that every rule about tables takes.

/// Tables that are nobody's: the one list of exceptions from the rules for tenants' tables.
pub const PLATFORM_TABLES: [&str; 6] =
    ["workspaces", "users", "api_tokens", "user_identities", "master_keys", "run_queue"];

/// Tables whose rows belong to a workspace.
pub const TENANT_TABLES: [&str; 16] = [
    "managed_environments",
    "workspace_memberships",
    "environment_entitlements",
    "environment_directories",
    "provider_connections",
    "provider_credentials",
    "operation_runs",
    "inventory_items",
    "baseline_profiles",
    "baseline_snapshots",
    "baseline_assignments",
    "policy_versions",
    "provider_resource_bindings",
    "audit_events",
    "audit_heads",
    "idempotency_keys",
];

/// Tables whose rows go when they have had their time; nothing else is ever deleted.
pub const PASSING_TABLES: [&str; 2] = ["idempotency_keys", "run_queue"];

/// Every table of the schema.
pub fn all() -> impl Iterator<Item = &'static str> {
    PLATFORM_TABLES.into_iter().chain(TENANT_TABLES)
}
