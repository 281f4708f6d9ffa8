//! The names of the store's statements, as its source has them: each a literal, each once, and no query without one.

use super::source::lines;
use super::{Guard, Violation};

/// A statement that runs without having said its name: nobody could hold it to the rules for statements.
pub const NAMED: Guard = named;

/// Where statements are about the server, the schema or the transaction itself, beside what the store keeps; and where
/// they are made from a list of tables, to move the whole of them elsewhere.
const EXCEPT: &[&str] = &["engine.rs", "statement.rs", "migration.rs", "role.rs", "open.rs", "copy.rs"];

fn is_of_the_store(path: &str) -> bool {
    path.strip_prefix("host/src/store/").is_some_and(|file| !EXCEPT.contains(&file))
}

/// The names a file of the store gives to its statements.
#[must_use]
pub fn names(path: &str, text: &str) -> Vec<String> {
    if !is_of_the_store(path) {
        return Vec::new();
    }
    let uses = text.split("sql!(").skip(1);
    let named = uses.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    // A macro that hands names on is given two at once.
    let handed = text.split("known!(").skip(1).filter_map(|rest| rest.split(';').next());
    let both = handed.flat_map(|rest| rest.split('"').skip(1).step_by(2));
    let both = both.filter(|name| name.ends_with("_postgres") || name.ends_with("_sqlite"));
    named.chain(both).map(str::to_owned).collect()
}

/// What a query may be made of: the text `sql!` gave a name to, or what sets the scope or the role of a transaction.
/// A macro is given such a text, or a name for one.
const TEXTS: &[&str] = &["text", "AssertSqlSafe(scope_to(", "AssertSqlSafe(sql))", "$postgres)", "$sqlite)", "sql!($"];

fn named(path: &str, text: &str) -> Vec<Violation> {
    if !is_of_the_store(path) {
        return Vec::new();
    }
    let lines = lines(text);
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        // rustfmt may put the argument on the next line.
        let next = lines.get(at + 1).map_or("", |next| next.code.trim());
        let code = format!("{}{next}", line.code);
        let own = line.code.len();
        let argument =
            |start: usize| code.get(start..).and_then(|rest| rest.split_once('(')).map(|(_, it)| it.trim_start());
        for call in ["sqlx::query", "sqlx::raw_sql"] {
            for (start, _) in code.match_indices(call).filter(|(start, _)| *start < own) {
                let given = argument(start).unwrap_or_default();
                let pragma = line.literals.first().is_some_and(|literal| literal.starts_with("PRAGMA "));
                if !pragma && !TEXTS.iter().any(|text| given.starts_with(text)) {
                    found.push(Violation::new(path, line.number, "a statement without a name", &line.code));
                }
            }
        }
        for (start, _) in code.match_indices("sql!(").filter(|(start, _)| *start < own) {
            let given = argument(start).unwrap_or_default();
            if !given.starts_with('"') && !given.starts_with("$postgres,") && !given.starts_with("$sqlite,") {
                found.push(Violation::new(path, line.number, "the name of a statement is a literal", &line.code));
            }
        }
    }
    found
}
