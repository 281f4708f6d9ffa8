//! Tampering with the audit trail: whatever is changed in a chain, added, taken away or written anew, is found beside a
//! checkpoint, and the first place it does not hold at is named. Most of it is tried on events in memory, a share of it
//! on the rows of a database, round the service and past what refuses it there.
#![cfg(test)]

use std::collections::BTreeMap;

use provident::actor::Actor;
use provident::audit::{AuditEvent, ChainedEvent, Checkpoint, Fault, Verdict, Verifier};
use provident::service::Auditor;
use provident::workspace::WorkspaceRef;
use provident_tests::database::on_both_engines;
use provident_tests::installation::{Installation, key, plane};
use provident_tests::trail::{Dice, end_of, exported, relinked, story, verdict};
use serde_json::{Value, json};
use uuid::Uuid;

/// What stands in a chain: an event, or something that reads back as none.
type Place = Option<ChainedEvent>;

fn judge(places: &[Place], checkpoint: &Checkpoint) -> Verdict {
    let mut verifier = Verifier::held_to(checkpoint.clone());
    for place in places {
        match place {
            Some(event) => verifier.follow(event)?,
            None => verifier.meet_unreadable(None)?,
        }
    }
    verifier.finish()
}

/// Links the chain anew from a place on.
fn rehash(places: &mut Vec<Place>, from: usize) {
    let events: Vec<ChainedEvent> = places.drain(..).flatten().collect();
    places.extend(relinked(events, from).into_iter().map(Some));
}

/// Another value for a member, of a kind it might have.
fn another(member: &str, value: &Value, dice: &mut Dice) -> Value {
    let hex = |text: &str, dice: &mut Dice| {
        let mut digits: Vec<char> = text.chars().collect();
        let at = loop {
            let at = dice.below(digits.len());
            if digits[at] != '-' {
                break at;
            }
        };
        let digit = digits[at].to_digit(16).unwrap() ^ (1 << dice.below(4));
        digits[at] = char::from_digit(digit, 16).unwrap();
        json!(digits.into_iter().collect::<String>())
    };
    match value {
        Value::Number(number) => json!(number.as_i64().unwrap() ^ (1 << dice.below(20))),
        Value::String(text) if member.ends_with("_id") || member.ends_with("hash") || member == "note_hmac" => {
            hex(text, dice)
        }
        Value::String(_) if member == "occurred_at" => json!("2023-11-14T22:13:20.000001Z"),
        Value::String(text) => json!(format!("{text}x")),
        _ if member.ends_with("_id") && member != "request_id" => json!(Uuid::from_u128(7)),
        _ if member.ends_with("_count") || member.ends_with("version") || member == "note_length" => json!(1),
        _ => json!("x"),
    }
}

/// The event with one member edited, and that member. The row reads back; it says something else.
fn edited(event: &ChainedEvent, dice: &mut Dice) -> (ChainedEvent, String) {
    let mut members = serde_json::to_value(&event.event).unwrap();
    let mut event = event.clone();
    let names: Vec<String> = members.as_object().unwrap().keys().cloned().collect();
    match dice.below(names.len() + 3) {
        at if at < names.len() => {
            let name = &names[at];
            members[name] = another(name, &members[name], dice);
            event.event = serde_json::from_value(members).unwrap();
            return (event, name.clone());
        }
        at if at == names.len() => event.format = 2 + i32::try_from(dice.below(9)).unwrap(),
        at if at == names.len() + 1 => {
            event.previous_hash =
                another("previous_hash", &json!(event.previous_hash), dice).as_str().unwrap().to_owned();
        }
        _ => event.hash = another("hash", &json!(event.hash), dice).as_str().unwrap().to_owned(),
    }
    (event, "a member of the chain".to_owned())
}

/// The line of an event with one bit turned; nothing if that reads back as no event.
fn with_a_bit_turned(event: &ChainedEvent, dice: &mut Dice) -> Place {
    let mut line = event.to_line().unwrap().into_bytes();
    let at = dice.below(line.len());
    line[at] ^= 1 << dice.below(8);
    String::from_utf8(line).ok()?.parse().ok()
}

/// The ways to tamper.
const KINDS: [&str; 12] = [
    "bit flip",
    "field edit",
    "swap",
    "swap with numbers",
    "drop",
    "drop and close the gap",
    "duplicate",
    "duplicate with the next number",
    "cut tail",
    "splice",
    "splice under this workspace's name",
    "written anew",
];

/// Tampers with a chain; answers the first place that does not hold beside the checkpoint, and what may be wrong there.
fn tamper(
    kind: &str,
    places: &mut Vec<Place>,
    rival: &[ChainedEvent],
    checkpoint: &mut Checkpoint,
    dice: &mut Dice,
) -> (usize, Vec<Fault>) {
    let last = places.len();
    let number = dice.number(last);
    let at = number - 1;
    let event = |at: usize, places: &[Place]| places[at].clone().unwrap();
    match kind {
        "bit flip" => {
            places[at] = with_a_bit_turned(&event(at, places), dice);
            (number, Fault::ALL.to_vec())
        }
        "field edit" => {
            let (event, member) = edited(&event(at, places), dice);
            places[at] = Some(event);
            let fault = match member.as_str() {
                "number" => vec![Fault::NumberGap, Fault::NumberOutOfOrder],
                "workspace_id" => vec![Fault::OtherWorkspace],
                "a member of the chain" => {
                    vec![Fault::UnknownFormat, Fault::PreviousHashMismatch, Fault::HashMismatch]
                }
                _ => vec![Fault::HashMismatch],
            };
            (number, fault)
        }
        "swap" | "swap with numbers" => {
            let other = (at + 1 + dice.below(last - 1)) % last;
            places.swap(at, other);
            if kind == "swap" {
                return (at.min(other) + 1, vec![Fault::NumberGap]);
            }
            for at in [at, other] {
                places[at].as_mut().unwrap().event.number = i64::try_from(at).unwrap() + 1;
            }
            (at.min(other) + 1, vec![Fault::PreviousHashMismatch])
        }
        "drop" => {
            places.remove(at);
            (number, vec![if number == last { Fault::CutTail } else { Fault::NumberGap }])
        }
        "drop and close the gap" => {
            places.remove(at);
            for (at, place) in places.iter_mut().enumerate().skip(at) {
                place.as_mut().unwrap().event.number = i64::try_from(at).unwrap() + 1;
            }
            (number, vec![if number == last { Fault::CutTail } else { Fault::PreviousHashMismatch }])
        }
        "duplicate" => {
            places.insert(number, Some(event(at, places)));
            (number + 1, vec![Fault::NumberOutOfOrder])
        }
        "duplicate with the next number" => {
            let mut twice = event(at, places);
            twice.event.number += 1;
            places.insert(number, Some(twice));
            (number + 1, vec![Fault::PreviousHashMismatch])
        }
        "cut tail" => {
            places.truncate(at);
            (number, vec![Fault::CutTail])
        }
        "splice" => {
            places[at] = Some(rival[dice.below(rival.len())].clone());
            (number, vec![Fault::OtherWorkspace])
        }
        "splice under this workspace's name" => {
            let own = event(at, places);
            let mut spliced = rival[(at + 1) % rival.len()].clone();
            spliced.event.workspace_id = own.event.workspace_id;
            spliced.event.number = own.event.number;
            spliced.previous_hash = own.previous_hash;
            places[at] = Some(spliced);
            (number, vec![Fault::HashMismatch])
        }
        "written anew" => {
            let (mut event, member) = edited(&event(at, places), dice);
            if member == "workspace_id" || member == "a member of the chain" || member == "number" {
                event = places[at].clone().unwrap();
                event.event.request_id = Some("forged".to_owned());
            }
            let to = at + dice.below(last - at);
            *checkpoint = end_of(&places[..=to].iter().flatten().cloned().collect::<Vec<_>>());
            places[at] = Some(event);
            rehash(places, at);
            (to + 1, vec![Fault::CheckpointMismatch])
        }
        _ => unreachable!("{kind}"),
    }
}

#[test]
fn whatever_is_done_to_a_chain_is_found_at_the_first_place_it_was_done() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        story(&world).await;
        let events = exported(&world, &world.acme.workspace).await;
        let rival = exported(&world, &world.rival.workspace).await;
        assert!(events.len() > 25, "{}", events.len());
        let sound: Vec<Place> = events.iter().cloned().map(Some).collect();
        let mut dice = Dice(0x5eed);
        let (mut found, mut faults) = (BTreeMap::<&str, u32>::new(), BTreeMap::<&str, u32>::new());
        for case in 0..2400 {
            let kind = KINDS[case % KINDS.len()];
            let (mut places, mut checkpoint) = (sound.clone(), end_of(&events));
            let (number, may_be) = tamper(kind, &mut places, &rival, &mut checkpoint, &mut dice);
            let finding = match judge(&places, &checkpoint) {
                Err(finding) => finding,
                Ok(verified) => panic!("case {case}, {kind} at {number}: {verified:?}"),
            };
            assert_eq!(finding.number, i64::try_from(number).unwrap(), "case {case}, {kind}: {finding}");
            assert!(may_be.contains(&finding.fault), "case {case}, {kind}: {finding}");
            *found.entry(kind).or_default() += 1;
            *faults.entry(finding.fault.code()).or_default() += 1;
        }
        assert_eq!(judge(&sound, &end_of(&events)).unwrap().number, i64::try_from(events.len()).unwrap());
        assert_eq!(found.values().sum::<u32>(), 2400);
        assert_eq!(found.len(), KINDS.len());
        // Heads are a database's; every other fault was met.
        assert_eq!(faults.len(), Fault::ALL.len() - 2, "{faults:?}");
    });
}

#[test]
fn a_chain_alone_shows_no_cut_and_no_rewriting_and_neither_does_an_older_checkpoint() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        story(&world).await;
        let events = exported(&world, &world.acme.workspace).await;
        let (before, after) = (end_of(&events[..10]), end_of(&events[..20]));
        let mut places: Vec<Place> = events.iter().cloned().map(Some).collect();
        places[14].as_mut().unwrap().event.request_id = Some("forged".to_owned());
        rehash(&mut places, 14);
        let alone = |places: &[Place]| {
            let mut verifier = Verifier::new(world.acme.workspace_id);
            places.iter().flatten().for_each(|event| verifier.follow(event).unwrap());
            verifier.finish()
        };
        assert!(alone(&places).is_ok() && judge(&places, &before).is_ok());
        assert_eq!(judge(&places, &after).unwrap_err().to_string(), {
            "event 20: the checkpoint has another hash for it: the chain was written anew"
        });
        places.truncate(19);
        assert!(alone(&places).is_ok() && judge(&places, &before).is_ok());
        assert_eq!(judge(&places, &after).unwrap_err().fault, Fault::CutTail);
        // Nothing behind a finding is looked at: the first one stays.
        let mut verifier = Verifier::held_to(after);
        let first = verifier.follow(&events[3]).unwrap_err();
        assert_eq!(verifier.follow(&events[0]), Err(first));
        assert_eq!(verifier.meet_unreadable(Some(9)), Err(first));
        assert_eq!(verifier.finish_at(None), Err(first));
    });
}

#[test]
fn what_is_hashed_of_an_event_is_what_any_writer_of_json_makes_of_it() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        story(&world).await;
        let texts = ["", "\"", "\\", "\u{0}\n\t\u{1f}", "\u{7f}\u{80}\u{2028}", "w\u{f6}rd \u{1F600}", "/<&'"];
        for event in exported(&world, &world.acme.workspace).await {
            let plain = serde_json::to_value(&event.event).unwrap();
            for name in plain.as_object().unwrap().keys() {
                for value in
                    texts.map(Value::from).into_iter().chain([json!(0), json!(-1), json!(i64::MAX), json!(null)])
                {
                    let mut members = plain.clone();
                    members[name] = value;
                    let Ok(event) = serde_json::from_value::<AuditEvent>(members) else { continue };
                    assert_eq!(event.canonical_json().unwrap(), serde_json::to_string(&event).unwrap(), "{name}");
                }
            }
        }
    });
}

#[test]
fn a_line_of_an_export_reads_back_and_nothing_that_is_spelled_otherwise_does() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        story(&world).await;
        for event in exported(&world, &world.acme.workspace).await {
            let line = event.to_line().unwrap();
            assert_eq!(line.parse(), Ok(event.clone()), "{line}");
            let number = format!("\"number\":{}", event.event.number);
            for other in [
                line.replacen('{', "{ ", 1),
                format!("{line} "),
                line.replacen('{', r#"{"note":null,"#, 1),
                line.replacen(r#","format":1"#, r#","format":1,"format":1"#, 1),
                line.replacen(r#""actor_token_id":null,"#, "", 1),
                line.replacen(&number, &format!("{number}.0"), 1),
                line.replacen("\"action\":\"", "\"action\":\"\\u0062", 1).replacen("\\u0062b", "\\u0062", 1),
                line.to_uppercase(),
                line.replacen('{', "", 1),
                String::new(),
            ] {
                assert!(other.parse::<ChainedEvent>().is_err(), "{other}");
            }
        }
    });
}

#[test]
fn the_service_verifies_exports_and_takes_checkpoints_of_one_chain() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        story(&world).await;
        let (service, acme) = (&world.service, &world.acme);
        let owner = Auditor::Member(acme.owner);
        let checkpoint = service.audit_checkpoint(owner, &acme.workspace).await.unwrap();
        let events = exported(&world, &acme.workspace).await;
        assert_eq!(checkpoint, end_of(&events));
        let verified = service.verify_audit(owner, &acme.workspace, Some(&checkpoint)).await.unwrap().unwrap();
        assert_eq!((verified.workspace_id, verified.number), (acme.workspace_id, checkpoint.number()));
        assert_eq!(
            (verified.hash.as_str(), verified.checkpoint_number),
            (checkpoint.hash(), Some(checkpoint.number()))
        );
        // More than one piece of a chain, and a checkpoint that is no longer its end.
        for subject in 0..500 {
            world.excluded(&key(&format!("many-{subject}"))).await;
        }
        let verified = verdict(&world, &acme.workspace, Some(&checkpoint)).await.unwrap();
        assert_eq!(verified.number, checkpoint.number() + 500);
        let more = exported(&world, &acme.workspace).await;
        assert_eq!(more.len(), events.len() + 500);
        assert_eq!(more[..events.len()], events);
        assert_eq!(judge(&more.into_iter().map(Some).collect::<Vec<_>>(), &checkpoint), Ok(verified));

        let plane = plane();
        let system = Auditor::System(&plane);
        let refused = service.verify_audit(system, &world.rival.workspace, Some(&checkpoint)).await.unwrap_err();
        assert_eq!(refused.code(), "checkpoint-of-another-workspace");
        let platform = service.audit_checkpoint(system, &"platform".parse().unwrap()).await.unwrap();
        assert!(platform.workspace_id().is_nil() && platform.number() > 0);
    });
}

async fn refusals(world: &Installation, auditor: Auditor<'_>, workspace: &WorkspaceRef) -> Option<&'static str> {
    let codes = [
        world.service.verify_audit(auditor, workspace, None).await.err().map(|error| error.code()),
        world.service.audit_checkpoint(auditor, workspace).await.err().map(|error| error.code()),
        world.service.export_audit(auditor, workspace).await.err().map(|error| error.code()),
    ];
    assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    codes[0]
}

#[test]
fn a_whole_chain_is_the_system_planes_and_an_owners_entitled_to_every_environment() {
    on_both_engines(|database| async move {
        let world = Installation::on(database).await;
        let (service, acme) = (&world.service, &world.acme);
        let judged = async |actor: Actor| refusals(&world, Auditor::Member(actor), &acme.workspace).await;
        assert_eq!(judged(acme.owner).await, None);
        assert_eq!(judged(acme.unentitled).await, Some("not-found"));
        assert_eq!(judged(world.rival.owner).await, Some("not-found"));
        assert_eq!(judged(world.stranger).await, Some("not-found"));
        // Whether there is an environment hidden from them, nobody else learns.
        for _ in 0..2 {
            for actor in [acme.manager, acme.operator, acme.readonly] {
                assert_eq!(judged(actor).await, Some("forbidden"));
                let hidden = acme.hidden_environment_id;
                service.grant_entitlement(acme.owner, &acme.workspace, hidden, actor.user_id()).await.ok();
            }
        }
        for workspace in ["nobody-has-it", "platform", "Not A Slug", "00000000-0000-0000-0000-000000000000"] {
            let workspace = workspace.parse().unwrap();
            assert_eq!(refusals(&world, Auditor::Member(acme.owner), &workspace).await, Some("not-found"));
        }
        let plane = plane();
        let system = Auditor::System(&plane);
        for workspace in [&acme.workspace, &world.rival.workspace, &"acme".parse().unwrap()] {
            assert_eq!(refusals(&world, system, workspace).await, None);
        }
        let unknown = Uuid::from_u128(0xbad).into();
        for workspace in [&unknown, &"nobody-has-it".parse().unwrap(), &"Not A Slug".parse().unwrap()] {
            assert_eq!(refusals(&world, system, workspace).await, Some("not-found"), "{workspace:?}");
        }
        // An environment somebody else makes takes the whole chain away, until its maker shares it.
        let made = service.create_environment(acme.unentitled, &acme.workspace, "Another").await.unwrap();
        assert_eq!(judged(acme.owner).await, Some("not-found"));
        let owner = acme.owner.user_id();
        service.grant_entitlement(acme.unentitled, &acme.workspace, made.id, owner).await.unwrap();
        assert_eq!(judged(acme.owner).await, None);
    });
}
