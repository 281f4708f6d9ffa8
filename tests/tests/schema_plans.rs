//! Each look-up of bindings has an index that leads to its rows, on both engines, as their planners see it: over a
//! few thousand rows of which the look-up wants a few.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use provident_tests::database::{Engine, Raw, on_both_engines};
use provident_tests::partition;
use provident_tests::rows::{
    ENVIRONMENT, FOREIGN, LATER, MEMBER, OTHER_WORKSPACE, Row, SECOND_CONNECTION, SECOND_PROVIDER, SISTER, Value,
    WORKSPACE, connection_of, fresh, item_of, run_of, snapshot_of, valid, version_of, world,
};
use uuid::Uuid;

/// Inserts so many rows like `row`, with ids and subjects of their own.
async fn many(raw: &mut Raw, count: u32, row: Row) {
    let block = fresh() * 1_000_000;
    let id = match raw.engine() {
        Engine::Sqlite => format!("CAST(printf('%016d', {block} + n) AS BLOB)"),
        Engine::Postgres => format!("CAST(lpad(CAST({block} + n AS text), 32, '0') AS uuid)"),
    };
    let provider = if *row.value("provider_key") == Value::from(SECOND_PROVIDER) { SECOND_PROVIDER } else { "fake" };
    let key = format!("'provider:{provider}:policy:t:w:id:' || CAST({block} + n AS text)");
    let row = row.with("id", Value::Sql(id)).with("canonical_subject_key", Value::Sql(key));
    let (columns, values) = row.parts(raw.engine());
    let values = values.strip_prefix('(').and_then(|values| values.strip_suffix(')')).unwrap();
    let sql = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
         INSERT INTO provider_resource_bindings {columns} SELECT {values} FROM numbers"
    );
    assert_eq!(raw.execute(&sql).await.unwrap(), u64::from(count));
}

async fn filled(raw: &mut Raw) {
    let binding = || valid("provider_resource_bindings");
    let revoked = binding().with("binding_status", "revoked").with("ended_at", LATER).with("ended_note", "gone");
    let second = binding().with("provider_key", SECOND_PROVIDER).with("resolution_mode", "missing_expected");
    let second = ["resource_key", "provider_resource_type", "provider_resource_id"]
        .iter()
        .fold(second, |row, column| row.with(column, Value::Null));
    let foreign = binding().with("workspace_id", OTHER_WORKSPACE).with("managed_environment_id", FOREIGN);
    many(raw, 4000, binding()).await;
    many(raw, 20, revoked.with("ended_by_user_id", MEMBER)).await;
    many(raw, 20, binding().with("resolution_mode", "accepted_limitation")).await;
    many(raw, 20, second.with("provider_connection_id", SECOND_CONNECTION)).await;
    many(raw, 20, binding().with("provider_connection_id", connection_of(ENVIRONMENT))).await;
    many(raw, 20, binding().with("managed_environment_id", SISTER)).await;
    many(raw, 20, foreign).await;
    many(raw, 20, binding().with("source_operation_run_id", run_of(ENVIRONMENT))).await;
    many(raw, 20, binding().with("source_inventory_item_id", item_of(ENVIRONMENT))).await;
    many(raw, 20, binding().with("source_policy_version_id", version_of(ENVIRONMENT))).await;
    many(raw, 20, binding().with("source_baseline_snapshot_id", snapshot_of(WORKSPACE))).await;
    raw.execute("ANALYZE").await.unwrap();
}

/// The plan of a query, on one line.
async fn plan(raw: &mut Raw, condition: &str) -> String {
    let explain = match raw.engine() {
        Engine::Sqlite => "EXPLAIN QUERY PLAN",
        Engine::Postgres => "EXPLAIN",
    };
    let sql = format!("{explain} SELECT * FROM provider_resource_bindings WHERE {condition}");
    let lines = raw.rows(&sql).await.unwrap();
    lines.into_iter().filter_map(|row| row.into_iter().next_back().flatten()).collect::<Vec<_>>().join(" / ")
}

/// Whether the plan reads the whole table.
fn reads_everything(plan: &str) -> bool {
    plan.contains("Seq Scan") || plan.contains("SCAN provider_resource_bindings")
}

#[test]
fn the_active_look_up_uses_the_partial_unique_index() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let mut raw = world(&database).await.unwrap();
        filled(&mut raw).await;
        let of = |id: Uuid| engine.id(id);
        let (workspace, environment) = (of(WORKSPACE), of(ENVIRONMENT));
        let subject = "canonical_subject_key = 'provider:fake:policy:t:w:id:1'";
        let scope = format!("workspace_id = {workspace} AND managed_environment_id = {environment}");
        let active = format!("{scope} AND provider_key = 'fake' AND {subject} AND binding_status = 'active'");
        let found = plan(&mut raw, &active).await;
        assert!(found.contains("ux_bindings_active") && !reads_everything(&found), "{found}");
        raw.execute("DROP INDEX ux_bindings_active").await.unwrap();
        let without = plan(&mut raw, &active).await;
        assert!(!without.contains("ux_bindings_active"), "{without}");
    });
}

#[test]
fn each_of_the_eleven_look_ups_has_its_index() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let mut raw = world(&database).await.unwrap();
        filled(&mut raw).await;
        let of = |id: Uuid| engine.id(id);
        let workspace = format!("workspace_id = {}", of(WORKSPACE));
        let scope = format!("{workspace} AND managed_environment_id = {}", of(ENVIRONMENT));
        let within = |condition: String| format!("{scope} AND {condition}");
        let sister = format!("{workspace} AND managed_environment_id = {}", of(SISTER));
        let elsewhere = format!("workspace_id = {}", of(OTHER_WORKSPACE));
        let key = "canonical_subject_key = 'provider:fake:policy:t:w:id:1'".to_owned();
        let second = format!("provider_key = '{SECOND_PROVIDER}'");
        let over = format!("{second} AND provider_connection_id = {}", of(SECOND_CONNECTION));
        let source = |column: &str, id: Uuid| format!("source_{column}_id = {}", of(id));
        // Any index led by the workspace, or by it and the environment, serves the first two.
        let look_ups = [
            ("", elsewhere.clone()),
            ("", sister),
            ("ix_bindings_connection", within(second)),
            ("ix_bindings_connection", within(over)),
            ("ix_bindings_subject", within(key)),
            ("ix_bindings_status", within("binding_status = 'revoked'".to_owned())),
            ("ix_bindings_mode", within("resolution_mode = 'accepted_limitation'".to_owned())),
            ("ix_bindings_operation_run", within(source("operation_run", run_of(ENVIRONMENT)))),
            ("ix_bindings_inventory_item", within(source("inventory_item", item_of(ENVIRONMENT)))),
            ("ix_bindings_policy_version", within(source("policy_version", version_of(ENVIRONMENT)))),
            (
                "ix_bindings_baseline_snapshot",
                format!("{workspace} AND {}", source("baseline_snapshot", snapshot_of(WORKSPACE))),
            ),
        ];
        for (index, condition) in look_ups {
            let plan = plan(&mut raw, &condition).await;
            // In parts by workspace, a small one is all there is in its part, and read whole.
            let whole = partition::asked_for() && condition == elsewhere;
            assert!(whole || plan.contains(index) && !reads_everything(&plan), "{index} for {condition}: {plan}");
        }
    });
}
