//! Somebody who insists: sends a change under an idempotency key until it is answered, wherever the service is reached.
//!
//! What may be asked again is told by the answer alone: 503 with a code that says so and `Retry-After`, or a connection
//! that ended. Anything else is the answer. What changes were asked for is the suites' business.
#![expect(clippy::unwrap_used, reason = "a test whose client is stuck fails, and says why")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::wire::{Answer, Ask, Wire};

/// Codes of what may be asked again, and nothing is wrong with.
pub const FOR_NOW: [&str; 4] = ["database-unavailable", "outcome-unknown", "deadline-exceeded", "database-busy"];
/// Longer than any answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(40);
/// Longer than anything here is away.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(20);

/// Where the service is reached at this moment.
#[derive(Clone, Debug)]
pub struct Places(Arc<Mutex<Vec<SocketAddr>>>);

impl Places {
    /// At these addresses.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self(Arc::new(Mutex::new(addresses)))
    }

    /// Says that one of them is reached elsewhere from now on.
    ///
    /// # Panics
    ///
    /// When there is no such one.
    pub fn moved(&self, at: usize, address: SocketAddr) {
        *self.0.lock().unwrap().get_mut(at).unwrap() = address;
    }

    fn at(&self, at: usize) -> SocketAddr {
        let addresses = self.0.lock().unwrap();
        *addresses.iter().cycle().nth(at % addresses.len()).unwrap()
    }
}

/// A client, and what became of what it sent.
#[derive(Debug)]
pub struct Insistent {
    places: Places,
    token: String,
    at: usize,
    wire: Option<Wire>,
    /// Answers that were not waited for, on purpose.
    pub left: usize,
    /// Connections that ended before the answer.
    pub broken: usize,
    /// Answers to come again, by code.
    pub for_now: BTreeMap<String, usize>,
    /// The longest time an answer took.
    pub longest: Duration,
}

impl Insistent {
    /// A client that asks at one of the places first.
    #[must_use]
    pub fn new(places: &Places, token: &str, at: usize) -> Self {
        let (places, token) = (places.clone(), token.to_owned());
        let (left, broken, for_now, longest) = (0, 0, BTreeMap::new(), Duration::ZERO);
        Self { places, token, at, wire: None, left, broken, for_now, longest }
    }

    /// Asks at the next place from now on.
    pub fn turn(&mut self) {
        self.at += 1;
        self.wire = None;
    }

    /// Sends a request, leaves before the answer, and turns to the next place.
    pub async fn leave(&mut self, ask: &Ask<'_>) {
        if let Ok(wire) = self.wire().await
            && wire.send(ask).await.is_ok()
        {
            self.left += 1;
        }
        self.turn();
    }

    /// Sends a request until it is answered.
    ///
    /// # Panics
    ///
    /// When an answer takes too long, or says to come again in the wrong words, or none comes.
    pub async fn insist(&mut self, ask: &Ask<'_>) -> Answer {
        let begun = Instant::now();
        loop {
            if let Some(answer) = self.once(ask).await {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "no answer in {PATIENCE:?}: {:?}", self.for_now);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a request once; no answer if it is to be asked again.
    ///
    /// # Panics
    ///
    /// As [`Insistent::insist`].
    pub async fn once(&mut self, ask: &Ask<'_>) -> Option<Answer> {
        let asked = Instant::now();
        let answering = async { self.wire().await?.ask(ask).await };
        let answer = tokio::time::timeout(ANSWER_TIME, answering).await.unwrap();
        self.longest = self.longest.max(asked.elapsed());
        match answer {
            Ok(answer) if answer.status == 503 => {
                let code = answer.code();
                assert!(FOR_NOW.contains(&code.as_str()), "503 and `{code}`");
                assert!(answer.header("retry-after").is_some(), "`{code}` without Retry-After");
                *self.for_now.entry(code).or_default() += 1;
                None
            }
            Ok(answer) => Some(answer),
            Err(_) => {
                self.broken += 1;
                self.turn();
                None
            }
        }
    }

    async fn wire(&mut self) -> std::io::Result<&mut Wire> {
        let wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::to(self.places.at(self.at), &self.token).await?,
        };
        Ok(self.wire.insert(wire))
    }
}
