//! What this worker measures.

use platform::metrics::{counter, seconds};
use prometheus::{HistogramVec, IntCounterVec, Registry};

#[derive(Clone)]
pub struct Metrics {
    pub registry: Registry,
    /// By stage: `embed`, `keyword`, `vector`, `rows`.
    pub stage_seconds: HistogramVec,
    /// Queries answered, by name and outcome.
    pub queries: IntCounterVec,
    /// Chats by how they were answered: `model`, `extractive`, `not_found`; `fallback` counts the model's failures.
    pub answers: IntCounterVec,
    /// What was not written down because its queue was full.
    pub dropped: IntCounterVec,
    /// Search legs left out, by leg.
    pub degraded: IntCounterVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        Ok(Self {
            stage_seconds: seconds(
                &registry,
                "acorag_search_stage_seconds",
                "Time of one stage of a search",
                &["stage"],
            )?,
            queries: counter(&registry, "acorag_queries_total", "Queries answered", &["query", "outcome"])?,
            answers: counter(
                &registry,
                "acorag_chat_answers_total",
                "Chats by how they were answered",
                &["by"],
            )?,
            dropped: counter(
                &registry,
                "acorag_dropped_total",
                "Not written down: its queue was full",
                &["queue"],
            )?,
            degraded: counter(&registry, "acorag_search_degraded_total", "Search legs left out", &["leg"])?,
            registry,
        })
    }
}
