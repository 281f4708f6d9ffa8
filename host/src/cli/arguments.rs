//! What can be typed: the grammar of the command line, its help and its examples.

mod audit;
mod binding;
mod credential;
mod provider;
mod registry;
mod secret;

pub(super) use audit::{AuditCommand, ChainArguments, SourceArguments, VerifyArguments};
pub(super) use binding::{
    BindingCommand, CreateArguments, DecisionArguments, FilterArguments, NoteArguments, ResourceArguments,
    SubjectArguments, TrialArguments,
};
pub(super) use credential::{CreateTokenArguments, IdentityArguments, TokenCommand, UserCommand};
pub(super) use provider::{ConnectionCommand, OneConnection, OneRun, RunCommand, WorkerArguments};
pub(super) use registry::RegistryCommand;
pub(super) use secret::{MasterKeyCommand, ProviderCredentialCommand};

use super::output::Format;
use super::place::PlaceArguments;
use super::serve::ServeArguments;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use provident::page::PageRequest;
use provident::policy::Role;
use provident::registry::RecordRef;
use provident::workspace::WorkspaceRef;
use provident_identity::SubjectClass;
use std::path::PathBuf;
use uuid::Uuid;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, every input answered
  1  failed: database, component or files
  2  bad usage
  3  refused: some input breaks a rule (the count, or the rule, is on standard error)
  4  not found, or hidden from the actor
  5  forbidden: the actor may see it and not do this
  6  conflict with what is already there";

/// Stable identities for provider resources, and the decisions made about them.
#[derive(Parser)]
#[command(name = "provident", version, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) place: PlaceArguments,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Derive, take apart and digest canonical subject keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Answer the line protocol: one JSON request a line in, one reply a line out
    #[command(after_help = "\
Each line is answered before the next one is waited for. With an adapter, requests `adapt` are
answered too.

Examples:
  echo '{\"op\":\"about\"}' | provident batch
  provident batch --adapter fake < requests.ndjson > replies.ndjson")]
    Batch(AdapterChoice),
    /// Show and export the embedded components
    #[command(subcommand)]
    Component(ComponentCommand),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  provident completions bash > /etc/bash_completion.d/provident")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Serve everything over HTTP, until told to stop
    #[command(after_help = "\
Every setting is a flag here, a variable PROVIDENT_… and a key in the file of settings; the first
of them that says something holds. SIGTERM and SIGINT stop it: what is under way is finished
first. A second one stops it at once.

Examples:
  provident serve
  provident serve --config /etc/provident.toml --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:9090")]
    Serve(Box<ServeArguments>),
    /// Ask a service whether it is there, and end with 0 if it says so
    #[command(after_help = "Example:\n  provident healthcheck http://127.0.0.1:8080/readyz")]
    Healthcheck {
        /// Where: /healthz says that it runs, /readyz that it can answer
        url: String,
    },
    /// Look at what `serve` would take as its settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make the data directory, the database and the master key, or complete what is there
    #[command(after_help = "Example:\n  provident --data-dir ./data init")]
    Init,
    /// Make and show a database's tables and roles (system plane)
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Move an installation between databases (system plane)
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Put another master key in the place of the current one (system plane)
    #[command(subcommand)]
    MasterKey(MasterKeyCommand),
    /// Delete what has had its time (system plane)
    #[command(after_help = "\
In every workspace: idempotency keys after a day. To be run now and then.

Example:
  provident housekeeping")]
    Housekeeping,
    /// Set up users, and whom an identity provider knows them as (system plane)
    #[command(subcommand)]
    User(UserCommand),
    /// Make, list and revoke the tokens that callers of the service show (system plane)
    #[command(subcommand)]
    Token(TokenCommand),
    /// Set up workspaces (system plane) and their members
    #[command(subcommand)]
    Workspace(WorkspaceCommand),
    /// Set up managed environments and who may see them
    #[command(subcommand)]
    Environment(EnvironmentCommand),
    /// Put raw exports into an environment's inventory, as last observed
    #[command(after_help = "\
An export is single objects, pages, arrays, one object a line or printed over many, in any
mixture; a document has at most 8 MiB. An object that is refused is reported with its place, and
the others are taken. Nothing is removed: what an export does not contain stays as it was last
observed.

Example:
  provident import --as USER --workspace acme --environment ENV --adapter fake export.jsonl")]
    Import(ImportArguments),
    /// Mirror the rows of a platform that decisions point at
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Show what was last observed in an environment
    #[command(subcommand)]
    Inventory(InventoryCommand),
    /// Make connections to providers, and see which is taken where none is named
    #[command(subcommand)]
    Connection(Box<ConnectionCommand>),
    /// Set what a connection logs in with
    #[command(subcommand)]
    Credential(ProviderCredentialCommand),
    /// Start operations at providers, watch and cancel them
    #[command(subcommand)]
    Run(Box<RunCommand>),
    /// Work on runs in this process, until told to stop
    #[command(after_help = "\
Takes what was started and has it done, through the gateway. `serve` does so too, beside serving.
SIGTERM and SIGINT stop it: what is under way has its time, and is given back then.

Example:
  provident worker --workers 4")]
    Worker(Box<WorkerArguments>),
    /// Decide about subjects, and look decisions up
    #[command(subcommand)]
    Binding(Box<BindingCommand>),
    /// Show what was done, by whom, and prove that nothing of it was changed
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// One reply per input object, in order
    #[command(after_help = "\
Without an adapter, each line is a derive input; with one, the file is a raw export: single
objects, pages, arrays, one object a line or printed over many.

Examples:
  provident key derive inputs.ndjson
  provident key derive --adapter fake export.json")]
    Derive(DeriveArguments),
    /// Take keys apart
    #[command(after_help = "Example:\n  provident key parse provider:fake:policy:widgetPolicy:widget:id:A%3A1")]
    Parse {
        /// Canonical subject keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
    /// The SHA-256 digests of keys
    #[command(after_help = "Example:\n  provident key digest provider:fake:policy:widgetPolicy:widget:id:A%3A1")]
    Digest {
        /// Canonical subject keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

#[derive(Args)]
pub(super) struct AdapterChoice {
    /// The provider adapter: the name of an embedded one, or a component file ending in .wasm
    #[arg(long, value_name = "NAME|FILE.wasm")]
    pub(super) adapter: Option<String>,
    /// The SHA-256 an adapter file must have
    #[arg(long, value_name = "HEX", requires = "adapter")]
    pub(super) adapter_sha256: Option<String>,
}

#[derive(Args)]
pub(super) struct DeriveArguments {
    #[command(flatten)]
    pub(super) adapter: AdapterChoice,
    /// What to read; `-` is standard input
    #[arg(default_value = "-")]
    pub(super) file: PathBuf,
}

#[derive(Subcommand)]
pub(super) enum ComponentCommand {
    /// Each embedded component: digest, size, versions, imports (none) and limits
    #[command(after_help = "Example:\n  provident component info --format json")]
    Info,
    /// Write a component file, as any other runtime can load it
    #[command(
        override_usage = "provident component export [NAME] FILE",
        after_help = "Examples:\n  provident component export identity.wasm\n  provident component export fake fake.wasm"
    )]
    Export {
        /// Which component, and where to; with one argument the identity component
        #[arg(num_args = 1..=2, required = true, value_names = ["NAME", "FILE"])]
        name_and_file: Vec<String>,
    },
}

/// Who acts, and in which workspace. Never taken from anywhere else.
#[derive(Args, Clone)]
pub(super) struct Scope {
    /// The acting user's id
    #[arg(long = "as", value_name = "USER")]
    pub(super) actor: Uuid,
    /// The workspace, by id or slug
    #[arg(long, value_name = "WORKSPACE")]
    pub(super) workspace: WorkspaceRef,
}

/// The same with an environment.
#[derive(Args, Clone)]
pub(super) struct EnvironmentArguments {
    #[command(flatten)]
    pub(super) scope: Scope,
    /// The managed environment: its id, or `ref:` and a platform's name of it
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) environment: RecordRef,
}

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Judge every setting, and show its value and where it comes from
    #[command(after_help = "\
Nothing is opened and nothing is made. Passwords are not shown.

Example:
  provident config check --config /etc/provident.toml")]
    Check(Box<ServeArguments>),
}

#[derive(Subcommand)]
pub(super) enum MigrateCommand {
    /// Bring the tables up to what this program knows, as their owner
    #[command(after_help = "Example:\n  provident migrate up --database-url postgres://provident_owner@db/provident")]
    Up,
    /// Take the newest migration back, or all down to one
    #[command(after_help = "Example:\n  provident migrate down --to 4")]
    Down {
        /// The migration to end at; 0 is before the first
        #[arg(long, value_name = "MIGRATION")]
        to: Option<i64>,
        /// Lose every decision, if the migration that brought them is taken back
        #[arg(long)]
        discard_bindings: bool,
        /// Lose every workspace and its audit trail, if the first migration is taken back
        #[arg(long)]
        discard_all: bool,
    },
    /// Show every migration, and whether the database has it
    #[command(after_help = "Example:\n  provident migrate status")]
    Status,
    /// Print the SQL that makes the roles of a PostgreSQL cluster, or run it
    #[command(after_help = "\
Roles belong to the cluster, and making them takes an administrator. No password is in the SQL.

Examples:
  provident migrate roles > roles.sql
  provident migrate roles --apply --database-url postgres://postgres@db/provident")]
    Roles {
        /// Run it, as the administrator the database URL names
        #[arg(long)]
        apply: bool,
    },
}

#[derive(Subcommand)]
pub(super) enum DatabaseCommand {
    /// Copy everything into a database with nothing in it
    #[command(after_help = "\
The source is the database of the data directory, or of --database-url. One state of it is copied
while others may go on writing; every audit chain is verified where it arrived; all of it is there
afterwards, or nothing. The master key is not copied: the copy is opened with the same one.

Examples:
  provident database copy --to postgres://provident_app@db/provident
  provident database copy --to sqlite:backup.sqlite")]
    Copy {
        /// The other database: sqlite:PATH, which is made, or postgres://…, whose tables are there
        #[arg(long, value_name = "URL")]
        to: String,
    },
}

#[derive(Subcommand)]
pub(super) enum WorkspaceCommand {
    /// Make a workspace with its first owner
    #[command(after_help = "Example:\n  provident workspace create --slug acme --name 'Acme' --owner USER")]
    Create {
        /// Its short name
        #[arg(long)]
        slug: String,
        /// What people call it
        #[arg(long)]
        name: String,
        /// Its first owner
        #[arg(long, value_name = "USER")]
        owner: Uuid,
    },
    /// List workspaces (system plane)
    #[command(after_help = "Example:\n  provident workspace list")]
    List,
    /// Make a user a member
    #[command(
        after_help = "Example:\n  provident workspace add-member --as OWNER --workspace acme --user USER --role readonly"
    )]
    AddMember(MemberArguments),
    /// Give a member another role
    #[command(
        after_help = "Example:\n  provident workspace change-role --as OWNER --workspace acme --user USER --role manager"
    )]
    ChangeRole(MemberArguments),
    /// End a user's membership
    #[command(after_help = "Example:\n  provident workspace remove-member --as OWNER --workspace acme --user USER")]
    RemoveMember {
        #[command(flatten)]
        scope: Scope,
        /// The user
        #[arg(long)]
        user: Uuid,
    },
    /// List the workspace's members
    #[command(after_help = "Example:\n  provident workspace members --as USER --workspace acme")]
    Members {
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        page: PageArguments,
    },
}

/// A member and a role.
#[derive(Args)]
pub(super) struct MemberArguments {
    #[command(flatten)]
    pub(super) scope: Scope,
    /// The user
    #[arg(long)]
    pub(super) user: Uuid,
    /// What they may do in the workspace
    #[arg(long, value_parser = role(), value_name = "ROLE")]
    pub(super) role: Role,
}

/// Roles by their names; `--help` lists them.
fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.iter().map(|role| role.as_str())).try_map(|name| name.parse::<Role>())
}

#[derive(Subcommand)]
pub(super) enum EnvironmentCommand {
    /// Make a managed environment; whoever makes it is entitled to it
    #[command(after_help = "Example:\n  provident environment create --as OWNER --workspace acme --name Production")]
    Create {
        #[command(flatten)]
        scope: Scope,
        /// What people call it
        #[arg(long)]
        name: String,
    },
    /// List the environments the actor is entitled to
    #[command(after_help = "Example:\n  provident environment list --as USER --workspace acme")]
    List {
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Let a member see an environment
    #[command(
        after_help = "Example:\n  provident environment entitle --as OWNER --workspace acme --environment ENV --user USER"
    )]
    Entitle {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// The member
        #[arg(long)]
        user: Uuid,
    },
    /// Take an entitlement back
    #[command(
        after_help = "Example:\n  provident environment withdraw --as OWNER --workspace acme --environment ENV --user USER"
    )]
    Withdraw {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// The member
        #[arg(long)]
        user: Uuid,
    },
}

#[derive(Args)]
pub(super) struct ImportArguments {
    #[command(flatten)]
    pub(super) environment: EnvironmentArguments,
    /// The provider adapter: the name of an embedded one, or a component file ending in .wasm
    #[arg(long, value_name = "NAME|FILE.wasm")]
    pub(super) adapter: String,
    /// The SHA-256 an adapter file must have
    #[arg(long, value_name = "HEX")]
    pub(super) adapter_sha256: Option<String>,
    /// Raw exports; `-` is standard input
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
}

/// Which piece of a list.
#[derive(Args)]
pub(super) struct PageArguments {
    /// At most so many rows
    #[arg(long, default_value_t = 100)]
    pub(super) limit: u32,
    /// What the page before named as `next`
    #[arg(long, value_name = "ID")]
    pub(super) after: Option<Uuid>,
}

impl PageArguments {
    pub(super) fn request(&self) -> PageRequest {
        PageRequest::new(self.limit, self.after)
    }
}

#[derive(Subcommand)]
pub(super) enum InventoryCommand {
    /// List what was last observed
    #[command(after_help = "\
Examples:
  provident inventory list --as USER --workspace acme --environment ENV
  provident inventory list --as USER --workspace acme --environment ENV --class provider_builtin")]
    List {
        #[command(flatten)]
        environment: EnvironmentArguments,
        #[command(flatten)]
        filter: InventoryFilterArguments,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Show one item
    #[command(after_help = "Example:\n  provident inventory show --as USER --workspace acme ITEM")]
    Show {
        #[command(flatten)]
        scope: Scope,
        /// The item's id
        item: Uuid,
    },
}

/// Which items of an inventory.
#[derive(Args)]
pub(super) struct InventoryFilterArguments {
    /// Only of this provider
    #[arg(long)]
    pub(super) provider: Option<String>,
    /// Only of this subject
    #[arg(long, value_name = "KEY")]
    pub(super) subject: Option<String>,
    /// Only of this subject class
    #[arg(long)]
    pub(super) class: Option<SubjectClass>,
    /// Only of this governance domain
    #[arg(long)]
    pub(super) domain: Option<String>,
}
