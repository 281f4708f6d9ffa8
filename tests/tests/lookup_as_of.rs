//! What held at a moment, on both engines: asked of random histories and of a model that knows nothing but what each
//! decision answered when it was made.
#![cfg(test)]

use proptest::prelude::{Strategy, prop};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use provident::binding::{Binding, LookupAnswer, Note, SupersedeBinding};
use provident::clock::Timestamp;
use provident::error::Error;
use provident::service::MAX_LOOKUP_KEYS;
use provident_identity::{BindingStatus, ResolutionMode};
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, exclusion, key};

/// How many subjects a history is about, and how many histories there are.
const SUBJECTS: usize = 4;
const HISTORIES: usize = 12;

async fn lookup(world: &Installation, keys: &[String], at: Option<Timestamp>) -> Vec<LookupAnswer> {
    let acme = &world.acme;
    world.service.lookup(acme.readonly, &acme.workspace, acme.environment_id, keys, at).await.unwrap()
}

/// A decision as it was answered when it was made, and how it ended.
struct Decided {
    binding: Binding,
    end: Option<(Timestamp, BindingStatus)>,
}

/// What held at a moment, the long way round.
fn expected(history: &[Decided], at: Timestamp) -> LookupAnswer {
    let holds = |decided: &&Decided| decided.binding.decided_at <= at && decided.end.is_none_or(|(end, _)| at < end);
    if let Some(decided) = history.iter().find(holds) {
        return LookupAnswer::Active { binding: Box::new(decided.binding.clone()) };
    }
    let ended = history.iter().filter_map(|decided| Some((decided.end?, decided.binding.id)));
    let last = ended.filter(|((end, _), _)| *end <= at).max_by_key(|((end, _), _)| *end);
    last.map_or(LookupAnswer::None, |((_, status), binding_id)| LookupAnswer::Ended { status, binding_id })
}

/// One turn about one subject: whatever it allows.
async fn decide(world: &Installation, subject: &str, history: &mut Vec<Decided>, supersede: bool) {
    let acme = &world.acme;
    let held = history.last_mut().filter(|decided| decided.end.is_none());
    let made = match held {
        None => world.excluded(subject).await,
        Some(held) if supersede => {
            let mut request = SupersedeBinding::new(ResolutionMode::AcceptedLimitation);
            request.note = Some(Note::new("now differently"));
            let service = &world.service;
            let made =
                service.supersede_binding(acme.manager, &acme.workspace, held.binding.id, &request).await.unwrap();
            held.end = Some((made.decided_at, BindingStatus::Superseded));
            made
        }
        Some(held) => {
            let note = Note::new("was wrong");
            let service = &world.service;
            let ended =
                service.revoke_binding(acme.manager, &acme.workspace, held.binding.id, Some(&note)).await.unwrap();
            held.end = Some((ended.ended_at().unwrap(), BindingStatus::Revoked));
            return;
        }
    };
    history.push(Decided { binding: made, end: None });
}

#[test]
fn every_moment_of_every_history_is_answered_as_it_was() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let mut runner = TestRunner::deterministic();
        let turns = prop::collection::vec((0..SUBJECTS - 1, prop::bool::ANY), 1..16);
        let (mut active, mut ended, mut none) = (0, 0, 0);
        for number in 0..HISTORIES {
            // The last subject is never decided about.
            let keys: Vec<_> = (0..SUBJECTS).map(|subject| key(&format!("{number}-{subject}"))).collect();
            let mut histories: Vec<Vec<Decided>> = (0..SUBJECTS).map(|_| Vec::new()).collect();
            for (subject, supersede) in turns.new_tree(&mut runner).unwrap().current() {
                decide(&world, &keys[subject], &mut histories[subject], supersede).await;
            }
            let all = || histories.iter().flatten();
            let times = all().flat_map(|decided| [Some(decided.binding.decided_at), decided.end.map(|(end, _)| end)]);
            let moments =
                times.flatten().flat_map(|time| [-1, 0, 1].map(|step| Timestamp::from_micros(time.as_micros() + step)));
            let edges = [0, i64::MIN, i64::MAX].map(Timestamp::from_micros);
            for at in moments.chain(edges).collect::<Vec<_>>() {
                let answers = lookup(&world, &keys, Some(at)).await;
                for (history, answer) in histories.iter().zip(answers) {
                    assert_eq!(answer, expected(history, at), "at {at}");
                    match answer {
                        LookupAnswer::Active { .. } => active += 1,
                        LookupAnswer::Ended { .. } => ended += 1,
                        LookupAnswer::None => none += 1,
                        LookupAnswer::Refused { error } => panic!("{error}"),
                    }
                }
            }
            // A moment to come is answered as now is.
            let now = lookup(&world, &keys, None).await;
            assert_eq!(lookup(&world, &keys, Some(Timestamp::from_micros(i64::MAX))).await, now);
        }
        assert!(active > 100 && ended > 100 && none > 100, "{active} active, {ended} ended, {none} none");
    });
}

#[test]
fn a_decision_is_shown_as_it_stood_then_and_not_as_it_ended() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let made = world.excluded(&key("1")).await;
        let note = Note::new("secret words of its end");
        let revoked = world.service.revoke_binding(acme.manager, &acme.workspace, made.id, Some(&note)).await.unwrap();
        let end = revoked.ended_at().unwrap();
        let before = Timestamp::from_micros(end.as_micros() - 1);
        let shown = lookup(&world, &[key("1")], Some(before)).await.remove(0);
        let json = serde_json::to_string(&shown).unwrap();
        assert!(!json.contains("secret words") && json.contains("\"binding_status\":\"active\""), "{json}");
        assert_eq!(shown, LookupAnswer::Active { binding: Box::new(made.clone()) });
        let ended = LookupAnswer::Ended { status: BindingStatus::Revoked, binding_id: made.id };
        assert_eq!(lookup(&world, &[key("1")], Some(end)).await, [ended]);
        let earlier = Timestamp::from_micros(made.decided_at.as_micros() - 1);
        assert_eq!(lookup(&world, &[key("1")], Some(earlier)).await, [LookupAnswer::None]);
    });
}

#[test]
fn ten_thousand_keys_are_answered_in_order_as_of_a_moment_and_no_more() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let acme = &world.acme;
        let numbers = || 0..MAX_LOOKUP_KEYS;
        let mut keys: Vec<_> = numbers().map(|number| key(&format!("{number:05}"))).collect();
        let items: Vec<_> = keys.iter().step_by(20).map(|subject| exclusion(subject)).collect();
        let made = world
            .service
            .bulk_create_bindings(acme.manager, &acme.workspace, acme.environment_id, &items)
            .await
            .unwrap();
        let provident::service::BulkAnswer::Created { binding } = &made[0] else { panic!("{:?}", made[0]) };
        let began = binding.decided_at;
        let note = Note::new("was wrong");
        world.service.revoke_binding(acme.manager, &acme.workspace, binding.id, Some(&note)).await.unwrap();
        keys[7] = "no key".to_owned();
        let answers = lookup(&world, &keys, Some(began)).await;
        assert_eq!(answers.len(), MAX_LOOKUP_KEYS);
        for (number, (key, answer)) in keys.iter().zip(&answers).enumerate() {
            match answer {
                LookupAnswer::Active { binding } => {
                    assert_eq!((number % 20, binding.canonical_subject_key.as_str()), (0, key.as_str()));
                }
                LookupAnswer::None => assert!(!number.is_multiple_of(20)),
                LookupAnswer::Refused { error } => assert_eq!((number, error.field.as_str()), (7, "key")),
                LookupAnswer::Ended { .. } => panic!("{key} had ended"),
            }
        }
        keys.push(key("one more"));
        let over = world.service.lookup(acme.readonly, &acme.workspace, acme.environment_id, &keys, Some(began)).await;
        assert_eq!(over.unwrap_err().code(), "too-many-keys");
        let hidden =
            world.service.lookup(acme.manager, &acme.workspace, acme.hidden_environment_id, &keys, Some(began));
        assert!(matches!(hidden.await, Err(Error::NotFound)));
    });
}
