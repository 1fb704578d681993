use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, try_join_all};
use futures::{FutureExt, TryFutureExt};
use ort::environment::Environment;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id, thread_schedule_policy,
};
use tokio::sync::oneshot;

use crate::folder::{Folder, GRAPH, TOKENIZER};
use crate::graph::Graph;
use crate::metrics::Metrics;
use crate::queue::{Job, Lane, Queue, Role};
use crate::tokens::Tokens;
use crate::worker::{self, Shared};
use crate::{Config, Embed, Embedded, Error, Identity, LoadError, Passage, runtime};

/// How long the threads in the background may take no text before one in the foreground does. A text takes a tenth of
/// it, so this happens only if others use the whole processor.
const PATIENCE: Duration = Duration::from_secs(2);

/// A loaded model. Clones share its threads; dropping the last clone ends them.
#[derive(Clone)]
pub struct Model(Arc<Loaded>);

struct Loaded {
    shared: Arc<Shared>,
    identity: Identity,
    threads: Vec<JoinHandle<()>>,
}

impl Model {
    /// Reads and checks the model folder, and starts the threads. When this returns, each thread has already embedded
    /// texts of several lengths, so that the first requests are not slower than later ones.
    pub async fn load(config: &Config) -> Result<Self, LoadError> {
        let config = config.clone();
        let loaded = tokio::task::spawn_blocking(move || Self::load_blocking(&config)).await;
        loaded.map_err(std::io::Error::other)?
    }

    /// Like [`Self::load`], for callers without a tokio runtime.
    pub fn load_blocking(config: &Config) -> Result<Self, LoadError> {
        let started = Instant::now();
        let folder = Folder::read(&config.model_dir)?;
        let environment = runtime::environment(&config.ort_dylib_path)?;
        let unusable = |reason| LoadError::Tokenizer { path: config.model_dir.join(TOKENIZER), reason };
        let tokens = Tokens::open(&folder.tokenizer_json, &folder.declaration).map_err(unusable)?;
        let patience = if config.in_background { PATIENCE } else { Duration::ZERO };
        let shared = Arc::new(Shared {
            declaration: folder.declaration,
            tokens,
            queue: Queue::new(config.embed_queue.get(), patience),
            metrics: Metrics::new()?,
        });
        let samples = shared.samples().map_err(unusable)?;
        let mut loaded = Loaded { shared, identity: folder.identity, threads: Vec::new() };
        let threads = config.embed_threads.or_else(|| thread::available_parallelism().ok());
        let threads = threads.map_or(1, NonZeroUsize::get);
        let mut roles = vec![Role::Foreground; threads];
        if config.in_background {
            roles.extend(vec![Role::Background; threads]);
        }
        loaded.start(&roles, &environment, &config.model_dir.join(GRAPH), samples)?;
        let Identity { name, digest, dimension } = &loaded.identity;
        let (threads, millis) = (loaded.threads.len(), started.elapsed().as_millis());
        loaded.shared.metrics.threads.set(i64::try_from(threads).unwrap_or(i64::MAX));
        tracing::info!(model = %name, %digest, dimension, threads, duration_ms = millis, "embedding model loaded");
        Ok(Self(Arc::new(loaded)))
    }

    /// Embeds a query and a passage, each through its lane of the queue.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.query("¿Qué revisión del plano está vigente?").await?;
        let passage = "Foundation drawing, revision B, approved for construction.".to_owned();
        self.passages(vec![passage.into()]).await.map(drop)
    }

    /// Closes the queue, as the last step of a shutdown: waiting and new texts fail with [`Error::Closed`].
    pub fn close(&self) {
        self.shared().queue.close();
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Lets the workers embed the texts of a call. Only what the model can read of a text waits in the queue, so that a
    /// huge text takes little memory there.
    async fn embed(&self, lane: Lane, passages: Vec<Passage>) -> Result<Vec<Embedded>, Error> {
        if passages.is_empty() {
            return Ok(Vec::new());
        }
        let (Shared { tokens, queue, metrics, .. }, count) = (self.shared(), passages.len());
        let job = |Passage { text, sentences }: Passage| {
            let text = tokens.readable(&text).to_owned();
            let (reply, receiver) = oneshot::channel();
            (Job { lane, text, sentences, since: Instant::now(), reply }, receiver)
        };
        let (jobs, replies): (_, Vec<_>) = passages.into_iter().map(job).unzip();
        let pushed = queue.push(lane, jobs);
        if pushed == Err(Error::Busy) {
            metrics.texts(lane, "refused", count);
        }
        pushed?;
        // The first failure drops the other replies, so their texts are not embedded if no worker has started them. The
        // sender of a reply is dropped without a result only when the queue closes.
        try_join_all(replies.into_iter().map(|reply| reply.unwrap_or_else(|_| Err(Error::Closed)))).await
    }
}

impl Embed for Model {
    fn query<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>> {
        let query = vec![text.to_owned().into()];
        async move { Ok(self.embed(Lane::Queries, query).await?.remove(0).vector) }.boxed()
    }

    fn passages(&self, passages: Vec<Passage>) -> BoxFuture<'_, Result<Vec<Embedded>, Error>> {
        self.embed(Lane::Soon, passages).boxed()
    }

    fn bulk_passages(&self, passages: Vec<Passage>) -> BoxFuture<'_, Result<Vec<Embedded>, Error>> {
        self.embed(Lane::Later, passages).boxed()
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.shared().tokens.count(text)
    }

    fn passage_tokens(&self) -> usize {
        self.shared().tokens.room(&self.shared().declaration.passage_prefix)
    }

    fn identity(&self) -> &Identity {
        &self.0.identity
    }
}

impl Loaded {
    /// Starts the workers and waits until each has created and tested its session, or one has failed.
    fn start(
        &mut self,
        roles: &[Role],
        environment: &Environment,
        graph: &Path,
        samples: Vec<Vec<i64>>,
    ) -> Result<(), LoadError> {
        let samples = Arc::new(samples);
        let (ready, readiness) = mpsc::channel();
        for (number, &role) in roles.iter().enumerate() {
            let (shared, environment, path) = (self.shared.clone(), environment.clone(), graph.to_owned());
            let (samples, ready) = (samples.clone(), ready.clone());
            let run = move || {
                let mut graph = match Graph::open(&environment, &path, &shared.declaration, &samples) {
                    Ok(graph) => graph,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                // Sending fails if another worker has failed; the queue is closed then.
                let _ = ready.send(Ok(()));
                drop(ready);
                if role == Role::Background
                    && let Err(error) = give_way()
                {
                    tracing::warn!(?error, "the system refuses a lower priority");
                }
                worker::work(&shared, &mut graph, role);
            };
            self.threads.push(thread::Builder::new().name(format!("embed-{number}")).spawn(run)?);
        }
        drop(ready);
        let proved = readiness.iter().collect::<Result<Vec<()>, LoadError>>()?;
        if proved.len() < roles.len() {
            return Err(LoadError::Thread(std::io::Error::other("it ended while it built its session")));
        }
        Ok(())
    }
}

/// From now on, this thread gets the processor only when no other thread wants it (SCHED_IDLE).
fn give_way() -> Result<(), thread_priority::Error> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let set = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    // It also sets the nice value to 0, which does not matter now, and which only root may do if the value was higher.
    if thread_schedule_policy()? == idle { Ok(()) } else { set }
}

impl Drop for Loaded {
    /// Each worker finishes its current text, which takes a fraction of a second, and longer in the background if others
    /// use the whole processor; waiting texts fail with `Closed`.
    fn drop(&mut self) {
        self.shared.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the embedding model had panicked");
            }
        }
    }
}
