//! References across workspaces, environments and providers, refused by the database with the service left out, as the
//! application writes rows. For each reference of a binding a row that names the right thing is taken first, so that
//! only the place is wrong in those that follow. Every key of every table seen refusing: `schema_refusals.rs`; what no
//! key can say, refused by the service: `provider_resource_binding_service.rs`.
#![cfg(test)]

use std::collections::BTreeSet;

use provident_tests::catalog;
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::partition;
use provident_tests::role::{application, begin_in};
use provident_tests::rows::{
    ENVIRONMENT, FOREIGN, LATER, MEMBER, NOTHING, OTHER_WORKSPACE, PROVIDER, Row, SECOND_CONNECTION, SECOND_PROVIDER,
    SISTER, STRANGER, WORKSPACE, connection_of, item_of, run_of, snapshot_of, valid, version_of, world,
};
use uuid::Uuid;

const BINDINGS: &str = "provider_resource_bindings";

fn binding() -> Row {
    valid(BINDINGS)
}

fn revoked() -> Row {
    binding().with("binding_status", "revoked").with("ended_at", LATER).with("ended_note", "no longer true")
}

/// Tries a row as the application in its workspace; gives what refuses it, and leaves nothing.
async fn tried(raw: &mut Raw, row: &Row) -> Option<String> {
    begin_in(raw, WORKSPACE).await;
    let refused = raw.refusal(&row.sql(raw.engine())).await;
    raw.execute("ROLLBACK").await.unwrap();
    refused
}

/// A superseded binding of each environment, to be succeeded.
async fn predecessors(raw: &mut Raw) -> [Uuid; 3] {
    let mut made = [Uuid::nil(); 3];
    for (id, (workspace, environment)) in
        made.iter_mut().zip([(WORKSPACE, ENVIRONMENT), (WORKSPACE, SISTER), (OTHER_WORKSPACE, FOREIGN)])
    {
        *id = provident_tests::rows::fresh_id();
        let row = binding().with("workspace_id", workspace).with("managed_environment_id", environment).with("id", *id);
        row.with("binding_status", "superseded").with("ended_at", LATER).insert(raw).await.unwrap();
    }
    made
}

#[test]
fn a_binding_refers_to_nothing_of_another_workspace_environment_or_provider() {
    on_both_engines(|database| async move {
        let mut admin = world(&database).await.unwrap();
        let [own, of_sister, foreign] = predecessors(&mut admin).await;
        let mut raw = application(&database).await;
        let of_provider = |id: Uuid| binding().with("provider_connection_id", id);
        let with = |column: &'static str, right: Uuid, wrong: &[Uuid]| {
            (
                column,
                binding().with(column, right),
                wrong.iter().map(|id| binding().with(column, *id)).collect::<Vec<_>>(),
            )
        };
        let mut seen = BTreeSet::new();
        for (constraint, (column, right, wrong)) in [
            ("fk_bindings_environment", with("managed_environment_id", SISTER, &[FOREIGN, NOTHING])),
            (
                "fk_bindings_connection",
                (
                    "provider_connection_id",
                    of_provider(connection_of(ENVIRONMENT)),
                    [connection_of(SISTER), connection_of(FOREIGN), SECOND_CONNECTION, NOTHING].map(of_provider).into(),
                ),
            ),
            ("fk_bindings_decided_by", with("decided_by_user_id", MEMBER, &[STRANGER, NOTHING])),
            (
                "fk_bindings_ended_by",
                (
                    "ended_by_user_id",
                    revoked().with("ended_by_user_id", MEMBER),
                    [STRANGER, NOTHING].map(|user| revoked().with("ended_by_user_id", user)).into(),
                ),
            ),
            ("fk_bindings_supersedes", with("supersedes_binding_id", own, &[of_sister, foreign, NOTHING])),
            (
                "fk_bindings_operation_run",
                with("source_operation_run_id", run_of(ENVIRONMENT), &[run_of(SISTER), run_of(FOREIGN), NOTHING]),
            ),
            (
                "fk_bindings_inventory_item",
                with("source_inventory_item_id", item_of(ENVIRONMENT), &[item_of(SISTER), item_of(FOREIGN), NOTHING]),
            ),
            (
                "fk_bindings_policy_version",
                with(
                    "source_policy_version_id",
                    version_of(ENVIRONMENT),
                    &[version_of(SISTER), version_of(FOREIGN), NOTHING],
                ),
            ),
            (
                "fk_bindings_baseline_snapshot",
                with("source_baseline_snapshot_id", snapshot_of(WORKSPACE), &[snapshot_of(OTHER_WORKSPACE), NOTHING]),
            ),
        ] {
            assert_eq!(tried(&mut raw, &right).await, None, "{column}: {}", right.sql(raw.engine()));
            for row in wrong {
                let expected =
                    if raw.engine() == Engine::Sqlite { "FOREIGN KEY constraint failed" } else { constraint };
                assert_eq!(tried(&mut raw, &row).await.as_deref(), Some(expected), "{column}: {:?}", row.value(column));
            }
            seen.insert(constraint.to_owned());
        }
        let tables = catalog::read(&mut admin).await.unwrap();
        let keys = tables.into_iter().find(|table| table.name == BINDINGS).unwrap().foreign_keys;
        assert_eq!(keys.into_iter().map(|key| key.name).collect::<BTreeSet<_>>(), seen);
    });
}

#[test]
fn a_row_drifts_to_no_other_workspace() {
    on_both_engines(|database| async move {
        let mut admin = world(&database).await.unwrap();
        let drifted = [
            binding().with("workspace_id", OTHER_WORKSPACE),
            binding().with("workspace_id", OTHER_WORKSPACE).with("managed_environment_id", SISTER),
            binding().with("managed_environment_id", FOREIGN),
        ];
        // Whoever writes it, an administrator too.
        for row in &drifted {
            let refused = admin.refusal(&row.sql(admin.engine())).await.unwrap();
            assert!(refused == "fk_bindings_environment" || refused == "FOREIGN KEY constraint failed", "{refused}");
        }
        // The application on PostgreSQL does not even get there with a workspace that is not the one it is in.
        let mut raw = application(&database).await;
        if raw.engine() == Engine::Postgres {
            let refused = tried(&mut raw, &drifted[0]).await.unwrap();
            assert!(refused.contains("row-level security"), "{refused}");
        }
        // Nor does a row that is there move.
        let made = binding();
        made.insert(&mut admin).await.unwrap();
        for (column, value) in [("workspace_id", OTHER_WORKSPACE), ("managed_environment_id", SISTER)] {
            begin_in(&mut raw, WORKSPACE).await;
            let engine = raw.engine();
            let moved = format!("UPDATE {BINDINGS} SET {column} = {}", engine.id(value));
            let refused = raw.refusal(&moved).await.unwrap();
            assert!(refused.starts_with("permission denied") || refused.starts_with(BINDINGS), "{refused}");
            raw.execute("ROLLBACK").await.unwrap();
        }
    });
}

#[test]
fn an_environment_has_one_directory_of_a_provider_whoever_comes_second() {
    on_both_engines(|database| async move {
        let _admin = world(&database).await.unwrap();
        let mut raw = application(&database).await;
        let connection = |environment: Uuid, provider: &str, directory: &str| {
            valid("provider_connections")
                .with("managed_environment_id", environment)
                .with("provider_key", provider)
                .with("directory_id", directory)
        };
        // The one there is, for a second connection too, and in another environment its own.
        assert_eq!(tried(&mut raw, &connection(ENVIRONMENT, PROVIDER, "dir-1")).await, None);
        assert_eq!(tried(&mut raw, &connection(SISTER, PROVIDER, "dir-1")).await, None);
        let expected = match raw.engine() {
            Engine::Sqlite => ["FOREIGN KEY constraint failed"; 2],
            Engine::Postgres => ["fk_connections_directory"; 2],
        };
        for (row, expected) in
            [connection(ENVIRONMENT, PROVIDER, "dir-2"), connection(ENVIRONMENT, SECOND_PROVIDER, "dir-1")]
                .iter()
                .zip(expected)
        {
            assert_eq!(tried(&mut raw, row).await.as_deref(), Some(expected), "{}", row.sql(raw.engine()));
        }
        // A second row for the directory itself.
        let second = valid("environment_directories").with("provider_key", PROVIDER).with("directory_id", "dir-2");
        let refused = tried(&mut raw, &second).await.unwrap();
        assert!(refused == "pk_directories" || refused.contains("environment_directories.provider_key"), "{refused}");
        // And the one that connections use does not change.
        begin_in(&mut raw, WORKSPACE).await;
        let change = "UPDATE environment_directories SET directory_id = 'dir-2' WHERE directory_id = 'dir-1'";
        let refused = raw.refusal(change).await.unwrap();
        let known = ["fk_connections_directory", "environment_directories: a known directory does not change"];
        // Of a part of a table the server has a name of its own for the key.
        let of_a_part = partition::asked_for() && refused.starts_with("provider_connections_workspace_id_");
        assert!(of_a_part || known.contains(&refused.as_str()), "{refused}");
    });
}

#[tokio::test]
async fn a_workspace_learns_of_no_row_of_another_by_referring_to_it() {
    let database = TestDatabase::migrated(Engine::Postgres).await;
    world(&database).await.unwrap();
    let mut raw = application(&database).await;
    for (column, theirs) in [
        ("managed_environment_id", FOREIGN),
        ("source_operation_run_id", run_of(FOREIGN)),
        ("source_baseline_snapshot_id", snapshot_of(OTHER_WORKSPACE)),
        ("provider_connection_id", connection_of(FOREIGN)),
    ] {
        let there = tried(&mut raw, &binding().with(column, theirs)).await.unwrap();
        let nowhere = tried(&mut raw, &binding().with(column, NOTHING)).await.unwrap();
        assert_eq!(there, nowhere, "{column}");
    }
}
