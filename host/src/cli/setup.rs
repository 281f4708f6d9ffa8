//! Setting up: the installation, its workspaces, members, environments. Its users: `credential.rs`.

use super::arguments::{EnvironmentArguments, EnvironmentCommand, MemberArguments, Scope, WorkspaceCommand};
use super::output::{Failure, Output};
use super::place::Place;
use provident::actor::{Actor, SystemPlane};
use provident::page::{Page, PageRequest};
use provident::service::Service;
use provident::workspace::{Entitlement, Environment, Membership, Workspace};
use serde_json::json;

/// The person a command acts for.
pub(super) fn actor(scope: &Scope) -> Actor {
    Actor::user(scope.actor)
}

/// `init`.
pub(super) async fn init(place: &Place, output: &Output) -> Result<(), Failure> {
    place.make_data_dir()?;
    let made = Service::init(&SystemPlane::at_the_shell(), &place.settings()?).await;
    made.map_err(|error| place.explain(error))?.close().await;
    let dir = place.data_dir()?.display().to_string();
    let elsewhere = place.names_database();
    output.show(&json!({ "data_dir": dir, "database_elsewhere": elsewhere, "state": "ready" }), |sheet| {
        sheet.note(format!("ready: {dir}"));
        if elsewhere {
            sheet.note("the database is the one that was named; only master.key lies here");
        }
        sheet.note("keep the file master.key safe, and apart from backups of the database");
    })
}

/// `housekeeping`.
pub(super) async fn housekeeping(service: &Service, output: &Output) -> Result<(), Failure> {
    let deleted = service.clean_up(&SystemPlane::at_the_shell()).await?;
    output.show(&json!({ "deleted_idempotency_keys": deleted }), |sheet| {
        sheet.note(format!("{deleted} idempotency keys had their time and are gone"));
    })
}

/// `workspace`.
pub(super) async fn workspace(service: &Service, output: &Output, command: WorkspaceCommand) -> Result<(), Failure> {
    let plane = SystemPlane::at_the_shell();
    match command {
        WorkspaceCommand::Create { slug, name, owner } => {
            let workspace = service.create_workspace(&plane, &slug, &name, owner).await?;
            show_workspaces(output, &workspace, std::slice::from_ref(&workspace))
        }
        WorkspaceCommand::List => {
            let mut workspaces = Vec::new();
            let mut next = PageRequest::new(u32::MAX, None);
            loop {
                let page = service.workspaces(&plane, next).await?;
                workspaces.extend(page.items);
                let Some(after) = page.next else { break };
                next = PageRequest::new(u32::MAX, Some(after));
            }
            show_workspaces(output, &workspaces, &workspaces)
        }
        WorkspaceCommand::AddMember(MemberArguments { scope, user, role }) => {
            let member = service.add_member(actor(&scope), &scope.workspace, user, role).await?;
            show_members(output, &member, std::slice::from_ref(&member))
        }
        WorkspaceCommand::ChangeRole(MemberArguments { scope, user, role }) => {
            let member = service.change_member_role(actor(&scope), &scope.workspace, user, role).await?;
            show_members(output, &member, std::slice::from_ref(&member))
        }
        WorkspaceCommand::RemoveMember { scope, user } => {
            let member = service.end_membership(actor(&scope), &scope.workspace, user).await?;
            show_members(output, &member, std::slice::from_ref(&member))
        }
        WorkspaceCommand::Members { scope, page } => {
            let page = service.members(actor(&scope), &scope.workspace, page.request()).await?;
            show_members(output, &page, &page.items)
        }
    }
}

fn show_workspaces(output: &Output, json: &impl serde::Serialize, workspaces: &[Workspace]) -> Result<(), Failure> {
    output.show(json, |sheet| {
        sheet.head(&["workspace", "slug", "name", "since"]);
        for workspace in workspaces {
            sheet.row([
                workspace.id.to_string(),
                workspace.slug.clone(),
                workspace.display_name.to_string(),
                workspace.created_at.to_string(),
            ]);
        }
    })
}

fn show_members(output: &Output, json: &impl serde::Serialize, members: &[Membership]) -> Result<(), Failure> {
    output.show(json, |sheet| {
        sheet.head(&["user", "role", "since", "until"]);
        for member in members {
            sheet.row([
                member.user_id.to_string(),
                member.role.as_str().to_owned(),
                member.created_at.to_string(),
                member.ended_at.map_or_else(String::new, |at| at.to_string()),
            ]);
        }
    })
}

/// `environment`.
pub(super) async fn environment(
    service: &Service,
    output: &Output,
    command: EnvironmentCommand,
) -> Result<(), Failure> {
    match command {
        EnvironmentCommand::Create { scope, name } => {
            let made = service.create_environment(actor(&scope), &scope.workspace, &name).await?;
            show_environments(output, &made, std::slice::from_ref(&made))
        }
        EnvironmentCommand::List { scope, page } => {
            let page: Page<Environment> = service.environments(actor(&scope), &scope.workspace, page.request()).await?;
            show_environments(output, &page, &page.items)
        }
        EnvironmentCommand::Entitle { environment: EnvironmentArguments { scope, environment }, user } => {
            let granted = service.grant_entitlement(actor(&scope), &scope.workspace, environment, user).await?;
            show_entitlement(output, &granted)
        }
        EnvironmentCommand::Withdraw { environment: EnvironmentArguments { scope, environment }, user } => {
            let ended = service.end_entitlement(actor(&scope), &scope.workspace, environment, user).await?;
            show_entitlement(output, &ended)
        }
    }
}

fn show_environments(
    output: &Output,
    json: &impl serde::Serialize,
    environments: &[Environment],
) -> Result<(), Failure> {
    output.show(json, |sheet| {
        sheet.head(&["environment", "name", "since"]);
        for environment in environments {
            sheet.row([
                environment.id.to_string(),
                environment.display_name.to_string(),
                environment.created_at.to_string(),
            ]);
        }
    })
}

fn show_entitlement(output: &Output, entitlement: &Entitlement) -> Result<(), Failure> {
    output.show(entitlement, |sheet| {
        sheet.fact("environment", entitlement.environment_id);
        sheet.fact("user", entitlement.user_id);
        sheet.fact("until", entitlement.ended_at.map_or_else(|| String::from("further notice"), |at| at.to_string()));
    })
}
