//! Metrics: what is counted, and the page on which it is read. On a listener of its own, which is the system plane's: no
//! credential is looked at there, no operation is reached, and nothing there names a workspace.
//!
//! What happens is counted where it happens, by the macros of `metrics`; what is so at a moment (connections, changes
//! under way) or is counted elsewhere (calls of components) is asked when somebody reads.

use std::fmt::{Display, Write as _};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use provident_identity::Calls;

use super::Api;

/// Requests, by method, route and status, with how long they took.
pub const REQUESTS: &str = "provident_http_request_seconds";
/// Transactions begun again because others were in their way.
pub const RETRIES: &str = crate::service::RETRIES;
/// Every family there is; each is on the page.
pub const FAMILIES: [&str; 9] = [
    REQUESTS,
    RETRIES,
    "provident_changes_in_flight",
    "provident_database_connections",
    "provident_database_connections_max",
    "provident_component_calls_total",
    "provident_component_failures_total",
    "provident_component_seconds_total",
    "provident_build_info",
];

/// Bounds between which requests are counted, in seconds: a look-up takes less than the first, a time-out the last.
const BUCKETS_S: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What this process counts. Without one, nothing is.
#[derive(Clone)]
pub struct Counted {
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}

/// Why nothing can be counted: it is already, or there are no bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metrics are counted in this process already")]
pub struct CountedAlready;

impl Counted {
    /// Begins to count, once in a process.
    ///
    /// # Errors
    /// The second time.
    pub fn begin() -> Result<Self, CountedAlready> {
        let requests = Matcher::Full(REQUESTS.to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(requests, &BUCKETS_S);
        let handle = builder.and_then(PrometheusBuilder::install_recorder).map_err(|_| CountedAlready)?;
        metrics::describe_histogram!(REQUESTS, "Requests answered, by method, route and status, in seconds");
        metrics::describe_counter!(RETRIES, "Transactions begun again because others were in their way");
        // Shown before the first one, so that whoever watches can tell none from nothing counted.
        metrics::counter!(RETRIES).increment(0);
        Ok(Self { handle })
    }

    /// Puts away what was counted since the last time. To be called now and then, whether anybody reads or not.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }

    /// Everything, in the text format of Prometheus.
    #[must_use]
    pub fn text(&self, api: &Api) -> String {
        let mut text = self.handle.render();
        asked(&mut text, api);
        text
    }

    /// The page.
    pub fn routes(&self, api: &Api) -> Router {
        Router::new().route("/metrics", get(page)).with_state((self.clone(), api.clone()))
    }
}

async fn page(State((counted, api)): State<(Counted, Api)>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], counted.text(&api)).into_response()
}

/// What is known by asking.
fn asked(text: &mut String, api: &Api) {
    let changes = [(String::new(), api.changes().len())];
    family(text, "provident_changes_in_flight", "gauge", "Changes begun and not ended", changes);
    let pools = api.service().connections();
    let states = pools.iter().flat_map(|pool| {
        let labels = |state| format!("{{pool=\"{}\",state=\"{state}\"}}", pool.pool);
        [(labels("idle"), pool.idle), (labels("used"), pool.used)]
    });
    family(text, "provident_database_connections", "gauge", "Open connections to the database", states);
    let most = pools.iter().map(|pool| (format!("{{pool=\"{}\"}}", pool.pool), pool.most));
    family(text, "provident_database_connections_max", "gauge", "Connections there may be", most);
    let components = components(api);
    let of = |value: fn(&Calls) -> u64| {
        components.iter().map(move |(name, calls)| (format!("{{component=\"{name}\"}}"), value(calls)))
    };
    family(text, "provident_component_calls_total", "counter", "Calls of components", of(|calls| calls.calls));
    let failures = of(|calls| calls.failures);
    family(text, "provident_component_failures_total", "counter", "Calls a component did not answer", failures);
    let seconds =
        components.iter().map(|(name, calls)| (format!("{{component=\"{name}\"}}"), calls.time.as_secs_f64()));
    family(text, "provident_component_seconds_total", "counter", "Time in calls of components, in seconds", seconds);
    let version = [(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1)];
    family(text, "provident_build_info", "gauge", "What runs", version);
}

/// The identity component and the adapters, with what was asked of each.
fn components(api: &Api) -> Vec<(&'static str, Calls)> {
    let adapters = provident_identity::adapters().filter_map(|name| Some((name, api.adapter(name)?.calls())));
    [("identity", api.service().identity().calls())].into_iter().chain(adapters).collect()
}

/// Writes one family: what it is, then a line a value.
fn family<V: Display>(
    text: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    values: impl IntoIterator<Item = (String, V)>,
) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}
