//! Where providers are, as the settings file says. No flag and no variable says it.

use super::config::Layers;
use super::output::Failure;
use provident::gateway::{EndpointError, EndpointSettings, Endpoints, InvalidEndpoint};
use provident::provider;

/// The places of all providers, judged.
pub(super) fn endpoints(layers: &Layers) -> Result<Endpoints, Failure> {
    let read = |(table, number): (&toml::Table, usize)| {
        let settings: Result<EndpointSettings, _> = table.clone().try_into();
        settings.map_err(|_| EndpointError { number, why: InvalidEndpoint::Members })
    };
    let settings = layers.providers().iter().zip(1_usize..).map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(provider::endpoints(&settings)?)
}
