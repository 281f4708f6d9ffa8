//! Verifying a chain of audit events against hashing the same bytes and doing nothing else (P18).

use super::bindings::NEW;
use super::mutation::exclusion;
use super::place::{Home, World};
use super::{Failure, Size};
use crate::pairs::{cpu_ratios, paired};
use crate::report::{Line, Report, Target};
use provident::audit::{ChainedEvent, Verifier};
use provident::binding::CreateBinding;
use provident::service::{Auditor, MAX_BULK_ITEMS, Service};
use provident_tests::database::Engine;
use sha2::{Digest as _, Sha256};
use std::hint::black_box;
use std::time::Instant;

/// Events of the chain whose verifying from the database is measured.
const EVENTS: u64 = 20_000;
/// Events of it that are verified again and again.
const AT_HAND: usize = 500;
const TARGET: Target = Target::AtLeast { gate: 0.6, aim: 0.8 };

/// Decides about new subjects and reads what is told of it.
async fn chain(service: &Service, home: &Home) -> Result<Vec<ChainedEvent>, Failure> {
    let workspace = home.workspace();
    let subjects: Vec<CreateBinding> = (0..EVENTS).map(|subject| exclusion(NEW + subject)).collect();
    for chunk in subjects.chunks(MAX_BULK_ITEMS) {
        service.bulk_create_bindings(home.actor, &workspace, home.environment_id, chunk).await?;
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

/// A chain that is verified from its start again and again.
struct Round<'a> {
    events: &'a [ChainedEvent],
    home: &'a Home,
    verifier: Verifier,
    next: usize,
}

impl<'a> Round<'a> {
    fn new(events: &'a [ChainedEvent], home: &'a Home) -> Self {
        Self { events, home, verifier: Verifier::new(home.workspace_id), next: 0 }
    }

    fn follow(&mut self) {
        let Some(event) = self.events.get(self.next) else {
            *self = Self::new(self.events, self.home);
            return;
        };
        let followed = self.verifier.follow(black_box(event));
        assert!(followed.is_ok(), "a chain that held does not");
        self.next += 1;
    }
}

pub(super) async fn measure(report: &mut Report, size: &Size, world: &World) -> Result<(), Failure> {
    let group = match world.engine {
        Engine::Postgres => "audit, PostgreSQL",
        Engine::Sqlite => "audit, SQLite",
    };
    let database = world.empty().await;
    let service = world.patient_service(&database).await?;
    let home = world.homes.first().copied().ok_or("there is no environment")?;
    let events = chain(&service, &home).await?;
    let bytes = events.iter().map(hashed).collect::<Result<Vec<_>, _>>()?;
    let digests = events.iter().map(|event| hex::decode(&event.hash)).collect::<Result<Vec<_>, _>>()?;
    // As many as stay where the processor has them at hand, as events do that have just been read.
    let at_hand = || bytes.iter().take(AT_HAND).cycle();
    let total: usize = bytes.iter().map(Vec::len).sum();
    let against = format!("SHA-256 of the {} bytes an event has", total / bytes.len().max(1));
    let (mut next, mut again) = (at_hand(), at_hand());
    let raw = || _ = black_box(next.next().map(Sha256::digest));
    let same = || _ = black_box(again.next().map(Sha256::digest));
    report.floor(group, &against, &cpu_ratios(raw, same));
    let mut next = at_hand();
    let raw = || _ = black_box(next.next().map(Sha256::digest));
    let mut round = Round::new(events.get(..AT_HAND).unwrap_or(&events), &home);
    let line = Line::new("P18", group, &against, "verifying it, events in memory, throughput");
    report.add(line, &cpu_ratios(|| round.follow(), raw), Some(TARGET));

    let whole = async || {
        let begun = Instant::now();
        let verdict = service.verify_audit(Auditor::Member(home.owner), &home.workspace(), None).await?;
        let took = begun.elapsed().as_secs_f64();
        let events_verified = verdict.map_err(|finding| finding.to_string())?.number;
        if usize::try_from(events_verified)? != events.len() {
            return Err(format!("{events_verified} events were verified and not {}", events.len()).into());
        }
        Ok::<f64, Failure>(took)
    };
    let hash_all = async || {
        let begun = Instant::now();
        let held = bytes.iter().zip(&digests).all(|(bytes, digest)| Sha256::digest(bytes).as_slice() == digest);
        assert!(held, "bytes have another digest than before");
        Ok::<f64, Failure>(begun.elapsed().as_secs_f64())
    };
    let pair = paired(size.rounds.div_ceil(2), whole, hash_all).await?;
    let micros = pair.a.median() * 1e6 / f64::from(u32::try_from(events.len())?);
    let ours = format!("verifying {} events from the database, throughput: {micros:.1} µs an event", events.len());
    report.add(Line::new("P18", group, against, ours), &pair.ratios, Some(TARGET));
    service.close().await;
    Ok(())
}
