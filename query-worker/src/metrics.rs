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
            degraded: counter(&registry, "acorag_search_degraded_total", "Search legs left out", &["leg"])?,
            registry,
        })
    }
}
