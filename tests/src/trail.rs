//! The audit trail of a small story, and what whoever tampers with it needs: dice that fall the same way on every run,
//! and the art of linking a chain anew.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test without its story fails, and says why")]

use provident::audit::{ChainedEvent, Checkpoint, GENESIS_HASH, Verdict, chain_hash};
use provident::binding::{Note, SupersedeBinding};
use provident::service::Auditor;
use provident::workspace::WorkspaceRef;
use provident_identity::ResolutionMode;

use crate::installation::{Installation, exclusion, key, plane};

/// Numbers that look random and are the same on every run: splitmix64.
#[derive(Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below a bound.
    ///
    /// # Panics
    ///
    /// When nothing is below it.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    /// A number from 1 to `last`.
    pub fn number(&mut self, last: usize) -> usize {
        self.below(last) + 1
    }
}

/// Some of everything a chain has, in two workspaces: members, environments, decisions, ends, denials.
///
/// # Panics
///
/// When the service refuses any of it.
pub async fn story(world: &Installation) {
    for tenant in [&world.acme, &world.rival] {
        let (service, workspace, here) = (&world.service, &tenant.workspace, tenant.environment_id);
        for subject in ["1", "2", "3", "\u{1F600}"] {
            let request = exclusion(&key(&subject.replace('\u{1F600}', "%F0%9F%98%80")));
            let made = service.create_binding(tenant.manager, workspace, here, &request).await.unwrap();
            service.create_binding(tenant.operator, workspace, here, &request).await.unwrap_err();
            let mut next = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
            next.note = Some(Note::new("as it is"));
            next.reason = Some("no-other-way".to_owned());
            let made = service.supersede_binding(tenant.manager, workspace, made.id, &next).await.unwrap();
            service.revoke_binding(tenant.manager, workspace, made.id, Some(&Note::new("over"))).await.unwrap();
        }
    }
}

/// A chain as it is exported.
///
/// # Panics
///
/// When it is not.
pub async fn exported(world: &Installation, workspace: &WorkspaceRef) -> Vec<ChainedEvent> {
    let plane = plane();
    let mut export = world.service.export_audit(Auditor::System(&plane), workspace).await.unwrap();
    let mut events = Vec::new();
    loop {
        let more = export.next_events().await.unwrap();
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

/// What verifying a chain finds.
///
/// # Errors
///
/// What is wrong with it.
///
/// # Panics
///
/// When nothing is found out.
pub async fn verdict(world: &Installation, workspace: &WorkspaceRef, checkpoint: Option<&Checkpoint>) -> Verdict {
    let plane = plane();
    world.service.verify_audit(Auditor::System(&plane), workspace, checkpoint).await.unwrap()
}

/// The checkpoint of a chain that ends here.
///
/// # Panics
///
/// When there is no event.
#[must_use]
pub fn end_of(events: &[ChainedEvent]) -> Checkpoint {
    let last = &events[events.len() - 1];
    Checkpoint::new(last.event.workspace_id, last.event.number, last.hash.as_str()).unwrap()
}

/// The chain, numbered and linked anew from the event at `from`, as whoever can write every row would.
///
/// # Panics
///
/// When an event has no JSON.
#[must_use]
pub fn relinked(mut events: Vec<ChainedEvent>, from: usize) -> Vec<ChainedEvent> {
    for at in from..events.len() {
        let previous_hash = match at.checked_sub(1) {
            None => GENESIS_HASH.to_owned(),
            Some(before) => events[before].hash.clone(),
        };
        let event = &mut events[at];
        event.event.number = i64::try_from(at).unwrap() + 1;
        event.hash = chain_hash(&previous_hash, &event.event.canonical_json().unwrap());
        event.previous_hash = previous_hash;
    }
    events
}
