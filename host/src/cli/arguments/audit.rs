//! What can be typed after `audit`.

use super::Scope;
use clap::{Args, Subcommand};
use provident::registry::RecordRef;
use provident::workspace::WorkspaceRef;
use std::path::PathBuf;
use uuid::Uuid;

#[derive(Subcommand)]
pub(in crate::cli) enum AuditCommand {
    /// List the events of the environments the actor is entitled to, oldest first
    #[command(after_help = "\
Examples:
  provident audit list --as USER --workspace acme
  provident audit list --as USER --workspace acme --environment ENV --after 120 --limit 50")]
    List {
        #[command(flatten)]
        scope: Scope,
        /// Only events of this environment: its id, or `ref:` and a platform's name of it
        #[arg(long, value_name = "ENVIRONMENT")]
        environment: Option<RecordRef>,
        /// Only events with a higher number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
        /// At most so many events
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Verify a workspace's chain, or an export of it, and name the first bad event
    #[command(after_help = "\
Without a checkpoint, a chain that was cut with its head, or written anew as a whole, holds too.
An export is verified without a database; it is the chain the checkpoint was taken of or, without
one, the chain of its first event.

Examples:
  provident audit verify --as OWNER --workspace acme --checkpoint checkpoint.json
  provident audit verify --system --workspace platform
  provident audit verify --file events.ndjson --checkpoint checkpoint.json")]
    Verify(VerifyArguments),
    /// Print the end of a workspace's chain, to be kept elsewhere
    #[command(after_help = "\
Keep it where nobody who can change the chain can reach it. It is worth as much as the chain it was
taken of: verify that first.

Example:
  provident audit checkpoint --as OWNER --workspace acme > checkpoint.json")]
    Checkpoint(ChainArguments),
    /// Write a workspace's whole chain, one event a line
    #[command(after_help = "\
A file takes its name when it is complete.

Examples:
  provident audit export --as OWNER --workspace acme events.ndjson
  provident audit export --system --workspace acme events.ndjson")]
    Export {
        #[command(flatten)]
        chain: ChainArguments,
        /// What to write; `-` is standard output
        #[arg(default_value = "-")]
        file: PathBuf,
    },
}

/// A whole chain, and who asks for it.
#[derive(Args)]
pub(in crate::cli) struct ChainArguments {
    #[command(flatten)]
    pub(in crate::cli) auditor: AuditorArguments,
    /// The workspace, by id or slug
    #[arg(long, value_name = "WORKSPACE")]
    pub(in crate::cli) workspace: WorkspaceRef,
}

/// An owner who is entitled to every environment, or whoever has a shell where the data lies.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct AuditorArguments {
    /// The acting user's id: an owner, entitled to every environment
    #[arg(long = "as", value_name = "USER")]
    pub(in crate::cli) actor: Option<Uuid>,
    /// As the system plane
    #[arg(long)]
    pub(in crate::cli) system: bool,
}

#[derive(Args)]
pub(in crate::cli) struct VerifyArguments {
    #[command(flatten)]
    pub(in crate::cli) source: SourceArguments,
    /// The workspace, by id or slug
    #[arg(long, value_name = "WORKSPACE", required_unless_present = "file", conflicts_with = "file")]
    pub(in crate::cli) workspace: Option<WorkspaceRef>,
    /// What the chain is held to: a file `audit checkpoint` printed
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) checkpoint: Option<PathBuf>,
}

/// The chain in the database, and who asks for it; or a file.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct SourceArguments {
    /// The acting user's id: an owner, entitled to every environment
    #[arg(long = "as", value_name = "USER")]
    pub(in crate::cli) actor: Option<Uuid>,
    /// As the system plane
    #[arg(long)]
    pub(in crate::cli) system: bool,
    /// An export instead of the database; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
}
