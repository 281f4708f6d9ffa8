//! From nothing to a first key (P7): embedded code against compiling at start.

use crate::differs;
use crate::pairs::{Ratios, wall};
use crate::report::{Line, Report};
use provident_identity::{CallError, ComponentError, GovernedSubject, Identity, ResourceIdentity, SubjectClass};
use sha2::{Digest, Sha256};
use std::time::Duration;

const ROUNDS: usize = 7;
/// Loads beside one compilation: enough to see through the noise of a single short one.
const LOADS: usize = 20;

pub(crate) struct Start {
    first: Duration,
    embedded: Vec<Duration>,
    ratios: Ratios,
}

fn subject() -> GovernedSubject {
    GovernedSubject {
        identity: ResourceIdentity {
            provider_key: String::from("fake"),
            resource_type: String::from("widget"),
            provider_resource_id: Some(String::from("A:1")),
            tenant_owned: true,
            ..ResourceIdentity::default()
        },
        subject_class: SubjectClass::Policy,
        subject_type_key: String::from("widgetPolicy"),
    }
}

fn first_key(identity: Result<Identity, ComponentError>) -> Result<(), ComponentError> {
    match identity?.derive(&subject()) {
        Ok(derived) if derived.key.as_str() == "provider:fake:policy:widgetPolicy:widget:id:A%3A1" => Ok(()),
        Ok(_) | Err(CallError::Refused(_)) => Err(differs("the first key")),
        Err(CallError::Component(error)) => Err(error),
    }
}

fn timed(open: impl FnOnce() -> Result<Identity, ComponentError>) -> Result<Duration, ComponentError> {
    let mut outcome = Ok(());
    let took = wall(|| outcome = first_key(open()));
    outcome.map(|()| took)
}

pub(crate) fn measure() -> Result<Start, ComponentError> {
    let first = timed(Identity::embedded)?;
    let file = provident_identity::component_file("identity")?;
    let sha256 = hex::encode(Sha256::digest(file));
    let mut embedded = Vec::new();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let before = timed(|| Identity::from_file(file, &sha256))?;
        let mut loads = Vec::new();
        for _ in 0..LOADS {
            loads.push(timed(Identity::embedded)?);
        }
        let compiled = (before + timed(|| Identity::from_file(file, &sha256))?) / 2;
        loads.sort();
        let load = loads.get(LOADS / 2).copied().unwrap_or_default();
        ratios.push(compiled.as_secs_f64() / load.as_secs_f64());
        embedded.push(load);
    }
    embedded.sort();
    Ok(Start { first, embedded, ratios: Ratios::new(ratios) })
}

pub(crate) fn report(start: &Start, report: &mut Report) {
    let ratio = start.ratios.median();
    let spread = format!("{:.0}–{:.0}", start.ratios.at(0.1), start.ratios.at(0.9));
    let line = |against: &str, ours: &str| Line::new("P7", "start", against, ours);
    let ours = "embedded code, instance, first key";
    report.fact(
        line("compile at start", ours),
        format!("{ratio:.0}× faster"),
        spread,
        "≥ 500×",
        "",
        Some((ratio >= 500.0, ratio >= 500.0)),
    );
    let milliseconds = |duration: &Duration| duration.as_secs_f64() * 1e3;
    let median = start.embedded.get(ROUNDS / 2).map_or(f64::NAN, milliseconds);
    let ends = start.embedded.first().zip(start.embedded.last());
    let spread =
        ends.map(|(low, high)| format!("{:.3}–{:.3}", milliseconds(low), milliseconds(high))).unwrap_or_default();
    let met = Some((median <= 1.0, median <= 0.2));
    report.fact(line("–", ours), format!("{median:.3} ms"), spread, "≤ 1 ms", "0.2 ms", met);
    let first = milliseconds(&start.first);
    let line = line("–", "the same, first in the process, engine included");
    report.fact(line, format!("{first:.3} ms"), String::new(), "", "", None);
}
