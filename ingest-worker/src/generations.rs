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

/// What changes a project: one document of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    project: String,
    document: String,
}

impl Place {
    pub fn new(project: &ProjectId, document: &DocumentId) -> Self {
        Self { project: project.token(), document: document.token() }
    }
}

impl From<&Job> for Place {
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
    owed: Arc<Mutex<HashSet<Place>>>,
}

impl Generations {
    pub fn new(redis: Pool) -> Self {
        let [begin, end] = [BEGIN, END].map(|script| Arc::new(Script::from_lua(script)));
        Self { redis, begin, end, owed: Arc::default() }
    }

    /// Does what changes a document of the project. While Redis is away no cache answers either.
    pub async fn changing<T>(&self, place: impl Into<Place>, work: impl Future<Output = T>) -> T {
        let place = place.into();
        self.run(&self.begin, &place).await;
        let result = work.await;
        self.changed(place).await;
        result
    }

    /// Gives the project a new generation. What is owed for want of Redis is made good as soon as it is back (and a
    /// cached answer's time to live bounds what a crash in between could leave).
    pub async fn changed(&self, place: impl Into<Place>) {
        let place = place.into();
        if !self.run(&self.end, &place).await {
            self.owed.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        }
    }

    async fn run(&self, script: &Script, place: &Place) -> bool {
        let project = cache::generation_of(&place.project);
        let keys =
            [&project, cache::GENERATION].map(|key| [key.to_owned(), format!("{key}:changing")]).concat();
        let arguments = vec![
            format!("{}.{}", place.project, place.document),
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

    pub async fn make_good(self, stopping: CancellationToken) -> anyhow::Result<()> {
        const EVERY: Duration = Duration::from_millis(200);
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for place in owed {
                if !self.run(&self.end, &place).await {
                    break;
                }
                self.owed.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
