//! Tells the caches that a project changes.
//!
//! A project's generation is a token that never repeats. A cached answer remembers the one it was made under and is
//! good only while it stands. A commit takes it away before it begins and puts a new one in its place before anybody
//! hears of the document: whoever knows of a document also finds it. Meanwhile the generation is marked as changing, and
//! nothing is kept under it; a worker that dies in between leaves the mark, until its job comes again.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use documents::Job;
use fred::{clients::Pool, types::scripts::Script};
use schemas::{DocumentId, ProjectId, cache};
use tokio_util::sync::CancellationToken;

/// How long a mark stays whose job never comes again.
const FORGOTTEN: Duration = Duration::from_secs(600);

/// Keys: a generation and the set of those who are changing it, for the project and for all projects together.
/// Arguments: who changes it, a new token, how long a mark stays (ms).
const BEGIN: &str = r"
for i = 1, #KEYS, 2 do
  redis.call('SADD', KEYS[i + 1], ARGV[1])
  redis.call('PEXPIRE', KEYS[i + 1], ARGV[3])
  redis.call('SET', KEYS[i], ARGV[4] .. ARGV[2], 'PX', ARGV[3])
end";
const END: &str = r"
for i = 1, #KEYS, 2 do
  redis.call('SREM', KEYS[i + 1], ARGV[1])
  if redis.call('SCARD', KEYS[i + 1]) == 0 then
    redis.call('SET', KEYS[i], ARGV[2])
  else
    redis.call('SET', KEYS[i], ARGV[4] .. ARGV[2], 'PX', ARGV[3])
  end
end";

/// A change of a project, named by the document that changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    project: String,
    document: String,
}

impl Change {
    pub fn new(project: &ProjectId, document: &DocumentId) -> Self {
        Self { project: project.token(), document: document.token() }
    }
}

impl From<&Job> for Change {
    fn from(job: &Job) -> Self {
        Self::new(&job.project, &job.document)
    }
}

#[derive(Clone)]
pub struct Generations {
    redis: Pool,
    begin: Arc<Script>,
    end: Arc<Script>,
    /// Changes whose end could not be told because Redis was away.
    pending: Arc<Mutex<HashSet<Change>>>,
}

impl Generations {
    pub fn new(redis: Pool) -> Self {
        let [begin, end] = [BEGIN, END].map(|script| Arc::new(Script::from_lua(script)));
        Self { redis, begin, end, pending: Arc::default() }
    }

    /// Does what changes a document of the project. While Redis is away no cache answers either.
    pub async fn changing<T>(&self, change: impl Into<Change>, work: impl Future<Output = T>) -> T {
        let change = change.into();
        self.run(&self.begin, &change).await;
        let result = work.await;
        platform::crash::point("before-generation", &change.project);
        self.changed(change).await;
        result
    }

    /// Gives the project a new generation. While Redis is away the change stays pending, until it is back (and a
    /// cached answer's time to live bounds what a crash in between could leave).
    pub async fn changed(&self, change: impl Into<Change>) {
        let change = change.into();
        if !self.run(&self.end, &change).await {
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(change);
        }
    }

    async fn run(&self, script: &Script, change: &Change) -> bool {
        let project = cache::generation_of(&change.project);
        let keys =
            [&project, cache::GENERATION].map(|key| [key.to_owned(), format!("{key}:changing")]).concat();
        let arguments = vec![
            format!("{}.{}", change.project, change.document),
            uuid::Uuid::now_v7().to_string(),
            FORGOTTEN.as_millis().to_string(),
            cache::CHANGING.to_string(),
        ];
        match Box::pin(script.evalsha_with_reload::<(), _, _>(self.redis.next(), keys, arguments)).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "telling the caches");
                false
            }
        }
    }

    pub async fn end_pending(self, stopping: CancellationToken) -> anyhow::Result<()> {
        const EVERY: Duration = Duration::from_millis(200);
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for change in pending {
                if !self.run(&self.end, &change).await {
                    break;
                }
                self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&change);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
