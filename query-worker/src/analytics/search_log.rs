//! The log of searches. A separate task writes many rows at once; searches are dropped if it cannot keep up.

use std::{sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use schemas::{
    Scope,
    analytics::SearchSeen,
    search::{Search, SearchReply, drew_on},
};
use sqlx::PgPool;
use tokio::{
    sync::{Mutex, mpsc},
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;

use super::store;
use crate::scope;

/// Maximum number of searches that wait to be written; further searches are not logged.
const WAITING: usize = 1_000;
/// Maximum number of searches in one statement.
const BATCH: usize = 200;
/// How long a search waits for other searches to be written in the same statement.
const PAUSE: Duration = Duration::from_millis(500);
/// The interval between deletions of old searches.
const SWEEP: Duration = Duration::from_secs(3600);

/// A queue: handlers add searches, and [`Self::write`] writes them to the database.
#[derive(Clone)]
pub struct SearchLog {
    sender: mpsc::Sender<SearchSeen>,
    waiting: Arc<Mutex<mpsc::Receiver<SearchSeen>>>,
    dropped: IntCounterVec,
}

impl SearchLog {
    pub fn new(dropped: IntCounterVec) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, waiting: Arc::new(Mutex::new(receiver)), dropped }
    }

    /// Logs a search without delaying it: it neither waits nor uses the database.
    pub fn searched(&self, query: &Search, reply: &SearchReply) {
        let projects = drew_on(reply.rows.iter().map(|row| (&row.project_id, row.match_quality)));
        self.add(SearchSeen {
            query: query.query.clone(),
            projects: query.scope.or_own(&projects).to_vec(),
            results: u32::try_from(reply.rows.len()).unwrap_or(u32::MAX),
            times: 1,
        });
    }

    pub fn add(&self, search: SearchSeen) {
        if self.sender.try_send(search).is_err() {
            self.dropped.with_label_values(&["search_log"]).inc();
        }
    }

    /// Writes searches until `stopping` is cancelled, and then the remaining ones.
    pub async fn write(self, pool: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut waiting = self.waiting.lock().await;
        let mut sweep = interval(SWEEP);
        while !stopping.is_cancelled() || !waiting.is_empty() {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                _ = sweep.tick() => delete_old(&pool).await,
                _ = waiting.recv_many(&mut batch, BATCH) => {
                    // Waits for more searches, so that a burst needs one statement.
                    stopping.run_until_cancelled(sleep(PAUSE)).await;
                }
            }
            while batch.len() < BATCH
                && let Ok(search) = waiting.try_recv()
            {
                batch.push(search);
            }
            write(&pool, &batch).await;
        }
        Ok(())
    }
}

async fn write(pool: &PgPool, batch: &[SearchSeen]) {
    if batch.is_empty() {
        return;
    }
    let written = async {
        // A batch contains searches of many projects. Each row names its projects, and only their readers see it.
        let mut transaction = scope::begin(pool, &Scope::All).await?;
        store::log(&mut transaction, batch).await?;
        transaction.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, searches = batch.len(), "searches were not logged");
    }
}

/// Deletes old rows. The statements need no condition: the policies of these tables protect all other rows.
async fn delete_old(pool: &PgPool) {
    let deleted = async {
        let mut transaction = scope::begin_without_projects(pool, &[]).await?;
        sqlx::query("DELETE FROM search_log").execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM login_session").execute(&mut *transaction).await?;
        transaction.commit().await
    };
    if let Err(error) = deleted.await {
        tracing::warn!(%error, "old searches and sessions were not deleted");
    }
}
