//! What can be typed about decisions.

use super::{EnvironmentArguments, PageArguments, Scope};
use clap::{Args, Subcommand, ValueEnum};
use provident::binding::Sources;
use provident::clock::Timestamp;
use provident::error::Error;
use provident::idempotency::IdempotencyKey;
use provident_identity::{BindingStatus, ResolutionMode, SubjectClass};
use std::path::PathBuf;
use uuid::Uuid;

/// The subject of a decision, in one of three ways.
#[derive(Args)]
#[group(required = true, multiple = false, id = "subject_reference")]
pub(in crate::cli) struct SubjectArguments {
    /// The subject, by canonical key
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) subject: Option<String>,
    /// The subject, by inventory item
    #[arg(long, value_name = "ITEM")]
    pub(in crate::cli) subject_item: Option<Uuid>,
    /// The subject, as a descriptor in JSON
    #[arg(long, value_name = "JSON")]
    pub(in crate::cli) subject_json: Option<String>,
}

/// The resource of a decision, in one of three ways.
#[derive(Args)]
#[group(required = false, multiple = false, id = "resource_reference")]
pub(in crate::cli) struct ResourceArguments {
    /// The resource, by canonical key
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) resource: Option<String>,
    /// The resource, by inventory item
    #[arg(long, value_name = "ITEM")]
    pub(in crate::cli) resource_item: Option<Uuid>,
    /// The resource, as a descriptor in JSON
    #[arg(long, value_name = "JSON")]
    pub(in crate::cli) resource_json: Option<String>,
}

/// What a decision says beside its subject.
#[derive(Args)]
pub(in crate::cli) struct DecisionArguments {
    #[command(flatten)]
    pub(in crate::cli) resource: ResourceArguments,
    #[command(flatten)]
    pub(in crate::cli) note: NoteArguments,
    /// A reason code, `[a-z0-9]+(-[a-z0-9]+)*`
    #[arg(long, value_name = "CODE")]
    pub(in crate::cli) reason: Option<String>,
    /// The subject's governance domain; needed with a bare key
    #[arg(long, value_name = "DOMAIN")]
    pub(in crate::cli) domain: Option<String>,
    /// The provider connection it is decided for
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) connection: Option<Uuid>,
    /// What the subject was called before it had a key
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) legacy_subject_key: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) sources: SourceArguments,
    #[command(flatten)]
    pub(in crate::cli) idempotency: IdempotencyArguments,
    #[command(flatten)]
    pub(in crate::cli) trial: TrialArguments,
}

/// Whether it is only tried.
#[derive(Args)]
pub(in crate::cli) struct TrialArguments {
    /// Judge everything and write nothing: the answer says what would be. Whoever may not is told of all the same
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

/// The caller's name for a request.
#[derive(Args)]
pub(in crate::cli) struct IdempotencyArguments {
    /// A name of your own for this request: repeated with it within a day, it is done once and answered the same
    #[arg(long = "idempotency-key", value_name = "KEY")]
    key: Option<String>,
}

impl IdempotencyArguments {
    /// The key, if one was given.
    pub(in crate::cli) fn key(&self) -> Result<Option<IdempotencyKey>, Error> {
        Ok(self.key.as_deref().map(str::parse).transpose()?)
    }
}

/// Where the operator's words come from.
#[derive(Args)]
#[group(required = false, multiple = false, id = "note_source")]
pub(in crate::cli) struct NoteArguments {
    /// Why, in the operator's words; other users of this machine can see a command line
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) note: Option<String>,
    /// The same, read from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) note_file: Option<PathBuf>,
}

/// Where a decision comes from.
#[derive(Args)]
pub(in crate::cli) struct SourceArguments {
    /// An operation run it comes from
    #[arg(long = "source-operation-run", value_name = "ID")]
    operation_run: Option<Uuid>,
    /// A baseline snapshot it comes from
    #[arg(long = "source-baseline-snapshot", value_name = "ID")]
    baseline_snapshot: Option<Uuid>,
    /// An inventory item it comes from
    #[arg(long = "source-inventory-item", value_name = "ID")]
    inventory_item: Option<Uuid>,
    /// A policy version it comes from
    #[arg(long = "source-policy-version", value_name = "ID")]
    policy_version: Option<Uuid>,
}

impl From<SourceArguments> for Sources {
    fn from(arguments: SourceArguments) -> Self {
        Self {
            operation_run_id: arguments.operation_run,
            baseline_snapshot_id: arguments.baseline_snapshot,
            inventory_item_id: arguments.inventory_item,
            policy_version_id: arguments.policy_version,
        }
    }
}

#[derive(Args)]
pub(in crate::cli) struct CreateArguments {
    #[command(flatten)]
    pub(in crate::cli) environment: EnvironmentArguments,
    #[command(flatten)]
    pub(in crate::cli) subject: SubjectArguments,
    #[command(flatten)]
    pub(in crate::cli) decision: DecisionArguments,
}

/// The modes an operator may choose.
#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum OperatorMode {
    ManualBinding,
    ExcludedNonGoverned,
    AcceptedLimitation,
    UnsupportedCoverage,
    MissingExpected,
}

impl From<OperatorMode> for ResolutionMode {
    fn from(mode: OperatorMode) -> Self {
        match mode {
            OperatorMode::ManualBinding => Self::ManualBinding,
            OperatorMode::ExcludedNonGoverned => Self::ExcludedNonGoverned,
            OperatorMode::AcceptedLimitation => Self::AcceptedLimitation,
            OperatorMode::UnsupportedCoverage => Self::UnsupportedCoverage,
            OperatorMode::MissingExpected => Self::MissingExpected,
        }
    }
}

#[derive(Subcommand)]
pub(in crate::cli) enum BindingCommand {
    /// This subject is that resource
    #[command(after_help = "\
Example:
  provident binding create --as USER --workspace acme --environment ENV \\
    --subject-item ITEM --resource-item OTHER --note 'renamed in March'")]
    Create(CreateArguments),
    /// This subject is not governed
    #[command(after_help = "\
Example:
  provident binding exclude --as USER --workspace acme --environment ENV \\
    --subject-item ITEM --note 'a test object'")]
    Exclude(CreateArguments),
    /// We accept this subject as it is
    #[command(after_help = "\
Example:
  provident binding accept --as USER --workspace acme --environment ENV \\
    --subject-item ITEM --note 'agreed until the autumn' --reason accepted-risk")]
    Accept(CreateArguments),
    /// This subject cannot be covered
    #[command(after_help = "\
Example:
  provident binding mark-unsupported --as USER --workspace acme --environment ENV \\
    --subject-item ITEM --note 'no way to read its settings'")]
    MarkUnsupported(CreateArguments),
    /// This subject ought to be here and is not
    #[command(after_help = "\
Example:
  provident binding mark-missing --as USER --workspace acme --environment ENV \\
    --note 'deleted here in May' --subject KEY --domain DOMAIN")]
    MarkMissing(CreateArguments),
    /// Make many first decisions: one a line, each answered for itself
    #[command(after_help = "\
Each line is a JSON object of at most 64 KiB, with `mode` and one of `subject` (a key),
`subject_inventory_item_id` and `subject_descriptor`; if need be `subject_domain`, `resource`,
`resource_inventory_item_id` or `resource_descriptor`, `provider_connection_id`,
`legacy_subject_key`, `note`, `reason`, and `source_operation_run_id`,
`source_baseline_snapshot_id`, `source_inventory_item_id`, `source_policy_version_id`,
`idempotency_key`.
Blank lines are none.

Five hundred lines are decided in one transaction; what is wrong with one line spoils no other.
Each line is answered by its number, in order, with the binding made or why there is none; then
come the totals. Exit code 3 says that some were refused. Run again, the file makes what is
missing: what was made is refused as `active-binding-exists`. A dry run knows of each five
hundred lines alone.

Examples:
  provident binding bulk-create --as USER --workspace acme --environment ENV decisions.ndjson
  provident binding bulk-create --as USER --workspace acme --environment ENV --format json - \\
    < decisions.ndjson > answers.ndjson")]
    BulkCreate {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// The decisions, one a line; `-` is standard input
        file: PathBuf,
        #[command(flatten)]
        trial: TrialArguments,
    },
    /// Put another decision in place of the active one
    #[command(after_help = "\
Example:
  provident binding supersede --as USER --workspace acme BINDING \\
    --mode accepted_limitation --note 'agreed'")]
    Supersede {
        #[command(flatten)]
        scope: Scope,
        /// The binding that is expected to be active
        binding: Uuid,
        /// How the subject is resolved from now on
        #[arg(long, value_enum)]
        mode: OperatorMode,
        #[command(flatten)]
        decision: DecisionArguments,
    },
    /// Withdraw a decision
    #[command(
        after_help = "Example:\n  provident binding revoke --as USER --workspace acme BINDING --note 'bound by mistake'"
    )]
    Revoke {
        #[command(flatten)]
        scope: Scope,
        /// The binding that is expected to be active
        binding: Uuid,
        #[command(flatten)]
        note: NoteArguments,
        #[command(flatten)]
        idempotency: IdempotencyArguments,
        #[command(flatten)]
        trial: TrialArguments,
    },
    /// Take the words of a binding's notes away, for good
    #[command(after_help = "\
An owner's alone. The decision stays, and the log keeps the length of each note and a fingerprint that only this installation can compare.

Example:
  provident binding redact-note --as OWNER --workspace acme BINDING")]
    RedactNote {
        #[command(flatten)]
        scope: Scope,
        /// Its id
        binding: Uuid,
    },
    /// Show one binding
    #[command(after_help = "Example:\n  provident binding show --as USER --workspace acme BINDING")]
    Show {
        #[command(flatten)]
        scope: Scope,
        /// Its id
        binding: Uuid,
    },
    /// List an environment's bindings, newest first
    #[command(after_help = "\
Examples:
  provident binding list --as USER --workspace acme --environment ENV --status active
  provident binding list --as USER --workspace acme --environment ENV --mode manual_binding")]
    List {
        #[command(flatten)]
        environment: EnvironmentArguments,
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        page: PageArguments,
    },
    /// What is decided about subjects: one answer per key, in order
    #[command(after_help = "\
Keys come from the command line, or, when there are none, from standard input, one a line; at
most 10,000 of them. As of a moment, a decision that held then is active and shown as it stood
then, without its end, and one that had ended by then is ended.

Examples:
  provident binding lookup --as USER --workspace acme --environment ENV < keys.txt
  provident binding lookup --as USER --workspace acme --environment ENV \\
    --as-of 2026-03-01T00:00:00.000000Z KEY")]
    Lookup {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// What was decided then, not what is now: YYYY-MM-DDTHH:MM:SS.ffffffZ
        #[arg(long, value_name = "TIME")]
        as_of: Option<Timestamp>,
        /// Canonical subject keys
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Which subjects are bound to a resource now, newest first
    #[command(after_help = "Example:\n  provident binding bound-to --as USER --workspace acme --environment ENV KEY")]
    BoundTo {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// The resource, by canonical key
        #[arg(value_name = "KEY")]
        resource: String,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Every decision about the subject of a binding, newest first
    #[command(after_help = "Example:\n  provident binding history --as USER --workspace acme BINDING")]
    History {
        #[command(flatten)]
        scope: Scope,
        /// Any binding of the subject
        binding: Uuid,
    },
}

#[derive(Args)]
pub(in crate::cli) struct FilterArguments {
    /// Only of this provider
    #[arg(long)]
    pub(in crate::cli) provider: Option<String>,
    /// Only of this provider connection
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) connection: Option<Uuid>,
    /// Only of this subject
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) subject: Option<String>,
    /// Only with this status: active, superseded or revoked
    #[arg(long)]
    pub(in crate::cli) status: Option<BindingStatus>,
    /// Only of this resolution mode
    #[arg(long)]
    pub(in crate::cli) mode: Option<ResolutionMode>,
    /// Only of this subject class
    #[arg(long)]
    pub(in crate::cli) class: Option<SubjectClass>,
    /// Only of this governance domain
    #[arg(long)]
    pub(in crate::cli) domain: Option<String>,
    /// Only of subjects formerly called this
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) legacy_subject_key: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) sources: SourceArguments,
}
