//! What can be typed about connections, runs and workers.

use super::{EnvironmentArguments, PageArguments, Scope};
use crate::cli::serve::LogArguments;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use provident::run::OperationType;
use uuid::Uuid;

#[derive(Subcommand)]
pub(in crate::cli) enum ConnectionCommand {
    /// Make a connection to a provider in an environment
    #[command(after_help = "\
Examples:
  provident connection create --as USER --workspace acme --environment ENV --provider fake \\
    --name 'Main'
  provident connection create --as USER --workspace acme --environment ENV --provider fake \\
    --name 'Other' --directory directory-1 --default")]
    Create {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// The provider
        #[arg(long)]
        provider: String,
        /// What people call it
        #[arg(long)]
        name: String,
        /// The provider's directory; need not be said where the environment knows it already
        #[arg(long, value_name = "DIRECTORY")]
        directory: Option<String>,
        /// Make it the one that is taken where none is named
        #[arg(long)]
        default: bool,
    },
    /// List the connections of an environment
    #[command(after_help = "Example:\n  provident connection list --as USER --workspace acme --environment ENV")]
    List {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// Only of this provider
        #[arg(long)]
        provider: Option<String>,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show a connection
    #[command(after_help = "Example:\n  provident connection show --as USER --workspace acme CONNECTION")]
    Show(OneConnection),
    /// Rename a connection, or say what its directory is
    #[command(
        after_help = "Example:\n  provident connection update --as USER --workspace acme CONNECTION --name 'Main'"
    )]
    Update {
        #[command(flatten)]
        one: OneConnection,
        /// What people call it
        #[arg(long)]
        name: Option<String>,
        /// The provider's directory
        #[arg(long, value_name = "DIRECTORY")]
        directory: Option<String>,
    },
    /// Make a connection the default
    #[command(after_help = "Example:\n  provident connection make-default --as USER --workspace acme CONNECTION")]
    MakeDefault(OneConnection),
    /// Put a connection into use again
    #[command(after_help = "Example:\n  provident connection enable --as USER --workspace acme CONNECTION")]
    Enable(OneConnection),
    /// Put a connection out of use
    #[command(after_help = "Example:\n  provident connection disable --as USER --workspace acme CONNECTION")]
    Disable {
        #[command(flatten)]
        one: OneConnection,
        /// Although it is the default
        #[arg(long)]
        even_if_default: bool,
    },
}

/// A connection, by id.
#[derive(Args)]
pub(in crate::cli) struct OneConnection {
    #[command(flatten)]
    pub(in crate::cli) scope: Scope,
    /// The connection's id
    #[arg(value_name = "CONNECTION")]
    pub(in crate::cli) connection: Uuid,
}

#[derive(Subcommand)]
pub(in crate::cli) enum RunCommand {
    /// Start an operation at a provider
    #[command(after_help = "\
It is waited on by whoever works (`provident worker`, `provident serve`). The same operation that
is under way already is answered by its run.

Examples:
  provident run start --as USER --workspace acme --environment ENV --operation health.check \\
    --provider fake
  provident run start --as USER --workspace acme --environment ENV --operation inventory.collect \\
    --connection CONNECTION --watch")]
    Start {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// What is to be done
        #[arg(long, value_parser = operation_type(), value_name = "OPERATION")]
        operation: OperationType,
        #[command(flatten)]
        through: ThroughArguments,
        /// Watch it to its end
        #[arg(long)]
        watch: bool,
    },
    /// List the runs of an environment, newest first
    #[command(after_help = "\
Examples:
  provident run list --as USER --workspace acme --environment ENV
  provident run list --as USER --workspace acme --environment ENV \\
    --operation compliance.snapshot")]
    List {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// Only of this type
        #[arg(long, value_name = "OPERATION")]
        operation: Option<String>,
        /// Only those that have not ended
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show a run
    #[command(after_help = "Example:\n  provident run show --as USER --workspace acme RUN")]
    Show(OneRun),
    /// Watch a run to its end, and end as it did
    #[command(after_help = "Example:\n  provident run watch --as USER --workspace acme RUN")]
    Watch(OneRun),
    /// End a run; what it has taken in stays
    #[command(after_help = "Example:\n  provident run cancel --as USER --workspace acme RUN")]
    Cancel(OneRun),
}

/// A run, by id.
#[derive(Args)]
pub(in crate::cli) struct OneRun {
    #[command(flatten)]
    pub(in crate::cli) scope: Scope,
    /// The run's id
    #[arg(value_name = "RUN")]
    pub(in crate::cli) run: Uuid,
}

/// Through which connection.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct ThroughArguments {
    /// Through this connection
    #[arg(long, value_name = "CONNECTION")]
    pub(in crate::cli) connection: Option<Uuid>,
    /// Through the default connection of this provider
    #[arg(long, value_name = "PROVIDER")]
    pub(in crate::cli) provider: Option<String>,
}

/// Operations by their names; `--help` lists them.
fn operation_type() -> impl TypedValueParser<Value = OperationType> {
    PossibleValuesParser::new(OperationType::ALL.iter().map(|operation| operation.as_str()))
        .try_map(|name| name.parse::<OperationType>())
}

/// How runs are worked on.
#[derive(Args)]
pub(in crate::cli) struct WorkerArguments {
    /// How many runs are worked on at once [default: 1]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) workers: Option<String>,
    /// How long a run stays with a worker of which nothing is heard [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) run_lease_s: Option<String>,
    /// How long what is under way may take when told to stop [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) shutdown_grace_s: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) log: LogArguments,
}
