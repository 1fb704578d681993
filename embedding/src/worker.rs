use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::Error;
use crate::folder::Declaration;
use crate::graph::Graph;
use crate::metrics::Metrics;
use crate::queue::{Job, Kind, Queue};
use crate::tokens::Tokens;

/// The data that all workers of a model share.
pub(crate) struct Shared {
    pub declaration: Declaration,
    pub tokens: Tokens,
    pub queue: Queue,
    pub metrics: Metrics,
}

impl Shared {
    pub fn prefix(&self, kind: Kind) -> &str {
        match kind {
            Kind::Query => &self.declaration.query_prefix,
            Kind::Passage => &self.declaration.passage_prefix,
        }
    }

    /// Returns token ids of several lengths, including the maximum length of the model.
    pub fn samples(&self) -> Result<Vec<Vec<i64>>, String> {
        let text = "Plano de cimentación, revisión B. ".repeat(self.declaration.max_tokens);
        let longest = self.tokens.encode(self.prefix(Kind::Passage), &text)?;
        let lengths = [longest.len(), 128, 32, 8].into_iter().filter(|length| *length <= longest.len());
        Ok(lengths.map(|length| longest[..length].to_vec()).collect())
    }
}

/// Embeds the texts of the queue until it is closed. Runs in its own thread.
pub(crate) fn work(shared: &Arc<Shared>, graph: &mut Graph) {
    while let Some(job) = shared.queue.pop() {
        process(shared, graph, job);
    }
}

fn process(shared: &Shared, graph: &mut Graph, job: Job) {
    let Shared { metrics, .. } = shared;
    if job.is_abandoned() {
        return metrics.texts(job.kind, "abandoned", 1);
    }
    metrics.time(job.kind, "waited", job.since.elapsed());
    let started = Instant::now();
    // The texts come from outside: one that causes a panic in the tokenizer or the runtime must not end the worker.
    let result = catch_unwind(AssertUnwindSafe(|| embed(shared, graph, &job)))
        .unwrap_or_else(|_| Err("it panicked".to_owned()));
    metrics.time(job.kind, "worked", started.elapsed());
    metrics.texts(job.kind, if result.is_ok() { "embedded" } else { "failed" }, 1);
    // If the caller no longer waits, the result is not needed.
    let _ = job.reply.send(result.map_err(Error::Failed));
}

fn embed(shared: &Shared, graph: &mut Graph, job: &Job) -> Result<Vec<f32>, String> {
    let ids = shared.tokens.encode(shared.prefix(job.kind), &job.text)?;
    if ids.is_empty() {
        // This happens only for an empty text without a prefix and special tokens. The zero vector is similar to no
        // other vector.
        return Ok(vec![0.0; shared.declaration.dimension]);
    }
    graph.embed(&ids)
}
