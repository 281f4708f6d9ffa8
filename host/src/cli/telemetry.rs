//! What the program tells of itself while it serves: lines on standard error, as JSON or for people, and traces for a
//! collector where they are wanted.
//!
//! Below warnings only this project's own words are told, whatever level is asked for: libraries print headers, in
//! which there are credentials. A panic is told by its place; its words may quote what was in hand.

use super::config::{FOREIGN_ENDPOINT, Layers, Source, bad};
use super::output::Failure;
use std::io::{self, IsTerminal};
use std::str::FromStr;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogFormat {
    /// One object a line.
    Json,
    /// For people.
    Pretty,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err(()),
        }
    }
}

/// What is told, how, and to whom.
pub(super) struct Telemetry {
    pub(super) format: LogFormat,
    level: String,
    otel_endpoint: Option<String>,
}

impl Telemetry {
    /// As it is set. On a terminal lines are for people, unless said otherwise.
    pub(super) fn set(layers: &Layers) -> Result<Self, Failure> {
        let format = match layers.text("log_format")? {
            Some(name) => name.parse().map_err(|()| bad("log_format", "takes `json` or `pretty`"))?,
            None if io::stderr().is_terminal() => LogFormat::Pretty,
            None => LogFormat::Json,
        };
        let level = layers.text("log_level")?.unwrap_or_default();
        EnvFilter::try_new(&level).map_err(|_| bad("log_level", "takes a level, or levels by module"))?;
        let otel_endpoint = layers.text("otel_endpoint")?;
        if let Some(endpoint) = &otel_endpoint {
            let is_url = endpoint.starts_with("http://") || endpoint.starts_with("https://");
            if !is_url {
                return Err(bad("otel_endpoint", "takes a URL: http://… or https://…"));
            }
            if cfg!(not(feature = "otel")) {
                if layers.given("otel_endpoint")?.source == Source::Environment(FOREIGN_ENDPOINT.to_owned()) {
                    // Said to every program on the machine: one that cannot do it goes on without.
                    return Ok(Self { format, level, otel_endpoint: None });
                }
                return Err(bad("otel_endpoint", "this program was built without the feature `otel`"));
            }
        }
        Ok(Self { format, level, otel_endpoint })
    }

    fn filter<S>(&self) -> Result<impl Filter<S> + Send + Sync + use<S>, Failure> {
        use tracing_subscriber::filter::FilterExt as _;
        let asked = EnvFilter::try_new(&self.level).map_err(|_| bad("log_level", "takes a level"))?;
        Ok(asked.and(filter_fn(is_told)))
    }

    /// Begins to tell, once in a process.
    pub(super) fn begin(&self) -> Result<Traces, Failure> {
        let lines = match self.format {
            LogFormat::Json => tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .with_writer(io::stderr)
                .with_filter(self.filter()?)
                .boxed(),
            LogFormat::Pretty => tracing_subscriber::fmt::layer()
                .compact()
                .with_ansi(io::stderr().is_terminal())
                .with_writer(io::stderr)
                .with_filter(self.filter()?)
                .boxed(),
        };
        let (traces, exported) = self.traces()?;
        let begun = tracing_subscriber::registry().with(vec![Some(lines), exported]).try_init();
        begun.map_err(|_| Failure::failed("telemetry-unavailable", "something else in this process tells already"))?;
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "a panic");
        }));
        Ok(traces)
    }

    #[cfg(not(feature = "otel"))]
    #[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
    fn traces(&self) -> Result<(Traces, Option<Lines>), Failure> {
        debug_assert!(self.otel_endpoint.is_none(), "refused when it was set");
        Ok((Traces {}, None))
    }

    #[cfg(feature = "otel")]
    fn traces(&self) -> Result<(Traces, Option<Lines>), Failure> {
        let Some(endpoint) = &self.otel_endpoint else { return Ok((Traces { provider: None }, None)) };
        let (provider, layer) = super::otel::layer(endpoint)?;
        let layer = layer.with_filter(self.filter()?).boxed();
        Ok((Traces { provider: Some(provider) }, Some(layer)))
    }
}

type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// The traces that are on their way to a collector.
pub(super) struct Traces {
    #[cfg(feature = "otel")]
    provider: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

impl Traces {
    /// Sends what is left. Not to be called from within a runtime.
    #[cfg_attr(
        not(feature = "otel"),
        expect(clippy::unused_self, reason = "with the feature there is something in it")
    )]
    pub(super) fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(Err(_)) = self.provider.map(|provider| provider.shutdown()) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

fn is_told(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN || metadata.target().starts_with("provident")
}
