//! `registry`: what can be typed.

use super::Scope;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(in crate::cli) enum RegistryCommand {
    /// Mirror rows a platform keeps: one JSON object a line, each the whole state of one row
    #[command(after_help = "\
Kinds: environment, membership, entitlement, provider_connection, operation_run,
baseline_profile, baseline_snapshot, baseline_assignment, policy_version. Each line names its row
by `external_ref`, and other rows by {\"external_ref\": …} or {\"id\": …}. A line that is refused is
reported with its place, and the others are taken. Nothing is removed: `\"ended\": true` ends
memberships, entitlements and assignments. Lines about environments, members and entitlements take
an owner.

Examples:
  echo '{\"kind\":\"environment\",\"external_ref\":\"env-1\",\"display_name\":\"Production\"}' |
    provident registry sync --as OWNER --workspace acme -
  provident registry sync --as USER --workspace acme registry.ndjson")]
    Sync {
        #[command(flatten)]
        scope: Scope,
        /// A file for what became of each line, one JSON object a line, with the ids of rows
        #[arg(long, value_name = "FILE")]
        answers: Option<PathBuf>,
        /// One JSON object a line; `-` is standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}
