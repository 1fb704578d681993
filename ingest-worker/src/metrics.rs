//! The metrics of this worker.

use platform::metrics::{counter, from_zero, gauge, registry, seconds};
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Registry};
use reader::Confinement;
use schemas::{dead_letter::Cause, subjects::JobKind};

#[derive(Clone)]
pub struct Metrics {
    pub registry: Registry,
    /// Time in seconds, by stage: `read`, `extract`, `embed`, `store`.
    pub stage_seconds: HistogramVec,
    /// Attempts to process a job, by kind and outcome.
    pub jobs: IntCounterVec,
    pub chunks: IntCounterVec,
    /// Jobs given up, by kind and by the origin of the cause: `document`, `message` or `system`.
    pub given_up: IntCounterVec,
    /// By `seccomp` and `landlock`: 1 if that lock confines the program that reads files.
    reader_confined: IntGaugeVec,
}

impl Metrics {
    pub fn new() -> prometheus::Result<Self> {
        let registry = registry()?;
        let given_up =
            counter(&registry, "acorag_ingest_given_up_total", "Jobs given up", &["kind", "cause"])?;
        for kind in JobKind::ALL {
            for cause in Cause::ALL {
                from_zero(&given_up, &[&[kind.name(), cause.name()]]);
            }
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
            reader_confined: gauge(
                &registry,
                "acorag_reader_confined",
                "Whether this lock of the kernel holds the program that reads files",
                &["by"],
            )?,
            registry,
        })
    }

    /// Exports which locks confine the reader, and logs a warning if the kernel lacks one.
    pub fn confined(&self, confinement: Confinement) {
        for (by, holds) in [("seccomp", confinement.seccomp), ("landlock", confinement.landlock)] {
            self.reader_confined.with_label_values(&[by]).set(holds.into());
            if !holds {
                tracing::warn!(
                    by,
                    "this kernel does not lock the document reader in; its limits hold all the same"
                );
            }
        }
    }
}
