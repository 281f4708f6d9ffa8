//! The history of a million runs, on both engines as their planners see it: a page of it, the active ones, the one that is active
//! in a scope and the next one that is due are led to by an index, whatever lies behind them.
#![expect(clippy::unwrap_used, reason = "a test that fails says why")]

use std::collections::BTreeMap;
use std::time::Instant;

use provident::page::PageRequest;
use provident::run::{OperationType, RunFilter};
use provident::store::statements_run;
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines, say};
use provident_tests::installation::Installation;
use provident_tests::provider::worker;
use provident_tests::rows::{LATER, Value};
use provident_tests::stand_in::{StandIn, fake};

const RUNS: u32 = 1_000_000;

/// So many runs that have ended, of every type.
async fn history(world: &Installation, raw: &mut Raw) {
    let acme = &world.acme;
    let id = match raw.engine() {
        Engine::Sqlite => "unhex(printf('%032x', n))",
        Engine::Postgres => "CAST(lpad(CAST(n AS text), 32, '0') AS uuid)",
    };
    let types: Vec<String> =
        OperationType::ALL.iter().zip(0..).map(|(name, at)| format!("WHEN {at} THEN '{}'", name.as_str())).collect();
    let operation = format!("CASE n % {} {} END", types.len(), types.join(" "));
    let row = world.row(acme, acme.environment_id, "operation_runs");
    let row = row.with("id", Value::Sql(id.to_owned())).with("operation_type", Value::Sql(operation));
    let row = row.with("status", "completed").with("outcome", "succeeded").with("ended_at", LATER);
    let (columns, values) = row.with("provider_key", fake::KEY).parts(raw.engine());
    let values = values.strip_prefix('(').and_then(|values| values.strip_suffix(')')).unwrap();
    let sql = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {RUNS})
         INSERT INTO operation_runs {columns} SELECT {values} FROM numbers"
    );
    assert_eq!(raw.execute(&sql).await.unwrap(), u64::from(RUNS));
    raw.execute("ANALYZE").await.unwrap();
}

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
fn a_million_runs_are_in_nobodys_way() {
    on_both_engines(async |database: TestDatabase| {
        let (world, stand_in) = (Installation::on(database).await, StandIn::start());
        let (acme, engine) = (&world.acme, world.database.engine());
        let mut raw = world.raw().await;
        history(&world, &mut raw).await;
        // What the program asks: its statements are the ones that have run.
        let connection = world.bare_connection(acme, acme.environment_id, Some("directory-1")).await;
        let begun = Instant::now();
        let run = world.start(acme, OperationType::HealthCheck, connection).await.run;
        let started = begun.elapsed();
        let (at, here, page) = (&acme.workspace, acme.environment_id, PageRequest::default());
        let mut took = Vec::new();
        for filter in [
            RunFilter::default(),
            RunFilter { active: true, ..RunFilter::default() },
            RunFilter { operation_type: Some(OperationType::HealthCheck.as_str().to_owned()), active: false },
        ] {
            let begun = Instant::now();
            let listed = world.service.runs(acme.readonly, at, here, &filter, page).await.unwrap();
            took.push(begun.elapsed());
            assert_eq!(listed.items.first(), Some(&run), "the newest is the first");
        }
        assert!(worker(&world.service, &stand_in).work_once().await.unwrap());
        let asked: BTreeMap<_, _> = statements_run().into_iter().collect();
        let none = |kind: &str| format!("CAST(NULL AS {kind})");
        let id = if engine == Engine::Sqlite { "BLOB" } else { "uuid" };
        let place = [engine.id(acme.workspace_id), engine.id(here)];
        let scope = "'fake:directory:directory-1'".to_owned();
        let kind = format!("'{}'", OperationType::HealthCheck.as_str());
        let [workspace, _] = place.clone();
        let with = |more: &[String]| [&place[..], more].concat();
        let directory = vec![workspace.clone(), "'fake'".to_owned(), "'directory-1'".to_owned()];
        let statements = [
            // Where nearly all runs are of one environment, the key of all is as good.
            (
                "runs_of",
                with(&[none(id), "101".to_owned()]),
                ["ux_runs_environment", "pk_runs", "sqlite_autoindex_operation_runs"],
            ),
            ("runs_of_type", with(&[none(id), kind, "101".to_owned()]), ["ix_runs_type"; 3]),
            ("active_runs_of", with(&[none(id), none("text"), "101".to_owned()]), ["ix_runs_active"; 3]),
            ("active_run", vec![workspace, scope], ["ux_runs_active_scope"; 3]),
            ("active_run_of_directory", directory, ["ix_runs_active", "ux_runs_active_scope", "ix_runs_type"]),
        ];
        for (name, parameters, indexes) in statements {
            let text = asked.get(name).unwrap_or_else(|| panic!("{name} did not run"));
            let found = plan_of(&mut raw, text, &parameters).await;
            let whole = found.contains("Seq Scan on operation_runs") || found.contains("SCAN operation_runs");
            let led = indexes.iter().any(|index| found.contains(index));
            assert!(led && !whole, "{name}: {found}");
        }
        raw.close().await.unwrap();
        say(&format!("{RUNS} runs on {engine}: started in {started:.1?}, pages of them in {took:.1?}"));
    });
}
