//! Every CHECK, reference, unique key and trigger of the schema seen refusing, on both engines, with the service left
//! out. The rows that must be refused: `broken.rs`.
#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::collections::BTreeSet;

use provident_tests::broken::{self, Broken};
use provident_tests::catalog::{self, Key};
use provident_tests::database::{Engine, Raw, TestDatabase, on_both_engines};
use provident_tests::rows::{self, LATER, Row, Value, uncrowded, valid, world};
use provident_tests::tables::PASSING_TABLES;

#[test]
fn every_check_refuses_a_row_that_breaks_it_alone() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let tables = catalog::read(&mut raw).await.unwrap();
        let mut rows = broken::of_both_engines();
        rows.extend(broken::of_the_system());
        if database.engine() == Engine::Sqlite {
            rows.extend(broken::of_sqlite(&tables));
        }
        let mut seen = BTreeSet::new();
        let mut wrong = Vec::new();
        for Broken { row, constraint } in &rows {
            let refused = raw.refusal(&row.sql(database.engine())).await;
            if refused.as_ref() == Some(constraint) {
                seen.insert(constraint.clone());
            } else {
                wrong.push(format!("{constraint}: {refused:?} for {}", row.sql(database.engine())));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let all: BTreeSet<String> =
            tables.iter().flat_map(|table| table.checks.iter().map(|(name, _)| name.clone())).collect();
        assert!(all.len() > 100, "{} checks", all.len());
        assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new(), "never seen refusing");
    });
}

#[test]
fn every_reference_out_of_its_scope_is_refused() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        let mut seen = BTreeSet::new();
        let mut wrong = Vec::new();
        for Broken { row, constraint } in &broken::references() {
            let refused = raw.refusal(&row.sql(database.engine())).await;
            let expected = match database.engine() {
                Engine::Sqlite => "FOREIGN KEY constraint failed",
                Engine::Postgres => constraint.as_str(),
            };
            seen.insert(constraint.clone());
            if refused.as_deref() != Some(expected) {
                wrong.push(format!("{constraint}: {refused:?} for {}", row.sql(database.engine())));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let tables = catalog::read(&mut raw).await.unwrap();
        let all: BTreeSet<String> =
            tables.iter().flat_map(|table| table.foreign_keys.iter().map(|key| key.name.clone())).collect();
        assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new(), "never seen refusing");
    });
}

/// A row that the key looks at, with all its columns filled.
async fn row_under(key: &Key, table: &str, raw: &mut Raw) -> Row {
    let row = uncrowded(table);
    match key.name.as_str() {
        "ux_connections_default" => row.with("is_default", true),
        "ux_directories_directory" => row.with("directory_id", "dir-7"),
        "ux_assignments_in_force" => {
            let profile = valid("baseline_profiles");
            profile.insert(raw).await.unwrap();
            row.with("baseline_profile_id", profile.value("id").clone()).with("ended_at", Value::Null)
        }
        "ux_bindings_superseded_once" => {
            let ended = valid(table).with("binding_status", "superseded").with("ended_at", LATER);
            ended.insert(raw).await.unwrap();
            row.with("supersedes_binding_id", ended.value("id").clone())
        }
        name if name.ends_with("_external_ref") => {
            of_somebody_new(row, raw).await.with("external_ref", format!("ref-{}", rows::fresh()))
        }
        _ => row,
    }
}

/// The row, where it is about a user, about one whom no row is about yet: no key but the one meant then refuses it.
async fn of_somebody_new(row: Row, raw: &mut Raw) -> Row {
    if *row.value("user_id") == Value::Null {
        return row;
    }
    let user = valid("users");
    user.insert(raw).await.unwrap();
    let row = row.with("user_id", user.value("id").clone());
    if row.table() != "workspace_memberships" {
        let member = valid("workspace_memberships").with("workspace_id", row.value("workspace_id").clone());
        member.with("user_id", user.value("id").clone()).insert(raw).await.unwrap();
    }
    row
}

#[test]
fn every_unique_key_refuses_a_second_row() {
    on_both_engines(|database| async move {
        let mut raw = world(&database).await.unwrap();
        for table in catalog::read(&mut raw).await.unwrap() {
            let keys = || std::iter::once(&table.primary_key).chain(&table.unique);
            for key in keys() {
                let first = row_under(key, &table.name, &mut raw).await;
                // Where there can be only one such row, it may be there already.
                let _ = first.insert(&mut raw).await;
                let condition = key.condition.as_deref().unwrap_or_default();
                let named = |name: &str| {
                    condition.split(|sign: char| !sign.is_ascii_lowercase() && sign != '_').any(|word| word == name)
                };
                let same = table.columns.iter().map(|column| &column.name);
                let same = same.filter(|name| key.columns.contains(name) || named(name));
                let second = same.fold(uncrowded(&table.name), |row, name| row.with(name, first.value(name).clone()));
                let second =
                    if key.name.ends_with("_external_ref") { of_somebody_new(second, &mut raw).await } else { second };
                let refused = raw.refusal(&second.sql(database.engine())).await;
                let refused = refused.unwrap_or_else(|| panic!("{key} took a second row"));
                let by: BTreeSet<String> = match database.engine() {
                    Engine::Sqlite => {
                        refused.replace(&format!("{}.", table.name), "").split(", ").map(str::to_owned).collect()
                    }
                    Engine::Postgres => {
                        keys().filter(|key| key.name == refused).flat_map(|key| key.columns.clone()).collect()
                    }
                };
                // Of two keys of which one contains the other, either may speak.
                let own = key.columns.iter().cloned().collect::<BTreeSet<_>>();
                assert!(!by.is_empty() && (by.is_subset(&own) || own.is_subset(&by)), "{key}: {refused}");
            }
        }
    });
}

async fn sqlite_world() -> (TestDatabase, Raw) {
    let database = TestDatabase::migrated(Engine::Sqlite).await;
    let raw = world(&database).await.unwrap();
    (database, raw)
}

#[tokio::test]
async fn sqlite_deletes_nothing() {
    let (_database, mut raw) = sqlite_world().await;
    for table in catalog::read(&mut raw).await.unwrap() {
        // Some tables are filled by the world; the others get a row of their own.
        let _ = uncrowded(&table.name).insert(&mut raw).await;
        let refused = raw.refusal(&format!("DELETE FROM {}", table.name)).await;
        let passes = PASSING_TABLES.contains(&table.name.as_str());
        let expected = (!passes).then(|| format!("{}: nothing is deleted", table.name));
        assert_eq!(refused, expected);
    }
}

#[tokio::test]
async fn sqlite_lets_no_row_change_its_key() {
    let (_database, mut raw) = sqlite_world().await;
    for table in catalog::read(&mut raw).await.unwrap() {
        let _ = uncrowded(&table.name).insert(&mut raw).await;
        let mut columns = table.primary_key.columns.clone();
        columns.extend(
            ["managed_environment_id".to_owned()]
                .into_iter()
                .filter(|name| table.columns.iter().any(|column| column.name == *name)),
        );
        for column in columns {
            let refused = raw.refusal(&format!("UPDATE {} SET {column} = {column}", table.name)).await.unwrap();
            assert!(refused.starts_with(&format!("{}: ", table.name)), "{} {column}: {refused}", table.name);
        }
    }
}

#[tokio::test]
async fn sqlite_lets_no_audit_event_change() {
    let (_database, mut raw) = sqlite_world().await;
    valid("audit_events").insert(&mut raw).await.unwrap();
    for table in catalog::read(&mut raw).await.unwrap().iter().filter(|table| table.name == "audit_events") {
        for column in &table.columns {
            let refused = raw.refusal(&format!("UPDATE audit_events SET {0} = {0}", column.name)).await;
            assert_eq!(refused.as_deref(), Some("audit_events: an event does not change"), "{}", column.name);
        }
    }
    let shorter = "UPDATE audit_heads SET last_number = last_number - 1";
    assert_eq!(raw.refusal(shorter).await.as_deref(), Some("audit_heads: a chain does not get shorter"));
}

#[tokio::test]
async fn sqlite_replaces_no_row() {
    let (_database, mut raw) = sqlite_world().await;
    let event = valid("audit_events");
    event.insert(&mut raw).await.unwrap();
    let replacing = event.sql(Engine::Sqlite).replacen("INSERT", "INSERT OR REPLACE", 1);
    assert_eq!(raw.refusal(&replacing).await.as_deref(), Some("audit_events: nothing is deleted"));
}
