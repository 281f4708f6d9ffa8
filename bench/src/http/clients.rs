//! Clients of the service: so many connections, each sending one request after the other for a while.

use super::place::Place;
use crate::store::Failure;
use provident_tests::serving::Instance;
use provident_tests::wire::{Answer, Ask, Wire};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A request and what has to come back.
pub(super) struct Question {
    pub(super) path: String,
    pub(super) body: String,
    pub(super) key: Option<String>,
    pub(super) status: u16,
    /// How many of what is looked up are bound.
    pub(super) active: usize,
}

/// Makes the requests of a window, each from a number of its own.
pub(super) type Questions = Arc<dyn Fn(u64) -> Question + Send + Sync>;

impl Question {
    fn is_answered_by(&self, answer: &Answer) -> bool {
        let active =
            || std::str::from_utf8(&answer.body).map_or(0, |body| body.matches("\"state\":\"active\"").count());
        answer.status == self.status && active() == self.active
    }

    /// Asks, and holds the answer to what it has to be.
    pub(super) async fn ask(&self, wire: &mut Wire) -> Result<(), Failure> {
        let headers = self.key.as_deref().map(|key| [("idempotency-key", key)]);
        let headers = headers.as_ref().map_or(&[][..], <[_; 1]>::as_slice);
        let answer = wire.ask(&Ask::post(&self.path, &self.body).with(headers)).await?;
        if self.is_answered_by(&answer) {
            Ok(())
        } else {
            Err(format!("answered {}: {}", answer.status, answer.code()).into())
        }
    }
}

/// Looks so many keys up, one in a hundred of which nobody decided about.
pub(super) fn lookups(place: &Place, keys: u64) -> Questions {
    let (path, environment_id, bindings) = (format!("{}:lookup", place.path()), place.environment_id, place.bindings);
    Arc::new(move |number| lookup(&path, environment_id, bindings, number, keys))
}

fn lookup(path: &str, environment_id: Uuid, bindings: u64, number: u64, keys: u64) -> Question {
    let asked = (0..keys).map(|at| {
        let drawn = crate::store::bindings::scattered(number.wrapping_mul(keys).wrapping_add(at));
        drawn % (bindings + bindings / 99) + 1
    });
    let (mut list, mut active) = (String::new(), 0);
    for subject in asked {
        active += usize::from(subject <= bindings);
        list.push_str(if list.is_empty() { "" } else { "," });
        // Writing to a string cannot fail.
        let _ = write!(list, "\"{}{subject}\"", super::place::KEY);
    }
    let body = format!(r#"{{"environment_id":"{environment_id}","keys":[{list}]}}"#);
    Question { path: path.to_owned(), body, key: None, status: 200, active }
}

/// Keeps one subject after the other out of what is governed, each under a key of its own.
pub(super) fn creations(place: &Place) -> Questions {
    let (path, environment_id) = (place.path(), place.environment_id);
    Arc::new(move |number| Question {
        path: path.clone(),
        body: format!(
            r#"{{"environment_id":"{environment_id}","mode":"excluded_non_governed","subject":"{}h{number}","subject_domain":"things","note":"Not ours to govern: kept by the team that made it."}}"#,
            super::place::KEY
        ),
        key: Some(format!("h{number}")),
        status: 201,
        active: 0,
    })
}

/// Requests of everybody, so that none has the number of another.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// How many requests a second so many clients get answered.
pub(super) async fn rate(
    place: &Place,
    instance: &Instance,
    clients: usize,
    window: Duration,
    questions: &Questions,
) -> Result<f64, Failure> {
    let mut wires = Vec::new();
    for _ in 0..clients {
        wires.push(Wire::to(instance.address, &place.token).await?);
    }
    let begun = Instant::now();
    let asking: Vec<_> =
        wires.into_iter().map(|wire| tokio::spawn(ask_until(wire, begun + window, Arc::clone(questions)))).collect();
    let mut answered = 0;
    for asking in asking {
        answered += asking.await??;
    }
    Ok(f64::from(answered) / begun.elapsed().as_secs_f64())
}

async fn ask_until(mut wire: Wire, until: Instant, questions: Questions) -> Result<u32, String> {
    let mut answered = 0;
    while Instant::now() < until {
        let question = questions(NEXT.fetch_add(1, Ordering::Relaxed));
        question.ask(&mut wire).await.map_err(|error| error.to_string())?;
        answered += 1;
    }
    Ok(answered)
}

/// Has so many requests answered, by a few clients.
pub(super) async fn answer(
    place: &Place,
    instance: &Instance,
    requests: u64,
    questions: &Questions,
) -> Result<(), Failure> {
    const CLIENTS: u64 = 4;
    let mut asking = Vec::new();
    for client in 0..CLIENTS {
        let (mut wire, questions) = (Wire::to(instance.address, &place.token).await?, Arc::clone(questions));
        asking.push(tokio::spawn(async move {
            for number in (client..requests).step_by(4) {
                questions(number).ask(&mut wire).await.map_err(|error| error.to_string())?;
            }
            Ok::<(), String>(())
        }));
    }
    for asking in asking {
        asking.await??;
    }
    Ok(())
}
