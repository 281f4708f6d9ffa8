//! `serve`: the service over HTTP, until it is told to stop. And `config check`: the same settings, shown and not used.

use super::config::{Given, Layers, SETTINGS, Source, bad, masked};
use super::output::{Failure, Output};
use super::place::{MASTER_KEY, Place};
use super::telemetry::Telemetry;
use super::worker::Working;
use axum::Router;
use clap::Args;
use provident::clock::Ids;
use provident::error::Error;
use provident::http::metrics::Counted;
use provident::http::server::{self, Ended};
use provident::http::{Api, Limits, router};
use provident::jwt::{InvalidIssuer, IssuerSettings, Issuers, JwtError};
use provident::secret::SecretError;
use provident::service::Service;
use provident::store::StoreError;
use serde_json::{Map, json};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often credentials that are no longer used are forgotten, and what was counted is put away.
const TIDY_EVERY: Duration = Duration::from_mins(1);
const COUNTED_TIDY_EVERY: Duration = Duration::from_secs(5);

/// How it is served.
#[derive(Args)]
pub(super) struct ServeArguments {
    /// Where requests are taken; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where metrics are shown, on /metrics [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics_listen: Option<String>,
    #[command(flatten)]
    log: LogArguments,
    /// Most bytes of a body [default: 8388608]
    #[arg(long, value_name = "BYTES")]
    body_bytes: Option<String>,
    /// How long a body may take to arrive [default: 15]
    #[arg(long, value_name = "SECONDS")]
    body_time_s: Option<String>,
    /// How long a request may take altogether [default: 30]
    #[arg(long, value_name = "SECONDS")]
    request_time_s: Option<String>,
    /// Requests a second of one credential, on the long run [default: 500]
    #[arg(long, value_name = "REQUESTS")]
    rate_per_s: Option<String>,
    /// Requests of one credential at once [default: 1000]
    #[arg(long, value_name = "REQUESTS")]
    rate_burst: Option<String>,
    /// How long what is under way may take when told to stop [default: 30]
    #[arg(long, value_name = "SECONDS")]
    shutdown_grace_s: Option<String>,
    /// How many runs this process works on at once; 0 leaves them to `worker` [default: 1]
    #[arg(long, value_name = "NUMBER")]
    workers: Option<String>,
    /// How long a run stays with a worker of which nothing is heard [default: 60]
    #[arg(long, value_name = "SECONDS")]
    run_lease_s: Option<String>,
}

/// What a process that goes on tells of itself.
#[derive(Args)]
pub(super) struct LogArguments {
    /// How lines of the log look: json or pretty [default: pretty on a terminal, json elsewhere]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// What is logged: error, warn, info, debug or trace, or levels by module [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// A collector that traces are sent to, over HTTP; needs the feature `otel` [default: none]
    #[arg(long, value_name = "URL")]
    otel_endpoint: Option<String>,
}

impl LogArguments {
    pub(super) fn over(self, layers: &Layers) -> Layers {
        layers.clone().with_flags([
            ("log_format", self.log_format),
            ("log_level", self.log_level),
            ("otel_endpoint", self.otel_endpoint),
        ])
    }
}

impl ServeArguments {
    fn over(self, layers: &Layers) -> Layers {
        self.log.over(layers).with_flags([
            ("listen", self.listen),
            ("metrics_listen", self.metrics_listen),
            ("workers", self.workers),
            ("run_lease_s", self.run_lease_s),
            ("body_bytes", self.body_bytes),
            ("body_time_s", self.body_time_s),
            ("request_time_s", self.request_time_s),
            ("rate_per_s", self.rate_per_s),
            ("rate_burst", self.rate_burst),
            ("shutdown_grace_s", self.shutdown_grace_s),
        ])
    }
}

/// Everything that is set, judged.
struct Serving {
    listen: SocketAddr,
    metrics_listen: Option<SocketAddr>,
    limits: Limits,
    grace: Duration,
    telemetry: Telemetry,
    working: Working,
}

impl Serving {
    fn set(layers: &Layers) -> Result<Self, Failure> {
        let seconds = |name| Ok::<_, Failure>(Duration::from_secs(layers.number(name)?));
        let requests = |name| {
            let number = u32::try_from(layers.number(name)?).ok().and_then(NonZeroU32::new);
            number.ok_or_else(|| bad(name, "takes a number from 1"))
        };
        let limits = Limits {
            body_bytes: usize::try_from(layers.number("body_bytes")?).unwrap_or(usize::MAX),
            body_time: seconds("body_time_s")?,
            request_time: seconds("request_time_s")?,
            rate_per_s: requests("rate_per_s")?,
            rate_burst: requests("rate_burst")?,
        };
        Ok(Self {
            listen: address(layers, "listen")?.ok_or_else(|| bad("listen", "is missing"))?,
            metrics_listen: address(layers, "metrics_listen")?,
            limits,
            grace: seconds("shutdown_grace_s")?,
            telemetry: Telemetry::set(layers)?,
            working: Working::set(layers)?,
        })
    }
}

fn address(layers: &Layers, name: &'static str) -> Result<Option<SocketAddr>, Failure> {
    let parse = |text: String| text.parse().map_err(|_| bad(name, "takes an address and a port, as 127.0.0.1:8080"));
    layers.text(name)?.map(parse).transpose()
}

/// Whose JWTs are taken. They stand in the file alone.
fn issuers(layers: &Layers) -> Result<Vec<IssuerSettings>, Failure> {
    let judged = |table: &toml::Table| {
        let settings: IssuerSettings = table.clone().try_into().map_err(|_| InvalidIssuer::Members)?;
        settings.check().map(|()| settings)
    };
    let tables = layers.issuers().iter().zip(1_usize..);
    let judged = tables.map(|(table, number)| judged(table).map_err(|why| JwtError::Invalid { number, why }.into()));
    judged.collect()
}

/// `serve`.
pub(super) fn serve(place: &Place, arguments: ServeArguments) -> Result<(), Failure> {
    let layers = arguments.over(place.layers());
    let serving = Serving::set(&layers)?;
    let issuers = issuers(&layers)?;
    let traces = serving.telemetry.begin()?;
    let outcome = place.run(async |place| {
        let issuers = Issuers::open(issuers).await?;
        let opened = Service::open(&place.settings()?).await;
        let service = Arc::new(opened.map_err(|error| place.explain(error))?);
        let outcome = serve_on(&serving, issuers, &service).await;
        if outcome.is_ok() {
            service.close().await;
            tracing::info!("stopped");
        }
        outcome
    });
    traces.end();
    outcome
}

async fn serve_on(serving: &Serving, issuers: Issuers, service: &Arc<Service>) -> Result<(), Failure> {
    let refreshing = CancellationToken::new();
    let _stops_refreshing = refreshing.clone().drop_guard();
    let _refreshed = issuers.refresh_in_background(&Ids::system(), &refreshing);
    let api = Api::new(Arc::clone(service), issuers, serving.limits)?;
    // Before anybody may be told where it listens: whoever knows may also say that it is to stop.
    let (stops, stop) = stops()?;
    let (listener, address) = listen(serving.listen).await?;
    let mut served: Vec<(TcpListener, Router)> = vec![(listener, router(&api))];
    let mut said = format!("listening on http://{address}\n");
    let mut counted = None;
    if let Some(wanted) = serving.metrics_listen {
        let begun = Counted::begin().map_err(|error| Failure::failed("telemetry-unavailable", error.to_string()))?;
        let (listener, address) = listen(wanted).await?;
        served.push((listener, begun.routes(&api)));
        said = format!("{said}metrics on http://{address}\n");
        if !wanted.ip().is_loopback() {
            tracing::warn!(%address, "others can reach the metrics, which ask for no credential");
        }
        counted = Some(begun);
    }
    if !serving.listen.ip().is_loopback() {
        tracing::warn!(%address, "others can reach this address: what serves TLS belongs in front of it");
    }
    io::stdout().lock().write_all(said.as_bytes())?;
    tracing::info!(%address, "listening");
    let tidying = tokio::spawn(tidy(api.clone(), counted));
    // What is worked on is a change under way: it is told to stop with everything else, and waited for.
    let (worker, hands) = (serving.working.worker(service), serving.working.hands);
    api.changes().spawn(async move { worker.work(hands, &stop).await });
    let ended = server::serve(served, api.changes(), stops, serving.grace).await;
    tidying.abort();
    match ended {
        Ended::Finished => Ok(()),
        Ended::CutShort => {
            tracing::warn!("stopped before everything under way was finished");
            Err(Failure::failed("stopped-early", "not everything under way was finished"))
        }
    }
}

async fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error: io::Error| Failure::failed("listen-failed", format!("{wanted}: {error}"));
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Each time somebody asks this process to end, and that somebody has: SIGTERM and SIGINT, from now on.
pub(super) fn stops() -> Result<(mpsc::Receiver<()>, CancellationToken), Failure> {
    let ((told, stops), stop) = (mpsc::channel(2), CancellationToken::new());
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let (mut signals, told, stop) = (signal(kind)?, told.clone(), stop.clone());
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    stop.cancel();
                    if told.send(()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
    #[cfg(not(unix))]
    {
        let stop = stop.clone();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
                if told.send(()).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok((stops, stop))
}

/// Forgets what is no longer needed, for as long as it is served.
async fn tidy(api: Api, counted: Option<Counted>) {
    let (mut credentials, mut counts) = (tokio::time::interval(TIDY_EVERY), tokio::time::interval(COUNTED_TIDY_EVERY));
    loop {
        tokio::select! {
            _ = credentials.tick() => api.forget_idle_credentials(),
            _ = counts.tick() => counted.iter().for_each(Counted::tidy),
        }
    }
}

/// `config check`.
pub(super) fn check(place: &Place, output: &Output, arguments: ServeArguments) -> Result<(), Failure> {
    let layers = arguments.over(place.layers());
    let serving = Serving::set(&layers)?;
    issuers(&layers)?;
    let mut rows = Vec::new();
    for setting in SETTINGS {
        let Given { value, source } = layers.given(setting.name)?;
        let value = match setting.name {
            "data_dir" => place.data_dir()?.display().to_string(),
            "database_url" => masked(&place.database_url()?),
            "log_format" => format!("{:?}", serving.telemetry.format).to_lowercase(),
            // A collector's URL may have a password or a token in it.
            "otel_endpoint" => value.map_or_else(|| "-".to_owned(), |url| masked(&url)),
            _ => value.unwrap_or_else(|| "-".to_owned()),
        };
        rows.push((setting.name, value, source));
    }
    let (key, source) = master_key(place)?;
    rows.push(("master_key", key, source));
    know_database(place)?;
    let members = rows
        .iter()
        .map(|(name, value, source)| ((*name).to_owned(), json!({ "value": value, "source": source.to_string() })));
    output.show(&json!({ "settings": members.collect::<Map<_, _>>() }), |sheet| {
        sheet.head(&["setting", "value", "from"]);
        for (name, value, source) in &rows {
            sheet.row([(*name).to_owned(), value.clone(), source.to_string()]);
        }
    })
}

/// Where the master key is; it has to be there.
fn master_key(place: &Place) -> Result<(String, Source), Failure> {
    if place.settings()?.master_key.is_some() {
        return Ok(("***".to_owned(), Source::Environment(MASTER_KEY.to_owned())));
    }
    let path = place.data_dir()?.join("master.key");
    if !path.is_file() {
        return Err(place.explain(Error::from(SecretError::Missing)));
    }
    Ok((path.display().to_string(), Source::File))
}

/// Whether the URL is of a kind this program knows. Nothing is opened.
fn know_database(place: &Place) -> Result<(), Failure> {
    let url = place.database_url()?;
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    if known { Ok(()) } else { Err(Error::from(StoreError::InvalidUrl).into()) }
}
