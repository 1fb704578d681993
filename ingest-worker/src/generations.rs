//! Makes cached answers invalid when a project changes.
//!
//! A project's generation is a token that never repeats. A cached answer stores the generation in which it was made,
//! and is valid only as long as the project has that generation. A commit marks the generation as changing before it
//! begins, and sets a new one before any event about the document is published: whoever knows of a document also finds
//! it. While the mark exists, no answer is cached. If a worker dies in between, the mark stays until its job is
//! delivered again. Only a worker that alone loses Redis for longer than [`PATIENCE`] publishes its events without a new
//! generation, and sets it when it reaches Redis again.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use documents::Job;
use fred::{clients::Pool, types::scripts::Script};
use platform::lock::lock;
use schemas::{DocumentId, ProjectId, cache};

/// How long a mark stays if its job is never delivered again.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// How long a change waits for Redis at its end. A dropped connection is restored in less.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two attempts to reach Redis.
const PAUSE: Duration = Duration::from_millis(200);

/// The scripts that begin and end a change have the same keys and arguments. Keys: the generation and the changes in
/// progress, first of the project, then of all projects together. Arguments: the change, a new token, how long a mark
/// stays (in ms), the prefix of a generation that is changing. Each change has a time of its own at which it is forgotten:
/// otherwise one that is never ended would stay for as long as others begin.
const BEGIN: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #KEYS, 2 do
  redis.call('ZADD', KEYS[i + 1], now + ARGV[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[i + 1], ARGV[3])
  redis.call('SET', KEYS[i], ARGV[4] .. ARGV[2], 'PX', ARGV[3])
end";
const END: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 1, #KEYS, 2 do
  redis.call('ZREM', KEYS[i + 1], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', now)
  local last = redis.call('ZRANGE', KEYS[i + 1], -1, -1, 'WITHSCORES')[2]
  if last then
    redis.call('SET', KEYS[i], ARGV[4] .. ARGV[2], 'PX', last - now)
  else
    redis.call('SET', KEYS[i], ARGV[2])
  end
end";

/// A change of a project, named by the document that changes and by when the job that changes it was accepted: two jobs of one
/// document may work at the same time, and the end of one is not the end of the other. A job that comes again has the same
/// name, so it ends what an earlier attempt began.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    project: String,
    document: String,
    accepted_at: DateTime<Utc>,
}

impl Change {
    pub fn new(project: &ProjectId, document: &DocumentId, accepted_at: DateTime<Utc>) -> Self {
        Self { project: project.token(), document: document.token(), accepted_at }
    }

    /// A change of what a model finds in the project.
    pub fn of_model(project: &str) -> anyhow::Result<Self> {
        Ok(Self::new(&project.parse()?, &"model".parse()?, DateTime::UNIX_EPOCH))
    }
}

impl From<&Job> for Change {
    fn from(job: &Job) -> Self {
        Self::new(&job.project, &job.document, job.accepted_at)
    }
}

#[derive(Clone)]
pub struct Generations {
    redis: Pool,
    begin: Script,
    end: Script,
    /// [`FORGOTTEN`], which tests shorten.
    forgotten: Duration,
    /// Finished changes that could not be noted in Redis because it was unavailable.
    pending: Arc<Mutex<HashSet<Change>>>,
}

impl Generations {
    pub fn new(redis: Pool) -> Self {
        let [begin, end] = [BEGIN, END].map(Script::from_lua);
        Self { redis, begin, end, forgotten: FORGOTTEN, pending: Arc::default() }
    }

    /// Runs `work`, which changes a document of the project, between the begin and the end of a change. While Redis is
    /// unavailable, no cached answer is used either.
    pub async fn changing<T>(&self, change: impl Into<Change>, work: impl Future<Output = T>) -> T {
        let change = change.into();
        let mut work = pin!(work);
        let result = loop {
            // Repeated, so that the mark is not forgotten while the work goes on. The work waits meanwhile: a begin that came
            // after the end would leave a mark.
            self.run(&self.begin, &change).await;
            if let Ok(result) = tokio::time::timeout(self.forgotten / 3, work.as_mut()).await {
                break result;
            }
        };
        platform::crash::point("before-generation", &change.project);
        self.changed(change).await;
        result
    }

    /// Gives the project a new generation. If Redis stays unavailable, the change is left pending: an outdated answer may be
    /// used until Redis is back or, if the worker dies before, until the answer's time to live ends.
    pub async fn changed(&self, change: impl Into<Change>) {
        let change = change.into();
        let deadline = Instant::now() + PATIENCE;
        while !self.renew(&change).await {
            // If others are pending already, the outage is a long one, and should not delay every commit.
            if Instant::now() > deadline || !lock(&self.pending).is_empty() {
                lock(&self.pending).insert(change);
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Gives the project a new generation; returns false if Redis is unavailable.
    pub async fn renew(&self, change: &Change) -> bool {
        self.run(&self.end, change).await
    }

    async fn run(&self, script: &Script, change: &Change) -> bool {
        let project = cache::generation_of(&change.project);
        // No project's generation ends with a slash and a word, so the changes have the key of no generation.
        let keys =
            [&project, cache::GENERATION].map(|key| [key.to_owned(), format!("{key}/changes")]).concat();
        let arguments = vec![
            format!("{}.{}.{}", change.project, change.document, change.accepted_at.timestamp_micros()),
            uuid::Uuid::now_v7().to_string(),
            self.forgotten.as_millis().to_string(),
            cache::CHANGING.to_string(),
        ];
        let told = Box::pin(script.evalsha_with_reload::<(), _, _>(self.redis.next(), keys, arguments)).await;
        told.inspect_err(|error| tracing::debug!(%error, "telling the caches")).is_ok()
    }

    pub async fn end_pending(self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            self.renew_pending().await;
        }
    }

    /// Gives the projects of pending changes new generations, until Redis is unavailable.
    pub async fn renew_pending(&self) {
        let next = || lock(&self.pending).iter().next().cloned();
        while let Some(change) = next() {
            if !self.renew(&change).await {
                break;
            }
            lock(&self.pending).remove(&change);
        }
    }
}

#[cfg(test)]
mod tests;
