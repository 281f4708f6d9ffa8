//! Errors: what an operation can answer instead of doing it, and the registry of every stable code.
//!
//! Codes are kebab-case and never change their meaning. Not found is one value without members, so that hidden
//! and missing cannot be told apart. Internal errors say which room failed and how, never what was in hand:
//! no note, label, key material, statement parameter or connection string.

use provident_identity::{CallError, ComponentError, ErrorCode, IdentityError};
use uuid::Uuid;

use crate::audit::{Fault, InvalidCheckpoint};
use crate::clock::NoRandomness;
use crate::idempotency::InvalidIdempotencyKey;
use crate::policy::Denial;
use crate::secret::SecretError;
use crate::store::StoreError;

/// Why an operation was not done. Nothing was written, but for the event of a denial.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not exist, or the actor may not know that it does.
    #[error("not found")]
    NotFound,
    /// The actor may know of it and not do this.
    #[error("forbidden")]
    Forbidden,
    /// The identity component refused a key, descriptor or decision: every broken rule, in order.
    #[error("refused: {}", first_message(.0))]
    Refused(Vec<IdentityError>),
    /// The request refers to something that is not there or not allowed.
    #[error("{}: {}", .0.field, .0.message)]
    Invalid(Invalid),
    /// The request does not fit what is already there.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The program, not the request, is at fault.
    #[error(transparent)]
    Internal(#[from] Internal),
}

/// A request that cannot be right, whatever is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The stable code.
    pub code: &'static str,
    /// The bare name of the member.
    pub field: &'static str,
    /// For people; no input in it.
    pub message: &'static str,
}

/// A request that came second, or too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The subject is bound already.
    #[error("the subject has an active binding")]
    ActiveBindingExists {
        /// By this one, if it still was when looked for.
        active_binding_id: Option<Uuid>,
    },
    /// The binding has ended.
    #[error("the binding is no longer active")]
    StaleBinding {
        /// The one active now, if any.
        active_binding_id: Option<Uuid>,
    },
    /// The subject is bound, for another connection than the one named.
    #[error("the subject has an active binding for another connection")]
    ConnectionMismatch {
        /// The one active now.
        active_binding_id: Uuid,
    },
    /// A superseding decision is about another subject.
    #[error("a binding keeps its subject: revoke it and create another")]
    SubjectMismatch,
    /// The slug belongs to another workspace.
    #[error("the slug is taken")]
    SlugTaken,
    /// The user is a member already.
    #[error("the user is a member already")]
    MemberExists,
    /// The user is no member, or no longer.
    #[error("the user is not a member")]
    NotAMember,
    /// Nobody would be left who may manage the workspace.
    #[error("a workspace keeps at least one owner")]
    LastOwner,
    /// Nobody would be left who may manage an environment.
    #[error("an environment keeps at least one entitled owner")]
    LastEntitlement,
    /// The member is entitled already.
    #[error("the member is entitled already")]
    EntitlementExists,
    /// The member is not entitled, or no longer.
    #[error("the member is not entitled")]
    NotEntitled,
    /// The token was revoked before.
    #[error("the token is revoked already")]
    TokenRevokedAlready,
    /// The subject is linked to a user, this one or another.
    #[error("the subject is linked to a user already")]
    IdentityLinked,
    /// Under the idempotency key something else was asked for.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// There is no note to redact.
    #[error("the binding has no note")]
    NoteAbsent,
    /// Every note there is was redacted before.
    #[error("the binding's notes are redacted already")]
    NoteAlreadyRedacted,
    /// Somebody is putting another master key into the file at this moment.
    #[error("a rotation of the master key is under way")]
    RotationRunning,
    /// The provider has another directory in the environment.
    #[error("the provider has another directory in this environment")]
    ConnectionDirectoryMismatch,
    /// The connection is a platform's.
    #[error("the connection is mirrored: it is changed where it comes from, and nothing is done through it here")]
    ConnectionMirrored,
    /// The connection is not in use.
    #[error("the connection is disabled")]
    ConnectionDisabled,
    /// The connection is the one taken where none is named.
    #[error("the connection is the default: make another the default, or say that it is meant")]
    DefaultConnection,
    /// Another operation is under way where this one was to start.
    #[error("another operation is under way in the scope")]
    ScopeBusy {
        /// The run that is, for those who may know of it.
        active_run_id: Option<Uuid>,
    },
    /// The run is over.
    #[error("the run has ended")]
    RunEnded,
}

/// A failure of the program or of what it stands on.
#[derive(Debug, thiserror::Error)]
pub enum Internal {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A component.
    #[error("the identity component failed: {0}")]
    Component(ComponentError),
    /// The master key, or what is sealed under it.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Conflict {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ActiveBindingExists { .. } => "active-binding-exists",
            Self::StaleBinding { .. } => "stale-binding",
            Self::ConnectionMismatch { .. } => "connection-mismatch",
            Self::SubjectMismatch => "subject-mismatch",
            Self::SlugTaken => "slug-taken",
            Self::MemberExists => "member-exists",
            Self::NotAMember => "not-a-member",
            Self::LastOwner => "last-owner",
            Self::LastEntitlement => "last-entitlement",
            Self::EntitlementExists => "entitlement-exists",
            Self::NotEntitled => "not-entitled",
            Self::TokenRevokedAlready => "token-revoked-already",
            Self::IdentityLinked => "identity-linked",
            Self::IdempotencyKeyReused => "idempotency-key-reused",
            Self::NoteAbsent => "note-absent",
            Self::NoteAlreadyRedacted => "note-already-redacted",
            Self::RotationRunning => "rotation-running",
            Self::ConnectionDirectoryMismatch => "connection-directory-mismatch",
            Self::ConnectionMirrored => "connection-mirrored",
            Self::ConnectionDisabled => "connection-disabled",
            Self::DefaultConnection => "default-connection",
            Self::ScopeBusy { .. } => "scope-busy",
            Self::RunEnded => "run-ended",
        }
    }

    /// The binding that is active instead, where there is one to name.
    #[must_use]
    pub fn active_binding_id(self) -> Option<Uuid> {
        match self {
            Self::ActiveBindingExists { active_binding_id } | Self::StaleBinding { active_binding_id } => {
                active_binding_id
            }
            Self::ConnectionMismatch { active_binding_id } => Some(active_binding_id),
            _ => None,
        }
    }
}

impl Conflict {
    /// The run that is active instead, where there is one to name.
    #[must_use]
    pub fn active_run_id(self) -> Option<Uuid> {
        match self {
            Self::ScopeBusy { active_run_id } => active_run_id,
            _ => None,
        }
    }
}

impl Internal {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Component(error) => error.code(),
            Self::Secret(error) => error.code(),
            Self::NoRandomness(_) => "no-randomness",
        }
    }
}

impl Error {
    /// The stable code; of several refusals, the first one's.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => Denial::NotFound.as_str(),
            Self::Forbidden => Denial::Forbidden.as_str(),
            Self::Refused(errors) => errors.first().map_or("malformed-request", |error| error.code.as_str()),
            Self::Invalid(invalid) => invalid.code,
            Self::Conflict(conflict) => conflict.code(),
            Self::Internal(internal) => internal.code(),
        }
    }

    /// Whether the same request may succeed when simply repeated.
    #[must_use]
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Internal(Internal::Store(error)) if error.is_transient())
    }

    /// Whether the database could not do it for the time being, and may later.
    #[must_use]
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self, Self::Internal(Internal::Store(error)) if error.is_for_now())
    }

    pub(crate) fn invalid(code: &'static str, field: &'static str, message: &'static str) -> Self {
        Self::Invalid(Invalid { code, field, message })
    }

    /// Something a request names is not in the environment it is about.
    pub(crate) fn source_out_of_scope(field: &'static str) -> Self {
        Self::invalid("source-out-of-scope", field, "there is nothing of this id in the environment")
    }
}

impl From<Denial> for Error {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::NotFound => Self::NotFound,
            Denial::Forbidden => Self::Forbidden,
        }
    }
}

impl From<InvalidIdempotencyKey> for Error {
    fn from(_: InvalidIdempotencyKey) -> Self {
        Self::invalid("bad-idempotency-key", "idempotency_key", "1 to 255 visible ASCII characters, without spaces")
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(errors) => Self::Refused(errors),
            CallError::Component(error) => error.into(),
        }
    }
}

impl From<ComponentError> for Error {
    fn from(error: ComponentError) -> Self {
        match error {
            ComponentError::InputTooLarge { .. } => {
                Self::invalid("input-too-large", "request", "over the limit of one call")
            }
            other => Self::Internal(Internal::Component(other)),
        }
    }
}

impl From<InvalidCheckpoint> for Error {
    fn from(error: InvalidCheckpoint) -> Self {
        let (field, message) = match error {
            InvalidCheckpoint::Form => ("checkpoint", "not one JSON object of the format of checkpoints"),
            InvalidCheckpoint::Number => ("number", "at least 0"),
            InvalidCheckpoint::Hash => ("hash", "64 digits of lower-case hex, all zero exactly for number 0"),
        };
        Self::invalid("malformed-checkpoint", field, message)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Internal(Internal::Store(error))
    }
}

impl From<SecretError> for Error {
    fn from(error: SecretError) -> Self {
        Self::Internal(Internal::Secret(error))
    }
}

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Self::Internal(Internal::NoRandomness(error))
    }
}

/// Refusals are the component's own words, which echo no note.
fn first_message(errors: &[IdentityError]) -> &str {
    errors.first().map_or("", |error| error.message.as_str())
}

/// The stable codes of the host itself, and what each means. Those of the component are [`ErrorCode::ALL`], those of
/// running it [`ComponentError::CODES`].
pub const HOST_CODES: &[(&str, &str)] = &[
    ("not-found", "it does not exist, or the actor may not know that it does"),
    ("forbidden", "the actor may know of it, and not do this"),
    ("active-binding-exists", "the subject has an active binding, which is named if it still was there"),
    ("stale-binding", "the binding is no longer active; the active one is named if there is one"),
    ("connection-mismatch", "the subject has an active binding for another connection"),
    ("connection-provider-mismatch", "the connection is another provider's than the subject"),
    ("subject-mismatch", "a superseding decision is about another subject"),
    ("subject-domain-required", "a subject named by its key alone needs its domain"),
    ("subject-domain-mismatch", "the domain given is not the one the subject is known by"),
    ("source-out-of-scope", "a connection, item, run, version or snapshot named is not the environment's"),
    ("legacy-key-too-long", "a former subject key is over 2,048 bytes"),
    ("legacy-key-not-storable", "a former subject key contains U+0000"),
    ("duplicate-key", "an import says two things under one key; both positions are named"),
    ("bulk-too-large", "a bulk has more than 500 decisions"),
    ("import-chunk-too-large", "a piece of an import or of a sync has more than 500 objects"),
    ("malformed-line", "a line of a sync is not one JSON object, or has a member twice"),
    ("unknown-kind", "a line of a sync is about no kind of row there is"),
    ("field-required", "a line of a sync lacks a member its row needs"),
    ("bad-value", "a member of a line of a sync is not what it takes"),
    ("bad-external-ref", "an external reference is empty, over 255 bytes or not printable"),
    ("bad-run-state", "status, outcome and times of a run do not go together"),
    ("external-ref-taken", "another row has the external reference; what a row belongs to does not change"),
    ("mirrored-already", "the row is mirrored under another external reference"),
    ("not-mirrored", "the row is the installation's own, and no sync changes it"),
    ("duplicate-record", "a sync says two things of one row; both positions are named"),
    ("connection-directory-mismatch", "the provider has another directory in the environment"),
    ("connection-mirrored", "the connection is a platform's; it is changed there, and nothing is done through it here"),
    ("connection-disabled", "the connection is disabled"),
    ("default-connection", "the connection is the default; make another the default, or say that it is meant"),
    ("no-default-connection", "the provider has no connection in the environment that is the default"),
    ("unknown-provider", "there is no such provider"),
    ("bad-directory", "the directory is not what the provider takes, or is missing where it needs one"),
    ("unknown-operation", "there is no operation of this type"),
    ("connection-choice-required", "a start names a connection or a provider, and not both"),
    ("credential-fields-mismatch", "credentials are not all the fields the provider declares, and no others"),
    ("bad-credential-value", "a value of credentials is empty, over 4,096 bytes or has control characters"),
    ("operation-unsupported", "the provider does not have this operation"),
    ("scope-busy", "another operation is under way where this one was to start; it is named to who may know of it"),
    ("run-ended", "the run has ended"),
    ("assignment-exists", "the profile is assigned to the environment already"),
    ("too-many-keys", "a request has more than 10,000 keys"),
    ("bad-display-name", "a display name or a token's label is empty, over 512 bytes or not printable"),
    ("bad-slug", "a slug is outside `[a-z0-9][a-z0-9-]{0,62}`, or reads as an id"),
    ("slug-taken", "the slug belongs to another workspace"),
    ("unknown-user", "there is no such user, or they are disabled"),
    ("unknown-workspace", "there is no such workspace to bind a token to"),
    ("unknown-token", "there is no such token"),
    ("token-revoked-already", "the token was revoked before"),
    ("bad-expiry", "a token holds from 1 second to 400 days"),
    ("bad-identity", "an issuer or a subject is empty, over 255 bytes or has control characters"),
    ("identity-linked", "the subject is linked to a user already; end that link first"),
    ("unknown-identity", "the subject is linked to nobody"),
    ("member-exists", "the user is a member already"),
    ("not-a-member", "the user is not a member"),
    ("last-owner", "a workspace keeps at least one owner"),
    ("last-entitlement", "an environment keeps at least one entitled owner"),
    ("entitlement-exists", "the member is entitled already"),
    ("not-entitled", "the member is not entitled"),
    ("malformed-checkpoint", "a checkpoint is not of the form checkpoints have"),
    ("checkpoint-of-another-workspace", "a checkpoint was not taken of the chain it is to be compared with"),
    ("bad-idempotency-key", "an idempotency key is not 1 to 255 visible ASCII characters"),
    ("idempotency-key-reused", "under the idempotency key something else was asked for"),
    ("note-absent", "a binding without a note has none to redact"),
    ("note-already-redacted", "every note of the binding was redacted before"),
    ("database-url-invalid", "the database URL is not one of `sqlite:PATH` and `postgres://…`"),
    ("database-unmigrated", "the database has no or old tables; `provident migrate up` or `provident init` makes them"),
    ("database-too-new", "the database was made by a later version of the program"),
    ("database-altered", "a migration the database was made by is not the one the program has"),
    ("database-not-initialised", "the tables are there and a chain's head is not; `provident init` makes it"),
    ("database-role-privileged", "the database role is a superuser, owns the tables or bypasses row-level security"),
    ("bindings-exist", "going down would lose decisions; `--discard-bindings` says that it may"),
    ("workspaces-exist", "going down would lose workspaces, users and audit trails; `--discard-all` says that it may"),
    ("unknown-migration", "there is no migration of this number to go down to"),
    ("database-not-empty", "a copy would go into a database that has something in it"),
    ("deadline-exceeded", "a mutation was not done in the time it has; nothing was written; repeat"),
    ("database-busy", "other writers were in the way for too long; repeat"),
    ("database-unavailable", "the database cannot be reached"),
    ("database-refused", "the database refused a statement"),
    ("database-corrupt", "a stored row does not read back"),
    ("outcome-unknown", "the connection was lost while committing; look before repeating"),
    ("master-key-missing", "there is no master key at the place it is kept"),
    ("master-key-exposed", "the master key file can be read by others than its owner"),
    ("master-key-malformed", "the master key is malformed or damaged"),
    ("master-key-mismatch", "the data was sealed under another master key"),
    (
        "master-key-superseded",
        "the data is sealed under a newer master key than any given; give that one too, and start again",
    ),
    ("rotation-running", "a rotation of the master key is under way"),
    (
        "credentials-unopened",
        "some fields of credentials open with no master key; set them again, then rotate once more",
    ),
    ("next-master-key-required", "a master key from the environment is rotated to one that stands beside it"),
    ("master-key-unusable", "the master key file cannot be read or written"),
    ("no-randomness", "the system's source of randomness failed"),
    ("issuer-invalid", "the settings of an identity provider contradict themselves or are out of bounds"),
    ("jwks-unreadable", "the file of an identity provider's keys cannot be read, or holds none that can be used"),
    ("jwks-client-failed", "keys of identity providers cannot be fetched over TLS on this machine"),
    ("provider-settings-invalid", "the settings of where a provider is contradict themselves or are not safe"),
];

/// Every stable code there is: the component's, those of running it, the host's, those of findings in a chain.
pub fn all_codes() -> impl Iterator<Item = &'static str> {
    let component = ErrorCode::ALL.iter().map(|code| code.as_str());
    let host = HOST_CODES.iter().map(|(code, _)| *code);
    component
        .chain(ComponentError::CODES.iter().copied())
        .chain(host)
        .chain(Fault::ALL.iter().map(|fault| fault.code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kebab_case_and_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for code in all_codes() {
            assert!(seen.insert(code), "{code} twice");
            assert!(
                code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{code}"
            );
        }
    }

    #[test]
    fn every_error_has_a_registered_code() {
        let id = Some(Uuid::nil());
        let errors = [
            Error::NotFound,
            Error::Forbidden,
            Conflict::ActiveBindingExists { active_binding_id: id }.into(),
            Conflict::StaleBinding { active_binding_id: None }.into(),
            Conflict::ConnectionMismatch { active_binding_id: Uuid::nil() }.into(),
            Conflict::SubjectMismatch.into(),
            Conflict::SlugTaken.into(),
            Conflict::MemberExists.into(),
            Conflict::NotAMember.into(),
            Conflict::LastOwner.into(),
            Conflict::LastEntitlement.into(),
            Conflict::EntitlementExists.into(),
            Conflict::NotEntitled.into(),
            Conflict::TokenRevokedAlready.into(),
            Conflict::IdentityLinked.into(),
            Conflict::IdempotencyKeyReused.into(),
            Conflict::NoteAbsent.into(),
            Conflict::NoteAlreadyRedacted.into(),
            Conflict::RotationRunning.into(),
            Conflict::ConnectionDirectoryMismatch.into(),
            Conflict::ConnectionMirrored.into(),
            Conflict::ConnectionDisabled.into(),
            Conflict::DefaultConnection.into(),
            Conflict::ScopeBusy { active_run_id: id }.into(),
            Conflict::RunEnded.into(),
            InvalidIdempotencyKey::Empty.into(),
            SecretError::Missing.into(),
            SecretError::Exposed.into(),
            SecretError::Malformed.into(),
            SecretError::DoesNotOpen.into(),
            SecretError::Superseded.into(),
            NoRandomness.into(),
            Error::source_out_of_scope("x"),
            InvalidCheckpoint::Form.into(),
        ];
        for error in errors {
            assert!(HOST_CODES.iter().any(|(code, _)| *code == error.code()), "{}", error.code());
        }
        let settings = [crate::gateway::EndpointError::CODE];
        for code in StoreError::CODES.iter().chain(crate::jwt::JwtError::CODES).chain(&settings) {
            assert!(HOST_CODES.iter().any(|(known, _)| known == code), "{code}");
        }
    }
}
