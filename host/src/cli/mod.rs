//! The command line: what can be typed, and what is done then.
//!
//! Nothing is decided here: every command that touches a workspace names actor, workspace and (where there is one)
//! environment, and goes through the same service functions as everything else. No environment variable,
//! configuration or last-used value supplies them.

mod arguments;
mod audit;
mod binding;
mod bulk;
mod component;
mod config;
mod connection;
mod credential;
mod database;
mod documents;
mod healthcheck;
mod import;
mod inventory;
mod key;
mod master_key;
mod migrate;
#[cfg(feature = "otel")]
mod otel;
mod output;
mod place;
mod provider;
mod provider_credential;
mod registry;
mod run;
mod serve;
mod setup;
mod telemetry;
mod worker;

use arguments::{Arguments, Command, ComponentCommand, ConfigCommand, DatabaseCommand, KeyCommand};
use clap::{CommandFactory, Parser};
use output::{Failure, Output};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Runs one command line; the exit code says how it ended (see `provident --help`).
#[must_use]
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let given: Vec<OsString> = arguments.into_iter().collect();
    let arguments = match Arguments::try_parse_from(&given) {
        Ok(arguments) => arguments,
        Err(error) => return output::refuse_arguments(&error, &given),
    };
    let output = Output::new(arguments.format);
    match execute(arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.fail(&failure),
    }
}

fn execute(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let place = arguments.place.place()?;
    match arguments.command {
        Command::Key(KeyCommand::Derive(derive)) => key::derive(&derive),
        Command::Key(KeyCommand::Parse { keys }) => key::answer_keys("parse", &keys),
        Command::Key(KeyCommand::Digest { keys }) => key::answer_keys("digest", &keys),
        Command::Batch(adapter) => key::batch(&adapter),
        Command::Component(ComponentCommand::Info) => component::info(output),
        Command::Component(ComponentCommand::Export { name_and_file }) => component::export(&name_and_file),
        Command::Completions { shell } => {
            // By way of memory: the generator panics where the output cannot be written.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "provident", &mut script);
            Ok(io::stdout().lock().write_all(&script)?)
        }
        Command::Serve(arguments) => serve::serve(&place, *arguments),
        Command::Healthcheck { url } => place.run(async |_| healthcheck::ask(&url).await),
        Command::Config(ConfigCommand::Check(arguments)) => serve::check(&place, output, *arguments),
        Command::Init => place.run(async |place| setup::init(place, output).await),
        Command::Migrate(command) => place.run(async |place| migrate::migrate(place, output, command).await),
        Command::Database(DatabaseCommand::Copy { to }) => {
            place.run(async |place| database::copy(place, output, &to).await)
        }
        Command::MasterKey(command) => master_key::master_key(&place, output, &command),
        Command::Housekeeping => place.serve(async |service| setup::housekeeping(service, output).await),
        Command::User(command) => place.serve(async |service| credential::user(service, output, command).await),
        Command::Token(command) => place.serve(async |service| credential::token(service, output, command).await),
        Command::Workspace(command) => place.serve(async |service| setup::workspace(service, output, command).await),
        Command::Environment(command) => {
            place.serve(async |service| setup::environment(service, output, command).await)
        }
        Command::Import(command) => place.serve(async |service| import::import(service, output, command).await),
        Command::Registry(command) => place.serve(async |service| registry::registry(service, output, command).await),
        Command::Inventory(command) => {
            place.serve(async |service| inventory::inventory(service, output, command).await)
        }
        Command::Connection(command) => {
            place.serve(async |service| connection::connection(service, output, *command).await)
        }
        Command::Credential(command) => {
            place.serve(async |service| provider_credential::provider_credential(service, output, command).await)
        }
        Command::Run(command) => place.serve(async |service| run::run(service, output, *command).await),
        Command::Worker(arguments) => worker::work(&place, *arguments),
        Command::Binding(command) => place.serve(async |service| binding::binding(service, output, *command).await),
        Command::Audit(command) => audit::audit(&place, output, command),
    }
}
