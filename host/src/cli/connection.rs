//! `connection`: ways to a provider.

use super::arguments::{ConnectionCommand, OneConnection};
use super::output::{Failure, Output};
use super::setup::actor;
use provident::connection::{CreateConnection, ProviderConnection, UpdateConnection};
use provident::service::Service;

/// `connection`.
pub(super) async fn connection(service: &Service, output: &Output, command: ConnectionCommand) -> Result<(), Failure> {
    match command {
        ConnectionCommand::Create { environment, provider, name, directory, default } => {
            let scope = &environment.scope;
            let request = CreateConnection {
                provider_key: provider,
                directory_id: directory,
                display_name: name,
                make_default: default,
            };
            let made =
                service.create_connection(actor(scope), &scope.workspace, environment.environment, &request).await?;
            show(output, &made)
        }
        ConnectionCommand::List { environment, provider, page } => {
            let scope = &environment.scope;
            let found = service
                .connections_in(
                    actor(scope),
                    &scope.workspace,
                    environment.environment,
                    provider.as_deref(),
                    page.request(),
                )
                .await?;
            output.show(&found, |sheet| {
                sheet.head(&["connection", "provider", "name", "status", "default", "health", "credentials"]);
                for connection in &found.items {
                    sheet.row([
                        connection.id.to_string(),
                        connection.provider_key.clone(),
                        connection.display_name.to_string(),
                        connection.status.as_str().to_owned(),
                        yes_or_no(connection.is_default),
                        connection.health_status.as_str().to_owned(),
                        yes_or_no(!connection.credential_fields.is_empty()),
                    ]);
                }
                sheet.next(found.next);
            })
        }
        ConnectionCommand::Show(OneConnection { scope, connection }) => {
            show(output, &service.connection(actor(&scope), &scope.workspace, connection).await?)
        }
        ConnectionCommand::Update { one: OneConnection { scope, connection }, name, directory } => {
            let request = UpdateConnection { display_name: name, directory_id: directory };
            show(output, &service.update_connection(actor(&scope), &scope.workspace, connection, &request).await?)
        }
        ConnectionCommand::MakeDefault(OneConnection { scope, connection }) => {
            show(output, &service.make_default_connection(actor(&scope), &scope.workspace, connection).await?)
        }
        ConnectionCommand::Enable(OneConnection { scope, connection }) => {
            show(output, &service.enable_connection(actor(&scope), &scope.workspace, connection).await?)
        }
        ConnectionCommand::Disable { one: OneConnection { scope, connection }, even_if_default } => {
            let disabled =
                service.disable_connection(actor(&scope), &scope.workspace, connection, even_if_default).await?;
            show(output, &disabled)
        }
    }
}

fn yes_or_no(yes: bool) -> String {
    String::from(if yes { "yes" } else { "no" })
}

/// Shows one connection.
pub(super) fn show(output: &Output, connection: &ProviderConnection) -> Result<(), Failure> {
    output.show(connection, |sheet| {
        sheet.fact("connection", connection.id);
        sheet.fact("environment", connection.environment_id);
        sheet.fact("provider", &connection.provider_key);
        sheet.fact("directory", connection.directory_id.as_deref().unwrap_or("not known yet"));
        sheet.fact("name", &connection.display_name);
        sheet.fact("status", connection.status.as_str());
        sheet.fact("default", yes_or_no(connection.is_default));
        sheet.fact("health", connection.health_status.as_str());
        if let Some(reason) = &connection.health_reason_code {
            sheet.fact("why", reason);
        }
        if let Some(at) = connection.health_checked_at {
            sheet.fact("checked", at);
        }
        match connection.credentials_set_at {
            Some(at) => sheet.fact("credentials", format!("{}, set {at}", connection.credential_fields.join(", "))),
            None => sheet.fact("credentials", "none yet"),
        }
    })
}
