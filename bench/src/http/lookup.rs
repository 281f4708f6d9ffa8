//! Look-ups over HTTP beside bare ones by pgbench (P9, P10): authorized, policed, rendered, against one prepared
//! statement.

use super::Size;
use super::clients::{Questions, lookups, rate};
use super::pgbench::{Script, literal};
use super::place::{KEY, Place};
use crate::pairs::{Paired, paired};
use crate::report::{Line, Report, Target};
use crate::store::Failure;
use provident_tests::serving::Instance;

const GROUP: &str = "HTTP look-ups, PostgreSQL";
/// How many clients ask at once.
const CLIENTS: [usize; 3] = [1, 4, 16];
/// How many clients send batches.
const BATCH_CLIENTS: usize = 4;

/// What the store asks, word for word but for the list of columns.
fn statement(place: &Place) -> String {
    format!(
        "\\set n random(1, {})\nSELECT b.* FROM provider_resource_bindings b WHERE b.workspace_id = '{}' \
         AND b.managed_environment_id = '{}' AND b.provider_key = 'fake' \
         AND b.canonical_subject_key = {} || (:n)::text AND b.binding_status = 'active';\n",
        place.bindings + place.bindings / 99,
        place.workspace_id,
        place.environment_id,
        literal(KEY)
    )
}

/// A line of the table about a pair of rates, of `keys` keys a request.
fn line(id: &'static str, pair: &Paired, clients: usize, keys: u64) -> Line {
    let ours = pair.b.median();
    let what = if keys == 1 { "HTTP look-up".to_owned() } else { format!("HTTP look-up of {keys} keys") };
    Line::new(
        id,
        GROUP,
        format!("pgbench prepared look-up, {clients} clients: {:.0}/s", pair.a.median()),
        format!("{what}, {clients} clients: {ours:.0} keys/s"),
    )
}

pub(super) async fn measure(
    report: &mut Report,
    size: &Size,
    place: &Place,
    instance: &Instance,
) -> Result<(), Failure> {
    let script = Script::new(place, &statement(place))?;
    let bare = async |clients: usize| script.rate(clients, size.slice).await;
    let floor = paired(size.rounds, || bare(BATCH_CLIENTS), || bare(BATCH_CLIENTS)).await?;
    report.floor(GROUP, format!("pgbench prepared look-up, {BATCH_CLIENTS} clients"), &floor.ratios);
    let ours = async |clients: usize, keys: f64, questions: &Questions| {
        Ok::<f64, Failure>(rate(place, instance, clients, size.slice, questions).await? * keys)
    };
    for clients in CLIENTS {
        let questions = lookups(place, 1);
        let pair = paired(size.rounds, || bare(clients), || ours(clients, 1.0, &questions)).await?;
        report.add(line("P9", &pair, clients, 1), &pair.ratios, Some(Target::AtLeast { gate: 0.3, aim: 0.5 }));
    }
    for keys in [100_u32, 1_000] {
        let questions = lookups(place, keys.into());
        let pair = paired(size.rounds, || bare(BATCH_CLIENTS), || ours(BATCH_CLIENTS, keys.into(), &questions)).await?;
        let line = line("P10", &pair, BATCH_CLIENTS, keys.into());
        report.add(line, &pair.ratios, Some(Target::AtLeast { gate: 1.5, aim: 2.5 }));
    }
    Ok(())
}
