//! What can be typed after `credential` and `master-key`.

use super::Scope;
use clap::Subcommand;
use uuid::Uuid;

#[derive(Subcommand)]
pub(in crate::cli) enum ProviderCredentialCommand {
    /// Set what a connection logs in with, all of it, in the place of what it was
    #[command(after_help = "\
On a terminal every field is asked for, and nothing that is typed is shown. Otherwise one JSON
object of fields is read from standard input. It is never an argument, which others on the machine
can read. What was set is shown to nobody.

Examples:
  provident credential set --as USER --workspace acme CONNECTION
  provident credential set --as USER --workspace acme CONNECTION < fields.json")]
    Set {
        #[command(flatten)]
        scope: Scope,
        /// The connection's id
        #[arg(value_name = "CONNECTION")]
        connection: Uuid,
    },
}

#[derive(Subcommand)]
pub(in crate::cli) enum MasterKeyCommand {
    /// Put a new master key in the place of the current one, or go on with what was begun
    #[command(after_help = "\
Everything else goes on meanwhile. It may be stopped at any moment, and is run again then. A key in
a file is made and written by this command, which has to be run where the file is. A key in the
environment needs the new one beside it, for this command and for everything that serves.

Examples:
  provident master-key rotate
  PROVIDENT_MASTER_KEY=\"$OLD $NEW\" provident master-key rotate")]
    Rotate,
    /// Show the master keys there have been, and how much is sealed under each
    #[command(after_help = "Example:\n  provident master-key status")]
    Status,
    /// Print a new master key, to be put beside those in the environment
    #[command(after_help = "\
It is the secret itself, of the version after the newest given, and is kept nowhere.

Example:
  provident master-key generate")]
    Generate,
}
