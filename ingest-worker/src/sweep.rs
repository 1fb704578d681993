//! Removes files that no document and no job refers to: what an upload left that was cut short.

use std::{collections::HashSet, time::Duration};

use anyhow::Context as _;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use platform::nats::text;
use schemas::{
    Scope, headers,
    subjects::{self, JobKind},
};
use tokio_util::sync::CancellationToken;

use crate::app::App;

const EVERY: Duration = Duration::from_secs(3600);
/// A file this young may belong to an upload under way, or to a document whose job is yet to come.
const GRACE: chrono::Duration = chrono::Duration::days(7);
/// A producer's parts have to become a file sooner: all producers share the space for parts.
const PARTS_GRACE: chrono::Duration = chrono::Duration::days(1);
/// A file is stored before its job is queued: the files of waiting jobs are older than the oldest job by at most this much.
const BEFORE_ITS_JOB: chrono::Duration = chrono::Duration::days(7);
/// Files looked up in the database by one statement.
const BATCH: usize = 1_000;

pub async fn run(app: App, stopping: CancellationToken) -> anyhow::Result<()> {
    while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        match once(&app, Utc::now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "files that nothing refers to are removed"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "sweeping"),
        }
    }
    Ok(())
}

/// Removes what nothing refers to and is older than it may be at the moment `now`. Returns how many files that were.
pub async fn once(app: &App, now: DateTime<Utc>) -> anyhow::Result<usize> {
    let waiting = oldest_job(app).await?.map(|oldest| oldest - BEFORE_ITS_JOB);
    let waiting = waiting.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let before = waiting.min(now - GRACE);
    let removed = objects(app, before).await.context("objects")?;
    let removed = removed + app.objects.remove_parts(before).await.context("parts without an object")?;
    Ok(removed
        + sent_parts(app, waiting.min(now - PARTS_GRACE)).await.context("parts of producers' files")?)
}

/// When the oldest job was accepted. One that was moved is older than its message, and the first one of a lane is the oldest
/// there.
async fn oldest_job(app: &App) -> anyhow::Result<Option<DateTime<Utc>>> {
    let jobs = app.nats.jetstream.get_stream(subjects::INGEST_STREAM).await?;
    let queue = &jobs.cached_info().state;
    let mut oldest = (queue.messages > 0).then_some(queue.first_timestamp);
    for lane in [JobKind::Batch, JobKind::Bulk, JobKind::Import].into_iter().flat_map(JobKind::filters) {
        match jobs.get_first_raw_message_by_subject(&lane, 1).await {
            Ok(first) => {
                let ordered_at = text(Some(&first.headers), headers::ORDERED_AT);
                let accepted_at = subjects::accepted_at(&first.subject, ordered_at.as_deref(), first.time);
                oldest = Some(oldest.map_or(accepted_at, |oldest| oldest.min(accepted_at)));
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(oldest)
}

async fn objects(app: &App, before: DateTime<Utc>) -> anyhow::Result<usize> {
    let mut removed = 0;
    // The oldest come first.
    let old = app.objects.all().try_take_while(|stored| std::future::ready(Ok(stored.stored_at < before)));
    let mut batches = std::pin::pin!(old.try_chunks(BATCH));
    while let Some(batch) = batches.try_next().await? {
        let names: Vec<String> = batch.into_iter().map(|stored| stored.name).collect();
        let mut tx = documents::scope::begin(&app.pool, &Scope::All).await?;
        let used: HashSet<String> = sqlx::query_scalar("SELECT object FROM document WHERE object = ANY($1)")
            .bind(&names)
            .fetch_all(&mut *tx)
            .await?
            .into_iter()
            .collect();
        drop(tx);
        for name in names.iter().filter(|name| !used.contains(*name)) {
            app.objects.delete(name).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes the parts that producers sent before this moment. The parts of a file that was taken in are gone already.
async fn sent_parts(app: &App, before: DateTime<Utc>) -> anyhow::Result<usize> {
    let stream = app.nats.jetstream.get_stream_no_info(subjects::PARTS_STREAM).await?;
    let mut removed = 0;
    loop {
        match stream.get_first_raw_message_by_subject(subjects::PARTS_ALL, 1).await {
            Ok(oldest) if oldest.time < before => {
                stream.purge().filter(oldest.subject.as_str()).await?;
                removed += 1;
            }
            Err(error) if error.kind() != LastRawMessageErrorKind::NoMessageFound => return Err(error.into()),
            _ => return Ok(removed),
        }
    }
}
