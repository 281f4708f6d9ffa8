DROP TABLE run_queue;
DROP INDEX ix_inventory_observed;
DROP POLICY pl_runs_end_once ON operation_runs;
DROP INDEX ix_runs_active;
DROP INDEX ix_runs_type;
DROP INDEX ux_runs_active_scope;
DROP TABLE provider_credentials;
DROP TABLE master_keys;
