//! What stands between workspaces when a statement forgets to say which: every registered statement is run as the
//! application with its workspace condition, and every other condition, taken out, in a transaction of one workspace.
//! It must answer what it answers with the condition; where nothing holds it back it must leak, or it shows nothing.
#![cfg(test)]

use std::collections::BTreeSet;

use provident::actor::SystemActor;
use provident::binding::{BindingFilter, CreateBinding, Note, ResourceRef, SubjectRef, SupersedeBinding};
use provident::inventory::InventoryFilter;
use provident::page::PageRequest;
use provident::policy::Role;
use provident::service::Auditor;
use provident_identity::ResolutionMode;
use provident_tests::catalog::{self, Table};
use provident_tests::database::{Engine, Raw, TestDatabase};
use provident_tests::installation::{Installation, Tenant, exclusion, key, plane, widget};
use provident_tests::role::{application, begin_in};
use provident_tests::rows::{fresh_id, valid};
use uuid::Uuid;

/// Has a tenant do everything there is to do, so that every statement runs and every table has rows of theirs.
async fn everything_done(world: &Installation, tenant: &Tenant) {
    let (service, page) = (&world.service, PageRequest::default());
    let (who, at, here) = (tenant.owner, &tenant.workspace, tenant.environment_id);
    // Each tenant has its own directory, provider and resources.
    let mine = |name: &str| format!("{name}-{}", tenant.workspace_id.simple());
    let (connection, snapshot, run, version) = (fresh_id(), fresh_id(), fresh_id(), fresh_id());
    world.connection(tenant, here, "fake", connection).await;
    world.connection(tenant, here, &format!("p{}", tenant.workspace_id.simple()), fresh_id()).await;
    world.snapshot(tenant, snapshot, fresh_id(), &[here]).await;
    let mut raw = world.raw().await;
    world.row(tenant, here, "operation_runs").with("id", run).insert(&mut raw).await.unwrap();
    world.row(tenant, here, "policy_versions").with("id", version).insert(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let mut import = service.begin_import(tenant.manager, at, here, None).await.unwrap();
    service
        .import_chunk(&mut import, &[Ok((0, widget(&mine("seen")))), Ok((1, widget(&mine("again"))))])
        .await
        .unwrap();
    service.finish_import(&import).await.unwrap();
    let mut import = service.begin_import(tenant.manager, at, here, None).await.unwrap();
    service.import_chunk(&mut import, &[Ok((0, widget(&mine("seen"))))]).await.unwrap();
    service.finish_import(&import).await.unwrap();
    let items = service.inventory(who, at, here, &InventoryFilter::default(), page).await.unwrap();
    let item = service.inventory_item(who, at, items.items[0].id).await.unwrap();
    let mut request = exclusion(&key(&mine("manual")));
    request.mode = ResolutionMode::ManualBinding;
    request.resource = Some(ResourceRef::Descriptor(Box::new(widget(&mine("resource")))));
    request.provider_connection_id = Some(connection);
    request.sources.operation_run_id = Some(run);
    request.sources.policy_version_id = Some(version);
    request.sources.baseline_snapshot_id = Some(snapshot);
    request.sources.inventory_item_id = Some(item.id);
    let manual = service.create_binding(tenant.manager, at, here, &request).await.unwrap();
    service.create_binding(tenant.manager, at, here, &request).await.unwrap_err();
    let excluded = service.create_binding(tenant.manager, at, here, &exclusion(&key(&mine("excluded")))).await.unwrap();
    let mut of_item = exclusion("");
    of_item.subject = SubjectRef::InventoryItem(item.id);
    service.create_binding(tenant.manager, at, here, &of_item).await.unwrap();
    let mut automatic = CreateBinding::new(
        ResolutionMode::ExactProviderIdentity,
        SubjectRef::Descriptor(Box::new(widget(&mine("automatic")))),
    );
    automatic.resource = Some(ResourceRef::Key(key(&mine("automatic"))));
    automatic.reason = Some("same-id".to_owned());
    let system = SystemActor::of_the_host();
    service.create_automatic_binding(&system, tenant.workspace_id, here, &automatic).await.unwrap();
    let mut succession = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
    succession.note = Some(Note::new("why"));
    service.supersede_binding(tenant.manager, at, manual.id, &succession).await.unwrap();
    service.revoke_binding(tenant.manager, at, excluded.id, Some(&Note::new("why"))).await.unwrap();
    service.revoke_binding(tenant.readonly, at, excluded.id, Some(&Note::new("why"))).await.unwrap_err();
    service.binding(who, at, manual.id).await.unwrap();
    service.bindings(who, at, here, &BindingFilter::default(), page).await.unwrap();
    service.lookup(who, at, here, &[key(&mine("manual")), key(&mine("excluded"))], None).await.unwrap();
    service.history_of_binding(who, at, manual.id, page).await.unwrap();
    service.audit_events(who, at, None, 0, 10).await.unwrap();
    service.verify_audit(Auditor::System(&plane()), at, None).await.unwrap().unwrap();
    service.environments(who, at, page).await.unwrap();
    service.members(who, at, page).await.unwrap();
    members_managed(world, tenant).await;
    let mut raw = world.raw().await;
    let row = format!(
        "INSERT INTO idempotency_keys SELECT workspace_id, decided_by_user_id, 'request', 'binding.create', \
         repeat('d', 64), id, created_at FROM provider_resource_bindings WHERE id = '{}' ON CONFLICT DO NOTHING",
        manual.id
    );
    raw.execute(&row).await.unwrap();
    raw.close().await.unwrap();
}

async fn members_managed(world: &Installation, tenant: &Tenant) {
    let (service, at, here) = (&world.service, &tenant.workspace, tenant.environment_id);
    let user = service.create_user(&plane(), "Somebody").await.unwrap().id;
    service.add_member(tenant.owner, at, user, Role::Owner).await.unwrap();
    service.grant_entitlement(tenant.owner, at, here, user).await.unwrap();
    service.change_member_role(tenant.owner, at, user, Role::Operator).await.unwrap();
    service.end_entitlement(tenant.owner, at, here, user).await.unwrap();
    service.end_membership(tenant.owner, at, user).await.unwrap();
    service.users(&plane(), PageRequest::default()).await.unwrap();
    service.workspaces(&plane(), PageRequest::default()).await.unwrap();
    // An environment that nobody of the members sees.
    let lost = fresh_id();
    let mut raw = world.raw().await;
    let environment = valid("managed_environments").with("workspace_id", tenant.workspace_id).with("id", lost);
    environment.insert(&mut raw).await.unwrap();
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

/// Values to put in place of lists of keys.
struct Lists {
    providers: String,
    keys: String,
    ids: String,
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
                (6, if array == 1 && *next == "," { &lists.providers } else { &lists.keys }.clone())
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
    let list = async |raw: &mut Raw, column: &str| {
        let sql = format!(
            "SELECT string_agg(quote_literal({column}), ', ' ORDER BY provider_key, canonical_subject_key) FROM \
             (SELECT DISTINCT provider_key, canonical_subject_key FROM provider_resource_bindings UNION \
              SELECT DISTINCT provider_key, canonical_subject_key FROM inventory_items) AS k"
        );
        format!("ARRAY [{}]", raw.value(&sql).await.unwrap().unwrap())
    };
    let named = ["operation_runs", "policy_versions", "baseline_snapshots", "provider_connections", "inventory_items"];
    let ids = named.map(|table| format!("SELECT id FROM {table}")).join(" UNION ");
    let ids = format!("SELECT string_agg(quote_literal(id) || '::uuid', ', ' ORDER BY id) FROM ({ids}) AS k");
    let ids = format!("ARRAY [{}]", raw.value(&ids).await.unwrap().unwrap());
    Lists { providers: list(raw, "provider_key").await, keys: list(raw, "canonical_subject_key").await, ids }
}

#[tokio::test]
async fn a_statement_that_forgets_its_workspace_answers_with_nothing_of_another() {
    let world = Installation::on(TestDatabase::migrated(Engine::Postgres).await).await;
    everything_done(&world, &world.acme).await;
    everything_done(&world, &world.rival).await;
    let mut admin = world.raw().await;
    let tables: Vec<Table> = catalog::read(&mut admin).await.unwrap().into_iter().filter(Table::is_tenants).collect();
    let canaries = canaries(&mut admin, &tables, world.rival.workspace_id).await;
    assert!(canaries.len() > 100, "{} canaries", canaries.len());
    let lists = lists(&mut admin).await;
    let mut application = application(&world.database).await;
    let own = format!("{{}} = '{}'", world.acme.workspace_id);
    let (mut replayed, mut wrong) = (0, Vec::new());
    for (name, text) in provident::store::statements_run() {
        let of_tenants = pieces(text).iter().any(|piece| tables.iter().any(|table| table.name == *piece));
        let Some(reading) = reading(text).filter(|_| of_tenants && !name.ends_with("_sqlite")) else { continue };
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
    assert!(replayed >= 30, "{replayed} statements replayed");
}

#[test]
fn conditions_are_taken_out_and_nothing_else() {
    let lists =
        Lists { providers: "ARRAY ['p']".to_owned(), keys: "ARRAY ['k']".to_owned(), ids: "ARRAY ['i']".to_owned() };
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
        ("DELETE FROM t WHERE workspace_id = $1 AND created_at < $2", "SELECT * FROM t WHERE TRUE AND TRUE"),
    ] {
        assert_eq!(strip(sql), expected);
    }
    assert_eq!(reading("INSERT INTO t (a) VALUES ($1)"), None);
    assert_eq!(stripped(&pieces("SELECT f($1)"), "TRUE", &lists), None);
}
