//! One mutation over HTTP beside a transaction written by hand that does the same (P11): standing under a lock, the key
//! of the request, the binding, the head under a lock, the event, the head, COMMIT.
//!
//! The one by hand knows beforehand what the service finds out: it hashes something of the right length, and most of its
//! columns stand in its text.

use super::Size;
use super::clients::{creations, rate};
use super::pgbench::{Script, literal};
use super::place::{KEY, Place};
use crate::pairs::paired;
use crate::report::{Line, Report, Target};
use crate::store::Failure;
use crate::store::disk::Probe;
use provident_tests::serving::Instance;

const GROUP: &str = "HTTP mutations, PostgreSQL";
const CLIENTS: [usize; 3] = [1, 4, 16];
/// An id made of the number of a transaction.
const ID: &str = "lpad(to_hex((:n)::bigint), 32, '0')::uuid";

/// The names of a table's columns, and their values in one row as text.
async fn row(place: &Place, table: &str, which: &str) -> Result<Vec<(String, Option<String>)>, Failure> {
    let mut raw = place.database.raw().await;
    let names = raw
        .rows(&format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position"
        ))
        .await?;
    let names: Vec<String> = names.into_iter().flatten().flatten().collect();
    let values = names.iter().map(|name| format!("{name}::text")).collect::<Vec<_>>().join(", ");
    let row = raw.rows(&format!("SELECT {values} FROM {table} WHERE {which}")).await?;
    raw.close().await?;
    let row = row.into_iter().next().ok_or_else(|| format!("no row of {table}"))?;
    Ok(names.into_iter().zip(row).collect())
}

/// A statement that writes such a row again, with some of it otherwise.
fn insertion(table: &str, row: Vec<(String, Option<String>)>, otherwise: &[(&str, String)]) -> String {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (name, value) in row {
        let other = otherwise.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
        let kept = value.map_or_else(|| "NULL".to_owned(), |value| literal(&value));
        values.push(other.unwrap_or(kept));
        names.push(name);
    }
    format!("INSERT INTO {table} ({}) VALUES ({});\n", names.join(", "), values.join(", "))
}

/// The seven statements, from BEGIN to COMMIT.
async fn by_hand(place: &Place) -> Result<String, Failure> {
    let (workspace, environment, user) = (place.workspace_id, place.environment_id, place.actor.user_id());
    let binding = row(place, "provider_resource_bindings", &format!("id = '{}'", place.binding_id)).await?;
    let event = row(place, "audit_events", &format!("new_binding_id = '{}'", place.binding_id)).await?;
    let key = format!("{} || 'p' || (:n)::text", literal(KEY));
    let (id, subject) = (ID.to_owned(), key.clone());
    let binding = insertion(
        "provider_resource_bindings",
        binding,
        &[("id", id.clone()), ("canonical_subject_key", subject.clone())],
    );
    let hash = "encode(sha256(convert_to((:last_hash)::text || (:n)::text, 'UTF8')), 'hex')";
    let event = insertion(
        "audit_events",
        event,
        &[
            ("number", "(:last_number)::bigint + 1".to_owned()),
            ("event_id", id.clone()),
            ("new_binding_id", id),
            ("canonical_subject_key", subject),
            ("previous_hash", "(:last_hash)::text".to_owned()),
            ("hash", hash.to_owned()),
        ],
    );
    Ok(format!(
        "\\set n random(1, 9000000000000000000)\nBEGIN;\n\
         SELECT (SELECT m.role FROM workspace_memberships m WHERE m.workspace_id = '{workspace}' \
         AND m.user_id = '{user}' AND m.ended_at IS NULL FOR SHARE), \
         (SELECT t.user_id FROM environment_entitlements t WHERE t.workspace_id = '{workspace}' \
         AND t.managed_environment_id = '{environment}' AND t.user_id = '{user}' AND t.ended_at IS NULL FOR SHARE), \
         (SELECT e.id FROM managed_environments e WHERE e.workspace_id = '{workspace}' AND e.id = '{environment}');\n\
         INSERT INTO idempotency_keys (workspace_id, acting_user_id, idempotency_key, operation, request_sha256, \
         binding_id, created_at) VALUES ('{workspace}', '{user}', 'p' || (:n)::text, 'binding.create', \
         encode(sha256(convert_to((:n)::text, 'UTF8')), 'hex'), {ID}, now());\n{binding}\
         SELECT last_number, last_hash FROM audit_heads WHERE workspace_id = '{workspace}' FOR UPDATE \\gset\n{event}\
         UPDATE audit_heads SET last_number = (:last_number)::bigint + 1, \
         last_hash = {hash}, updated_at = now() WHERE workspace_id = '{workspace}';\nCOMMIT;\n"
    ))
}

pub(super) async fn measure(
    report: &mut Report,
    size: &Size,
    place: &Place,
    instance: &Instance,
) -> Result<(), Failure> {
    let script = Script::new(place, &by_hand(place).await?)?;
    let questions = creations(place);
    let bare = async |clients: usize| script.rate(clients, size.slice).await;
    let ours = async |clients: usize| rate(place, instance, clients, size.slice, &questions).await;
    let floor = paired(size.rounds, || bare(4), || bare(4)).await?;
    report.floor(GROUP, "the transaction by hand, 4 clients", &floor.ratios);
    for clients in CLIENTS {
        let probe = Probe::start()?;
        let pair = paired(size.rounds, || bare(clients), || ours(clients)).await?;
        let disk = probe.end()?;
        let against = format!("seven statements by hand in pgbench, {clients} clients: {:.0}/s", pair.a.median());
        let ours = format!("one mutation over HTTP, {clients} clients: {:.0}/s; {disk}", pair.b.median());
        let target = Target::AtLeast { gate: 0.9, aim: 1.4 };
        report.add(Line::new("P11", GROUP, against, ours), &pair.ratios, Some(target));
    }
    Ok(())
}
