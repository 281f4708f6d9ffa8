//! `healthcheck`: whether a service answers, for where there is no other program to ask it.

use super::output::Failure;
use provident::gateway;
use std::time::Duration;

/// How long it may take to answer.
const TIME: Duration = Duration::from_secs(4);

/// `healthcheck`.
pub(super) async fn ask(url: &str) -> Result<(), Failure> {
    let status =
        gateway::status_of(url, TIME).await.map_err(|error| Failure::failed("unhealthy", error.to_string()))?;
    if status.is_success() { Ok(()) } else { Err(Failure::failed("unhealthy", format!("answered {status}"))) }
}
