//! Tells the caches that a project has changed.
//!
//! A project's generation is a token that never repeats. A cached answer remembers the one it was made under and is
//! good only while it stands. It is renewed after the commit and before anybody hears of the document, so whoever
//! knows of a document also finds it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fred::{clients::Pool, interfaces::KeysInterface as _};
use schemas::ProjectId;
use tokio_util::sync::CancellationToken;

/// The generation of all projects together.
const ALL: &str = "acorag:gen";

#[derive(Clone)]
pub struct Generations {
    redis: Pool,
    /// Keys that could not be renewed because Redis was away.
    owed: Arc<Mutex<HashSet<String>>>,
}

impl Generations {
    pub fn new(redis: Pool) -> Self {
        Self { redis, owed: Arc::default() }
    }

    /// Renews the generation of `project`. While Redis is away no cache answers either; what is owed is made good as
    /// soon as it is back (and a cached answer's time to live bounds what a crash in between could leave).
    pub async fn renew(&self, project: &ProjectId) {
        for key in [format!("acorag:gen:{}", project.token()), ALL.to_owned()] {
            if !self.set(&key).await {
                self.owed.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
            }
        }
    }

    async fn set(&self, key: &str) -> bool {
        let token = uuid::Uuid::now_v7().to_string();
        self.redis.set::<(), _, _>(key, token, None, None, false).await.is_ok()
    }

    pub async fn make_good(self, stopping: CancellationToken) -> anyhow::Result<()> {
        const EVERY: Duration = Duration::from_millis(200);
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            let owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for key in owed {
                if !self.set(&key).await {
                    break;
                }
                self.owed.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            }
        }
        Ok(())
    }
}
