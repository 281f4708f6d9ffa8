//! Traces for a collector, as OpenTelemetry over HTTP. What is in them is what is in the log: ids, routes, times.

use super::output::Failure;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Registry;

/// Sends traces to the collector at `endpoint`, to which the path of traces is added. To be made outside a runtime: it
/// sends from a thread of its own.
pub(super) fn layer(endpoint: &str) -> Result<(SdkTracerProvider, OpenTelemetryLayer<Registry, SdkTracer>), Failure> {
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_endpoint(endpoint);
    let exporter = exporter
        .build()
        .map_err(|_| Failure::failed("telemetry-unavailable", "otel_endpoint: no client for it could be made"))?;
    let resource = Resource::builder().with_service_name("provident").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("provident"))
        // Where the code stands is nobody's business but ours.
        .with_location(false)
        .with_threads(false);
    Ok((provider, layer))
}
