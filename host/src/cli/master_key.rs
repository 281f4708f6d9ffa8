//! `master-key`: another one in the place of the current one.

use super::arguments::MasterKeyCommand;
use super::output::{Failure, Output};
use super::place::Place;
use provident::actor::SystemPlane;
use provident::service::{MasterKeyRotation, Service};
use serde_json::json;

/// `master-key`.
pub(super) fn master_key(place: &Place, output: &Output, command: &MasterKeyCommand) -> Result<(), Failure> {
    match command {
        MasterKeyCommand::Rotate => place.serve(async |service| rotate(service, output).await),
        MasterKeyCommand::Status => place.serve(async |service| status(service, output).await),
        MasterKeyCommand::Generate => {
            let key = place.settings()?.next_master_key()?;
            output.show(&json!({ "master_key": *key }), |sheet| sheet.note(key.as_str()))
        }
    }
}

async fn rotate(service: &Service, output: &Output) -> Result<(), Failure> {
    let rotation = service.rotate_master_key(&SystemPlane::at_the_shell()).await?;
    let MasterKeyRotation { version, note_keys, data_keys, retired, unopened, drop_older } = &rotation;
    output.show(&rotation, |sheet| {
        sheet.fact("master key", version);
        sheet.fact("note keys sealed anew", note_keys);
        sheet.fact("data keys sealed anew", data_keys);
        sheet.fact("no longer needed", list(retired));
        if *drop_older {
            sheet.note("take the older keys out of the environment, of this command and of everything that serves");
        }
        for field in unopened {
            sheet.note(format!(
                "does not open, and has to be set again: {} of connection {} in workspace {}",
                field.field, field.connection_id, field.workspace_id
            ));
        }
    })?;
    if unopened.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} fields of credentials open with no key; the older keys stay until they are set again",
        unopened.len()
    );
    Err(Failure::refused("credentials-unopened", message))
}

async fn status(service: &Service, output: &Output) -> Result<(), Failure> {
    let keys = service.master_key_status(&SystemPlane::at_the_shell()).await?;
    output.show(&keys, |sheet| {
        sheet.head(&[
            "version",
            "given here",
            "since",
            "superseded",
            "retired",
            "note keys",
            "data keys",
            "fingerprint",
        ]);
        for key in &keys {
            sheet.row([
                key.version.to_string(),
                String::from(if key.given { "yes" } else { "no" }),
                key.created_at.to_string(),
                key.superseded_at.map_or_else(String::new, |at| at.to_string()),
                key.retired_at.map_or_else(String::new, |at| at.to_string()),
                key.note_keys.to_string(),
                key.data_keys.to_string(),
                key.fingerprint.clone(),
            ]);
        }
    })
}

fn list(versions: &[u32]) -> String {
    if versions.is_empty() {
        return String::from("none by this");
    }
    versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
