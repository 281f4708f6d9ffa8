//! Users and their credentials: tokens, and whom identity providers know them as. The system plane's.

use super::arguments::{CreateTokenArguments, IdentityArguments, TokenCommand, UserCommand};
use super::output::{Failure, Output, Sheet};
use provident::actor::SystemPlane;
use provident::credential::{ApiToken, UserIdentity};
use provident::page::PageRequest;
use provident::service::{NewToken, Service};
use provident::workspace::{User, UserKind};
use serde::Serialize;

/// `user`.
pub(super) async fn user(service: &Service, output: &Output, command: UserCommand) -> Result<(), Failure> {
    let plane = SystemPlane::at_the_shell();
    match command {
        UserCommand::Create { name, kind } => {
            let user = match kind {
                UserKind::Person => service.create_user(&plane, &name).await?,
                UserKind::Service => service.create_service_user(&plane, &name).await?,
            };
            show_users(output, &user, std::slice::from_ref(&user))
        }
        UserCommand::List => {
            let mut users = Vec::new();
            let mut next = PageRequest::new(u32::MAX, None);
            loop {
                let page = service.users(&plane, next).await?;
                users.extend(page.items);
                let Some(after) = page.next else { break };
                next = PageRequest::new(u32::MAX, Some(after));
            }
            show_users(output, &users, &users)
        }
        UserCommand::Disable { user } => {
            let user = service.disable_user(&plane, user).await?;
            output.show(&user, |sheet| {
                sheet.fact("user", user.id);
                sheet.fact("disabled since", user.disabled_at.map_or_else(String::new, |at| at.to_string()));
            })
        }
        UserCommand::Link { user, identity: IdentityArguments { issuer, subject } } => {
            let linked = service.link_identity(&plane, user, &issuer, &subject).await?;
            show_identities(output, &linked, std::slice::from_ref(&linked))
        }
        UserCommand::Unlink(IdentityArguments { issuer, subject }) => {
            let ended = service.end_identity(&plane, &issuer, &subject).await?;
            show_identities(output, &ended, std::slice::from_ref(&ended))
        }
        UserCommand::Identities { user } => {
            let identities = service.identities(&plane, user).await?;
            show_identities(output, &identities, &identities)
        }
    }
}

fn show_users(output: &Output, json: &impl Serialize, users: &[User]) -> Result<(), Failure> {
    output.show(json, |sheet| {
        sheet.head(&["user", "name", "since"]);
        for user in users {
            sheet.row([user.id.to_string(), user.display_name.to_string(), user.created_at.to_string()]);
        }
    })
}

fn show_identities(output: &Output, json: &impl Serialize, identities: &[UserIdentity]) -> Result<(), Failure> {
    output.show(json, |sheet| {
        sheet.head(&["issuer", "subject", "user", "since", "until"]);
        for identity in identities {
            sheet.row([
                identity.issuer.to_string(),
                identity.subject.to_string(),
                identity.user_id.to_string(),
                identity.updated_at.to_string(),
                identity.ended_at.map_or_else(String::new, |at| at.to_string()),
            ]);
        }
    })
}

/// `token`.
pub(super) async fn token(service: &Service, output: &Output, command: TokenCommand) -> Result<(), Failure> {
    let plane = SystemPlane::at_the_shell();
    match command {
        TokenCommand::Create(create) => create_token(service, output, create).await,
        TokenCommand::List { page } => {
            let page = service.tokens(&plane, page.request()).await?;
            output.show(&page, |sheet| {
                list_tokens(sheet, &page.items);
                sheet.next(page.next);
            })
        }
        TokenCommand::Revoke { token } => {
            let revoked = service.revoke_token(&plane, token).await?;
            output.show(&revoked, |sheet| list_tokens(sheet, std::slice::from_ref(&revoked)))
        }
    }
}

async fn create_token(service: &Service, output: &Output, create: CreateTokenArguments) -> Result<(), Failure> {
    let token = NewToken {
        user_id: create.user,
        workspace: create.workspace,
        label: create.name,
        lifetime: create.expires_in,
        may_act_for_others: create.may_act_for_others,
    };
    let (made, text) = service.create_token(&SystemPlane::at_the_shell(), &token).await?;
    let text = text.reveal();
    output.show(&Shown { made: &made, token: &text }, |sheet| {
        list_tokens(sheet, std::slice::from_ref(&made));
        sheet.note(text.as_str());
        sheet.note("this is the token; it is not shown again");
    })
}

/// A token as it is shown to whom it is made for.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    made: &'a ApiToken,
    token: &'a str,
}

fn list_tokens(sheet: &mut Sheet, tokens: &[ApiToken]) {
    sheet.head(&["token", "name", "user", "workspace", "for others", "until", "revoked"]);
    for token in tokens {
        sheet.row([
            token.id.to_string(),
            token.label.to_string(),
            token.user_id.to_string(),
            token.workspace_id.map_or_else(|| String::from("any"), |id| id.to_string()),
            String::from(if token.may_act_for_others { "yes" } else { "no" }),
            token.expires_at.to_string(),
            token.revoked_at.map_or_else(String::new, |at| at.to_string()),
        ]);
    }
}
