//! What can be typed after `user` and `token`.

use super::PageArguments;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::{Span, SpanRelativeTo};
use provident::workspace::{UserKind, WorkspaceRef};
use std::time::Duration;
use uuid::Uuid;

#[derive(Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// Make a user
    #[command(after_help = "\
Examples:
  provident user create --name 'Ada Byron'
  provident user create --name 'Back office' --kind service")]
    Create {
        /// What people call them
        #[arg(long)]
        name: String,
        /// A person, or a backend with credentials of its own
        #[arg(long, value_parser = kind(), default_value = UserKind::Person.as_str(), value_name = "KIND")]
        kind: UserKind,
    },
    /// List users
    #[command(after_help = "Example:\n  provident user list")]
    List,
    /// Make a user a stranger everywhere, for ever
    #[command(after_help = "\
No credential of theirs holds any more. What they decided stays theirs.

Example:
  provident user disable --user USER")]
    Disable {
        /// The user
        #[arg(long)]
        user: Uuid,
    },
    /// Say that an identity provider's subject is a user
    #[command(
        after_help = "Example:\n  provident user link --user USER --issuer https://id.example/ --subject SUBJECT"
    )]
    Link {
        /// The user
        #[arg(long)]
        user: Uuid,
        #[command(flatten)]
        identity: IdentityArguments,
    },
    /// Say that the subject is nobody any more
    #[command(after_help = "Example:\n  provident user unlink --issuer https://id.example/ --subject SUBJECT")]
    Unlink(IdentityArguments),
    /// List whom identity providers know a user as, or knew
    #[command(after_help = "Example:\n  provident user identities --user USER")]
    Identities {
        /// The user
        #[arg(long)]
        user: Uuid,
    },
}

/// Somebody, as an identity provider names them.
#[derive(Args)]
pub(in crate::cli) struct IdentityArguments {
    /// The provider, as `iss` of its JWTs names it
    #[arg(long)]
    pub(in crate::cli) issuer: String,
    /// The subject, as `sub` names it
    #[arg(long)]
    pub(in crate::cli) subject: String,
}

/// Kinds by their names; `--help` lists them.
fn kind() -> impl TypedValueParser<Value = UserKind> {
    let named = |name: String| UserKind::ALL.iter().find(|kind| kind.as_str() == name).copied();
    PossibleValuesParser::new(UserKind::ALL.iter().map(|kind| kind.as_str()))
        .try_map(move |name| named(name).ok_or("no such kind"))
}

#[derive(Subcommand)]
pub(in crate::cli) enum TokenCommand {
    /// Make a token and print it, this once
    #[command(after_help = "\
Of the token only a hash is kept: it cannot be shown again, only revoked and replaced. Bound to a
workspace, it makes its user a stranger in every other. With --may-act-for-others, whoever has it
may act with the authority of any user: for a backend that has made sure who its user is.

Examples:
  provident token create --user USER --workspace acme --name 'Nightly report' --expires-in 30d
  provident token create --user USER --name 'Back office' --may-act-for-others")]
    Create(CreateTokenArguments),
    /// List tokens, those that no longer hold too
    #[command(after_help = "Example:\n  provident token list")]
    List {
        #[command(flatten)]
        page: PageArguments,
    },
    /// End a token before its time
    #[command(after_help = "Example:\n  provident token revoke TOKEN")]
    Revoke {
        /// The token's id
        token: Uuid,
    },
}

#[derive(Args)]
pub(in crate::cli) struct CreateTokenArguments {
    /// Whom it stands for
    #[arg(long)]
    pub(in crate::cli) user: Uuid,
    /// The only workspace it reaches, by id or slug
    #[arg(long, value_name = "WORKSPACE")]
    pub(in crate::cli) workspace: Option<WorkspaceRef>,
    /// What people call it
    #[arg(long)]
    pub(in crate::cli) name: String,
    /// How long it holds: `90d`, `12h`, `1d 12h`; at most 400 days
    #[arg(long, value_parser = lifetime, default_value = "90d", value_name = "TIME")]
    pub(in crate::cli) expires_in: Duration,
    /// Whether whoever has it may name another user to act for
    #[arg(long)]
    pub(in crate::cli) may_act_for_others: bool,
}

/// A time of days, hours, minutes and seconds.
fn lifetime(text: &str) -> Result<Duration, String> {
    let span: Option<Span> = text.parse().ok();
    let time = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    time.and_then(|time| Duration::try_from(time).ok())
        .ok_or_else(|| "a time is written like `90d` or `12h`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_days_hours_minutes_and_seconds() {
        for (text, seconds) in [("90d", 7_776_000), ("12h", 43_200), ("1d 12h", 129_600), ("1w", 604_800), ("5s", 5)] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "90", "-1d", "1 month", "1y", "d", "2026-01-01"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }
}
