//! What the component costs in a request (P8): against the same request with the same rules called natively.
//!
//! The service has no native side and is not to have one. So three things are timed in turn: the request, in this process
//! without a network (the shortest it can be); the calls of the component that it makes; and the same calls of the same
//! crate, natively. The request with native code is the first without the second and with the third.

use super::Size;
use super::place::{KEY, Place};
use crate::differs;
use crate::pairs::Ratios;
use crate::report::{Line, Report, Target};
use crate::store::Failure;
use identity_component::model::{
    ActorKind as NativeActor, DecisionAction as NativeAction, ResolutionMode as NativeMode,
};
use identity_component::{decision, key};
use provident_identity::{ActorKind, Decision, DecisionAction, Identity, ResolutionMode};
use provident_tests::api::{Caller, routes_within};
use provident_tests::database::Engine;
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};

const TARGET: Target = Target::AtMost { gate: 1.03, aim: 1.01 };
/// How many calls are timed at once.
const CALLS: u32 = 200;
const NOTE: &str = "Not ours to govern: kept by the team that made it.";

/// Calls that a request makes, one way or the other.
type Calls<'a> = Box<dyn Fn() -> Result<(), Failure> + 'a>;

fn parsed(identity: &Identity, text: &str) -> Result<(), Failure> {
    black_box(identity.parse(black_box(text)).map_err(|_| differs("a key that is parsed"))?);
    Ok(())
}

fn natively_parsed(text: &str) -> Result<(), Failure> {
    black_box(key::parse(black_box(text)).map_err(|_| differs("a key that is parsed"))?);
    // The component answers a key with its digest.
    black_box(key::sha256(text.as_bytes()));
    Ok(())
}

/// A look-up takes its key apart.
fn of_lookup<'a>(identity: &'a Identity, text: &'a str) -> (Calls<'a>, Calls<'a>) {
    (Box::new(move || parsed(identity, text)), Box::new(move || natively_parsed(text)))
}

/// A dry run of an exclusion takes the key apart, has note and decision judged, and the domain by a descriptor: the
/// last is left out on both sides, so that the component is told of with less than it costs by one call in five.
fn of_decision<'a>(identity: &'a Identity, text: &'a str) -> (Calls<'a>, Calls<'a>) {
    let ours = move || {
        parsed(identity, text)?;
        parsed(identity, text)?;
        let note = identity.rewrite_note(black_box(NOTE)).map_err(|_| differs("a note"))?;
        let decision = Decision {
            action: DecisionAction::Create,
            actor: ActorKind::Operator,
            mode: Some(ResolutionMode::ExcludedNonGoverned),
            subject: text.to_owned(),
            resource: None,
            note,
            reason: None,
        };
        black_box(identity.check(black_box(&decision)).map_err(|_| differs("a decision"))?);
        Ok(())
    };
    let native = move || {
        natively_parsed(text)?;
        natively_parsed(text)?;
        let note = decision::rewrite_note(black_box(NOTE));
        let decision = decision::Decision {
            action: NativeAction::Create,
            actor: NativeActor::Operator,
            mode: Some(Some(NativeMode::ExcludedNonGoverned)),
            subject: text,
            resource: None,
            note: note.as_deref(),
            reason: None,
        };
        decision::check(black_box(&decision)).map_err(|_| differs("a decision"))?;
        Ok(())
    };
    (Box::new(ours), Box::new(native))
}

/// How long one round of calls takes, in seconds.
fn timed(calls: &Calls<'_>) -> Result<f64, Failure> {
    let begun = Instant::now();
    for _ in 0..CALLS {
        calls()?;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(CALLS))
}

/// How long a request takes, in seconds: the median of a slice.
async fn request(caller: &Caller, path: &str, body: &serde_json::Value, slice: Duration) -> Result<f64, Failure> {
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < slice {
        let asked = Instant::now();
        let reply = caller.post(path, body).await;
        times.push(asked.elapsed());
        if reply.status != 200 {
            return Err(format!("a request was answered {}", reply.status).into());
        }
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64))
}

pub(super) async fn measure(report: &mut Report, size: &Size, place: &Place) -> Result<(), Failure> {
    let group = match place.engine {
        Engine::Postgres => "the component in a request, PostgreSQL",
        Engine::Sqlite => "the component in a request, SQLite",
    };
    let identity = Identity::embedded()?;
    let limits = provident::http::Limits {
        rate_per_s: std::num::NonZeroU32::MAX,
        rate_burst: std::num::NonZeroU32::MAX,
        ..provident::http::Limits::default()
    };
    let caller = Caller::nobody(&routes_within(&place.service, limits)).with_token(&place.token);
    let (known, new) = (format!("{KEY}1"), format!("{KEY}new"));
    let lookup =
        (format!("{}:lookup", place.path()), json!({ "environment_id": place.environment_id, "keys": [known] }));
    let creation = json!({
        "environment_id": place.environment_id, "mode": "excluded_non_governed", "subject": new,
        "subject_domain": "things", "note": NOTE, "dry_run": true,
    });
    for (what, (path, body), calls) in [
        ("a look-up of one key", lookup, of_lookup(&identity, &known)),
        ("a decision, tried", (place.path(), creation), of_decision(&identity, &new)),
    ] {
        let (mut ratios, mut floors, mut of_calls) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..size.short_rounds {
            let first = request(&caller, &path, &body, size.short_slice).await?;
            let (component, native) = (timed(&calls.0)?, timed(&calls.1)?);
            let second = request(&caller, &path, &body, size.short_slice).await?;
            let whole = f64::midpoint(first, second);
            ratios.push(whole / (whole - component + native));
            floors.push(second / first);
            of_calls.push((whole, component, native));
        }
        report.floor(group, format!("{what}, native, no network"), &Ratios::new(floors));
        let micros = |of: fn(&(f64, f64, f64)) -> f64| Ratios::new(of_calls.iter().map(of).collect()).median() * 1e6;
        let ours = format!(
            "the same with the component: {:.0} µs, {:.2} µs of it the component's, {:.2} µs natively",
            micros(|times| times.0),
            micros(|times| times.1),
            micros(|times| times.2)
        );
        let against = format!("{what}, with native rules, in process");
        report.add(Line::new("P8", group, against, ours), &Ratios::new(ratios), Some(TARGET));
    }
    Ok(())
}
