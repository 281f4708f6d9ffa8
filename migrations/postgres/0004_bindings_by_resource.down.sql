DROP INDEX ix_bindings_resource;
