//! `migrate`: the tables of a database, and the roles of a PostgreSQL cluster (system plane).

use super::arguments::MigrateCommand;
use super::output::{Failure, Output};
use super::place::Place;
use provident::actor::SystemPlane;
use provident::service::{MigrationState, Service};
use serde_json::json;
use std::io::{self, Write as _};

/// `migrate`.
pub(super) async fn migrate(place: &Place, output: &Output, command: MigrateCommand) -> Result<(), Failure> {
    let system = SystemPlane::at_the_shell();
    let url = place.database_url()?;
    match command {
        MigrateCommand::Up => {
            if !place.names_database() {
                place.make_data_dir()?;
            }
            let granted = Service::migrate_up(&system, &url).await?;
            output.show(&json!({ "state": "migrated", "application_role": granted }), |sheet| {
                sheet.note("the tables are up to date");
                if !granted {
                    sheet.note(
                        "there is no role `provident_app` yet: see `provident migrate roles`, then run this again",
                    );
                }
            })
        }
        MigrateCommand::Down { to, discard_bindings, discard_all } => {
            let applied = Service::migrations(&system, &url).await?;
            let last = applied.iter().rfind(|migration| migration.state != MigrationState::Pending);
            let target = to.unwrap_or_else(|| last.map_or(0, |last| last.version.saturating_sub(1)));
            Service::migrate_down(&system, &url, target, discard_bindings, discard_all).await?;
            status(&system, &url, output).await
        }
        MigrateCommand::Status => status(&system, &url, output).await,
        MigrateCommand::Roles { apply: false } => {
            Ok(io::stdout().lock().write_all(Service::role_sql(&system).as_bytes())?)
        }
        MigrateCommand::Roles { apply: true } => {
            Service::apply_roles(&system, &url).await?;
            output.show(&json!({ "state": "applied" }), |sheet| sheet.note("the roles are there"))
        }
    }
}

async fn status(system: &SystemPlane, url: &str, output: &Output) -> Result<(), Failure> {
    let migrations = Service::migrations(system, url).await?;
    output.show(&migrations, |sheet| {
        sheet.head(&["migration", "about", "state"]);
        for migration in &migrations {
            let state = match migration.state {
                MigrationState::Applied => "applied",
                MigrationState::Pending => "pending",
                MigrationState::Altered => "altered",
            };
            sheet.row([migration.version.to_string(), migration.name.clone(), state.to_owned()]);
        }
    })
}
