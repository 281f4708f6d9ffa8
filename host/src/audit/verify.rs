//! Verifying a chain: every event is hashed again, and the first that does not follow from those before it is named.
//!
//! A [`Verifier`] is fed events in order and keeps nothing of them but the last number and hash. It knows no database
//! and no file; the service and the command line feed it from either. What it cannot know from the events alone, the
//! head and a [`Checkpoint`] tell: that something was cut off the end, and that the chain is not another one that was
//! made to take its place.

use std::cmp::Ordering;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::event::tag_of;
use super::{ChainedEvent, Checkpoint, GENESIS_HASH, canonical};

/// Digits of a hash.
const HEX: usize = 64;

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Fault {
    /// Later events are there.
    #[error("it is missing, and later ones are there")]
    NumberGap,
    /// What stands in its place has a lower number: one that was there already, or none an event can have.
    #[error("what stands in its place has a number that was there already, or none an event can have")]
    NumberOutOfOrder,
    /// An event of another workspace stands in its place.
    #[error("what stands in its place belongs to another workspace")]
    OtherWorkspace,
    /// The format is none this program knows.
    #[error("nobody knows its format")]
    UnknownFormat,
    /// What stands in its place does not read back as an event.
    #[error("what stands in its place does not read back as an event")]
    UnreadableEvent,
    /// It names another event before it.
    #[error("the hash it names is not that of the event before it")]
    PreviousHashMismatch,
    /// It does not say what was hashed.
    #[error("its hash is not that of what it says")]
    HashMismatch,
    /// The checkpoint has another hash for it.
    #[error("the checkpoint has another hash for it: the chain was written anew")]
    CheckpointMismatch,
    /// The chain ends before it.
    #[error("it is missing, and so are all after it: the chain was cut")]
    CutTail,
    /// The head ends elsewhere: this is the first event it knows nothing of, or the one it has another hash for.
    #[error("the head of the chain does not know it, or has another hash for it")]
    HeadMismatch,
    /// There is no head. This is the last event; 0 if there is none.
    #[error("it is the last one, and the chain has no head")]
    HeadMissing,
}

impl Fault {
    /// Every fault.
    pub const ALL: &[Self] = &[
        Self::NumberGap,
        Self::NumberOutOfOrder,
        Self::OtherWorkspace,
        Self::UnknownFormat,
        Self::UnreadableEvent,
        Self::PreviousHashMismatch,
        Self::HashMismatch,
        Self::CheckpointMismatch,
        Self::CutTail,
        Self::HeadMismatch,
        Self::HeadMissing,
    ];

    /// Its stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NumberGap => "number-gap",
            Self::NumberOutOfOrder => "number-out-of-order",
            Self::OtherWorkspace => "other-workspace",
            Self::UnknownFormat => "unknown-format",
            Self::UnreadableEvent => "unreadable-event",
            Self::PreviousHashMismatch => "previous-hash-mismatch",
            Self::HashMismatch => "hash-mismatch",
            Self::CheckpointMismatch => "checkpoint-mismatch",
            Self::CutTail => "cut-tail",
            Self::HeadMismatch => "head-mismatch",
            Self::HeadMissing => "head-missing",
        }
    }
}

/// The first thing that is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {number}: {fault}")]
pub struct Finding {
    /// Whose chain.
    pub workspace_id: Uuid,
    /// The first place the chain does not hold at, from 1: the number the event there should have.
    pub number: i64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A chain that holds, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whose chain.
    pub workspace_id: Uuid,
    /// Its last event; 0 if there is none.
    pub number: i64,
    /// The hash of that.
    pub hash: String,
    /// The number of the checkpoint it was held to. Without one, nobody can tell it from another that was made to take
    /// its place.
    pub checkpoint_number: Option<i64>,
}

/// How verifying ends.
pub type Verdict = Result<Verified, Finding>;

/// Follows a chain from its first event.
#[derive(Debug)]
pub struct Verifier {
    workspace_id: Uuid,
    checkpoint: Option<Checkpoint>,
    /// Of the last event that was followed.
    number: i64,
    hash: [u8; HEX],
    /// What is being hashed; kept, so that it is not made anew for each event.
    text: Vec<u8>,
    found: Option<Finding>,
}

impl Verifier {
    /// For the chain of a workspace.
    #[must_use]
    pub fn new(workspace_id: Uuid) -> Self {
        let mut hash = [b'0'; HEX];
        hash.iter_mut().zip(GENESIS_HASH.bytes()).for_each(|(digit, genesis)| *digit = genesis);
        Self { workspace_id, checkpoint: None, number: 0, hash, text: Vec::new(), found: None }
    }

    /// For the chain a checkpoint was taken of.
    #[must_use]
    pub fn held_to(checkpoint: Checkpoint) -> Self {
        let workspace_id = checkpoint.workspace_id();
        Self { checkpoint: Some(checkpoint), ..Self::new(workspace_id) }
    }

    /// Goes on to the next event.
    ///
    /// # Errors
    /// What is wrong with the chain, for good: nothing behind a finding is looked at.
    pub fn follow(&mut self, event: &ChainedEvent) -> Result<(), Finding> {
        self.at_place(event.event.workspace_id, event.event.number)?;
        let next = self.number.saturating_add(1);
        if let Err(fault) = self.hash_of(event) {
            return self.find(next, fault);
        }
        if self.hash != *event.hash.as_bytes() {
            return self.find(next, Fault::HashMismatch);
        }
        let checkpoint = self.checkpoint.as_ref().filter(|checkpoint| checkpoint.number() == next);
        if checkpoint.is_some_and(|checkpoint| *checkpoint.hash().as_bytes() != self.hash) {
            return self.find(next, Fault::CheckpointMismatch);
        }
        self.number = next;
        Ok(())
    }

    /// Goes on to something that stands where the next event should and does not read back; by its number, if it has
    /// one.
    ///
    /// # Errors
    /// Always: what is wrong with the chain.
    pub fn meet_unreadable(&mut self, number: Option<i64>) -> Result<(), Finding> {
        let next = self.number.saturating_add(1);
        self.at_place(self.workspace_id, number.unwrap_or(next))?;
        self.find(next, Fault::UnreadableEvent)
    }

    /// Whether what comes next is in its place.
    fn at_place(&mut self, workspace_id: Uuid, number: i64) -> Result<(), Finding> {
        if let Some(found) = self.found {
            return Err(found);
        }
        let next = self.number.saturating_add(1);
        if workspace_id != self.workspace_id {
            return self.find(next, Fault::OtherWorkspace);
        }
        match number.cmp(&next) {
            Ordering::Equal => Ok(()),
            Ordering::Greater => self.find(next, Fault::NumberGap),
            Ordering::Less => self.find(next, Fault::NumberOutOfOrder),
        }
    }

    /// Puts the hash an event should have in the place of the one before it.
    fn hash_of(&mut self, event: &ChainedEvent) -> Result<(), Fault> {
        let tag = tag_of(event.format).ok_or(Fault::UnknownFormat)?;
        if *event.previous_hash.as_bytes() != self.hash {
            return Err(Fault::PreviousHashMismatch);
        }
        self.text.clear();
        self.text.extend_from_slice(tag.as_bytes());
        self.text.push(b'\n');
        self.text.extend_from_slice(&self.hash);
        self.text.push(b'\n');
        canonical::write(&event.event, &mut self.text).map_err(|_| Fault::UnreadableEvent)?;
        hex::encode_to_slice(Sha256::digest(&self.text), &mut self.hash).map_err(|_| Fault::HashMismatch)
    }

    fn find(&mut self, number: i64, fault: Fault) -> Result<(), Finding> {
        let found = Finding { workspace_id: self.workspace_id, number, fault };
        self.found = Some(found);
        Err(found)
    }

    /// Ends where the events do, which a head says too: the number and hash of the last event. None is a chain that
    /// lost its head.
    ///
    /// # Errors
    /// What is wrong with the chain.
    pub fn finish_at(mut self, head: Option<(i64, &str)>) -> Verdict {
        if self.found.is_none() {
            let (number, next) = (self.number, self.number.saturating_add(1));
            match head {
                None => self.find(number, Fault::HeadMissing)?,
                Some((last, _)) if last > number => self.find(next, Fault::CutTail)?,
                Some((last, _)) if last < number => self.find(last.saturating_add(1), Fault::HeadMismatch)?,
                Some((_, hash)) if *hash.as_bytes() != self.hash => self.find(number, Fault::HeadMismatch)?,
                Some(_) => {}
            }
        }
        self.finish()
    }

    /// Ends where the events do. There is no head to say whether they are all; a checkpoint says it up to its number.
    ///
    /// # Errors
    /// What is wrong with the chain.
    pub fn finish(mut self) -> Verdict {
        let checkpoint_number = self.checkpoint.as_ref().map(Checkpoint::number);
        if let Some(found) = self.found {
            return Err(found);
        }
        if checkpoint_number.is_some_and(|number| number > self.number) {
            self.find(self.number.saturating_add(1), Fault::CutTail)?;
        }
        Ok(Verified {
            workspace_id: self.workspace_id,
            number: self.number,
            hash: self.hash.iter().copied().map(char::from).collect(),
            checkpoint_number,
        })
    }
}
