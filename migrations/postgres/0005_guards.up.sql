-- Who may see and change which rows, whatever a statement says. A connection sees one workspace: the one its
-- transaction names in `provident.workspace_id`; without one, none. The owner is held to it too. Which columns the
-- application's role may write at all is not said here, since roles belong to the cluster: see `provident migrate`.
ALTER TABLE managed_environments ENABLE ROW LEVEL SECURITY;
ALTER TABLE managed_environments FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_environments_workspace ON managed_environments
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE workspace_memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace_memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_memberships_workspace ON workspace_memberships
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE environment_entitlements ENABLE ROW LEVEL SECURITY;
ALTER TABLE environment_entitlements FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_entitlements_workspace ON environment_entitlements
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE environment_directories ENABLE ROW LEVEL SECURITY;
ALTER TABLE environment_directories FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_directories_workspace ON environment_directories
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE provider_connections ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_connections FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_connections_workspace ON provider_connections
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE operation_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE operation_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_runs_workspace ON operation_runs
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE inventory_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE inventory_items FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_inventory_workspace ON inventory_items
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE baseline_profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE baseline_profiles FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_profiles_workspace ON baseline_profiles
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE baseline_snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE baseline_snapshots FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_snapshots_workspace ON baseline_snapshots
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE baseline_assignments ENABLE ROW LEVEL SECURITY;
ALTER TABLE baseline_assignments FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_assignments_workspace ON baseline_assignments
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE policy_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_policy_versions_workspace ON policy_versions
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE provider_resource_bindings ENABLE ROW LEVEL SECURITY;
ALTER TABLE provider_resource_bindings FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_bindings_workspace ON provider_resource_bindings
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_events_workspace ON audit_events
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE audit_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_heads_workspace ON audit_heads
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY pl_idempotency_workspace ON idempotency_keys
    USING (workspace_id = (SELECT CAST(nullif(current_setting('provident.workspace_id', true), '') AS uuid)));

-- A binding ends once and stays ended. The redactor, who is nobody's login, may touch any row, and leaves of its notes
-- only the marker: a text no note can be, because notes do not end in white space.
CREATE POLICY pl_bindings_ends_once ON provider_resource_bindings AS RESTRICTIVE FOR UPDATE
    USING (binding_status = 'active' OR current_user = 'provident_redactor')
    WITH CHECK (
        CASE
            WHEN current_user = 'provident_redactor' THEN
                coalesce(operator_note, '[redacted]' || chr(10)) = '[redacted]' || chr(10)
                AND coalesce(ended_note, '[redacted]' || chr(10)) = '[redacted]' || chr(10)
                AND coalesce(operator_note, ended_note) IS NOT NULL
            ELSE binding_status <> 'active' END);
