//! What Prometheus gets to see.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::{Duration, Instant},
};

use platform::metrics::{counter, from_zero, gauge, registry, render, seconds};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use crate::{expiring::Expiring, server};

/// How long a caller counts as active.
const ACTIVE: Duration = Duration::from_secs(300);
/// Beyond that the number is not exact any more: it must not fill the memory.
const MOST_ACTIVE: usize = 100_000;

pub struct Metrics {
    registry: Registry,
    searches: IntCounterVec,
    search_seconds: HistogramVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    errors: IntCounterVec,
    active_users: IntGaugeVec,
    /// By hash, so that a dump of the memory names nobody.
    active: Expiring<u64>,
    uploads: IntCounterVec,
    pub upload_bytes: IntCounterVec,
    /// By class and by who refused: `shared`, `local`, `address`.
    pub limited: IntCounterVec,
    /// By result: `hit`, `miss`, `bypass`.
    pub cache: IntCounterVec,
    /// Answers still being sent, by kind: `events`, `chat`.
    pub streams: IntGaugeVec,
    /// Time until a worker's answer is here: the query's way there and back, and its work.
    pub ask_seconds: HistogramVec,
    certificate: IntGaugeVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = registry()?;
        let counter = |name, help, labels: &[&str]| counter(&registry, name, help, labels);
        let gauge = |name, help, labels: &[&str]| gauge(&registry, name, help, labels);
        let seconds = |name, help, labels: &[&str]| seconds(&registry, name, help, labels);
        let end = "When the certificate that is served stops being valid; the first of its chain to do so.";
        let metrics = Self {
            searches: counter("search_requests_total", "Searches by HTTP status.", &["status"])?,
            search_seconds: seconds(
                "search_duration_seconds",
                "Time of a search as its client sees it.",
                &[],
            )?,
            requests: counter("http_requests_total", "Requests.", &["endpoint", "method", "status"])?,
            request_seconds: seconds(
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
            ask_seconds: seconds(
                "acorag_ask_seconds",
                "Time from asking a worker to its answer.",
                &["query"],
            )?,
            certificate: gauge("acorag_certificate_not_after_timestamp_seconds", end, &[])?,
            active: Expiring::new(MOST_ACTIVE),
            registry,
        };
        for class in ["search", "chat", "upload", "read", "login", "token"] {
            from_zero(&metrics.limited, &[&[class, "shared"], &[class, "local"]]);
        }
        from_zero(
            &metrics.limited,
            &[&["any", "address"], &["search", "concurrent"], &["chat", "concurrent"]],
        );
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

    /// `outcome`: `accepted` or `refused`; what becomes of an accepted one is the ingest workers' to count.
    pub fn upload(&self, outcome: &str) {
        self.uploads.with_label_values(&[outcome]).inc();
    }

    pub fn seen(&self, caller: &str) {
        let mut hasher = DefaultHasher::new();
        caller.hash(&mut hasher);
        let now = Instant::now();
        self.active.insert(hasher.finish(), now, now + ACTIVE);
    }

    /// The certificate chain (PEM) that is served from now on.
    pub fn certificate(&self, chain: &[u8]) {
        match server::not_after(chain) {
            Ok(at) => self.certificate.with_label_values::<&str>(&[]).set(at),
            Err(error) => tracing::warn!(%error, "reading when the certificate ends"),
        }
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn render(&self) -> prometheus::Result<String> {
        let active = i64::try_from(self.active.count(Instant::now())).unwrap_or(i64::MAX);
        self.active_users.with_label_values::<&str>(&[]).set(active);
        render(&self.registry)
    }
}
