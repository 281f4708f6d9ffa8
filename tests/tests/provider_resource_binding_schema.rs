//! Bindings as the database itself guards them, on both engines, with the service left out: one active per subject,
//! nothing out of scope, ended once and for good, and the matrix of decisions held to the verdict of the rules.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::fmt::Write as _;

use identity_component::key;
use identity_component::model::{ActorKind, KeyForm, ResolutionMode, SubjectClass};
use provident_tests::catalog;
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::product::{Candidate, product, rules};
use provident_tests::rows::{
    ENVIRONMENT, FOREIGN, LATER, MEMBER, NOTHING, OTHER_WORKSPACE, PROVIDER, Row, SECOND_CONNECTION, SECOND_PROVIDER,
    SISTER, THEN, Value, WORKSPACE, connection_of, fresh_key, item_of, run_of, snapshot_of, valid, version_of, world,
};

const BINDINGS: &str = "provider_resource_bindings";

fn binding() -> Row {
    valid(BINDINGS)
}

fn superseded(row: Row) -> Row {
    row.with("binding_status", "superseded").with("ended_at", LATER)
}

fn revoked(row: Row) -> Row {
    let row = row.with("binding_status", "revoked").with("ended_at", LATER);
    row.with("ended_by_user_id", MEMBER).with("ended_note", "no longer true")
}

async fn taken(raw: &mut Raw, row: &Row) {
    let engine = raw.engine();
    assert_eq!(raw.refusal(&row.sql(engine)).await, None, "{}", row.sql(engine));
}

/// Asserts that a constraint of the schema refuses a row, by its name where the engine tells names.
async fn refused(raw: &mut Raw, row: &Row, constraint: &str) {
    let engine = raw.engine();
    let by = raw.refusal(&row.sql(engine)).await;
    let nameless = match constraint.split_once('_') {
        Some(("fk", _)) => "FOREIGN KEY constraint failed",
        Some(("ux", _)) => {
            assert!(
                engine == Engine::Postgres || by.as_deref().is_some_and(|columns| columns.starts_with(row.table()))
            );
            by.as_deref().unwrap_or_default()
        }
        _ => constraint,
    };
    let expected = if engine == Engine::Sqlite { nameless } else { constraint };
    assert_eq!(by.as_deref(), Some(expected), "{}", row.sql(engine));
}

#[test]
fn a_second_active_binding_for_one_subject_is_refused() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let key = fresh_key();
        let same = |row: Row| row.with("canonical_subject_key", key.as_str());
        taken(&mut raw, &same(binding())).await;
        let second = same(binding());
        refused(&mut raw, &second, "ux_bindings_active").await;
        let elsewhere = second.clone().with("provider_connection_id", connection_of(ENVIRONMENT));
        refused(&mut raw, &elsewhere, "ux_bindings_active").await;
        let otherwise = second.clone().with("resolution_mode", "accepted_limitation").with("operator_note", "fine");
        refused(&mut raw, &otherwise, "ux_bindings_active").await;
        // Ended ones are history, and other places are other subjects.
        taken(&mut raw, &superseded(same(binding()))).await;
        taken(&mut raw, &revoked(same(binding()))).await;
        taken(&mut raw, &same(binding()).with("managed_environment_id", SISTER)).await;
        let foreign = same(binding()).with("workspace_id", OTHER_WORKSPACE).with("managed_environment_id", FOREIGN);
        taken(&mut raw, &foreign).await;
        taken(&mut raw, &binding()).await;
    });
}

#[test]
fn a_binding_whose_workspace_is_not_its_environments_is_refused() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        refused(&mut raw, &binding().with("workspace_id", OTHER_WORKSPACE), "fk_bindings_environment").await;
        refused(&mut raw, &binding().with("managed_environment_id", FOREIGN), "fk_bindings_environment").await;
        refused(&mut raw, &binding().with("managed_environment_id", NOTHING), "fk_bindings_environment").await;
    });
}

#[test]
fn a_binding_always_has_a_workspace_and_an_environment() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        for column in ["workspace_id", "managed_environment_id"] {
            let by = raw.refusal(&binding().with(column, Value::Null).sql(database.engine())).await.unwrap();
            assert!(by.contains("NULL") || by.contains("null"), "{column}: {by}");
        }
    });
}

#[test]
fn a_connection_of_another_environment_or_provider_is_refused() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let over = |connection| binding().with("provider_connection_id", connection);
        taken(&mut raw, &over(connection_of(ENVIRONMENT))).await;
        for connection in [connection_of(SISTER), connection_of(FOREIGN), SECOND_CONNECTION, NOTHING] {
            refused(&mut raw, &over(connection), "fk_bindings_connection").await;
        }
    });
}

#[test]
fn sources_of_another_environment_or_workspace_are_refused() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let here = binding()
            .with("source_operation_run_id", run_of(ENVIRONMENT))
            .with("source_inventory_item_id", item_of(ENVIRONMENT))
            .with("source_policy_version_id", version_of(ENVIRONMENT))
            .with("source_baseline_snapshot_id", snapshot_of(WORKSPACE));
        taken(&mut raw, &here).await;
        for elsewhere in [SISTER, FOREIGN] {
            let row = |column, id| binding().with(column, id);
            refused(&mut raw, &row("source_operation_run_id", run_of(elsewhere)), "fk_bindings_operation_run").await;
            refused(&mut raw, &row("source_inventory_item_id", item_of(elsewhere)), "fk_bindings_inventory_item").await;
            refused(&mut raw, &row("source_policy_version_id", version_of(elsewhere)), "fk_bindings_policy_version")
                .await;
        }
        let foreign = binding().with("source_baseline_snapshot_id", snapshot_of(OTHER_WORKSPACE));
        refused(&mut raw, &foreign, "fk_bindings_baseline_snapshot").await;
    });
}

#[test]
fn a_binding_is_superseded_once_and_in_its_own_environment() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let first = superseded(binding());
        taken(&mut raw, &first).await;
        let over = |row: Row| row.with("supersedes_binding_id", first.value("id").clone());
        refused(&mut raw, &over(binding()).with("managed_environment_id", SISTER), "fk_bindings_supersedes").await;
        taken(&mut raw, &over(binding())).await;
        refused(&mut raw, &over(binding()), "ux_bindings_superseded_once").await;
    });
}

#[test]
fn statuses_are_exactly_three() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        taken(&mut raw, &binding()).await;
        taken(&mut raw, &superseded(binding())).await;
        taken(&mut raw, &revoked(binding())).await;
        for status in ["inactive", "Active", "expired", ""] {
            refused(&mut raw, &superseded(binding()).with("binding_status", status), "ck_bindings_status").await;
        }
    });
}

#[test]
fn within_an_environment_one_provider_has_one_directory() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let connection = |directory: Option<&str>| valid("provider_connections").with("directory_id", directory);
        taken(&mut raw, &connection(Some("dir-1"))).await;
        taken(&mut raw, &connection(None)).await;
        refused(&mut raw, &connection(Some("dir-2")), "fk_connections_directory").await;
        let second = valid("environment_directories").with("provider_key", PROVIDER).with("directory_id", "dir-2");
        refused(
            &mut raw,
            &second,
            if database.engine() == Engine::Sqlite { "ux_directories" } else { "pk_directories" },
        )
        .await;
        // The directory of the second provider is not known yet: nobody can name one before it is.
        let later = |directory: &str| {
            valid("provider_connections").with("provider_key", SECOND_PROVIDER).with("directory_id", directory)
        };
        refused(&mut raw, &later("dir-3"), "fk_connections_directory").await;
        let known = |directory: &str| {
            format!(
                "UPDATE environment_directories SET directory_id = '{directory}', updated_at = '{LATER}'
                 WHERE workspace_id = {} AND managed_environment_id = {} AND provider_key = '{SECOND_PROVIDER}'",
                database.engine().id(WORKSPACE),
                database.engine().id(ENVIRONMENT),
            )
        };
        assert_eq!(raw.execute(&known("dir-3")).await.unwrap(), 1);
        taken(&mut raw, &later("dir-3")).await;
        refused(&mut raw, &later("dir-4"), "fk_connections_directory").await;
        let by = raw.refusal(&known("dir-4")).await.unwrap();
        let expected = match database.engine() {
            Engine::Sqlite => "environment_directories: a known directory does not change",
            Engine::Postgres => "fk_connections_directory",
        };
        assert_eq!(by, expected);
    });
}

async fn sqlite_world() -> (TestDatabase, Raw) {
    let database = TestDatabase::migrated(Engine::Sqlite).await;
    let raw = world(&database).await.unwrap();
    (database, raw)
}

const ENDED_ONCE: &str = "provider_resource_bindings: a binding ends once and stays ended";

fn ending(status: &str) -> String {
    let end = format!("binding_status = '{status}', ended_at = '{LATER}', updated_at = '{LATER}'");
    let who = format!("ended_by_user_id = {}, ended_note = 'gone'", Engine::Sqlite.id(MEMBER));
    let end = if status == "revoked" { format!("{end}, {who}") } else { end };
    format!("UPDATE provider_resource_bindings SET {end}")
}

#[tokio::test]
async fn sqlite_lets_only_the_end_of_a_binding_be_written() {
    let (_database, mut raw) = sqlite_world().await;
    taken(&mut raw, &binding()).await;
    let tables = catalog::read(&mut raw).await.unwrap();
    let table = tables.iter().find(|table| table.name == BINDINGS).unwrap();
    let end = ["binding_status", "ended_at", "ended_by_user_id", "ended_note", "updated_at"];
    let mut frozen = 0;
    for column in table.columns.iter().filter(|column| !end.contains(&column.name.as_str())) {
        // Written as it is, a note has not changed.
        let values = [column.name.as_str(), "NULL"].into_iter().filter(|value| *value != "operator_note");
        for value in values {
            let by = raw.refusal(&format!("{}, {} = {value}", ending("revoked"), column.name)).await;
            let by = by.unwrap_or_else(|| panic!("{} may change", column.name));
            let expected = match column.name.as_str() {
                // A note may give way to its marker, and to nothing else, and not as its binding ends.
                "operator_note" => ENDED_ONCE,
                _ => "provider_resource_bindings: only the end of a binding is written later",
            };
            assert_eq!(by, expected, "{}", column.name);
        }
        frozen += 1;
    }
    assert_eq!(frozen, table.columns.len() - end.len());
    let alive = format!("UPDATE {BINDINGS} SET updated_at = '{LATER}'");
    assert_eq!(raw.refusal(&alive).await.as_deref(), Some(ENDED_ONCE));
    assert!(raw.execute(&ending("revoked")).await.unwrap() > 1);
}

#[tokio::test]
async fn sqlite_never_brings_an_ended_binding_back() {
    for status in ["superseded", "revoked"] {
        let (_database, mut raw) = sqlite_world().await;
        taken(&mut raw, &binding()).await;
        assert!(raw.execute(&ending(status)).await.unwrap() > 1);
        let back = "UPDATE provider_resource_bindings SET binding_status = 'active', ended_at = NULL, \
                    ended_by_user_id = NULL, ended_note = NULL";
        for change in [back, &ending("superseded"), &ending("revoked")] {
            assert_eq!(raw.refusal(change).await.as_deref(), Some(ENDED_ONCE), "{status}: {change}");
        }
        let gone = raw.refusal("DELETE FROM provider_resource_bindings").await;
        assert_eq!(gone.as_deref(), Some("provider_resource_bindings: nothing is deleted"));
    }
}

/// The verdict of the rules on a decision: whether it may be made.
type Verdict = fn(&Candidate) -> bool;

/// Which constraint refuses each row; none where it is taken.
async fn refusals(raw: &mut Raw, rows: &[Row]) -> Vec<Option<String>> {
    let engine = raw.engine();
    raw.execute("BEGIN").await.unwrap();
    let mut verdicts = Vec::new();
    match engine {
        // A refused statement leaves the transaction as it was.
        Engine::Sqlite => {
            for row in rows {
                verdicts.push(raw.refusal(&row.sql(engine)).await);
            }
        }
        // It would end this one: each row gets an inner block, all of them on the server.
        Engine::Postgres => {
            raw.execute("CREATE TEMPORARY TABLE verdicts (number int, refused text)").await.unwrap();
            let mut number = 0;
            for chunk in rows.chunks(256) {
                let mut block = "DO $do$ DECLARE name text; BEGIN\n".to_owned();
                for row in chunk {
                    write!(
                        block,
                        "BEGIN {}; INSERT INTO verdicts VALUES ({number}, NULL);
                         EXCEPTION WHEN integrity_constraint_violation THEN
                             GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
                             INSERT INTO verdicts VALUES ({number}, name); END;\n",
                        row.sql(engine)
                    )
                    .unwrap();
                    number += 1;
                }
                raw.execute(&(block + "END $do$")).await.unwrap();
            }
            let told = raw.rows("SELECT refused FROM verdicts ORDER BY number").await.unwrap();
            verdicts = told.into_iter().map(|row| row.into_iter().next().flatten()).collect();
        }
    }
    raw.execute("ROLLBACK").await.unwrap();
    verdicts
}

/// Asserts that the database takes exactly the candidates the verdict lets pass.
async fn assert_one_verdict(raw: &mut Raw, candidates: &[Candidate], verdict: Verdict) {
    let rows: Vec<Row> = candidates.iter().map(Candidate::row).collect();
    let refusals = refusals(raw, &rows).await;
    assert_eq!(refusals.len(), candidates.len());
    let of_another_opinion: Vec<String> = candidates
        .iter()
        .zip(&refusals)
        .filter(|(candidate, refused)| verdict(candidate) != refused.is_none())
        .map(|(candidate, refused)| format!("{refused:?}: {candidate:?}"))
        .collect();
    let shown: Vec<&String> = of_another_opinion.iter().take(5).collect();
    assert!(of_another_opinion.is_empty(), "{} of {}: {shown:#?}", of_another_opinion.len(), candidates.len());
    let named = refusals.iter().flatten().all(|name| name.starts_with("ck_bindings_"));
    assert!(named, "refused by something else than the checks of bindings");
}

#[test]
fn the_database_and_the_rules_give_one_verdict_over_the_whole_product() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let candidates = product();
        assert_eq!(candidates.len(), 8 * 2 * 24 * 6 * 3 * 3);
        let allowed = candidates.iter().filter(|candidate| rules(candidate)).count();
        assert!(allowed > 200 && allowed < candidates.len() / 2, "{allowed} allowed");
        assert_one_verdict(&mut raw, &candidates, rules).await;
    });
}

#[test]
fn the_database_and_the_rules_agree_at_the_limits_of_notes_and_reasons() {
    let decided = |note: Option<String>, reason: Option<&str>| Candidate {
        mode: ResolutionMode::ManualBinding,
        actor: ActorKind::Operator,
        class: SubjectClass::Policy,
        subject: fresh_key(),
        resource: Some("provider:fake:policy:t:w:id:r".to_owned()),
        note,
        reason: reason.map(str::to_owned),
    };
    let mut candidates = Vec::new();
    for sign in ["n", "é", "語", "\u{1F9E9}"] {
        for count in [1, 2000, 2001] {
            candidates.push(decided(Some(sign.repeat(count)), None));
        }
    }
    let (full, over) = ("r".repeat(64), "r".repeat(65));
    for reason in
        ["a", "0", "a-b", "a-b-c", "-a", "a-", "a--b", "-", "", "A", "a_b", "a.b", "a b", "é", "a-é", &full, &over]
    {
        candidates.push(decided(Some("because".to_owned()), Some(reason)));
    }
    on_both_engines(|database| {
        let candidates = &candidates;
        async move {
            let mut raw = world(&database).await.unwrap();
            assert_one_verdict(&mut raw, candidates, rules).await;
        }
    });
}

#[test]
fn the_database_and_the_rules_agree_on_what_a_key_looks_like() {
    let long = |bytes: usize| format!("provider:fake:policy:t:w:id:{}", "v".repeat(bytes));
    let escaped = |bytes: usize| format!("provider:fake:policy:{0}:{0}:id:{1}", "%C3%A9".repeat(64), "v".repeat(bytes));
    let mut keys: Vec<String> = [
        "provider:fake:policy:t:w:id:a",
        "provider:fake:policy:t:w:ext:A-Za.z0_9~",
        "provider:fake:policy:t:w:id:A%3A1",
        "provider:fake:policy:id:id:id:id",
        "provider:fake:policy:policy:policy:id:policy",
        "provider:fake:policy:t:w:id:%E8%AA%9E",
        "provider:fake:policy:t:w:id:%3a",
        "provider:fake:policy:t:w:id:%3A%",
        "provider:fake:policy:t:w:id:%3",
        "provider:fake:policy:t:w:id:%G0",
        "provider:fake:policy:t:w:id:%0G",
        "provider:fake:policy:t:%:id:a",
        "provider:fake:policy:t:w:id:",
        "provider:fake:policy::w:id:a",
        "provider:fake:policy:t::id:a",
        "provider::policy:t:w:id:a",
        "provider:fake:policy:t:w:id",
        "provider:fake:policy:t:w:id:a:b",
        "provider:fake:policy:t:w:disc:a",
        "provider:fake:policy:t:w:ID:a",
        "provider:fake:policy:t:w:name:a",
        "provider:fake:Policy:t:w:id:a",
        "provider:fake:assignment_target:t:w:id:a",
        "provider:fakes:policy:t:w:id:a",
        "Provider:fake:policy:t:w:id:a",
        "subject:fake:policy:t:w:id:a",
        "provider:fake:policy:t:w:id:a b",
        "provider:fake:policy:t:w:id:a\n",
        "provider:fake:policy:t:w:id:é",
        "provider:fake:policy:t:w:id:a/b",
        "provider:fake:policy:t:w:id:%2F%2B%25",
        "",
        "fake",
    ]
    .map(str::to_owned)
    .to_vec();
    // Every escaped byte that ASCII has: those that need no escape are refused, controls are the rules' own matter.
    keys.extend((0x20..=0x7E_u8).map(|byte| format!("provider:fake:policy:t:w:id:a%{byte:02X}b")));
    keys.extend([long(512), escaped(229), escaped(230), escaped(231), escaped(512)]);
    on_both_engines(|database| {
        let keys = &keys;
        async move {
            let mut raw = world(&database).await.unwrap();
            let subjects: Vec<Row> =
                keys.iter().map(|key| binding().with("canonical_subject_key", key.as_str())).collect();
            let resources: Vec<Row> = keys.iter().map(|key| binding().with("resource_key", key.as_str())).collect();
            for (column, rows) in [("subject", subjects), ("resource", resources)] {
                for (key, refused) in keys.iter().zip(refusals(&mut raw, &rows).await) {
                    let expected = key::parse(key).is_ok_and(|parsed| {
                        let (id, policy) = (parsed.form == KeyForm::Id, parsed.class == SubjectClass::Policy);
                        // The row's other columns say: this provider; a subject of class policy; a resource with an id.
                        parsed.provider_key == PROVIDER && (if column == "subject" { policy } else { id })
                    });
                    assert_eq!(refused.is_none(), expected, "{column} `{key}`: {refused:?}");
                }
            }
        }
    });
}

#[test]
fn decided_and_ended_are_an_interval() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let at = |decided: &str, ended: &str| superseded(binding()).with("decided_at", decided).with("ended_at", ended);
        taken(&mut raw, &at(THEN, LATER)).await;
        refused(&mut raw, &at(THEN, THEN), "ck_bindings_ended_after_decided").await;
        refused(&mut raw, &at(LATER, THEN), "ck_bindings_ended_after_decided").await;
    });
}
