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

/// Embeds the texts of the queue until it is closed. Runs in its own thread.
pub(crate) fn work(shared: &Shared, graph: &mut Graph, role: Role) {
    let mut pressure = Pressure::default();
    while let Some(job) = shared.queue.pop(role) {
        let (started, before) = (Instant::now(), processor_time());
        process(shared, graph, job);
        if role == Role::Background {
            let used = processor_time().saturating_sub(before);
            thread::sleep(pressure.pause(started.elapsed().saturating_sub(used), used));
        }
    }
}

/// How much others want the processor, from what a thread in the background used and how long it had to wait. They share the
/// memory and its caches, too: an idle priority alone made searches beside an import a third slower.
#[derive(Default)]
struct Pressure {
    /// Seconds, of which older ones count less and less.
    waited: f64,
    used: f64,
}

impl Pressure {
    /// What remains of earlier seconds after each text. Several texts are averaged, because an
    /// import's own work causes waits in bursts.
    const REMAINS: f64 = 0.9;
    /// The wait that an import's own work causes, such as storing what was embedded, as a share of what was used. An import
    /// that paused for itself would leave a sixth of the processors idle.
    const OWN: f64 = 0.2;
    /// The pause, as a multiple of the wait that others cause.
    const PAUSE: f64 = 6.0;
    const MAX_PAUSE: Duration = Duration::from_millis(100);

    /// Returns how long to pause after a text.
    fn pause(&mut self, waited: Duration, used: Duration) -> Duration {
        self.waited = self.waited * Self::REMAINS + waited.as_secs_f64();
        self.used = self.used * Self::REMAINS + used.as_secs_f64();
        if self.used == 0.0 {
            return Duration::ZERO;
        }
        let others = (self.waited / self.used - Self::OWN).max(0.0);
        Duration::try_from_secs_f64(used.as_secs_f64() * others * Self::PAUSE)
            .map_or(Self::MAX_PAUSE, |pause| pause.min(Self::MAX_PAUSE))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the pause after the last of many texts of 60 ms, each of which waited for this time.
    fn pause(waited: [u64; 4]) -> Duration {
        let mut pressure = Pressure::default();
        let texts = waited.iter().cycle().take(100);
        let pauses =
            texts.map(|waited| pressure.pause(Duration::from_millis(*waited), Duration::from_millis(60)));
        pauses.last().unwrap_or_default()
    }

    #[test]
    fn an_import_pauses_for_others_but_not_for_itself() {
        assert_eq!(pause([0; 4]), Duration::ZERO);
        // What stores the texts of this import comes in bursts.
        assert_eq!(pause([0, 0, 0, 24]), Duration::ZERO);
        let (some, much) = (pause([20; 4]), pause([30; 4]));
        assert!(Duration::from_millis(40) < some && some < much, "{some:?} {much:?}");
        assert_eq!(pause([6_000; 4]), Pressure::MAX_PAUSE);
    }

    #[test]
    fn a_text_that_took_no_time_causes_no_pause() {
        assert_eq!(Pressure::default().pause(Duration::from_secs(1), Duration::ZERO), Duration::ZERO);
    }
}
