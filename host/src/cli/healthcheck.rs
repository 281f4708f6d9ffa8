//! `healthcheck`: whether a service answers, for where there is no other program to ask it.

use super::output::Failure;
use std::time::Duration;

/// How long it may take to answer.
const TIME: Duration = Duration::from_secs(4);

/// `healthcheck`.
pub(super) async fn ask(url: &str) -> Result<(), Failure> {
    let failed = |_| Failure::failed("unhealthy", "no answer");
    let client = reqwest::Client::builder().timeout(TIME).no_proxy().build().map_err(failed)?;
    let status = client.get(url).send().await.map_err(failed)?.status();
    if status.is_success() { Ok(()) } else { Err(Failure::failed("unhealthy", format!("answered {status}"))) }
}
