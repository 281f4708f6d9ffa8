-- Its indexes and triggers go with it.
DROP TABLE provider_resource_bindings;
