//! The decisions of a workspace held against the trail that tells of them.
//!
//! [`Trail::read`] takes rows past the service and events through it; [`Trail::violations`] replays the events and says
//! what does not fit, empty when nothing is wrong. Who decided what, and when it was asked, is the suites' business.
#![expect(clippy::unwrap_used, reason = "a row that does not read fails the test")]

use std::collections::{BTreeMap, HashMap};

use provident::audit::{ChainedEvent, GENESIS_HASH, chain_hash};
use provident::service::Service;
use uuid::Uuid;

use crate::database::{Engine, Raw};
use crate::installation::Tenant;

/// Events of one page.
const PAGE: u32 = 500;

/// What a row says of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Environment, provider and key.
    pub subject: String,
    /// Its status.
    pub status: String,
    /// The decision it stands in the place of.
    pub supersedes: Option<Uuid>,
    /// From when it holds, in the one form times have.
    pub decided_at: String,
    /// Up to when.
    pub ended_at: Option<String>,
}

/// The decisions of a workspace, the events of its chain, and the head.
#[derive(Debug)]
pub struct Trail {
    /// Decisions by id.
    pub decisions: HashMap<Uuid, Decision>,
    /// Events in the order of the chain.
    pub events: Vec<ChainedEvent>,
    /// The number and hash the head remembers.
    pub head: (i64, String),
}

/// Which decision held for each subject after which event.
#[derive(Debug, Default)]
pub struct Replay {
    changes: BTreeMap<String, Vec<(i64, Option<Uuid>)>>,
}

impl Replay {
    /// What held for a subject after an event.
    #[must_use]
    pub fn active(&self, subject: &str, number: i64) -> Option<Uuid> {
        let changes = self.changes.get(subject)?;
        let later = changes.partition_point(|(at, _)| *at <= number);
        changes.get(later.checked_sub(1)?).and_then(|(_, active)| *active)
    }

    /// Everything that held for a subject from one event up to another; `None` among it where nothing did.
    #[must_use]
    pub fn active_between(&self, subject: &str, from: i64, to: i64) -> Vec<Option<Uuid>> {
        let mut held = vec![self.active(subject, from)];
        let changes = self.changes.get(subject).map(Vec::as_slice).unwrap_or_default();
        let later = changes.get(changes.partition_point(|(at, _)| *at <= from)..).unwrap_or_default();
        held.extend(later.iter().take_while(|(at, _)| *at <= to).map(|(_, active)| *active));
        held
    }

    fn change(&mut self, subject: &str, number: i64, active: Option<Uuid>) {
        self.changes.entry(subject.to_owned()).or_default().push((number, active));
    }
}

/// A subject as decisions and events name it.
#[must_use]
pub fn subject(environment_id: Uuid, provider_key: &str, key: &str) -> String {
    format!("{environment_id} {provider_key} {key}")
}

/// The subjects with more than one active decision at this instant: one statement, one state.
///
/// # Panics
///
/// When the database does not answer.
pub async fn two_active(raw: &mut Raw) -> Vec<String> {
    let sql = "SELECT workspace_id, managed_environment_id, provider_key, canonical_subject_key, count(*) \
               FROM provider_resource_bindings WHERE binding_status = 'active' \
               GROUP BY workspace_id, managed_environment_id, provider_key, canonical_subject_key HAVING count(*) > 1";
    raw.rows(sql).await.unwrap().into_iter().map(|row| format!("two active: {row:?}")).collect()
}

/// The head of a workspace's chain: its last number and hash.
///
/// # Panics
///
/// When there is none.
pub async fn head(raw: &mut Raw, workspace_id: Uuid) -> (i64, String) {
    let id = raw.engine().id(workspace_id);
    let sql = format!("SELECT last_number, last_hash FROM audit_heads WHERE workspace_id = {id}");
    let row = raw.rows(&sql).await.unwrap().remove(0);
    let mut texts = row.into_iter().flatten();
    (texts.next().unwrap().parse().unwrap(), texts.next().unwrap())
}

impl Trail {
    /// Reads it, through a service that nobody writes beside.
    ///
    /// # Panics
    ///
    /// When it does not read.
    pub async fn read(raw: &mut Raw, service: &Service, tenant: &Tenant) -> Self {
        let head = head(raw, tenant.workspace_id).await;
        let decisions = decisions(raw, tenant.workspace_id).await;
        let mut events: Vec<ChainedEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.event.number);
            let page = service.audit_events(tenant.owner, &tenant.workspace, None, after, PAGE).await.unwrap();
            if page.is_empty() {
                return Self { decisions, events, head };
            }
            events.extend(page);
        }
    }

    /// Everything that is wrong, and what held when, as the events tell it.
    #[must_use]
    pub fn replayed(&self) -> (Replay, Vec<String>) {
        let mut found = self.chain_violations();
        let mut replay = Replay::default();
        let (mut made, mut ended) = (HashMap::new(), HashMap::new());
        for told in &self.events {
            let event = &told.event;
            let number = event.number;
            let (Some(environment_id), Some(provider), Some(key)) =
                (event.managed_environment_id, &event.provider_key, &event.canonical_subject_key)
            else {
                continue;
            };
            let subject = subject(environment_id, provider, key);
            let (old, new) = (event.old_binding_id, event.new_binding_id);
            let shape = match event.action.as_str() {
                "binding.created" => old.is_none() && new.is_some(),
                "binding.superseded" => old.is_some() && new.is_some(),
                "binding.revoked" => old.is_some() && new.is_none(),
                _ => false,
            };
            if !shape {
                found.push(format!("event {number} `{}` names {old:?} and {new:?}", event.action));
            }
            if replay.active(&subject, number) != old {
                found.push(format!("event {number} ends {old:?} where {:?} held", replay.active(&subject, number)));
            }
            replay.change(&subject, number, new);
            if let Some(new) = new {
                if made.insert(new, number).is_some() {
                    found.push(format!("{new} was made twice"));
                }
                self.made_violations(&mut found, new, &subject, old);
            }
            if let Some(old) = old
                && ended.insert(old, event.action.as_str()).is_some()
            {
                found.push(format!("{old} ended twice"));
            }
        }
        for (id, decision) in &self.decisions {
            if !made.contains_key(id) {
                found.push(format!("{id} was made and not told of"));
            }
            let expected = match ended.get(id).copied() {
                None => "active",
                Some("binding.superseded") => "superseded",
                Some(_) => "revoked",
            };
            if decision.status != expected {
                found.push(format!("{id} is {} and told of as {expected}", decision.status));
            }
        }
        found.extend(self.interval_violations());
        (replay, found)
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.replayed().1
    }

    fn made_violations(&self, found: &mut Vec<String>, id: Uuid, subject: &str, old: Option<Uuid>) {
        let Some(decision) = self.decisions.get(&id) else {
            found.push(format!("{id} is told of and not there"));
            return;
        };
        if decision.subject != subject || decision.supersedes != old {
            found.push(format!("{id} is told of as {subject} after {old:?}, and is {decision:?}"));
        }
        let before = old.and_then(|old| self.decisions.get(&old));
        if before.is_some_and(|before| before.ended_at.as_ref() != Some(&decision.decided_at)) {
            found.push(format!("{id} does not begin when the one before ends"));
        }
    }

    /// Numbers from 1 without gap or repetition, each hash made of the one before, the last one the head's.
    fn chain_violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let (mut number, mut hash) = (0, GENESIS_HASH.to_owned());
        for told in &self.events {
            number += 1;
            if told.event.number != number {
                found.push(format!("event {} stands where {number} should", told.event.number));
                number = told.event.number;
            }
            let json = told.event.canonical_json().unwrap();
            if told.previous_hash != hash || told.hash != chain_hash(&hash, &json) {
                found.push(format!("the chain is broken at event {number}"));
            }
            hash.clone_from(&told.hash);
        }
        if (number, &hash) != (self.head.0, &self.head.1) {
            found.push(format!("the head is at {}, the chain at {number}", self.head.0));
        }
        found
    }

    /// One decision after the other: none begins before the one before it ended.
    fn interval_violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut by_subject: BTreeMap<&str, Vec<&Decision>> = BTreeMap::new();
        for decision in self.decisions.values() {
            by_subject.entry(&decision.subject).or_default().push(decision);
        }
        for (subject, mut decisions) in by_subject {
            decisions.sort_by(|one, other| one.decided_at.cmp(&other.decided_at));
            let active = decisions.iter().filter(|decision| decision.status == "active").count();
            if active > 1 {
                found.push(format!("{active} active: {subject}"));
            }
            if decisions.iter().any(|decision| decision.ended_at.as_ref().is_some_and(|at| *at <= decision.decided_at))
            {
                found.push(format!("a decision that ends before it begins: {subject}"));
            }
            let overlap = |pair: &[&Decision]| match pair {
                [one, next] => one.ended_at.as_ref().is_none_or(|ended_at| *ended_at > next.decided_at),
                _ => false,
            };
            if decisions.windows(2).any(overlap) {
                found.push(format!("two decisions at one time: {subject}"));
            }
        }
        found
    }
}

async fn decisions(raw: &mut Raw, workspace_id: Uuid) -> HashMap<Uuid, Decision> {
    let time = |column: &str| match raw.engine() {
        Engine::Sqlite => column.to_owned(),
        Engine::Postgres => format!("to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"),
    };
    let sql = format!(
        "SELECT id, managed_environment_id, provider_key, canonical_subject_key, binding_status, {}, {}, \
         supersedes_binding_id FROM provider_resource_bindings WHERE workspace_id = {}",
        time("decided_at"),
        time("ended_at"),
        raw.engine().id(workspace_id)
    );
    let id = |text: Option<String>| text.map(|text| text.parse::<Uuid>().unwrap());
    let rows = raw.rows(&sql).await.unwrap();
    rows.into_iter()
        .map(|row| {
            let [row_id, environment_id, provider, key, status, decided_at, ended_at, supersedes] =
                <[Option<String>; 8]>::try_from(row).unwrap();
            let subject = subject(id(environment_id).unwrap(), &provider.unwrap(), &key.unwrap());
            let (status, decided_at) = (status.unwrap(), decided_at.unwrap());
            (id(row_id).unwrap(), Decision { subject, status, supersedes: id(supersedes), decided_at, ended_at })
        })
        .collect()
}
