//! Logs (one JSON object per line) and traces (OpenTelemetry, if an endpoint is set), including the trace context in
//! messages between processes.

use std::{any::Any, collections::HashMap, fmt, io::IsTerminal as _};

use anyhow::Context as _;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use serde_json::{Map, Value};
use tracing::{Event, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    fmt::{FmtContext, FormatEvent, FormatFields as _, FormattedFields, format::JsonFields, format::Writer},
    layer::SubscriberExt as _,
    registry::{LookupSpan, Scope},
    util::SubscriberInitExt as _,
};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Format of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,
    /// Filter of the log messages, in the syntax of tracing's EnvFilter.
    #[arg(long, env = "RUST_LOG", default_value = "info,async_nats=warn,fred=error,sqlx=warn")]
    pub rust_log: String,
    /// Endpoint for traces (OTLP over HTTP), for example http://collector:4318. Without it, no traces are exported.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otel_exporter_otlp_endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Json,
    Text,
}

/// Flushes the traces when dropped.
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take() {
            drop(provider.shutdown());
        }
    }
}

pub fn init(config: &Config, service: &'static str) -> anyhow::Result<Guard> {
    let filter = EnvFilter::try_new(&config.rust_log)
        .with_context(|| format!("RUST_LOG: {:?} is not a filter such as info,api=debug", config.rust_log))?;
    let logs = match config.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(Json { service })
            .with_writer(std::io::stderr)
            .boxed(),
        LogFormat::Text => tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .boxed(),
    };
    global::set_text_map_propagator(TraceContextPropagator::new());
    let provider =
        config.otel_exporter_otlp_endpoint.as_deref().map(|url| exporter(url, service)).transpose()?;
    let traces = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    tracing_subscriber::registry().with(filter).with(logs).with(traces).init();
    Ok(Guard(provider))
}

fn exporter(endpoint: &str, service: &'static str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT: cannot build the exporter")?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

/// Adds the current span's trace context to NATS headers.
pub fn inject(headers: &mut async_nats::HeaderMap) {
    let (context, mut fields) = (Span::current().context(), HashMap::new());
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut fields));
    for (name, value) in fields {
        headers.insert(name, value);
    }
}

/// Makes the span a child of the span whose trace context is in these headers.
pub fn adopt(span: &Span, get: impl Fn(&str) -> Option<String>) {
    let name = schemas::headers::TRACEPARENT;
    let fields: HashMap<_, _> = get(name).map(|value| (name.to_owned(), value)).into_iter().collect();
    // `set_parent` fails only if no traces are exported; then no parent is needed.
    drop(span.set_parent(global::get_text_map_propagator(|propagator| propagator.extract(&fields))));
}

/// Returns the message of a panic, for the log.
pub fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Writes one flat JSON object per line: the event's fields and those of its spans. For equal names, the innermost
/// field is used.
struct Json {
    service: &'static str,
}

impl<S> FormatEvent<S, JsonFields> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line: Map<String, Value> = [
            ("timestamp", chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true).into()),
            ("level", metadata.level().as_str().into()),
            ("message", Value::Null),
            ("service", self.service.into()),
            ("target", metadata.target().into()),
            ("module", metadata.module_path().unwrap_or_default().into()),
            ("line", metadata.line().into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        let mut add = |fields: &str| {
            if let Ok(Value::Object(fields)) = serde_json::from_str(fields) {
                line.extend(fields);
            }
        };
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
                add(&fields.fields);
            }
        }
        let mut own = String::new();
        context.format_fields(Writer::new(&mut own), event)?;
        add(&own);
        writeln!(writer, "{}", Value::Object(line))
    }
}
