//! Removes files that no document and no job refers to: what an upload left that was cut short.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use schemas::{Scope, subjects};
use tokio_util::sync::CancellationToken;

use crate::app::App;

const EVERY: Duration = Duration::from_secs(3600);
/// A file this young may belong to an upload under way, or to a document whose job is yet to come.
const GRACE: chrono::Duration = chrono::Duration::days(7);
/// A file is stored before its job is queued: those of waiting jobs are at most this much older than the oldest.
const BEFORE_ITS_JOB: chrono::Duration = chrono::Duration::days(7);

pub async fn run(app: App, stopping: CancellationToken) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match once(&app).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "files that nothing refers to are removed"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "sweeping"),
        }
    }
    Ok(())
}

async fn once(app: &App) -> anyhow::Result<usize> {
    let jobs = app.nats.jetstream.get_stream(subjects::INGEST_STREAM).await?;
    let queue = &jobs.cached_info().state;
    let waiting = (queue.messages > 0).then_some(queue.first_timestamp - BEFORE_ITS_JOB);
    let before = (Utc::now() - GRACE).min(waiting.unwrap_or(DateTime::<Utc>::MAX_UTC));
    let old = app.objects.older_than(before).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let mut tx = documents::scope::begin(&app.pool, &Scope::All).await?;
    let used: HashSet<String> = sqlx::query_scalar("SELECT object FROM document WHERE object = ANY($1)")
        .bind(&old)
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .collect();
    drop(tx);
    let mut removed = 0;
    for name in old.iter().filter(|name| !used.contains(*name)) {
        app.objects.delete(name).await?;
        removed += 1;
    }
    Ok(removed)
}
