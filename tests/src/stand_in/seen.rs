//! What the stand-in was asked. A record holds no credential: neither headers nor bodies are kept.

use std::time::{Duration, Instant};

use super::behaviour::is_under;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its place among all there were since the stand-in started, from 0.
    pub order: usize,
    /// When its head was read, since the stand-in started.
    pub at: Duration,
    /// The method.
    pub method: String,
    /// Path and query, as they were asked.
    pub target: String,
    /// Whether it showed a credential that is good.
    pub is_authorised: bool,
    /// What it was answered; nothing while it waits, and where the connection was reset before an answer.
    pub status: Option<u16>,
}

impl Seen {
    /// The path alone.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// All of them, in order.
#[derive(Debug)]
pub(super) struct Log {
    started: Instant,
    next: usize,
    kept: Vec<Seen>,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), next: 0, kept: Vec::new() }
    }

    /// Keeps one that just came; its order.
    pub(super) fn came(&mut self, method: &str, target: &str, is_authorised: bool) -> usize {
        let order = self.next;
        self.next += 1;
        let (method, target) = (method.to_owned(), target.to_owned());
        self.kept.push(Seen { order, at: self.started.elapsed(), method, target, is_authorised, status: None });
        order
    }

    /// One was answered.
    pub(super) fn answered(&mut self, order: usize, status: u16) {
        // It is not here any more if the log was cleared meanwhile.
        if let Ok(place) = self.kept.binary_search_by_key(&order, |seen| seen.order)
            && let Some(seen) = self.kept.get_mut(place)
        {
            seen.status = Some(status);
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    pub(super) fn all(&self) -> &[Seen] {
        &self.kept
    }

    /// Those at a place or below it.
    pub(super) fn under(&self, place: &str) -> impl Iterator<Item = &Seen> {
        self.kept.iter().filter(move |seen| is_under(seen.path(), place))
    }
}
