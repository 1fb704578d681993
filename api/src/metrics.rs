//! The metrics for Prometheus.

use std::time::{Duration, Instant};

use platform::metrics::{counter, from_zero, gauge, registry, render, seconds};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use crate::{expiring::Expiring, server};

/// How long a caller counts as active after a request.
const ACTIVE: Duration = Duration::from_secs(300);
/// Maximum number of active callers that are remembered, to limit the memory. Beyond it, the number is not exact.
const MOST_ACTIVE: usize = 100_000;

pub struct Metrics {
    pub registry: Registry,
    searches: IntCounterVec,
    search_seconds: HistogramVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    errors: IntCounterVec,
    active_users: IntGaugeVec,
    active: Expiring,
    /// By outcome: `accepted` or `refused`. The ingest workers count the results of accepted uploads.
    pub uploads: IntCounterVec,
    pub upload_bytes: IntCounterVec,
    /// By class and by the limiter that refused: `shared`, `local`, `address`, `concurrent`, `overload`.
    pub limited: IntCounterVec,
    /// Searches, by how the cache was used: `hit`, `miss`, `bypass`.
    pub cache: IntCounterVec,
    /// Answers still being sent, by kind: `events`, `chat`, `file`.
    pub streams: IntGaugeVec,
    /// Time until a worker's answer is received: transport of the query and the answer, and processing.
    pub ask_seconds: HistogramVec,
    certificate: IntGaugeVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = registry()?;
        let counter = |name, help, labels: &[&str]| counter(&registry, name, help, labels);
        let gauge = |name, help, labels: &[&str]| gauge(&registry, name, help, labels);
        let time = |name, help, labels: &[&str]| seconds(&registry, name, help, labels);
        let end = "When the certificate that is served stops being valid; the first of its chain to do so.";
        let metrics = Self {
            searches: counter("search_requests_total", "Searches by HTTP status.", &["status"])?,
            search_seconds: time("search_duration_seconds", "Time of a search as its client sees it.", &[])?,
            requests: counter("http_requests_total", "Requests.", &["endpoint", "method", "status"])?,
            request_seconds: time(
                "http_request_duration_seconds",
                "Time to the answer's head.",
                &["endpoint"],
            )?,
            errors: counter("errors_total", "Requests that ended with a 5xx.", &["endpoint"])?,
            active_users: gauge("active_users", "Distinct callers of the last five minutes.", &[])?,
            uploads: counter("uploads_total", "Uploads by what became of them here.", &["outcome"])?,
            upload_bytes: counter("upload_bytes_total", "Bytes of files stored.", &[])?,
            limited: counter("rate_limited_total", "Requests refused by a limit.", &["class", "by"])?,
            cache: counter("cache_requests_total", "Searches by what the cache had.", &["result"])?,
            streams: gauge("open_streams", "Answers that are still being sent.", &["kind"])?,
            ask_seconds: time("acorag_ask_seconds", "Time from asking a worker to its answer.", &["query"])?,
            certificate: gauge("acorag_certificate_not_after_timestamp_seconds", end, &[])?,
            active: Expiring::new(MOST_ACTIVE),
            registry,
        };
        for class in ["search", "chat", "upload", "read", "login", "token"] {
            from_zero(&metrics.limited, &[&[class, "shared"], &[class, "local"]]);
        }
        from_zero(&metrics.limited, &[&["any", "address"]]);
        for class in ["search", "chat"] {
            from_zero(&metrics.limited, &[&[class, "concurrent"], &[class, "overload"]]);
        }
        from_zero(&metrics.cache, &[&["hit"], &["miss"], &["bypass"]]);
        from_zero(&metrics.uploads, &[&["accepted"], &["refused"]]);
        from_zero(&metrics.upload_bytes, &[&[]]);
        Ok(metrics)
    }

    pub fn request(&self, endpoint: &str, method: &str, status: u16, time: Duration) {
        let code = status.to_string();
        self.requests.with_label_values(&[endpoint, method, &code]).inc();
        self.request_seconds.with_label_values(&[endpoint]).observe(time.as_secs_f64());
        if status >= 500 {
            self.errors.with_label_values(&[endpoint]).inc();
        }
        if endpoint == "/search" {
            self.searches.with_label_values(&[&code]).inc();
            self.search_seconds.with_label_values::<&str>(&[]).observe(time.as_secs_f64());
        }
    }

    pub fn seen(&self, caller: &str) {
        let now = Instant::now();
        self.active.insert(caller, now, now + ACTIVE);
    }

    /// Records when the certificate chain (PEM) that is served from now on expires.
    pub fn certificate(&self, chain: &[u8]) {
        match server::not_after(chain) {
            Ok(at) => self.certificate.with_label_values::<&str>(&[]).set(at),
            Err(error) => tracing::warn!(%error, "reading when the certificate ends"),
        }
    }

    pub fn render(&self) -> prometheus::Result<String> {
        let active = i64::try_from(self.active.count(Instant::now())).unwrap_or(i64::MAX);
        self.active_users.with_label_values::<&str>(&[]).set(active);
        render(&self.registry)
    }
}
