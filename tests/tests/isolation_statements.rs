//! What stands between workspaces when a statement forgets to say which: every registered statement is run as the
//! application with its workspace condition, and every other condition, taken out, in a transaction of one workspace.
//! It must answer what it answers with the condition; where nothing holds it back it must leak, or it shows nothing.
#![cfg(test)]

use std::collections::BTreeSet;

use provident::policy::Role;
use provident_tests::catalog::{self, Table};
use provident_tests::database::{Engine, Raw, TestDatabase};
use provident_tests::installation::{Installation, Tenant, plane};
use provident_tests::role::{application, begin_in};
use provident_tests::rows::{LATER, fresh_id, valid};
use provident_tests::workload::{every_operation, every_operation_of};
use uuid::Uuid;

/// Rows of a tenant's that no operation leaves, but that some statement looks for.
async fn oddities(world: &Installation, tenant: &Tenant) {
    let provider = format!("p{}", tenant.workspace_id.simple());
    world.connection(tenant, tenant.environment_id, &provider, fresh_id()).await;
    // An environment that nobody of the members sees, and one that nobody at all does.
    let (lost, unseen) = (fresh_id(), fresh_id());
    let mut raw = world.raw().await;
    for id in [lost, unseen] {
        let environment = valid("managed_environments").with("workspace_id", tenant.workspace_id).with("id", id);
        environment.insert(&mut raw).await.unwrap();
    }
    let (service, plane) = (&world.service, plane());
    let user = service.create_user(&plane, "Somebody gone").await.unwrap().id;
    service.add_member(tenant.owner, &tenant.workspace, user, Role::Readonly).await.unwrap();
    service.end_membership(tenant.owner, &tenant.workspace, user).await.unwrap();
    world.row(tenant, lost, "environment_entitlements").with("user_id", user).insert(&mut raw).await.unwrap();
    raw.close().await.unwrap();
}

/// The pieces of a statement: words with their dots, parameters, quoted texts, signs.
fn pieces(sql: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = sql.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |sign: char| sign.is_alphanumeric() || "_.$[]\"".contains(sign);
        let length = match first {
            '\'' => rest.match_indices('\'').nth(1).map_or(rest.len(), |(end, _)| end + 1),
            '<' | '>' | '|' | '=' => rest.find(|sign| !"<>|=".contains(sign)).unwrap_or(rest.len()),
            _ if word(first) => rest.find(|sign| !word(sign)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (piece, left) = rest.split_at(length);
        pieces.push(piece.to_owned());
        rest = left.trim_start();
    }
    pieces
}

/// What a statement reads: itself, or for one that changes or deletes rows the reading of these rows. None for one that
/// makes rows: what may be made is the policy's to say, and shown elsewhere.
fn reading(sql: &str) -> Option<Vec<String>> {
    let pieces = pieces(sql);
    let mut depth = 0_i32;
    let mut at = |word: &str| {
        pieces.iter().position(|piece| {
            depth += i32::from(piece == "(") - i32::from(piece == ")");
            depth == 0 && piece == word
        })
    };
    let table = match pieces[0].as_str() {
        "SELECT" => return Some(pieces),
        "UPDATE" => &pieces[1..at("SET")?],
        "DELETE" => &pieces[2..at("WHERE")?],
        _ => return None,
    };
    let end = at("RETURNING").unwrap_or(pieces.len());
    let condition = &pieces[at("WHERE")?..end];
    Some([&["SELECT", "*", "FROM"].map(str::to_owned), table, condition].concat())
}

/// Tables whose rows are looked for by lists of ids.
const WITH_ID: [&str; 8] = [
    "operation_runs",
    "policy_versions",
    "baseline_profiles",
    "baseline_snapshots",
    "baseline_assignments",
    "provider_connections",
    "inventory_items",
    "managed_environments",
];

/// Tables whose rows are looked for by lists of a platform's names.
const WITH_NAME: [&str; 9] = [
    "managed_environments",
    "workspace_memberships",
    "environment_entitlements",
    "provider_connections",
    "operation_runs",
    "baseline_profiles",
    "baseline_snapshots",
    "baseline_assignments",
    "policy_versions",
];

/// Values to put in place of lists, of all workspaces.
struct Lists {
    /// Providers, as long as `keys` and in the same order.
    providers: String,
    /// Subject keys.
    keys: String,
    /// Ids.
    ids: String,
    /// A platform's names.
    names: String,
    /// Ids as bare hex.
    whole: String,
    /// Two ids as bare hex.
    pairs: String,
    /// An id as bare hex and a provider.
    placed: String,
}

impl Lists {
    /// The list of texts a statement means, by what it does with their members before the next `UNION`.
    fn of_texts(&self, rest: &[String], first_of_two: bool) -> &str {
        let branch = rest.split(|piece| piece == "UNION").next().unwrap_or(rest).join(" ");
        if branch.contains("CAST ( k.key AS uuid )") {
            &self.whole
        } else if branch.contains("CAST ( substr ( k.key , 33 ) AS uuid )") {
            &self.pairs
        } else if branch.contains("substr ( k.key , 33 )") {
            &self.placed
        } else if branch.contains("external_ref = k.key") {
            &self.names
        } else if first_of_two {
            &self.providers
        } else {
            &self.keys
        }
    }
}

/// A statement with every condition on a parameter taken out; `workspace` says what becomes of the one on the
/// workspace. None if a parameter is used in a way this does not read.
fn stripped(reading: &[String], workspace: &str, lists: &Lists) -> Option<String> {
    let parameter = |piece: &str| piece.starts_with('$');
    let compared = |piece: &str| ["=", "<>", "<", ">", "<=", ">="].contains(&piece);
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    let mut array = 0;
    while at < reading.len() {
        let window: Vec<&str> = reading[at..].iter().take(8).map(String::as_str).collect();
        let (length, text) = match window.as_slice() {
            [column, "=", value, ..] if parameter(value) && column.ends_with("workspace_id") => {
                (3, workspace.replace("{}", column))
            }
            [_, sign, value, ..] if compared(sign) && parameter(value) => (3, "TRUE".to_owned()),
            [value, sign, _, ..] if parameter(value) && compared(sign) => (3, "TRUE".to_owned()),
            [_, "IS", "NOT", "DISTINCT", "FROM", value, ..] if parameter(value) => (6, "TRUE".to_owned()),
            [value, "IS", "NULL", ..] if parameter(value) => (3, "TRUE".to_owned()),
            ["CAST", "(", value, "AS", _, ")", "IS", "NULL"] if parameter(value) => (8, "TRUE".to_owned()),
            ["LIMIT", _, ..] => (2, "LIMIT 1000".to_owned()),
            ["CAST", "(", value, "AS", "text[]", ")", next, ..] if parameter(value) => {
                array += 1;
                // Of two lists side by side the first is of providers.
                (6, lists.of_texts(&reading[at..], array == 1 && *next == ",").to_owned())
            }
            ["CAST", "(", value, "AS", "uuid[]", ")", ..] if parameter(value) => (6, lists.ids.clone()),
            // One row of them would be no longer true: all of them.
            ["SELECT" | ",", "(", "SELECT", ..] => (2, format!("{} ARRAY (", window[0])),
            [value, ..] if parameter(value) => return None,
            [piece, ..] => (1, (*piece).to_owned()),
            [] => break,
        };
        out.push(text);
        at += length;
    }
    Some(out.join(" "))
}

/// The answer of a statement, rows and the members of lists in an order of their own.
async fn answer(raw: &mut Raw, sql: &str) -> Vec<String> {
    let rows = raw.rows(sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    let sorted = |cell: &String| {
        let mut members: Vec<&str> = cell.trim_matches(['{', '}']).split(',').collect();
        members.sort_unstable();
        members.join(",")
    };
    let mut rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{:?}", row.iter().map(|cell| cell.as_ref().map(sorted)).collect::<Vec<_>>()))
        .collect();
    rows.sort();
    rows
}

/// Every value that stands in rows of one workspace and of no other.
async fn canaries(raw: &mut Raw, tables: &[Table], workspace: Uuid) -> BTreeSet<String> {
    let (mut theirs, mut others) = (BTreeSet::new(), BTreeSet::new());
    for Table { name, .. } in tables {
        for (sign, values) in [("=", &mut theirs), ("<>", &mut others)] {
            let rows =
                raw.rows(&format!("SELECT * FROM {name} WHERE workspace_id {sign} '{workspace}'")).await.unwrap();
            assert!(sign == "<>" || !rows.is_empty(), "no rows of theirs in {name}");
            values.extend(rows.into_iter().flatten().flatten());
        }
    }
    theirs.difference(&others).filter(|value| value.len() > 8).cloned().collect()
}

async fn lists(raw: &mut Raw) -> Lists {
    let list = async |raw: &mut Raw, value: &str, rows: &str| {
        let sql = format!("SELECT string_agg({value}, ', ' ORDER BY {value}) FROM ({rows}) AS k");
        format!("ARRAY [{}]", raw.value(&sql).await.unwrap().unwrap())
    };
    let every = |column: &str, tables: &[&str]| {
        let selects: Vec<String> = tables.iter().map(|table| format!("SELECT {column} FROM {table}")).collect();
        selects.join(" UNION ")
    };
    let subjects = "SELECT provider_key, canonical_subject_key FROM provider_resource_bindings UNION \
                    SELECT provider_key, canonical_subject_key FROM inventory_items";
    let keys = "SELECT string_agg(quote_literal(canonical_subject_key), ', ' ORDER BY provider_key, \
                canonical_subject_key)";
    let keys = raw.value(&format!("{keys} FROM ({subjects}) AS k")).await.unwrap().unwrap();
    let providers = "SELECT string_agg(quote_literal(provider_key), ', ' ORDER BY provider_key, canonical_subject_key)";
    let providers = raw.value(&format!("{providers} FROM ({subjects}) AS k")).await.unwrap().unwrap();
    let (hex, id) = ("quote_literal(translate(CAST(id AS text), '-', ''))", "quote_literal(id) || '::uuid'");
    let whole = format!("{} UNION SELECT user_id FROM workspace_memberships", every("id", &WITH_ID));
    let pair = |table: &str, second: &str| {
        format!("SELECT translate(managed_environment_id || CAST({second} AS text), '-', '') AS pair FROM {table}")
    };
    let pairs = [pair("environment_entitlements", "user_id"), pair("baseline_assignments", "baseline_profile_id")];
    let placed = "SELECT translate(CAST(managed_environment_id AS text), '-', '') || provider_key AS pair \
                  FROM environment_directories";
    Lists {
        providers: format!("ARRAY [{providers}]"),
        keys: format!("ARRAY [{keys}]"),
        ids: list(raw, id, &every("id", &WITH_ID)).await,
        names: list(raw, "quote_literal(external_ref)", &every("external_ref", &WITH_NAME)).await,
        whole: list(raw, hex, &whole).await,
        pairs: list(raw, "quote_literal(pair)", &pairs.join(" UNION ")).await,
        placed: list(raw, "quote_literal(pair)", placed).await,
    }
}

#[tokio::test]
async fn a_statement_that_forgets_its_workspace_answers_with_nothing_of_another() {
    let world = Installation::on(TestDatabase::migrated(Engine::Postgres).await).await;
    every_operation(&world).await;
    every_operation_of(&world, &world.rival).await;
    for tenant in [&world.acme, &world.rival] {
        oddities(&world, tenant).await;
    }
    let mut admin = world.raw().await;
    for tenant in [&world.acme, &world.rival] {
        let run = world.row(tenant, tenant.environment_id, "operation_runs").with("status", "running");
        run.with("started_at", LATER).insert(&mut admin).await.unwrap();
    }
    let tables: Vec<Table> = catalog::read(&mut admin).await.unwrap().into_iter().filter(Table::is_tenants).collect();
    let canaries = canaries(&mut admin, &tables, world.rival.workspace_id).await;
    assert!(canaries.len() > 100, "{} canaries", canaries.len());
    let lists = lists(&mut admin).await;
    let mut application = application(&world.database).await;
    let own = format!("{{}} = '{}'", world.acme.workspace_id);
    let (mut replayed, mut wrong) = (0, Vec::new());
    for (name, text) in provident::store::statements_run() {
        let of_tenants = pieces(text).iter().any(|piece| tables.iter().any(|table| table.name == *piece));
        if !of_tenants || name.ends_with("_sqlite") || text.starts_with("INSERT ") {
            continue;
        }
        let Some(reading) = reading(text) else {
            wrong.push(format!("{name}: neither reads, changes nor deletes in a way this test reads: {text}"));
            continue;
        };
        let (Some(forgetful), Some(mindful)) = (stripped(&reading, "TRUE", &lists), stripped(&reading, &own, &lists))
        else {
            wrong.push(format!("{name}: a parameter in a way this test does not read: {text}"));
            continue;
        };
        begin_in(&mut application, world.acme.workspace_id).await;
        let held = answer(&mut application, &forgetful).await;
        application.execute("ROLLBACK").await.unwrap();
        let right = answer(&mut admin, &mindful).await;
        let leaked = answer(&mut admin, &forgetful).await;
        let shows = |rows: &[String]| rows.iter().any(|row| canaries.iter().any(|canary| row.contains(canary)));
        if held != right || shows(&held) {
            wrong.push(format!("{name}: leaks: {forgetful}"));
        }
        if leaked == right {
            wrong.push(format!("{name}: does not leak when nothing holds it back, and so shows nothing: {forgetful}"));
        }
        replayed += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(replayed >= 63, "{replayed} statements replayed");
}

#[test]
fn conditions_are_taken_out_and_nothing_else() {
    let list = |member: &str| format!("ARRAY ['{member}']");
    let lists = Lists {
        providers: list("p"),
        keys: list("k"),
        ids: list("i"),
        names: list("n"),
        whole: list("w"),
        pairs: list("two"),
        placed: list("at"),
    };
    let strip = |sql: &str| stripped(&reading(sql).unwrap(), "TRUE", &lists).unwrap();
    for (sql, expected) in [
        (
            "SELECT a FROM t WHERE t.workspace_id = $1 AND ($2 IS NULL OR id > $2) AND b = 'x y' ORDER BY a LIMIT $3",
            "SELECT a FROM t WHERE TRUE AND ( TRUE OR TRUE ) AND b = 'x y' ORDER BY a LIMIT 1000",
        ),
        (
            "SELECT (SELECT a FROM t WHERE workspace_id = $1 FOR SHARE) AS a",
            "SELECT ARRAY ( SELECT a FROM t WHERE TRUE FOR SHARE ) AS a",
        ),
        (
            "SELECT a FROM unnest(CAST($3 AS text[]), CAST($4 AS text[])) AS k(x, y) JOIN t ON t.workspace_id = $1",
            "SELECT a FROM unnest ( ARRAY ['p'] , ARRAY ['k'] ) AS k ( x , y ) JOIN t ON TRUE",
        ),
        (
            "UPDATE t SET a = CASE WHEN $4 > b THEN $4 ELSE b END WHERE workspace_id = $1 AND c IS NOT DISTINCT FROM $2 RETURNING a",
            "SELECT * FROM t WHERE TRUE AND TRUE",
        ),
        (
            "SELECT a FROM unnest(CAST($2 AS text[])) AS k(key) CROSS JOIN t WHERE workspace_id = $1 AND external_ref = k.key \
             UNION ALL SELECT a FROM unnest(CAST($3 AS text[])) AS k(key) CROSS JOIN t WHERE workspace_id = $1 \
             AND id = CAST(k.key AS uuid)",
            "SELECT a FROM unnest ( ARRAY ['n'] ) AS k ( key ) CROSS JOIN t WHERE TRUE AND external_ref = k.key \
             UNION ALL SELECT a FROM unnest ( ARRAY ['w'] ) AS k ( key ) CROSS JOIN t WHERE TRUE \
             AND id = CAST ( k.key AS uuid )",
        ),
        ("DELETE FROM t WHERE workspace_id = $1 AND created_at < $2", "SELECT * FROM t WHERE TRUE AND TRUE"),
    ] {
        assert_eq!(strip(sql), expected);
    }
    assert_eq!(reading("INSERT INTO t (a) VALUES ($1)"), None);
    assert_eq!(stripped(&pieces("SELECT f($1)"), "TRUE", &lists), None);
}
