//! The metrics of this worker.

use platform::metrics::{counter, from_zero, registry, seconds};
use prometheus::{HistogramVec, IntCounterVec, Registry};

#[derive(Clone)]
pub struct Metrics {
    pub registry: Registry,
    /// Duration of each stage of a search: `embed`, `keyword`, `vector`, `rows`.
    pub stage_seconds: HistogramVec,
    pub wait_seconds: HistogramVec,
    pub work_seconds: HistogramVec,
    pub queries: IntCounterVec,
    /// By kind of answer; `repeated` is one of the cache, and `fallback` counts failures of the language model.
    pub answers: IntCounterVec,
    pub dropped: IntCounterVec,
    /// How often a part (leg) of a search failed or took too long, by leg: `keyword` or `vector`.
    pub degraded: IntCounterVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = registry()?;
        let seconds = |name, help, label| seconds(&registry, name, help, &[label]);
        let by_lane = |name, help| seconds(name, help, "lane");
        let counter = |name, help, labels| counter(&registry, name, help, labels);
        let metrics = Self {
            stage_seconds: seconds("acorag_search_stage_seconds", "Time of one stage of a search", "stage")?,
            wait_seconds: by_lane("acorag_query_wait_seconds", "Time that a query waited in the queue")?,
            work_seconds: by_lane("acorag_query_work_seconds", "Time from taking a query to its answer")?,
            queries: counter("acorag_queries_total", "Queries answered", &["query", "outcome"])?,
            answers: counter("acorag_chat_answers_total", "Chats by how they were answered", &["by"])?,
            dropped: counter(
                "acorag_dropped_total",
                "Rows not stored because their queue was full",
                &["queue"],
            )?,
            degraded: counter("acorag_search_degraded_total", "Search legs left out", &["leg"])?,
            registry: registry.clone(),
        };
        from_zero(
            &metrics.answers,
            &[&["model"], &["extractive"], &["not_found"], &["repeated"], &["fallback"]],
        );
        from_zero(&metrics.dropped, &[&["search_log"]]);
        from_zero(&metrics.degraded, &[&["keyword"], &["vector"]]);
        Ok(metrics)
    }
}
