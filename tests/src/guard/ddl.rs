//! Rules for the text of migrations: nothing that a distributed PostgreSQL lacks, no clock, no chance, nothing that
//! changes rows behind a statement's back. How keys begin is asked of the database itself: [`crate::catalog`].

use super::sql::{Token, in_a_row, tokens};
use super::statements::replaces;
use super::{Guard, Violation, extension};
use crate::catalog::Table;
use crate::tables::PLATFORM_TABLES;

/// Every forbidden construct of a migration.
pub const MIGRATIONS: Guard = migrations;

const FORBIDDEN_WORDS: &[&str] = &[
    "serial",
    "bigserial",
    "smallserial",
    "sequence",
    "identity",
    "generated",
    "autoincrement",
    "default",
    "cascade",
    "now",
    "current_timestamp",
    "current_date",
    "clock_timestamp",
    "datetime",
    "strftime",
    "random",
    "randomblob",
    "gen_random_uuid",
    "nextval",
    "ilike",
    "jsonb",
    "listen",
    "notify",
    "pg_notify",
    "unlogged",
    "temporary",
    "temp",
    "inherits",
    "partition",
    "exclude",
    "concurrently",
    "extension",
    "truncate",
];
const FORBIDDEN_BEGINNINGS: &[&str] = &["pg_advisory", "pg_try_advisory", "uuid_generate", "jsonb_"];
/// Of PostgreSQL's own; on SQLite triggers hold what privileges hold there.
const FORBIDDEN_ON_POSTGRES: &[&str] = &["trigger", "function", "procedure", "rule", "materialized"];

fn migrations(path: &str, text: &str) -> Vec<Violation> {
    if !path.starts_with("migrations/") || extension(path) != "sql" {
        return Vec::new();
    }
    let postgres = path.starts_with("migrations/postgres/");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_tokens = tokens(line);
        for word in line_tokens.iter().filter_map(Token::word) {
            let forbidden = FORBIDDEN_WORDS.contains(&word)
                || FORBIDDEN_BEGINNINGS.iter().any(|start| word.starts_with(start))
                || postgres && FORBIDDEN_ON_POSTGRES.contains(&word);
            if forbidden {
                found.push(Violation::new(path, index + 1, format!("`{word}` has no place in a migration"), line));
            }
        }
        if replaces(&line_tokens) {
            found.push(Violation::new(path, index + 1, "REPLACE walks round the triggers", line));
        }
        if in_a_row(&line_tokens, &["delete", "set"]) {
            found.push(Violation::new(path, index + 1, "a reference that goes away changes no row", line));
        }
    }
    found
}

/// Every key, index and reference of tenants' tables that is not led by the workspace.
#[must_use]
pub fn unled(tables: &[Table]) -> Vec<String> {
    let led = |columns: &[String]| columns.first().is_some_and(|column| column == "workspace_id");
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| table.is_tenants()) {
        let keys = std::iter::once(&table.primary_key).chain(&table.unique).chain(&table.indexes);
        found.extend(keys.filter(|key| !led(&key.columns)).map(|key| format!("{}: key {key}", table.name)));
        for key in &table.foreign_keys {
            // What a tenant's row may point at outside its workspace is the platform's.
            let inside = led(&key.columns) && led(&key.references);
            if !inside && !PLATFORM_TABLES.contains(&key.table.as_str()) {
                found.push(format!("{}: reference {}", table.name, key.name));
            }
            let kept = key.actions.strip_prefix("ON UPDATE RESTRICT ON DELETE RESTRICT");
            if !matches!(kept, Some("" | " DEFERRABLE INITIALLY DEFERRED")) {
                found.push(format!("{}: reference {} acts: {}", table.name, key.name, key.actions));
            }
        }
        if !table.columns.iter().any(|column| column.name == "workspace_id" && !column.nullable) {
            found.push(format!("{}: rows without a workspace", table.name));
        }
    }
    found
}
