//! Verifying a chain of audit events against hashing the same bytes and doing nothing else (P18).

use super::Failure;
use super::bindings::NEW;
use super::mutation::exclusion;
use super::place::{Home, World};
use crate::pairs::cpu_ratios;
use crate::report::{Line, Report, Target};
use provident::audit::{ChainedEvent, GENESIS_HASH, chain_hash};
use provident::service::Service;
use sha2::{Digest as _, Sha256};
use std::hint::black_box;

const GROUP: &str = "audit";
/// Events of the chain.
const EVENTS: u64 = 1_000;
const TARGET: Target = Target::AtLeast { gate: 0.6, aim: 0.8 };

/// Decides about new subjects and reads what is told of it.
async fn chain(service: &Service, home: &Home) -> Result<Vec<ChainedEvent>, Failure> {
    let workspace = home.workspace();
    for subject in 0..EVENTS {
        let request = exclusion(NEW + subject);
        service.create_binding(home.actor, &workspace, home.environment_id, &request).await?;
    }
    let mut events: Vec<ChainedEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.event.number);
        let more = service.audit_events(home.owner, &workspace, None, after, u32::MAX).await?;
        if more.is_empty() {
            return Ok(events);
        }
        events.extend(more);
    }
}

/// What the hash of an event is made of.
fn hashed(event: &ChainedEvent) -> Result<Vec<u8>, Failure> {
    Ok(format!("provident-audit-1\n{}\n{}", event.previous_hash, event.event.canonical_json()?).into_bytes())
}

fn holds(previous_hash: &str, event: &ChainedEvent) -> bool {
    let json = event.event.canonical_json().unwrap_or_default();
    event.previous_hash == previous_hash && chain_hash(previous_hash, &json) == event.hash
}

pub(super) async fn measure(report: &mut Report, world: &World) -> Result<(), Failure> {
    let database = world.empty().await;
    let service = world.service(&database).await?;
    let home = world.homes.first().copied().ok_or("there is no environment")?;
    let events = chain(&service, &home).await?;
    service.close().await;
    let bytes = events.iter().map(hashed).collect::<Result<Vec<_>, _>>()?;
    let mut previous = GENESIS_HASH;
    for (event, bytes) in events.iter().zip(&bytes) {
        if !holds(previous, event) || hex::encode(Sha256::digest(bytes)) != event.hash {
            return Err(format!("event {} does not verify", event.event.number).into());
        }
        previous = &event.hash;
    }
    let total: usize = bytes.iter().map(Vec::len).sum();
    let against = format!("SHA-256 of the {} bytes an event has", total / bytes.len().max(1));
    let mut next = bytes.iter().cycle();
    let mut again = bytes.iter().cycle();
    let raw = || _ = black_box(next.next().map(Sha256::digest));
    let same = || _ = black_box(again.next().map(Sha256::digest));
    report.floor(GROUP, &against, &cpu_ratios(raw, same));
    let mut next = bytes.iter().cycle();
    let mut pairs = events.iter().zip(events.iter().skip(1)).cycle();
    let raw = || _ = black_box(next.next().map(Sha256::digest));
    let verify = || {
        let held = pairs.next().is_some_and(|(before, event)| holds(&before.hash, black_box(event)));
        assert!(black_box(held), "an event that held does not");
    };
    let line = Line::new("P18", GROUP, against, "verifying it, events in memory, throughput");
    report.add(line, &cpu_ratios(verify, raw), Some(TARGET));
    Ok(())
}
