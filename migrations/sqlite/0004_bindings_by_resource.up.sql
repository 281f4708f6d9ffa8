-- Which subjects are bound to a resource: the look-up the other way round, over decisions that hold.
CREATE INDEX ix_bindings_resource
    ON provider_resource_bindings (workspace_id, managed_environment_id, resource_key)
    WHERE binding_status = 'active' AND resource_key IS NOT NULL;
