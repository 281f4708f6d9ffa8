//! Each look-up of bindings has an index that leads to its rows, on both engines, as their planners see it: over a
//! few thousand rows of which the look-up wants a few.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::collections::BTreeMap;

use provident::clock::Timestamp;
use provident::page::PageRequest;
use provident::store::statements_run;
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::installation::{Installation, exclusion, key};
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

/// What the program itself asks of many subjects, by the names of its statements: their texts are the ones that have run.
async fn asked_by_the_program(engine: Engine) -> BTreeMap<&'static str, &'static str> {
    let world = Installation::on(TestDatabase::migrated(engine).await).await;
    let acme = &world.acme;
    let (service, workspace, here) = (&world.service, &acme.workspace, acme.environment_id);
    let items = [exclusion(&key("1")), exclusion(&key("2"))];
    service.bulk_create_bindings(acme.manager, workspace, here, &items).await.unwrap();
    // Once more: who has a subject is looked up where it is taken.
    service.bulk_create_bindings(acme.manager, workspace, here, &items).await.unwrap();
    service.create_binding(acme.manager, workspace, here, &items[0]).await.unwrap_err();
    for at in [None, Some(Timestamp::from_micros(0))] {
        service.lookup(acme.readonly, workspace, here, &[key("1"), key("3")], at).await.unwrap();
    }
    service.bindings_of_resource(acme.readonly, workspace, here, &key("1"), PageRequest::default()).await.unwrap();
    statements_run().into_iter().collect()
}

/// The plan of a statement of the program over these parameters, written in its SQL; on one line.
async fn plan_of(raw: &mut Raw, text: &str, parameters: &[String]) -> String {
    let mut sql = text.to_owned();
    for (place, value) in parameters.iter().enumerate().rev() {
        sql = sql.replace(&format!("${}", place + 1), value);
    }
    let explain = if raw.engine() == Engine::Sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
    let lines = raw.rows(&format!("{explain} {sql}")).await.unwrap();
    lines.into_iter().filter_map(|row| row.into_iter().next_back().flatten()).collect::<Vec<_>>().join(" / ")
}

#[test]
fn what_the_program_asks_of_many_subjects_is_led_by_an_index_for_each() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let mut raw = world(&database).await.unwrap();
        filled(&mut raw).await;
        let elsewhere = valid("provider_resource_bindings").with("resource_key", "provider:fake:policy:t:w:id:rare");
        many(&mut raw, 20, elsewhere.with("provider_resource_id", "rare")).await;
        raw.execute("ANALYZE").await.unwrap();
        let asked = asked_by_the_program(engine).await;
        let subject = "provider:fake:policy:t:w:id:1";
        let (one, providers, subjects, at) = match engine {
            Engine::Sqlite => {
                let pairs = format!("'[[\"fake\",\"{subject}\"]]'");
                ("_sqlite", vec![pairs], format!("'[\"{subject}\"]'"), format!("'{LATER}'"))
            }
            Engine::Postgres => {
                let of = |text: &str| format!("'{{\"{text}\"}}'");
                ("_postgres", vec![of("fake"), of(subject)], of(subject), format!("'{LATER}'"))
            }
        };
        let with = |more: &[String]| [&[engine.id(WORKSPACE), engine.id(ENVIRONMENT)], more].concat();
        let (fake, subject) = ("'fake'".to_owned(), format!("'{subject}'"));
        let rare = "'provider:fake:policy:t:w:id:rare'".to_owned();
        let none = "CAST(NULL AS ".to_owned() + if engine == Engine::Sqlite { "BLOB)" } else { "uuid)" };
        let statements = [
            ("active_binding".to_owned(), with(&[fake, subject.clone()]), "ux_bindings_active"),
            (format!("active_bindings{one}"), with(&providers), "ux_bindings_active"),
            ("last_ended_at".to_owned(), with(&[subject]), "ix_bindings_subject"),
            (format!("last_endings{one}"), with(std::slice::from_ref(&subjects)), "ix_bindings_subject"),
            (format!("last_bindings{one}"), with(std::slice::from_ref(&subjects)), "ix_bindings_subject"),
            (format!("bindings_begun_by{one}"), with(&[subjects, at]), "ix_bindings_subject"),
            ("bindings_of_resource".to_owned(), with(&[rare, none, "10".to_owned()]), "ix_bindings_resource"),
        ];
        for (name, parameters, index) in statements {
            let text = asked.get(name.as_str()).unwrap_or_else(|| panic!("{name} did not run"));
            let found = plan_of(&mut raw, text, &parameters).await;
            assert!(found.contains(index) && !reads_everything(&found), "{name}: {found}");
            if partition::asked_for() {
                // Made again, the index of a part would have a name of the server's own.
                continue;
            }
            raw.execute(&format!("DROP INDEX {index}")).await.unwrap();
            assert!(!plan_of(&mut raw, text, &parameters).await.contains(index), "{name}");
            made_again(&mut raw, index).await;
        }
    });
}

/// Makes an index again that was dropped, as its migration does.
async fn made_again(raw: &mut Raw, index: &str) {
    let folder = raw.engine().migrations();
    let texts = ["0002_provider_resource_bindings.up.sql", "0004_bindings_by_resource.up.sql"]
        .map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    let text = texts.concat();
    let statement = text.split(';').find(|statement| statement.contains(&format!("INDEX {index}\n"))).unwrap();
    raw.execute(statement).await.unwrap();
}
