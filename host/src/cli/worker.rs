//! `worker`: works on runs, in a process of its own, until told to stop.

use super::arguments::WorkerArguments;
use super::config::Layers;
use super::output::Failure;
use super::place::Place;
use super::serve::stops;
use super::telemetry::Telemetry;
use provident::clock::{Clock, Ids};
use provident::gateway::Gateway;
use provident::service::Service;
use provident::worker::{Worker, WorkerSettings};
use std::sync::Arc;
use std::time::Duration;

/// How work is done, judged.
pub(super) struct Working {
    pub(super) hands: usize,
    pub(super) settings: WorkerSettings,
    pub(super) gateway: Gateway,
}

impl Working {
    /// As it is set.
    pub(super) fn set(layers: &Layers) -> Result<Self, Failure> {
        let seconds = |name| Ok::<_, Failure>(Duration::from_secs(layers.number(name)?));
        // What is under way has most of the time that stopping has; the rest is for giving it back.
        let grace = seconds("shutdown_grace_s")?.mul_f64(0.75);
        let hands = usize::try_from(layers.number("workers")?).unwrap_or(usize::MAX);
        let settings = WorkerSettings { lease: seconds("run_lease_s")?, grace };
        Ok(Self { hands, settings, gateway: gateway(layers)? })
    }

    /// Workers on an installation.
    pub(super) fn worker(&self, service: &Arc<Service>) -> Worker {
        Worker::new(Arc::clone(service), self.gateway.clone(), self.settings)
    }
}

/// The gateway, with what the file says of where providers are.
fn gateway(layers: &Layers) -> Result<Gateway, Failure> {
    let endpoints = super::provider::endpoints(layers)?;
    Ok(Gateway::new(endpoints, Clock::system(), Ids::system()))
}

/// `worker`.
pub(super) fn work(place: &Place, arguments: WorkerArguments) -> Result<(), Failure> {
    let WorkerArguments { workers, run_lease_s, shutdown_grace_s, log } = arguments;
    let layers = log.over(place.layers()).with_flags([
        ("workers", workers),
        ("run_lease_s", run_lease_s),
        ("shutdown_grace_s", shutdown_grace_s),
    ]);
    let working = Working::set(&layers)?;
    let traces = Telemetry::set(&layers)?.begin()?;
    let outcome = place.run(async |place| {
        let opened = Service::open(&place.settings()?).await;
        let service = Arc::new(opened.map_err(|error| place.explain(error))?);
        let (mut stops, stop) = stops()?;
        let worker = working.worker(&service);
        tracing::info!(workers = working.hands.max(1), "working");
        tokio::select! {
            () = worker.work(working.hands.max(1), &stop) => {}
            () = async { stops.recv().await; stops.recv().await; } => {
                return Err(Failure::failed("stopped-early", "not everything under way was finished"));
            }
        }
        service.close().await;
        tracing::info!("stopped");
        Ok(())
    });
    traces.end();
    outcome
}
