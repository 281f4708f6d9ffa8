//! Sixty-four writers on twenty subjects (P381-54): whatever is tried at once, one decision holds at any instant, who is
//! refused is told the truth, and the trail tells of each success once.
//!
//! `RACE_ATTEMPTS` says how many attempts per engine, `RACE_SEED` how they are drawn. What is checked afterwards is
//! `provident_tests::replay`.
#![cfg(test)]

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use provident::binding::{Note, SupersedeBinding};
use provident::error::{Conflict, Error};
use provident_identity::ResolutionMode;
use provident_tests::database::{Engine, Raw, on_both_engines, say};
use provident_tests::installation::{Installation, exclusion, key};
use provident_tests::replay::{Replay, Trail, head, subject, two_active};
use uuid::Uuid;

const TASKS: usize = 64;
const SUBJECTS: usize = 20;
const ATTEMPTS: usize = 20_000;
const SAMPLE_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy)]
enum Asked {
    Create,
    Supersede(Uuid),
    Revoke(Uuid),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Done(Uuid),
    Exists(Option<Uuid>),
    Stale(Option<Uuid>),
    Other(String),
}

/// What was asked about a subject, between which samples, and what came of it.
#[derive(Debug)]
struct Attempt {
    subject: usize,
    asked: Asked,
    samples: (usize, usize),
    outcome: Outcome,
}

/// What a task was told last of a subject: what holds, and what held before. Mostly true, never certain.
#[derive(Debug, Clone, Copy, Default)]
struct Rumour {
    active: Option<Uuid>,
    ended: Option<Uuid>,
}

/// What is seen from outside while they run.
#[derive(Debug, Default)]
struct Samples {
    started: AtomicUsize,
    done: AtomicUsize,
    heads: Mutex<Vec<i64>>,
    violations: Mutex<Vec<String>>,
}

/// Everything the tasks share.
#[derive(Debug)]
struct Race {
    world: Installation,
    rumours: Mutex<[Rumour; SUBJECTS]>,
    samples: Samples,
    over: AtomicBool,
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// Draws numbers: xorshift, from a seed that is not 0.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

impl Race {
    fn on(world: Installation) -> Arc<Self> {
        let (rumours, samples, over) = (Mutex::default(), Samples::default(), AtomicBool::default());
        Arc::new(Self { world, rumours, samples, over })
    }

    /// What to ask about a subject, by what is said of it.
    fn draw(&self, subject: usize, dice: &mut Dice) -> Asked {
        let rumour = self.rumours.lock().unwrap()[subject];
        match (rumour.active, rumour.ended, dice.below(100)) {
            (_, Some(ended), 0..3) => Asked::Supersede(ended),
            (_, Some(ended), 3..6) => Asked::Revoke(ended),
            (Some(active), _, 6..50) => Asked::Supersede(active),
            (Some(active), _, 50..80) => Asked::Revoke(active),
            _ => Asked::Create,
        }
    }

    async fn ask(&self, subject: usize, asked: Asked) -> Outcome {
        let (service, acme) = (&self.world.service, &self.world.acme);
        let outcome = match asked {
            Asked::Create => {
                let request = exclusion(&key(&subject.to_string()));
                service.create_binding(acme.manager, &acme.workspace, acme.environment_id, &request).await
            }
            Asked::Supersede(id) => {
                let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
                request.note = Some(Note::new("now differently"));
                service.supersede_binding(acme.owner, &acme.workspace, id, &request).await
            }
            Asked::Revoke(id) => {
                service.revoke_binding(acme.manager, &acme.workspace, id, Some(&Note::new("was wrong"))).await
            }
        };
        match outcome {
            Ok(binding) => Outcome::Done(binding.id),
            Err(Error::Conflict(Conflict::ActiveBindingExists { active_binding_id })) => {
                Outcome::Exists(active_binding_id)
            }
            Err(Error::Conflict(Conflict::StaleBinding { active_binding_id })) => Outcome::Stale(active_binding_id),
            Err(other) => Outcome::Other(other.code().to_owned()),
        }
    }

    fn remember(&self, subject: usize, asked: Asked, outcome: &Outcome) {
        let rumour = &mut self.rumours.lock().unwrap()[subject];
        match (asked, outcome) {
            (Asked::Supersede(old), Outcome::Done(id)) => *rumour = Rumour { active: Some(*id), ended: Some(old) },
            (Asked::Revoke(old), Outcome::Done(_)) => *rumour = Rumour { active: None, ended: Some(old) },
            (Asked::Create, Outcome::Done(id) | Outcome::Exists(Some(id))) => rumour.active = Some(*id),
            (_, Outcome::Stale(named)) => rumour.active = *named,
            _ => {}
        }
    }

    async fn attempts(&self, count: usize, mut dice: Dice) -> Vec<Attempt> {
        let mut attempts = Vec::with_capacity(count);
        for _ in 0..count {
            let subject = dice.below(SUBJECTS);
            let asked = self.draw(subject, &mut dice);
            let before = self.samples.done.load(Ordering::SeqCst);
            let outcome = self.ask(subject, asked).await;
            let after = self.samples.started.load(Ordering::SeqCst);
            self.remember(subject, asked, &outcome);
            attempts.push(Attempt { subject, asked, samples: (before, after), outcome });
        }
        attempts
    }

    /// Looks at the database from outside, again and again, and once more when all is over.
    async fn sample(&self) {
        let mut raw = self.world.raw().await;
        loop {
            let last = self.over.load(Ordering::SeqCst);
            self.samples.started.fetch_add(1, Ordering::SeqCst);
            let found = two_active(&mut raw).await;
            let (number, _) = head(&mut raw, self.world.acme.workspace_id).await;
            self.samples.heads.lock().unwrap().push(number);
            self.samples.violations.lock().unwrap().extend(found);
            self.samples.done.fetch_add(1, Ordering::SeqCst);
            if last {
                return raw.close().await.unwrap();
            }
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    }

    /// Runs them all and gives back what came of each attempt.
    async fn run(self: &Arc<Self>, attempts: usize, seed: u64) -> Vec<Attempt> {
        let sampler = tokio::spawn({
            let race = Arc::clone(self);
            async move { race.sample().await }
        });
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (race, count) = (Arc::clone(self), attempts.div_ceil(TASKS));
                let dice = Dice(seed.wrapping_mul(1_000_003) + u64::try_from(task).unwrap() + 1);
                tokio::spawn(async move { race.attempts(count, dice).await })
            })
            .collect();
        let mut done = Vec::new();
        for task in tasks {
            done.extend(task.await.unwrap());
        }
        self.over.store(true, Ordering::SeqCst);
        sampler.await.unwrap();
        done
    }

    /// Everything that is wrong with what was answered, held against what the trail says happened when.
    fn answer_violations(&self, attempts: &[Attempt], trail: &Trail, replay: &Replay) -> Vec<String> {
        let heads = self.samples.heads.lock().unwrap();
        let mut found = Vec::new();
        let mut claimed = HashSet::new();
        for attempt in attempts {
            let (before, after) = attempt.samples;
            // The trail was at least so long when it was asked, and at most so long when it was answered.
            let from = before.checked_sub(1).map_or(0, |sample| heads[sample]);
            let to = heads[after];
            let subject = subject(self.world.acme.environment_id, "fake", &key(&attempt.subject.to_string()));
            let held = replay.active_between(&subject, from, to);
            let true_answer = match (attempt.asked, &attempt.outcome) {
                (asked, Outcome::Done(id)) => {
                    let (old, new) = match asked {
                        Asked::Create => (None, Some(*id)),
                        Asked::Supersede(old) => (Some(old), Some(*id)),
                        Asked::Revoke(old) => (Some(old), None),
                    };
                    claimed.insert((old, new)) && held.windows(2).any(|pair| *pair == [old, new])
                }
                (Asked::Create, Outcome::Exists(named)) => held.contains(named),
                (Asked::Supersede(old) | Asked::Revoke(old), Outcome::Stale(named)) => {
                    *named != Some(old) && held.contains(named)
                }
                _ => false,
            };
            if !true_answer {
                found.push(format!("between {from} and {to} of the trail {held:?} held: {attempt:?}"));
            }
        }
        let told = trail.events.iter().filter(|event| event.event.action.starts_with("binding."));
        let told: HashSet<_> = told.map(|event| (event.event.old_binding_id, event.event.new_binding_id)).collect();
        if told != claimed {
            found.push(format!("{} successes, {} told of", claimed.len(), told.len()));
        }
        let rows = claimed.iter().filter(|(_, new)| new.is_some()).count();
        if rows != trail.decisions.len() {
            found.push(format!("{rows} made, {} rows", trail.decisions.len()));
        }
        found
    }
}

fn tell(engine: Engine, race: &Race, attempts: &[Attempt], time: Duration) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for attempt in attempts {
        let asked = match attempt.asked {
            Asked::Create => "create",
            Asked::Supersede(_) => "supersede",
            Asked::Revoke(_) => "revoke",
        };
        let outcome = match &attempt.outcome {
            Outcome::Done(_) => "done",
            Outcome::Exists(Some(_)) => "exists, named",
            Outcome::Exists(None) => "exists, unnamed",
            Outcome::Stale(Some(_)) => "stale, named",
            Outcome::Stale(None) => "stale, unnamed",
            Outcome::Other(code) => code,
        };
        *counts.entry(format!("{asked} {outcome}")).or_default() += 1;
    }
    let per_second = u128::try_from(attempts.len()).unwrap() * 1_000 / time.as_millis().max(1);
    let samples = race.samples.heads.lock().unwrap().len();
    say(&format!(
        "races on {engine}: {} attempts in {time:.1?}, {per_second}/s, {samples} samples: {counts:?}",
        attempts.len()
    ));
}

async fn expect_nothing_wrong(race: &Race, attempts: &[Attempt]) {
    let mut raw = race.world.raw().await;
    let trail = Trail::read(&mut raw, &race.world.service, &race.world.acme).await;
    raw.close().await.unwrap();
    let (replay, mut found) = trail.replayed();
    found.extend(race.samples.violations.lock().unwrap().iter().cloned());
    found.extend(race.answer_violations(attempts, &trail, &replay));
    assert!(found.is_empty(), "{} violations, the first: {:#?}", found.len(), &found[..found.len().min(10)]);
}

#[test]
fn sixty_four_writers_on_twenty_subjects_never_leave_two_active_and_are_told_the_truth() {
    on_both_engines(|database| async move {
        let engine = database.engine();
        let race = Race::on(Installation::on(database).await);
        let seed = u64::try_from(number("RACE_SEED", 1)).unwrap();
        let begun = Instant::now();
        let attempts = race.run(number("RACE_ATTEMPTS", ATTEMPTS), seed).await;
        tell(engine, &race, &attempts, begun.elapsed());
        expect_nothing_wrong(&race, &attempts).await;
        // Every way there is to come out was seen, so that none of it was checked on nothing.
        let some = |outcome: &dyn Fn(&Outcome) -> bool| attempts.iter().any(|attempt| outcome(&attempt.outcome));
        assert!(some(&|outcome| matches!(outcome, Outcome::Done(_))));
        assert!(some(&|outcome| matches!(outcome, Outcome::Exists(Some(_)))));
        assert!(some(&|outcome| matches!(outcome, Outcome::Stale(Some(_)))));
        assert!(some(&|outcome| matches!(outcome, Outcome::Stale(None))));
    });
}

async fn without_the_index(raw: &mut Raw) {
    raw.execute("DROP INDEX ux_bindings_active").await.unwrap();
}

/// What a program would do that relied on looking first.
async fn look_then_write(world: &Installation, raw: &mut Raw, id: Uuid, barrier: &tokio::sync::Barrier) -> bool {
    let acme = &world.acme;
    let row = world
        .row(acme, acme.environment_id, "provider_resource_bindings")
        .with("id", id)
        .with("decided_by_user_id", acme.manager.user_id())
        .with("canonical_subject_key", key("1"));
    let sql = format!(
        "SELECT count(*) FROM provider_resource_bindings WHERE binding_status = 'active' AND canonical_subject_key = '{}'",
        key("1")
    );
    let free = raw.value(&sql).await.unwrap().as_deref() == Some("0");
    barrier.wait().await;
    free && row.insert(raw).await.is_ok()
}

#[test]
fn writers_who_look_first_are_stopped_by_the_index_and_found_out_without_it() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        for indexed in [true, false] {
            let (mut one, mut other) = (world.raw().await, world.raw().await);
            if !indexed {
                without_the_index(&mut one).await;
                let undone = "UPDATE provider_resource_bindings SET binding_status = 'superseded', \
                              ended_at = '2100-01-01T00:00:00.000000Z'";
                one.execute(undone).await.unwrap();
            }
            let barrier = tokio::sync::Barrier::new(2);
            let (first, second) =
                (Uuid::from_u128(1 + 2 * u128::from(indexed)), Uuid::from_u128(2 + 2 * u128::from(indexed)));
            let (first, second) = tokio::join!(
                look_then_write(&world, &mut one, first, &barrier),
                look_then_write(&world, &mut other, second, &barrier)
            );
            let sampled = two_active(&mut one).await;
            let trail = Trail::read(&mut one, &world.service, &world.acme).await;
            let two = trail.violations().iter().any(|violation| violation.starts_with("2 active: "));
            assert_eq!(
                (first && second, sampled.len(), two),
                if indexed { (false, 0, false) } else { (true, 1, true) }
            );
            one.close().await.unwrap();
            other.close().await.unwrap();
        }
    });
}

#[test]
fn a_race_without_the_index_fails() {
    on_both_engines(|database| async move {
        let race = Race::on(Installation::on(database).await);
        let mut raw = race.world.raw().await;
        without_the_index(&mut raw).await;
        raw.close().await.unwrap();
        let attempts = race.run(TASKS, 1).await;
        // Every first decision names the index it races on: without it nothing is written rather than twice.
        let refused = Outcome::Other("database-refused".to_owned());
        assert!(attempts.iter().all(|attempt| attempt.outcome == refused), "{attempts:?}");
        assert_eq!(race.world.count("provider_resource_bindings").await, 0);
    });
}
