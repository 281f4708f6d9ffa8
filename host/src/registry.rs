//! Registry: rows a platform keeps and mirrors here, for decisions to point at; and how a row is named.
//!
//! A sync is one JSON object a line, each the whole state of one row: its `kind`, the platform's own name of it
//! (`external_ref`) and its members. A member that is left out is as `null`, one that nobody knows is refused, and a bad
//! line spoils no other. What a line does to which rows is the business of [`crate::service`].

mod line;

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::inventory::{ImportCounts, ImportRefusal};
use crate::policy::Role;
use crate::workspace::DisplayName;

/// A text of a platform's: 1 to 255 bytes, no control characters, no white space around it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ShortText(String);

/// The name a platform has for a row: unique per workspace and kind of row, and as good as its id.
pub type ExternalRef = ShortText;

/// Why a text is not a short one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to 255 bytes, no control characters, no white space around it")]
pub struct InvalidShortText;

impl ShortText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ShortText {
    type Err = InvalidShortText;

    fn from_str(text: &str) -> Result<Self, InvalidShortText> {
        let fits = (1..=255).contains(&text.len());
        if fits && text.trim() == text && !text.chars().any(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidShortText)
        }
    }
}

impl<'de> Deserialize<'de> for ShortText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A row, named by its id or by a platform. In JSON `{"id": …}` or `{"external_ref": …}`; in text an id, or `ref:` and
/// the platform's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordRef {
    /// By id.
    Id(Uuid),
    /// By the platform's name.
    ExternalRef(ExternalRef),
}

/// Why a text names no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id, or `ref:` and a platform's name of 1 to 255 bytes")]
pub struct InvalidRecordRef;

impl From<Uuid> for RecordRef {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl FromStr for RecordRef {
    type Err = InvalidRecordRef;

    fn from_str(text: &str) -> Result<Self, InvalidRecordRef> {
        match text.strip_prefix("ref:") {
            Some(name) => name.parse().map(Self::ExternalRef).map_err(|_| InvalidRecordRef),
            None => text.parse().map(Self::Id).map_err(|_| InvalidRecordRef),
        }
    }
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($(#[$what:meta])* $variant:ident = $text:literal,)+) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$what])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::registry::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::registry::UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or($crate::registry::UnknownWord)
            }
        }
    };
}

pub(crate) use words;

/// A text that is none of the words there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the words there are")]
pub struct UnknownWord;

words! {
    /// What a line is about.
    RecordKind:
    /// An environment.
    Environment = "environment",
    /// That a user is a member.
    Membership = "membership",
    /// That a member sees an environment.
    Entitlement = "entitlement",
    /// A way to a provider.
    ProviderConnection = "provider_connection",
    /// Something a platform ran.
    OperationRun = "operation_run",
    /// A baseline.
    BaselineProfile = "baseline_profile",
    /// A state of a baseline.
    BaselineSnapshot = "baseline_snapshot",
    /// That a baseline counts in an environment.
    BaselineAssignment = "baseline_assignment",
    /// A version of a governed policy.
    PolicyVersion = "policy_version",
}

words! {
    /// Whether a connection is in use.
    ConnectionStatus:
    /// It is.
    Enabled = "enabled",
    /// It is not.
    Disabled = "disabled",
}

words! {
    /// How far a run is.
    RunStatus:
    /// Not begun.
    Queued = "queued",
    /// Under way.
    Running = "running",
    /// Over.
    Completed = "completed",
}

words! {
    /// How a run ended.
    RunOutcome:
    /// All of it.
    Succeeded = "succeeded",
    /// Some of it.
    PartiallySucceeded = "partially_succeeded",
    /// None of it.
    Failed = "failed",
    /// Stopped.
    Cancelled = "cancelled",
}

macro_rules! token {
    ($(#[$about:meta])* $name:ident, $also:literal) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
                let starts = text.bytes().next().is_some_and(plain);
                if starts && text.len() <= 64 && text.bytes().all(|byte| plain(byte) || $also.contains(&byte)) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(UnknownWord)
                }
            }
        }
    };
}

token! {
    /// A provider: `[a-z0-9][a-z0-9_-]{0,63}`.
    ProviderKey, b"_-"
}

token! {
    /// What a run does, or why it ended so: `[a-z0-9][a-z0-9._-]{0,63}`.
    RunCode, b"._-"
}

/// A line of a sync: what the platform says of one of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryLine {
    /// Where it stands, counted from 0 over the whole sync by whoever reads it.
    pub position: u64,
    /// The platform's name of the row.
    pub external_ref: ExternalRef,
    /// The row.
    pub record: Record,
}

/// The state of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Where governed resources live.
    Environment {
        /// What people call it.
        display_name: DisplayName,
    },
    /// A user in the workspace. Users are the system plane's, and named by id.
    Membership {
        /// The user.
        user_id: Uuid,
        /// What they are there.
        role: Role,
        /// No longer.
        ended: bool,
    },
    /// A member in an environment.
    Entitlement {
        /// The environment.
        environment: RecordRef,
        /// The member.
        user_id: Uuid,
        /// No longer.
        ended: bool,
    },
    /// A way to a provider in an environment.
    ProviderConnection(ConnectionRecord),
    /// Something a platform ran in an environment. No message and no context: what a run says is the platform's.
    OperationRun(RunRecord),
    /// A baseline of the workspace.
    BaselineProfile {
        /// What people call it.
        display_name: DisplayName,
    },
    /// A state of a baseline.
    BaselineSnapshot {
        /// Of which.
        profile: RecordRef,
        /// Which.
        version: Version,
    },
    /// A baseline in an environment; at most one in force of each.
    BaselineAssignment {
        /// Where.
        environment: RecordRef,
        /// Which.
        profile: RecordRef,
        /// No longer.
        ended: bool,
    },
    /// A version of a governed policy in an environment.
    PolicyVersion {
        /// Where.
        environment: RecordRef,
        /// The policy, as observed there.
        inventory_item_id: Option<Uuid>,
        /// Which.
        version: Version,
    },
}

/// A connection. One directory per environment and provider, and at most one default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRecord {
    /// Where.
    pub environment: RecordRef,
    /// To whom.
    pub provider_key: ProviderKey,
    /// The directory at the provider. None says nothing about it, and takes none away.
    pub directory_id: Option<ShortText>,
    /// What people call it.
    pub display_name: DisplayName,
    /// Whether it is in use.
    pub status: ConnectionStatus,
    /// The one to take where none is named; another that was, no longer is.
    pub is_default: bool,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Where.
    pub environment: RecordRef,
    /// What it does.
    pub operation_type: RunCode,
    /// Through which connection.
    pub connection: Option<RecordRef>,
    /// How far it is.
    pub status: RunStatus,
    /// How it ended, once it has.
    pub outcome: Option<RunOutcome>,
    /// Why it ended so.
    pub reason_code: Option<RunCode>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Which state of something that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// What the platform calls it.
    pub label: Option<ShortText>,
    /// When it was taken.
    pub captured_at: Option<Timestamp>,
}

impl Record {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Environment { .. } => RecordKind::Environment,
            Self::Membership { .. } => RecordKind::Membership,
            Self::Entitlement { .. } => RecordKind::Entitlement,
            Self::ProviderConnection(_) => RecordKind::ProviderConnection,
            Self::OperationRun(_) => RecordKind::OperationRun,
            Self::BaselineProfile { .. } => RecordKind::BaselineProfile,
            Self::BaselineSnapshot { .. } => RecordKind::BaselineSnapshot,
            Self::BaselineAssignment { .. } => RecordKind::BaselineAssignment,
            Self::PolicyVersion { .. } => RecordKind::PolicyVersion,
        }
    }

    /// Whether it says who may do what: then it takes who may say so.
    #[must_use]
    pub fn gives_authority(&self) -> bool {
        matches!(self, Self::Environment { .. } | Self::Membership { .. } | Self::Entitlement { .. })
    }
}

/// A line as a sync takes it: what it says, or why it says nothing.
pub type RegistryItem = Result<RegistryLine, ImportRefusal>;

/// What became of a line. The id is the row's; of memberships and entitlements, which have none, the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineAnswer {
    /// There is a row now.
    Added(Uuid),
    /// The row is another.
    Changed(Uuid),
    /// The row says so already, and nothing of it was touched.
    Unchanged(Uuid),
    /// Nothing was done.
    Refused(ImportRefusal),
}

/// What became of a piece of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncChunk {
    /// How many.
    pub counts: ImportCounts,
    /// Each line, in the order they were given.
    pub answers: Vec<LineAnswer>,
}
