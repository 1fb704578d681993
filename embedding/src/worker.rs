use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::folder::Declaration;
use crate::graph::{Graph, Vectors};
use crate::metrics::Metrics;
use crate::queue::{Job, Lane, Queue, Role};
use crate::tokens::Tokens;
use crate::{Embedded, Error};

/// The data that all workers of a model share.
pub(crate) struct Shared {
    pub declaration: Declaration,
    pub tokens: Tokens,
    pub queue: Queue,
    pub metrics: Metrics,
}

impl Shared {
    /// Returns token ids of several lengths, including the maximum length of the model.
    pub fn samples(&self) -> Result<Vec<Vec<i64>>, String> {
        let text = "Plano de cimentación, revisión B. ".repeat(self.declaration.max_tokens);
        let longest = self.tokens.encode(&self.declaration.passage_prefix, &text)?;
        let lengths = [longest.len(), 128, 32, 8].into_iter().filter(|length| *length <= longest.len());
        Ok(lengths.map(|length| longest[..length].to_vec()).collect())
    }
}

/// How long a thread in the background pauses after a text, as a multiple of the time that it had to wait for the processor.
const PAUSE: u32 = 2;
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// Embeds the texts of the queue until it is closed. Runs in its own thread.
pub(crate) fn work(shared: &Shared, graph: &mut Graph, role: Role) {
    while let Some(job) = shared.queue.pop(role) {
        let (started, used) = (Instant::now(), processor_time());
        process(shared, graph, job);
        if role == Role::Background {
            // Others wanted the processor, and will again. They share the memory and its caches, too: an idle priority
            // alone made searches beside an import a third slower.
            let waited = started.elapsed().saturating_sub(processor_time().saturating_sub(used));
            thread::sleep((waited * PAUSE).min(MAX_PAUSE));
        }
    }
}

/// Returns the processor time that this thread has used.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn process(shared: &Shared, graph: &mut Graph, job: Job) {
    let Shared { metrics, .. } = shared;
    if job.reply.is_closed() {
        return metrics.texts(job.lane, "abandoned", 1);
    }
    metrics.time(job.lane, "waited", job.since.elapsed());
    let started = Instant::now();
    // The texts come from outside: one that causes a panic in the tokenizer or the runtime must not end the worker.
    let result = catch_unwind(AssertUnwindSafe(|| embed(shared, graph, &job)))
        .unwrap_or_else(|_| Err("it panicked".to_owned()));
    metrics.time(job.lane, "worked", started.elapsed());
    metrics.texts(job.lane, if result.is_ok() { "embedded" } else { "failed" }, 1);
    // If the caller no longer waits, the result is not needed.
    let _ = job.reply.send(result.map_err(Error::Failed));
}

fn embed(shared: &Shared, graph: &mut Graph, job: &Job) -> Result<Embedded, String> {
    let Declaration { query_prefix, passage_prefix, dimension, .. } = &shared.declaration;
    let prefix = if job.lane == Lane::Queries { query_prefix } else { passage_prefix };
    let (ids, places) = shared.tokens.encode_sentences(prefix, &job.text, &job.sentences)?;
    // Only an empty text without prefix and special tokens has no ids. A zero vector is similar to no other one.
    let nothing = || vec![0.0; *dimension];
    if ids.is_empty() {
        return Ok(Embedded { vector: nothing(), sentences: vec![nothing(); places.len()] });
    }
    let Vectors { text: vector, sentences } = graph.embed(&ids, &places)?;
    if let Some(sentences) = sentences {
        return Ok(Embedded { vector, sentences });
    }
    // This graph gives one vector for the whole text, so each sentence needs a run of its own.
    let of = |(sentence, place): (&Range<usize>, Range<usize>)| match job.text.get(sentence.clone()) {
        Some(text) if !place.is_empty() => Ok(graph.embed(&shared.tokens.encode(prefix, text)?, &[])?.text),
        _ => Ok(nothing()),
    };
    let sentences = job.sentences.iter().zip(places).map(of).collect::<Result<_, String>>()?;
    Ok(Embedded { vector, sentences })
}
