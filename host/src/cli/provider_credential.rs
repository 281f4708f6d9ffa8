//! `credential`: what a connection logs in with. It is typed unseen or read from standard input, and comes from nowhere else.

use super::arguments::{ProviderCredentialCommand, Scope};
use super::connection::show;
use super::output::{Failure, Output};
use super::setup::actor;
use provident::error::Error;
use provident::json;
use provident::provider::{Provider, provider};
use provident::provider_credential::{CredentialValue, GivenCredentials, ProviderCredentials};
use provident::service::Service;
use std::io::{self, IsTerminal as _, Read as _};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Most bytes of the fields together, as JSON.
const INPUT_BYTES: u64 = 64 << 10;

/// `credential`.
pub(super) async fn provider_credential(
    service: &Service,
    output: &Output,
    command: ProviderCredentialCommand,
) -> Result<(), Failure> {
    match command {
        ProviderCredentialCommand::Set { scope, connection } => {
            let credentials = if io::stdin().is_terminal() {
                asked(service, &scope, connection).await?
            } else {
                read(io::stdin().lock())?
            };
            let set =
                service.set_provider_credentials(actor(&scope), &scope.workspace, connection, &credentials).await?;
            show(output, &set)
        }
    }
}

/// Asks for every field of the connection's provider.
async fn asked(service: &Service, scope: &Scope, connection: Uuid) -> Result<ProviderCredentials, Failure> {
    let connection = service.connection(actor(scope), &scope.workspace, connection).await?;
    let fields = provider(&connection.provider_key).map(Provider::credential_fields).unwrap_or_default();
    let mut credentials = ProviderCredentials::default();
    for field in fields {
        let typed = Zeroizing::new(rpassword::prompt_password(format!("{field}: "))?);
        credentials.insert(field, CredentialValue::new(typed).map_err(Error::from)?);
    }
    Ok(credentials)
}

/// Reads every field at once.
fn read(input: impl io::Read) -> Result<ProviderCredentials, Failure> {
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(INPUT_BYTES).unwrap_or_default()));
    input.take(INPUT_BYTES).read_to_end(&mut text)?;
    let given: GivenCredentials =
        json::read(&text).map_err(|why| Failure::refused(why.code.as_str(), format!("fields: {}", why.message)))?;
    Ok(given.accepted().map_err(Error::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_one_object_of_texts_and_a_refusal_repeats_nothing_of_them() {
        let fields = read(&br#"{"client_id":"c","client_secret":"s\u00e9cret"}"#[..]).unwrap();
        assert!(fields.are_exactly(&["client_secret", "client_id"]));
        for (input, code) in [
            (r#"{"api_key":""}"#, "bad-credential-value"),
            (r#"{"api_key":"hunter\n"}"#, "bad-credential-value"),
            (r#"{"api_key":["hunter"]}"#, "bad-credential-value"),
            (r#"{"api_key":4711}"#, "bad-credential-value"),
            (r#"{"api_key":null}"#, "bad-credential-value"),
            (r#"{"api_key":"hunter","api_key":"hunter"}"#, "credential-fields-mismatch"),
            (r#"["hunter"]"#, "malformed-request"),
            (r#""hunter""#, "malformed-request"),
            (r#"{"api_key":"hunter""#, "malformed-request"),
            ("hunter", "malformed-request"),
            ("", "malformed-request"),
        ] {
            let refused = read(input.as_bytes()).unwrap_err();
            assert_eq!(refused.code(), code, "{input}");
            assert!(!format!("{refused:?}").contains("hunter"), "{refused:?}");
        }
        let long = format!(r#"{{"api_key":"{}"}}"#, "x".repeat(4_097));
        assert_eq!(read(long.as_bytes()).unwrap_err().code(), "bad-credential-value");
        let endless = read(io::repeat(b'x')).unwrap_err();
        assert_eq!(endless.code(), "malformed-request");
    }
}
