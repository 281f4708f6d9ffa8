//! Rules for the store's statements that a distributed PostgreSQL needs, and that keep workspaces apart: the workspace
//! in every statement, by a parameter of its own, and nothing that only one server, or one engine, can do.
//!
//! A rule here is about the text that runs; tables: [`crate::tables`]. What the planner makes of it is another test.

use std::collections::BTreeSet;

use super::sql::{Query, Token, in_a_row, queries, tokens};
use crate::tables::{PLATFORM_TABLES, TENANT_TABLES};

/// A statement as the store names it: for both engines, or for the one its name ends in.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Statement<'_> {
    fn is_shared(&self) -> bool {
        !self.name.ends_with("_postgres") && !self.name.ends_with("_sqlite")
    }
}

/// The tenants' tables a statement reads, or changes by a condition; not those it only inserts into.
#[must_use]
pub fn read_tables(all: &[Token]) -> BTreeSet<String> {
    queries(all).iter().flat_map(references).map(|reference| reference.table).collect()
}

/// Everything that breaks a rule in a statement.
#[must_use]
pub fn violations(statement: Statement<'_>) -> Vec<String> {
    let all = tokens(statement.text);
    let mut found = forbidden(&all);
    if statement.is_shared() {
        found.extend(of_one_engine(&all));
    }
    for query in queries(&all) {
        found.extend(unscoped(&query));
        found.extend(wrong_writes(&query));
        found.extend(unordered(&query));
    }
    let names_platform = all.iter().filter_map(Token::word).any(|word| PLATFORM_TABLES.contains(&word));
    let names_tenants = all.iter().filter_map(Token::word).any(|word| TENANT_TABLES.contains(&word));
    if all.iter().any(|token| token.is("skip")) && (names_tenants || !names_platform) {
        found.push("SKIP LOCKED is for queues, which are the platform's".to_owned());
    }
    found.into_iter().map(|rule| format!("{}: {rule}", statement.name)).collect()
}

/// Clocks, chance, and what belongs to one server.
const FORBIDDEN_WORDS: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtimestamp",
    "localtime",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "unixepoch",
    "julianday",
    "random",
    "randomblob",
    "gen_random_uuid",
    "nextval",
    "currval",
    "setval",
    "lastval",
    "last_insert_rowid",
    "listen",
    "unlisten",
    "notify",
    "pg_notify",
    "truncate",
    "ilike",
    "jsonb",
    "ctid",
    "rowid",
    "xmin",
    "tablesample",
    "offset",
];
const FORBIDDEN_BEGINNINGS: &[&str] = &["pg_advisory", "pg_try_advisory", "uuid_generate", "jsonb_", "dblink", "lo_"];
const FORBIDDEN_MARKS: &[&str] = &["->", "->>", "#>", "#>>", "@>", "<@", "?|", "?&", "@?", "@@", "~*", "~~*"];

fn forbidden(all: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for token in all {
        match token {
            Token::Word(word)
                if FORBIDDEN_WORDS.contains(&word.as_str())
                    || FORBIDDEN_BEGINNINGS.iter().any(|start| word.starts_with(start)) =>
            {
                found.push(format!("`{word}` has no place in a statement"));
            }
            Token::Mark(mark) if FORBIDDEN_MARKS.contains(&mark.as_str()) => {
                found.push(format!("`{mark}` is of one engine's documents"));
            }
            _ => {}
        }
    }
    if replaces(all) {
        found.push("REPLACE walks round the triggers".to_owned());
    }
    let writes = |token: &Token| ["insert", "update", "delete"].iter().any(|word| token.is(word));
    let opened = all.windows(2).any(|two| matches!(two, [open, first] if open.is_mark("(") && writes(first)));
    if opened && all.first().is_some_and(|token| token.is("with")) {
        found.push("a WITH that writes".to_owned());
    }
    found
}

/// `REPLACE INTO`, `INSERT OR REPLACE`, `ON CONFLICT REPLACE`; not the function.
#[must_use]
pub(super) fn replaces(all: &[Token]) -> bool {
    all.iter()
        .enumerate()
        .any(|(at, token)| token.is("replace") && !all.get(at + 1).is_some_and(|next| next.is_mark("(")))
}

/// What only one engine understands, or both differently.
fn of_one_engine(all: &[Token]) -> Vec<String> {
    let words = ["any", "unnest", "lateral", "json_each", "json_extract", "ifnull", "strftime", "share"];
    let mut found: Vec<String> = all
        .iter()
        .filter_map(Token::word)
        .filter(|word| words.contains(word))
        .map(|word| format!("`{word}` in a text for both engines"))
        .collect();
    if all.iter().any(|token| token.is_mark("::")) {
        found.push("`::` in a text for both engines".to_owned());
    }
    if in_a_row(all, &["for", "update"]) || in_a_row(all, &["for", "no", "key", "update"]) {
        found.push("a row lock in a text for both engines".to_owned());
    }
    found
}

/// A tenant's table in a query.
struct Reference {
    table: String,
    alias: String,
}

const AFTER_A_TABLE: &[&str] = &[
    "as",
    "where",
    "on",
    "join",
    "left",
    "right",
    "inner",
    "cross",
    "full",
    "set",
    "order",
    "group",
    "limit",
    "union",
    "for",
    "returning",
    "values",
    "using",
    "natural",
];

/// The tenants' tables a query reads or changes, but not the one it inserts into.
fn references(query: &Query) -> Vec<Reference> {
    let words: Vec<&Token> = query.tokens.iter().map(|(token, _)| token).collect();
    let mut found = Vec::new();
    for (at, token) in words.iter().enumerate() {
        let Some(table) = token.word().filter(|word| TENANT_TABLES.contains(word)) else { continue };
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        // `table.column`, `INSERT INTO table`, and `FOR UPDATE OF table` name no table to read.
        let is_column = words.get(at + 1).is_some_and(|next| next.is_mark("."));
        let into = before.is_some_and(|word| word.is("into") || word.is("of"));
        if is_column || into {
            continue;
        }
        let mut next = words.get(at + 1).and_then(|next| next.word());
        if next == Some("as") {
            next = words.get(at + 2).and_then(|next| next.word());
        }
        let alias = next.filter(|word| !AFTER_A_TABLE.contains(word)).unwrap_or(table);
        found.push(Reference { table: table.to_owned(), alias: alias.to_owned() });
    }
    found
}

/// Tables without `workspace_id = $n` among the conditions that all must hold.
fn unscoped(query: &Query) -> Vec<String> {
    let references = references(query);
    if references.is_empty() {
        return Vec::new();
    }
    let own: Vec<&Token> = query.own().collect();
    let mut scoped: Vec<Option<&str>> = Vec::new();
    let mut conditions = false;
    for (at, token) in own.iter().enumerate() {
        match token.word() {
            Some("where" | "on") => conditions = true,
            Some("set" | "select" | "returning" | "order" | "do") => conditions = false,
            Some("or") if conditions => return vec!["an OR beside the workspace, in no parentheses".to_owned()],
            Some("workspace_id") if conditions => {
                let equals = own.get(at + 1).is_some_and(|mark| mark.is_mark("="));
                let parameter = matches!(own.get(at + 2), Some(Token::Parameter(_)));
                let qualified = at.checked_sub(1).and_then(|dot| own.get(dot)).is_some_and(|dot| dot.is_mark("."));
                let whose = if qualified { at.checked_sub(2).and_then(|name| own.get(name)?.word()) } else { None };
                if equals && parameter {
                    scoped.push(whose);
                }
            }
            _ => {}
        }
    }
    let alone = references.len() == 1;
    references
        .iter()
        .filter(|reference| {
            !scoped.iter().any(|whose| match whose {
                Some(name) => *name == reference.alias || *name == reference.table && alone,
                None => alone,
            })
        })
        .map(|Reference { table, alias }| format!("`{table}` as `{alias}` without `workspace_id = $n`"))
        .collect()
}

/// Writes that do not say their workspace, change it, or take rows away.
fn wrong_writes(query: &Query) -> Vec<String> {
    let words: Vec<&Token> = query.tokens.iter().map(|(token, _)| token).collect();
    let tenants = |at: usize| words.get(at).and_then(|word| word.word()).filter(|word| TENANT_TABLES.contains(word));
    let mut found = Vec::new();
    for (at, token) in words.iter().enumerate() {
        match (token.word(), words.get(at + 1).and_then(|next| next.word())) {
            (Some("insert"), Some("into")) => {
                if let Some(table) = tenants(at + 2) {
                    found.extend(wrong_insert(query, at + 2, table));
                }
            }
            (Some("delete"), Some("from")) => {
                if let Some(table) = tenants(at + 2).filter(|table| *table != "idempotency_keys") {
                    found.push(format!("rows of `{table}` are ended, never deleted"));
                }
            }
            (Some("set"), _) => {
                let changes = words.get(at + 1..).into_iter().flatten().take_while(|it| !it.is("where"));
                let changes: Vec<&&Token> = changes.collect();
                let own = |two: &[&&Token]| matches!(two, [name, mark] if name.is("workspace_id") && mark.is_mark("="));
                if changes.windows(2).any(own) {
                    found.push("no row changes its workspace".to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

fn wrong_insert(query: &Query, at: usize, table: &str) -> Vec<String> {
    let is = |place: usize, word: &str| query.tokens.get(place).is_some_and(|(token, _)| token.is(word));
    let columns = query.listed(at);
    let mut found = Vec::new();
    let workspace = columns.iter().position(|column| column.len() == 1 && is(column.start, "workspace_id"));
    let Some(workspace) = workspace else { return vec![format!("an INSERT into `{table}` without its workspace_id")] };
    let value = match (at..query.tokens.len()).find(|place| is(*place, "values") || is(*place, "select")) {
        Some(values) if is(values, "values") => query.listed(values).get(workspace).cloned(),
        // A parameter that says its type, or one that need not.
        Some(select) if workspace == 0 && is(select + 1, "cast") => Some(select + 3..select + 4),
        Some(select) if workspace == 0 => Some(select + 1..select + 2),
        _ => None,
    };
    let by_parameter = value.is_some_and(|value| {
        value.len() == 1 && matches!(query.tokens.get(value.start), Some((Token::Parameter(_), _)))
    });
    if !by_parameter {
        found.push(format!("the workspace of an INSERT into `{table}` is no parameter"));
    }
    let conflict = (at..query.tokens.len()).find(|place| is(*place, "on") && is(place + 1, "conflict"));
    if let Some(conflict) = conflict {
        // One that names no key is with any of them, and all of them are led by the workspace.
        let named = !is(conflict + 2, "do");
        let target = query.listed(conflict).first().cloned();
        if named && !target.is_some_and(|first| first.len() == 1 && is(first.start, "workspace_id")) {
            found.push(format!("a conflict in `{table}` that is not led by the workspace"));
        }
    }
    found
}

/// Some rows of many, no matter which: fine for one, to see that there is any.
fn unordered(query: &Query) -> Vec<String> {
    let own: Vec<&Token> = query.own().collect();
    let limited = own.iter().any(|token| token.is("limit")) && !in_a_row(&own, &["limit", "1"]);
    if limited && !in_a_row(&own, &["order", "by"]) {
        vec!["a LIMIT without an ORDER BY".to_owned()]
    } else {
        Vec::new()
    }
}
