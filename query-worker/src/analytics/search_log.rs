//! The log of searches: written by a task of its own, many rows at once, and not written when it cannot keep up.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use prometheus::IntCounterVec;
use schemas::{
    ProjectId, Scope,
    analytics::SearchSeen,
    search::{MatchQuality, Search, SearchReply},
};
use sqlx::PgPool;
use tokio::{
    sync::{Mutex, mpsc},
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;

use super::store;
use crate::scope;

/// Searches that may wait to be written; more are not logged.
const WAITING: usize = 1_000;
/// Searches written at once.
const BATCH: usize = 200;
/// How long a search may wait for others to be written with it.
const PAUSE: Duration = Duration::from_millis(500);
/// How often old searches are deleted.
const SWEEP: Duration = Duration::from_secs(3600);

/// Handlers put searches in at one end; [`Self::write`] takes them out at the other.
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

    /// Costs the search nothing: it does not wait, nor ask the database.
    pub fn searched(&self, query: &Search, reply: &SearchReply) {
        self.add(SearchSeen {
            query: query.query.clone(),
            projects: drew_on(query, reply),
            results: u32::try_from(reply.rows.len()).unwrap_or(u32::MAX),
            times: 1,
        });
    }

    pub fn add(&self, search: SearchSeen) {
        if self.sender.try_send(search).is_err() {
            self.dropped.with_label_values(&["search_log"]).inc();
        }
    }

    /// Writes until told to stop, and then what is left.
    pub async fn write(self, pool: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut waiting = self.waiting.lock().await;
        let mut sweep = interval(SWEEP);
        while !stopping.is_cancelled() {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = stopping.cancelled() => {}
                _ = sweep.tick() => delete_old(&pool).await,
                _ = waiting.recv_many(&mut batch, BATCH) => {
                    // Others may come in a moment, so that a burst is one statement.
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

/// The projects of the rows that match at all; where none does, those that were searched.
fn drew_on(query: &Search, reply: &SearchReply) -> Vec<ProjectId> {
    let of = |least: MatchQuality| -> BTreeSet<ProjectId> {
        reply.rows.iter().filter(|row| row.match_quality >= least).map(|row| row.project_id.clone()).collect()
    };
    let mut projects = of(MatchQuality::Moderate);
    if projects.is_empty() {
        projects = of(MatchQuality::Low);
    }
    match &query.scope {
        Scope::Projects(searched) if projects.is_empty() => searched.clone(),
        _ => projects.into_iter().collect(),
    }
}

async fn write(pool: &PgPool, batch: &[SearchSeen]) {
    if batch.is_empty() {
        return;
    }
    let written = async {
        // A batch has rows of many projects; each row names its own, and only who may read them sees it.
        let mut transaction = scope::begin(pool, &Scope::All).await?;
        store::log(&mut transaction, batch).await?;
        transaction.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, searches = batch.len(), "searches were not logged");
    }
}

/// The policies of these tables let the worker delete what is old, and nothing else.
async fn delete_old(pool: &PgPool) {
    let deleted = async {
        sqlx::query("DELETE FROM search_log").execute(pool).await?;
        sqlx::query("DELETE FROM login_session").execute(pool).await
    };
    if let Err(error) = deleted.await {
        tracing::warn!(%error, "old searches and sessions were not deleted");
    }
}
