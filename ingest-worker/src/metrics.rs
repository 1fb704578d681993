//! What this worker measures.

use platform::metrics::{counter, from_zero, registry, seconds};
use prometheus::{HistogramVec, IntCounterVec, Registry};
use schemas::subjects::JobKind;

#[derive(Clone)]
pub struct Metrics {
    pub registry: Registry,
    /// By stage: `read`, `extract`, `embed`, `store`.
    pub stage_seconds: HistogramVec,
    /// Jobs settled, by kind and outcome.
    pub jobs: IntCounterVec,
    pub chunks: IntCounterVec,
    /// Jobs given up, by kind and by what the cause lies in: `document`, `message` or `system`.
    pub given_up: IntCounterVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = registry()?;
        let given_up =
            counter(&registry, "acorag_ingest_given_up_total", "Jobs given up", &["kind", "cause"])?;
        for kind in JobKind::ALL {
            from_zero(
                &given_up,
                &CAUSES.map(|cause| [kind.name(), cause]).each_ref().map(|labels| &labels[..]),
            );
        }
        Ok(Self {
            stage_seconds: seconds(
                &registry,
                "acorag_ingest_stage_seconds",
                "Time of one stage of a document's way into the index",
                &["stage"],
            )?,
            jobs: counter(&registry, "acorag_ingest_jobs_total", "Jobs settled", &["kind", "outcome"])?,
            chunks: counter(&registry, "acorag_ingest_chunks_total", "Passages stored", &[])?,
            given_up,
            registry,
        })
    }
}

const CAUSES: [&str; 3] = ["document", "message", "system"];

/// What is to be mended when a job is given up for this reason: us, whoever sent the message, or the document itself.
pub fn cause(code: &str) -> &'static str {
    match code {
        "internal" | "kills_workers" => "system",
        "invalid_job" | "forbidden_project" | "file_missing" | "wrong_hash" => "message",
        _ => "document",
    }
}
