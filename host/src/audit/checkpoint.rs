//! A checkpoint: the end a chain had once, kept where whoever can change the chain cannot reach.
//!
//! A chain that was cut, or written anew from its first event, is a chain like any other. That it is not the one there
//! was shows only beside something from outside: at [`Checkpoint::number`] there was an event of this hash. What is
//! compared with what is told in `verify.rs`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::GENESIS_HASH;

/// The end of a chain at some time. As JSON `{"format","hash","number","workspace_id"}`, where the format is
/// `provident-audit-checkpoint-1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    format: Format,
    hash: String,
    number: i64,
    workspace_id: Uuid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CheckpointFormat)]
enum Format {
    #[serde(rename = "provident-audit-checkpoint-1")]
    One,
}

/// Why something is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheckpoint {
    /// Not JSON, another format, a member too many or missing.
    #[error("not one JSON object of the format `provident-audit-checkpoint-1`")]
    Form,
    /// Events are numbered from 1; 0 is the end of a chain without any.
    #[error("the number of a checkpoint is at least 0")]
    Number,
    /// The spelling is the one of chains.
    #[error("the hash of a checkpoint is 64 digits of lower-case hex, all zero exactly for number 0")]
    Hash,
}

impl Checkpoint {
    /// The event of this number in this workspace's chain has this hash; number 0 and [`GENESIS_HASH`] say that there
    /// was no event yet.
    ///
    /// # Errors
    /// When number or hash cannot be those of a chain.
    pub fn new(workspace_id: Uuid, number: i64, hash: impl Into<String>) -> Result<Self, InvalidCheckpoint> {
        Self { format: Format::One, hash: hash.into(), number, workspace_id }.checked()
    }

    fn checked(self) -> Result<Self, InvalidCheckpoint> {
        if self.number < 0 {
            return Err(InvalidCheckpoint::Number);
        }
        let hex = self.hash.len() == 64 && self.hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !hex || (self.hash == GENESIS_HASH) != (self.number == 0) {
            return Err(InvalidCheckpoint::Hash);
        }
        Ok(self)
    }

    /// Whose chain.
    #[must_use]
    pub fn workspace_id(&self) -> Uuid {
        self.workspace_id
    }

    /// Which event, from 1.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.number
    }

    /// The hash it has.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

impl FromStr for Checkpoint {
    type Err = InvalidCheckpoint;

    fn from_str(text: &str) -> Result<Self, InvalidCheckpoint> {
        serde_json::from_str::<Self>(text).map_err(|_| InvalidCheckpoint::Form)?.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_nothing_like_it_does() {
        let hash = "a".repeat(64);
        let checkpoint = Checkpoint::new(Uuid::from_u128(7), 42, hash.as_str()).unwrap();
        let json = serde_json::to_string(&checkpoint).unwrap();
        let expected = format!(
            r#"{{"format":"provident-audit-checkpoint-1","hash":"{hash}","number":42,"workspace_id":"00000000-0000-0000-0000-000000000007"}}"#
        );
        assert_eq!(json, expected);
        assert_eq!(json.parse(), Ok(checkpoint));
        for (old, new, why) in [
            ("checkpoint-1", "checkpoint-2", InvalidCheckpoint::Form),
            ("{", r#"{"note":"","#, InvalidCheckpoint::Form),
            ("{", r#"{"number":1,"#, InvalidCheckpoint::Form),
            (r#""number":42,"#, "", InvalidCheckpoint::Form),
            ("42", "4.2", InvalidCheckpoint::Form),
            ("42", "-1", InvalidCheckpoint::Number),
            ("42", "0", InvalidCheckpoint::Hash),
            ("aaaa", "AAAA", InvalidCheckpoint::Hash),
            ("aaaa", "aaa", InvalidCheckpoint::Hash),
            (hash.as_str(), GENESIS_HASH, InvalidCheckpoint::Hash),
        ] {
            assert_eq!(json.replacen(old, new, 1).parse::<Checkpoint>(), Err(why), "{new}");
        }
        assert!(Checkpoint::new(Uuid::nil(), 0, GENESIS_HASH).is_ok());
    }
}
