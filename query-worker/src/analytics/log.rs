//! The log of searches: written behind the searches' backs, many at once, and dropped when it cannot keep up.

use std::{collections::BTreeSet, time::Duration};

use prometheus::IntCounterVec;
use schemas::{
    ProjectId, Scope,
    analytics::SearchSeen,
    search::{MatchQuality, Search, SearchReply},
};
use sqlx::PgPool;
use tokio::sync::mpsc;
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

/// Where handlers drop what was searched.
#[derive(Clone)]
pub struct SearchLog {
    sender: mpsc::Sender<SearchSeen>,
    dropped: IntCounterVec,
}

/// The other end: a task of the worker writes it down.
pub struct Writer(mpsc::Receiver<SearchSeen>);

impl SearchLog {
    pub fn new(dropped: IntCounterVec) -> (Self, Writer) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender, dropped }, Writer(receiver))
    }

    /// Costs the search nothing: no waiting, no database.
    pub fn searched(&self, query: &Search, reply: &SearchReply) {
        self.note(SearchSeen {
            query: query.query.clone(),
            projects: drew_on(query, reply),
            results: u32::try_from(reply.rows.len()).unwrap_or(u32::MAX),
            times: 1,
        });
    }

    pub fn note(&self, search: SearchSeen) {
        if self.sender.try_send(search).is_err() {
            self.dropped.with_label_values(&["search_log"]).inc();
        }
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

impl Writer {
    /// Writes until told to stop, and then what is left.
    pub async fn run(mut self, pool: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                _ = sweep.tick() => delete_old(&pool).await,
                received = self.0.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        break;
                    }
                    // A moment for others to come, so that a burst is one statement.
                    stopping.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                    self.drain(&mut batch);
                    write(&pool, &mut batch).await;
                }
            }
        }
        self.drain(&mut batch);
        write(&pool, &mut batch).await;
        Ok(())
    }

    fn drain(&mut self, batch: &mut Vec<SearchSeen>) {
        while batch.len() < BATCH
            && let Ok(search) = self.0.try_recv()
        {
            batch.push(search);
        }
    }
}

async fn write(pool: &PgPool, batch: &mut Vec<SearchSeen>) {
    if batch.is_empty() {
        return;
    }
    let written = async {
        // Rows of many projects at once; each names its own, and they are its wall.
        let mut transaction = scope::begin(pool, &Scope::All).await?;
        store::log(&mut transaction, batch).await?;
        transaction.commit().await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, searches = batch.len(), "searches were not logged");
    }
    batch.clear();
}

/// What the policy of the table calls old; nothing else can be deleted.
async fn delete_old(pool: &PgPool) {
    for statement in ["DELETE FROM search_log", "DELETE FROM login_session"] {
        if let Err(error) = sqlx::query(statement).execute(pool).await {
            tracing::warn!(%error, statement, "deleting what is old");
        }
    }
}
