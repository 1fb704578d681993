//! What this worker measures.

use platform::metrics::{counter, seconds};
use prometheus::{HistogramVec, IntCounterVec, Registry};

#[derive(Clone)]
pub struct Metrics {
    pub registry: Registry,
    /// By stage: `read`, `extract`, `embed`, `store`.
    pub stage_seconds: HistogramVec,
    /// Jobs settled, by kind and outcome.
    pub jobs: IntCounterVec,
    pub chunks: IntCounterVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        Ok(Self {
            stage_seconds: seconds(
                &registry,
                "acorag_ingest_stage_seconds",
                "Time of one stage of a document's way into the index",
                &["stage"],
            )?,
            jobs: counter(&registry, "acorag_ingest_jobs_total", "Jobs settled", &["kind", "outcome"])?,
            chunks: counter(&registry, "acorag_ingest_chunks_total", "Passages stored", &[])?,
            registry,
        })
    }
}
