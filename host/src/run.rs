//! Runs: what is done at a provider, by whom it was started, how far it is and how it ended.
//!
//! Everything about runs that is a list or a rule stands here: the operations there are ([`OPERATIONS`]), what they count
//! ([`CountKey`]), why they end ([`ReasonCode`]) and how a run goes from one state to the next ([`next`]). Who may start one is
//! the business of [`crate::policy`], how it is kept of [`crate::store`], who does the work of [`crate::service`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::policy::Capability;
use crate::registry::{RunOutcome, RunStatus, words};
use crate::schema;

words! {
    /// What a run does (P061-43).
    OperationType:
    /// Whether the connection works.
    HealthCheck = "health.check",
    /// What is there.
    InventoryCollect = "inventory.collect",
    /// How many of what comply.
    ComplianceSnapshot = "compliance.snapshot",
}

words! {
    /// What a run may count: the one registry of keys (P339-24).
    CountKey:
    /// Requests sent to the provider, the token's and repeated ones too.
    Requests = "requests",
    /// Requests that were repeats.
    Retries = "retries",
    /// Pages read.
    Pages = "pages",
    /// Collections read to their end.
    Collections = "collections",
    /// Collections that were not.
    CollectionsFailed = "collections_failed",
    /// Objects read.
    Objects = "objects",
    /// Objects not known before.
    Added = "added",
    /// Objects known otherwise.
    Changed = "changed",
    /// Objects known as they are.
    Unchanged = "unchanged",
    /// Objects not taken.
    Refused = "refused",
    /// Items that are no longer there.
    NotObserved = "not_observed",
    /// Resources that comply.
    Compliant = "compliant",
    /// Resources that do not.
    Noncompliant = "noncompliant",
    /// Resources that do not and have time left.
    InGracePeriod = "in_grace_period",
    /// Resources that did not and were made to.
    Remediated = "remediated",
    /// Resources of which nothing is known.
    Unknown = "unknown",
    /// Resources nothing is asked of.
    NotApplicable = "not_applicable",
    /// Resources of which different things are asked.
    Conflicting = "conflicting",
    /// Resources that could not be judged.
    Errored = "errored",
}

words! {
    /// Why a run did not do all it was to do. Stable; what each means is [`ReasonCode::message`].
    ReasonCode:
    /// No answer.
    ProviderUnreachable = "provider-unreachable",
    /// No answer in time.
    ProviderTimedOut = "provider-timed-out",
    /// Told to come later, again and again.
    ProviderThrottled = "provider-throttled",
    /// Told that it is not there for now, again and again.
    ProviderUnavailable = "provider-unavailable",
    /// An answer nobody foresaw.
    ProviderRefused = "provider-refused",
    /// The connection has no credentials.
    CredentialMissing = "credential-missing",
    /// Those it has do not open.
    CredentialUnreadable = "credential-unreadable",
    /// The provider does not take them.
    CredentialRejected = "credential-rejected",
    /// The provider takes them, and does not allow this.
    PermissionDenied = "permission-denied",
    /// The provider does not know what is asked for.
    ProviderNotFound = "provider-not-found",
    /// More bytes than are read.
    ResponseTooLarge = "response-too-large",
    /// Not what was declared.
    ResponseMalformed = "response-malformed",
    /// A list without an end.
    PagingEndless = "paging-endless",
    /// A list that goes on elsewhere.
    PagingElsewhere = "paging-elsewhere",
    /// The answer is to ask elsewhere.
    Redirected = "redirected",
    /// Where the provider is, nobody has said.
    EndpointUnset = "endpoint-unset",
    /// The time of the run is over.
    BudgetExceeded = "budget-exceeded",
    /// Some collections were not read to their end.
    CollectionsIncomplete = "collections-incomplete",
    /// The connection was disabled meanwhile.
    ConnectionDisabled = "connection-disabled",
    /// Somebody ended it.
    RunCancelled = "run-cancelled",
    /// Whoever worked on it died, and so did the next.
    WorkerLost = "worker-lost",
    /// The program's own fault; the log has more under the run's id.
    InternalError = "internal-error",
}

impl ReasonCode {
    /// What it means, for people. No word of the provider's is ever in it.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::ProviderUnreachable => "the provider cannot be reached",
            Self::ProviderTimedOut => "the provider did not answer in time",
            Self::ProviderThrottled => "the provider asks for fewer requests, and went on asking",
            Self::ProviderUnavailable => "the provider is unavailable, and stayed so",
            Self::ProviderRefused => "the provider answered with a status nobody foresaw",
            Self::CredentialMissing => "the connection has no credentials",
            Self::CredentialUnreadable => "the connection's credentials do not open with this master key",
            Self::CredentialRejected => "the provider does not take the connection's credentials",
            Self::PermissionDenied => "the provider does not allow this with the connection's credentials",
            Self::ProviderNotFound => "the provider does not know what was asked for",
            Self::ResponseTooLarge => "an answer of the provider is larger than is read",
            Self::ResponseMalformed => "an answer of the provider is not what was declared",
            Self::PagingEndless => "a list of the provider has no end",
            Self::PagingElsewhere => "a list of the provider goes on where nothing was declared",
            Self::Redirected => "the provider answers that it is elsewhere",
            Self::EndpointUnset => "where this provider is, is not set",
            Self::BudgetExceeded => "the time of the run is over",
            Self::CollectionsIncomplete => "some collections could not be read to their end",
            Self::ConnectionDisabled => "the connection was disabled",
            Self::RunCancelled => "somebody ended it",
            Self::WorkerLost => "the workers that had it died",
            Self::InternalError => "the program failed; the log has more under the run's id",
        }
    }
}

/// An operation as it is registered: nothing else is ever started (P061-21, P061-36).
#[derive(Clone, Copy, Debug)]
pub struct RegisteredOperation {
    /// Which.
    pub operation_type: OperationType,
    /// What it takes to start it.
    pub capability: Capability,
    /// What it does where (P339-33).
    pub effect: &'static str,
    /// What its work takes at most, however often it is begun.
    pub budget: Duration,
    /// What it counts.
    pub counts: &'static [CountKey],
}

const HEALTH_CHECK: RegisteredOperation = RegisteredOperation {
    operation_type: OperationType::HealthCheck,
    capability: Capability::ProviderRun,
    effect: "reads the provider; writes the health of the connection",
    budget: Duration::from_mins(2),
    counts: &[CountKey::Requests, CountKey::Retries],
};

const INVENTORY_COLLECT: RegisteredOperation = RegisteredOperation {
    operation_type: OperationType::InventoryCollect,
    capability: Capability::ProviderRun,
    effect: "reads the provider; writes the inventory of the environment",
    budget: Duration::from_mins(30),
    counts: &[
        CountKey::Requests,
        CountKey::Retries,
        CountKey::Pages,
        CountKey::Collections,
        CountKey::CollectionsFailed,
        CountKey::Objects,
        CountKey::Added,
        CountKey::Changed,
        CountKey::Unchanged,
        CountKey::Refused,
        CountKey::NotObserved,
    ],
};

const COMPLIANCE_SNAPSHOT: RegisteredOperation = RegisteredOperation {
    operation_type: OperationType::ComplianceSnapshot,
    capability: Capability::ProviderRun,
    effect: "reads the provider; writes counts of the run",
    budget: Duration::from_mins(5),
    counts: &[
        CountKey::Requests,
        CountKey::Retries,
        CountKey::Compliant,
        CountKey::Noncompliant,
        CountKey::InGracePeriod,
        CountKey::Remediated,
        CountKey::Unknown,
        CountKey::NotApplicable,
        CountKey::Conflicting,
        CountKey::Errored,
    ],
};

/// Every operation there is.
pub const OPERATIONS: &[RegisteredOperation] = &[HEALTH_CHECK, INVENTORY_COLLECT, COMPLIANCE_SNAPSHOT];

impl OperationType {
    /// As it is registered.
    #[must_use]
    pub const fn registered(self) -> &'static RegisteredOperation {
        match self {
            Self::HealthCheck => &HEALTH_CHECK,
            Self::InventoryCollect => &INVENTORY_COLLECT,
            Self::ComplianceSnapshot => &COMPLIANCE_SNAPSHOT,
        }
    }
}

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A worker begins with it, or begins again where another stopped.
    Begin,
    /// It ends so.
    End(RunOutcome),
}

impl Step {
    /// Every one.
    pub const ALL: &[Self] = &[
        Self::Begin,
        Self::End(RunOutcome::Succeeded),
        Self::End(RunOutcome::PartiallySucceeded),
        Self::End(RunOutcome::Failed),
        Self::End(RunOutcome::Cancelled),
    ];
}

/// The state after a step, or none where there is no such way (P339-23). What waits can fail and be cancelled, and succeeds
/// only by being worked on; what has ended stays as it ended.
#[must_use]
pub fn next(status: RunStatus, step: Step) -> Option<RunStatus> {
    match (status, step) {
        (RunStatus::Queued | RunStatus::Running, Step::Begin) => Some(RunStatus::Running),
        (RunStatus::Running, Step::End(_))
        | (RunStatus::Queued, Step::End(RunOutcome::Failed | RunOutcome::Cancelled)) => Some(RunStatus::Completed),
        (RunStatus::Queued, Step::End(_)) | (RunStatus::Completed, _) => None,
    }
}

/// What a run has counted: keys of the registry, whole numbers, nothing nested (P339-24).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SummaryCounts(BTreeMap<&'static str, u64>);

/// Why a text is no counts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("counts are one flat JSON object of registered keys and whole numbers")]
pub struct InvalidSummaryCounts;

impl SummaryCounts {
    /// How many of a key; nothing is not counted.
    #[must_use]
    pub fn get(&self, key: CountKey) -> u64 {
        self.0.get(key.as_str()).copied().unwrap_or(0)
    }

    /// Says how many of a key there are.
    pub fn set(&mut self, key: CountKey, count: u64) {
        self.0.insert(key.as_str(), count);
    }

    /// So many more of a key.
    pub fn add(&mut self, key: CountKey, more: u64) {
        let count = self.0.entry(key.as_str()).or_insert(0);
        *count = count.saturating_add(more);
    }

    /// Every key that was counted, and how many.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(key, count)| (*key, *count))
    }

    /// The text they are kept as.
    #[must_use]
    pub fn to_json(&self) -> String {
        let members: Vec<String> = self.iter().map(|(key, count)| format!("\"{key}\":{count}")).collect();
        format!("{{{}}}", members.join(","))
    }

    /// Reads what [`SummaryCounts::to_json`] writes.
    ///
    /// # Errors
    /// [`InvalidSummaryCounts`] for a key nobody registered, a value that is no whole number from 0, anything nested.
    pub fn from_json(text: &str) -> Result<Self, InvalidSummaryCounts> {
        let read: BTreeMap<String, u64> = serde_json::from_str(text).map_err(|_| InvalidSummaryCounts)?;
        let registered = |(name, count): (String, u64)| Ok((name.parse::<CountKey>()?.as_str(), count));
        let counts = read.into_iter().map(registered).collect::<Result<_, crate::registry::UnknownWord>>();
        counts.map(Self).map_err(|_| InvalidSummaryCounts)
    }
}

impl Serialize for SummaryCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// What a run was told besides what it is about: the part of its operation context that may be kept (P061-05). No secret, no
/// payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunContext {
    /// How often it was begun, not counting where it was given back in order.
    pub attempt: u32,
    /// Until when it may go on; null before it was begun.
    #[schema(value_type = Option<schema::Moment>)]
    pub deadline_at: Option<Timestamp>,
    /// The provider's directory it is about; null where that was not known.
    pub directory_id: Option<String>,
}

/// A run.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperationRun {
    /// Its id.
    pub id: Uuid,
    /// The workspace.
    pub workspace_id: Uuid,
    /// The environment.
    pub environment_id: Uuid,
    /// What it does. A platform's own runs may do anything.
    pub operation_type: String,
    /// At which provider.
    pub provider_key: Option<String>,
    /// Through which connection.
    pub provider_connection_id: Option<Uuid>,
    /// Who started it; null if nobody did, and of a platform's.
    pub initiated_by_user_id: Option<Uuid>,
    /// How far it is.
    #[schema(value_type = schema::RunStatusName)]
    pub status: RunStatus,
    /// How it ended, once it has.
    #[schema(value_type = Option<schema::RunOutcomeName>)]
    pub outcome: Option<RunOutcome>,
    /// Why it ended so, where it did not do all it was to do.
    pub reason_code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// What it was told.
    pub context: Option<RunContext>,
    /// What it has counted.
    #[schema(value_type = schema::CountsByKey)]
    pub summary_counts: SummaryCounts,
    /// `own`, or `mirrored` of a platform's.
    pub origin: String,
    /// A platform's name of it.
    pub external_ref: Option<String>,
    /// When it was started.
    #[schema(value_type = schema::Moment)]
    pub created_at: Timestamp,
    /// When work on it began.
    #[schema(value_type = Option<schema::Moment>)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<schema::Moment>)]
    pub ended_at: Option<Timestamp>,
    /// When anything of it changed last.
    #[schema(value_type = schema::Moment)]
    pub updated_at: Timestamp,
}

impl fmt::Debug for OperationRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationRun")
            .field("id", &self.id)
            .field("operation_type", &self.operation_type)
            .field("status", &self.status)
            .field("outcome", &self.outcome)
            .field("reason_code", &self.reason_code)
            .finish_non_exhaustive()
    }
}

/// What runs of an installation's own exclude each other by: a provider's directory, or where that is not known the
/// environment (P061-13, X27). The workspace is said beside it.
#[must_use]
pub fn scope_key(provider_key: &str, directory_id: Option<&str>, environment_id: Uuid) -> String {
    match directory_id {
        Some(directory_id) => format!("{provider_key}:directory:{directory_id}"),
        None => format!("{provider_key}:environment:{environment_id}"),
    }
}

/// A start that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartOperation {
    /// What is to be done.
    pub operation_type: OperationType,
    /// Through which connection; the provider's default where none is named.
    pub connection: ConnectionChoice,
}

/// How a connection is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionChoice {
    /// This one.
    Explicit(Uuid),
    /// The default of a provider in the environment.
    DefaultOf(String),
}

/// What came of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Started {
    /// The run.
    pub run: OperationRun,
    /// Whether it was there already: the same was started before and has not ended (P061-08).
    pub deduplicated: bool,
}

/// Which runs to list. Every member given narrows.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// One type.
    pub operation_type: Option<String>,
    /// Only those that have not ended.
    pub active: bool,
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn the_transitions_are_the_agreed_ones() {
        let mut table = String::new();
        for &status in RunStatus::ALL {
            for &step in Step::ALL {
                let to = next(status, step).map_or("-", RunStatus::as_str);
                writeln!(table, "{} {step:?}: {to}", status.as_str()).unwrap();
            }
        }
        assert_eq!(
            table,
            "queued Begin: running\n\
             queued End(Succeeded): -\n\
             queued End(PartiallySucceeded): -\n\
             queued End(Failed): completed\n\
             queued End(Cancelled): completed\n\
             running Begin: running\n\
             running End(Succeeded): completed\n\
             running End(PartiallySucceeded): completed\n\
             running End(Failed): completed\n\
             running End(Cancelled): completed\n\
             completed Begin: -\n\
             completed End(Succeeded): -\n\
             completed End(PartiallySucceeded): -\n\
             completed End(Failed): -\n\
             completed End(Cancelled): -\n"
        );
    }

    #[test]
    fn counts_are_registered_keys_and_whole_numbers() {
        let mut counts = SummaryCounts::default();
        counts.add(CountKey::Objects, 2);
        counts.add(CountKey::Objects, 3);
        counts.set(CountKey::Compliant, 0);
        assert_eq!(counts.to_json(), r#"{"compliant":0,"objects":5}"#);
        assert_eq!(SummaryCounts::from_json(&counts.to_json()), Ok(counts));
        for refused in [
            r#"{"anything":1}"#,
            r#"{"objects":-1}"#,
            r#"{"objects":1.5}"#,
            r#"{"objects":"1"}"#,
            r#"{"objects":{"a":1}}"#,
            r#"{"objects":[1]}"#,
            r#"{"objects":null}"#,
            "[]",
            "1",
            "",
        ] {
            assert_eq!(SummaryCounts::from_json(refused), Err(InvalidSummaryCounts), "{refused}");
        }
    }

    #[test]
    fn every_operation_is_registered_as_itself() {
        for (operation, registered) in OperationType::ALL.iter().zip(OPERATIONS) {
            assert_eq!(registered.operation_type, *operation);
            assert_eq!(operation.registered().operation_type, *operation);
        }
        assert_eq!(OperationType::ALL.len(), OPERATIONS.len());
    }

    #[test]
    fn a_scope_is_the_directory_where_it_is_known() {
        let environment = Uuid::from_u128(1);
        assert_eq!(scope_key("fake", Some("d"), environment), "fake:directory:d");
        assert_eq!(scope_key("fake", None, environment), format!("fake:environment:{environment}"));
    }
}
