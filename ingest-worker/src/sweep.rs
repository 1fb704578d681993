//! Removes files that no document and no job refers to, as an interrupted upload leaves them.

use std::{collections::HashSet, time::Duration};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use platform::nats::{Nats, objects::Objects, text};
use schemas::{
    Scope, headers,
    subjects::{self, JobKind},
};
use sqlx::PgPool;

const EVERY: Duration = Duration::from_secs(3600);
/// Minimum age of a removed file, in days. A younger one may belong to an upload whose job is not queued yet.
pub const GRACE_DAYS: u16 = 7;
/// Minimum age of a producer's parts that are removed: it is shorter, because all producers share the space for parts.
const PARTS_GRACE: chrono::Duration = chrono::Duration::days(1);
/// A file is stored before its job is queued: the files of waiting jobs are older than the oldest job by at most this much.
const BEFORE_ITS_JOB: chrono::Duration = chrono::Duration::days(7);
/// Maximum number of files that one statement looks up in the database.
const BATCH: usize = 1_000;

/// Access to the files, and to the queue and the database, which say what files are needed.
pub struct Sweep {
    pub nats: Nats,
    pub objects: Objects,
    pub pool: PgPool,
}

impl Sweep {
    pub async fn run(self) {
        loop {
            tokio::time::sleep(EVERY).await;
            // What a stop leaves half removed, the next sweep removes.
            match self.in_turn().await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "files that nothing refers to are removed"),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "sweeping"),
            }
        }
    }

    /// Sweeps, unless another worker does it in this hour.
    async fn in_turn(&self) -> anyhow::Result<usize> {
        if is_due(&self.pool).await? { Box::pin(self.once(GRACE_DAYS)).await } else { Ok(0) }
    }

    /// Removes files that nothing refers to and that are older than `days`. Returns the number of removed files.
    pub async fn once(&self, days: u16) -> anyhow::Result<usize> {
        let (now, grace) = (Utc::now(), chrono::Duration::days(days.into()));
        let waiting = self.oldest_job().await?.map(|oldest| oldest - BEFORE_ITS_JOB);
        let waiting = waiting.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let before = waiting.min(now - grace);
        let removed = self.objects(before).await.context("objects")?;
        let removed = removed + self.objects.remove_parts(before).await.context("parts without an object")?;
        let before = waiting.min(now - grace.min(PARTS_GRACE));
        Ok(removed + self.sent_parts(before).await.context("parts of producers' files")?)
    }

    /// Returns when the oldest waiting job was accepted. The message of a moved job is newer than the job, so
    /// jobs in the lanes for moved jobs are compared by their time of acceptance. Documents that wait are in this order, so the
    /// first one is enough. (Attachments of mails count as accepted with their mail, but their files are stored when they are
    /// queued.) Imports are not in this order: they take turns, and one may have waited for long in another lane.
    async fn oldest_job(&self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let jobs = self.nats.jetstream.get_stream(subjects::INGEST_STREAM).await?;
        let queue = &jobs.cached_info().state;
        let mut oldest = (queue.messages > 0).then_some(queue.first_timestamp);
        for kind in [JobKind::Batch, JobKind::Bulk, JobKind::Import] {
            for lane in kind.filters() {
                let mut next = Some(1);
                while let Some(from) = next
                    && let Some(job) = self.nats.first_stored(subjects::INGEST_STREAM, &lane, from).await?
                {
                    let ordered_at = text(job.headers.as_ref(), headers::ORDERED_AT);
                    let accepted_at = subjects::accepted_at(&job.subject, ordered_at.as_deref(), job.time);
                    oldest = Some(oldest.map_or(accepted_at, |oldest| oldest.min(accepted_at)));
                    next = (kind == JobKind::Import).then_some(job.sequence + 1);
                }
            }
        }
        Ok(oldest)
    }

    async fn objects(&self, before: DateTime<Utc>) -> anyhow::Result<usize> {
        let mut removed = 0;
        // The list begins with the oldest objects.
        let old =
            self.objects.all().try_take_while(|stored| std::future::ready(Ok(stored.stored_at < before)));
        let mut batches = std::pin::pin!(old.try_chunks(BATCH));
        while let Some(batch) = batches.try_next().await? {
            let names: Vec<String> = batch.into_iter().map(|stored| stored.name).collect();
            let mut tx = documents::scope::begin(&self.pool, &Scope::All).await?;
            let used: HashSet<String> = sqlx::query_scalar(
                "SELECT object FROM document WHERE object = ANY($1) AND state <> 'deleted'",
            )
            .bind(&names)
            .fetch_all(&mut *tx)
            .await?
            .into_iter()
            .collect();
            drop(tx);
            for name in names.iter().filter(|name| !used.contains(*name)) {
                self.objects.delete(name).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes the parts that producers sent before this moment. Those of a stored file are removed already.
    async fn sent_parts(&self, before: DateTime<Utc>) -> anyhow::Result<usize> {
        let stream = self.nats.jetstream.get_stream_no_info(subjects::PARTS_STREAM).await?;
        let mut removed = 0;
        while let Some(oldest) =
            self.nats.first_stored(subjects::PARTS_STREAM, subjects::PARTS_ALL, 1).await?
            && oldest.time < before
        {
            stream.purge().filter(oldest.subject).await?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// Whether no worker has begun a sweep in the last hour. If so, it is the caller who begins one.
async fn is_due(pool: &PgPool) -> sqlx::Result<bool> {
    let mut tx = documents::scope::begin(pool, &Scope::Projects(Vec::new())).await?;
    let noted = sqlx::query(
        "UPDATE installation SET swept_at = now() WHERE swept_at < now() - make_interval(secs => $1)",
    )
    .bind(EVERY.as_secs_f64())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(noted.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use devstack::{Options, Stack};
    use sqlx::postgres::PgPoolOptions;

    use super::*;
    use crate::pipeline::tests::config;

    #[tokio::test(flavor = "multi_thread")]
    async fn one_worker_sweeps_in_an_hour() {
        let nothing = Some(String::new());
        let options = Options { nats_url: nothing.clone(), redis_url: nothing, ..Options::default() };
        let stack = tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap();
        let pool = PgPool::connect(stack.database_url()).await.unwrap();
        migrations::postgres(&pool).await.unwrap();
        assert!(is_due(&pool).await.unwrap());
        assert!(!is_due(&pool).await.unwrap(), "a worker has begun");
        sqlx::query("UPDATE installation SET swept_at = swept_at - interval '61 minutes'")
            .execute(&pool)
            .await
            .unwrap();
        assert!(is_due(&pool).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_oldest_job_may_be_an_import_behind_younger_ones() {
        let nothing = Some(String::new());
        let options = Options { database_url: nothing.clone(), redis_url: nothing, ..Options::default() };
        let stack = tokio::task::spawn_blocking(|| Stack::start(options)).await.unwrap().unwrap();
        let settings = config(stack.nats_url());
        let nats = settings.nats.connect("test").await.unwrap();
        migrations::nats(&nats, &settings.streams).await.unwrap();
        let objects = Objects::open(&nats).await.unwrap();
        // Only the queue is read.
        let pool = PgPoolOptions::new().connect_lazy("postgres://127.0.0.1").unwrap();
        let sweep = Sweep { nats: nats.clone(), objects, pool };
        assert_eq!(sweep.oldest_job().await.unwrap(), None);
        let days_ago = |days| Utc::now() - chrono::Duration::days(days);
        let oldest = days_ago(20);
        for (document, accepted_at) in [("a", days_ago(1)), ("b", oldest), ("c", days_ago(10))] {
            let (project, document) = ("p".parse().unwrap(), document.parse().unwrap());
            let mut map = HeaderMap::new();
            map.insert(headers::ORDERED_AT, accepted_at.to_rfc3339().as_str());
            let job = subjects::job(JobKind::Import, &project, &document);
            nats.publish_raw(job, map, "{}".into()).await.unwrap();
        }
        assert_eq!(sweep.oldest_job().await.unwrap(), Some(oldest));
    }
}
