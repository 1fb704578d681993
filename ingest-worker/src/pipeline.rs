//! Exports the state of the whole pipeline as metrics: waiting messages, dead letters, stuck documents, the age of the
//! backup.
//!
//! Every ingest worker exports the same values, so dashboards and alerts take the maximum. A value that cannot be read
//! is removed, because an old value would look like a current one. `acorag_pipeline_refreshed_timestamp_seconds` says
//! when the values were last read.

use std::{collections::HashMap, time::Duration};

use anyhow::Context as _;
use chrono::Utc;
use platform::{metrics::gauge, nats::Nats};
use prometheus::{IntGaugeVec, Registry};
use schemas::{
    DocumentId, Lane, ProjectId, Scope,
    subjects::{self, JobKind},
};
use sqlx::PgPool;

const EVERY: Duration = Duration::from_secs(15);
/// Documents are counted once in so many rounds, because that reads an index of all of them, in every worker.
const DOCUMENTS_EVERY: u32 = 4;
/// Passages without a vector are counted once in so many rounds, because counting takes seconds in a large database.
const VECTORS_EVERY: u32 = 20;
/// Maximum time of one read of the queue or the database.
const PATIENCE: Duration = Duration::from_secs(10);
/// The document states that are counted.
const STATES: [&str; 4] = ["processing", "indexed", "failed", "superseded"];

/// Reads the state of the queue and the database into metrics.
pub struct Pipeline {
    nats: Nats,
    pool: PgPool,
    pending: IntGaugeVec,
    under_way: IntGaugeVec,
    redelivered: IntGaugeVec,
    oldest: IntGaugeVec,
    dead_letters: IntGaugeVec,
    documents: IntGaugeVec,
    stuck: IntGaugeVec,
    backups: IntGaugeVec,
    unarchived: IntGaugeVec,
    without_vector: IntGaugeVec,
    refreshed: IntGaugeVec,
}

impl Pipeline {
    pub fn new(registry: &Registry, nats: Nats, pool: PgPool) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, labels: &[&str]| gauge(registry, name, help, labels);
        Ok(Self {
            nats,
            pool,
            pending: gauge("acorag_queue_pending", "Messages that no worker has taken", &["consumer"])?,
            under_way: gauge("acorag_queue_under_way", "Messages that a worker has taken", &["consumer"])?,
            redelivered: gauge(
                "acorag_queue_redelivered",
                "Messages under way that were taken before, without success",
                &["consumer"],
            )?,
            oldest: gauge("acorag_queue_oldest_seconds", "Age of the oldest job that is not settled", &[])?,
            dead_letters: gauge("acorag_dead_letters", "Messages in the dead-letter stream", &[])?,
            documents: gauge("acorag_documents", "Documents by state", &["state"])?,
            stuck: gauge(
                "acorag_jobs_stuck",
                "Documents that have been processing for 15 minutes without a job in the queue",
                &[],
            )?,
            backups: gauge(
                "acorag_backup_last_success_timestamp_seconds",
                "When the last backup of this kind was finished",
                &["kind"],
            )?,
            unarchived: gauge(
                "acorag_wal_unarchived_segments",
                "WAL segments not yet archived, with the one being written; absent without archiving",
                &[],
            )?,
            without_vector: gauge(
                "acorag_passages_without_vector",
                "Passages without a vector of this model; absent while there is only one model",
                &["model", "number"],
            )?,
            refreshed: gauge(
                "acorag_pipeline_refreshed_timestamp_seconds",
                "When the pipeline's figures were last read",
                &["source"],
            )?,
        })
    }

    pub async fn run(self) {
        let mut beat = tokio::time::interval(EVERY);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for round in 0_u32.. {
            beat.tick().await;
            self.refresh(round).await;
            if round.is_multiple_of(VECTORS_EVERY) {
                self.vectors().await;
            }
        }
    }

    pub async fn refresh(&self, round: u32) {
        let figures = [&self.pending, &self.under_way, &self.redelivered, &self.oldest, &self.dead_letters];
        let queue = self.read("queue", self.queue(), &figures);
        let figures = [&self.documents];
        let documents = async {
            if round.is_multiple_of(DOCUMENTS_EVERY) {
                self.read("documents", self.documents(), &figures).await;
            }
        };
        let figures = [&self.backups, &self.unarchived];
        let database = self.read("database", self.database(), &figures);
        let figures = [&self.stuck];
        let stuck = self.read("stuck", self.stuck(), &figures);
        // Boxed: the clients' futures are large.
        tokio::join!(Box::pin(queue), Box::pin(documents), Box::pin(database), Box::pin(stuck));
    }

    /// Reads figures by `look`, or removes them.
    async fn read(
        &self,
        source: &str,
        look: impl Future<Output = anyhow::Result<()>>,
        figures: &[&IntGaugeVec],
    ) {
        let problem = match tokio::time::timeout(PATIENCE, look).await {
            Ok(Ok(())) => {
                return self.refreshed.with_label_values(&[source]).set(Utc::now().timestamp());
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer".to_owned(),
        };
        figures.iter().for_each(|figure| figure.reset());
        tracing::warn!(source, error = problem, "reading the pipeline's figures");
    }

    async fn queue(&self) -> anyhow::Result<()> {
        let jetstream = &self.nats.jetstream;
        let jobs = jetstream.get_stream(subjects::INGEST_STREAM).await.context("stream INGEST")?;
        let queries = jetstream.get_stream_no_info(subjects::QUERIES_STREAM).await?;
        let dead = jetstream.get_stream(subjects::DEAD_LETTERS_STREAM).await.context("stream DLQ")?;
        let mut consumers = Vec::new();
        for kind in JobKind::ALL {
            let info = jobs.consumer_info(subjects::ingest_consumer(kind)).await;
            consumers.push(info.context("a consumer of INGEST")?);
        }
        for lane in Lane::ALL {
            let info = queries.consumer_info(subjects::query_consumer(lane)).await;
            consumers.push(info.context("a consumer of QUERIES")?);
        }
        for info in consumers {
            let label = [info.name.as_str()];
            self.pending.with_label_values(&label).set(info.num_pending as i64);
            self.under_way.with_label_values(&label).set(info.num_ack_pending as i64);
            self.redelivered.with_label_values(&label).set(info.num_redelivered as i64);
        }
        let state = &jobs.cached_info().state;
        let age = (Utc::now() - state.first_timestamp).num_seconds().max(0);
        self.oldest.with_label_values::<&str>(&[]).set(if state.messages == 0 { 0 } else { age });
        self.dead_letters.with_label_values::<&str>(&[]).set(dead.cached_info().state.messages as i64);
        Ok(())
    }

    async fn documents(&self) -> anyhow::Result<()> {
        let mut tx = documents::scope::begin(&self.pool, &Scope::All).await?;
        let documents: HashMap<String, i64> = sqlx::query_as(
            "SELECT state, count(*) FROM document WHERE kind = 'document' AND state <> 'deleted' GROUP BY state",
        )
        .fetch_all(&mut *tx)
        .await?
        .into_iter()
        .collect();
        for state in STATES {
            let count = documents.get(state).copied().unwrap_or_default();
            self.documents.with_label_values(&[state]).set(count);
        }
        Ok(())
    }

    async fn database(&self) -> anyhow::Result<()> {
        let mut tx = documents::scope::begin(&self.pool, &Scope::All).await?;
        let backups: Vec<(String, i64)> = sqlx::query_as(
            "SELECT kind, extract(epoch FROM max(finished_at))::bigint FROM backup_run GROUP BY kind",
        )
        .fetch_all(&mut *tx)
        .await?;
        // PostgreSQL also archives files about a segment; their names begin with the segment's name of 24 digits.
        let unarchived: Option<i64> = sqlx::query_scalar(
            "SELECT ((pg_split_walfile_name(pg_walfile_name(pg_current_wal_lsn()))).segment_number
                     - coalesce((pg_split_walfile_name(substring(last_archived_wal FROM '^[0-9A-F]{24}'))).segment_number, 0)
                    )::bigint
             FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'",
        )
        .fetch_optional(&mut *tx)
        .await?;
        for (kind, at) in backups {
            self.backups.with_label_values(&[&kind]).set(at);
        }
        if let Some(segments) = unarchived {
            self.unarchived.with_label_values::<&str>(&[]).set(segments);
        }
        Ok(())
    }

    /// Counts passages without a vector while a model is being replaced.
    async fn vectors(&self) {
        let counted = async {
            let mut tx = documents::scope::begin(&self.pool, &Scope::All).await?;
            let models = documents::model::all(&mut tx).await?;
            let mut missing = Vec::new();
            for model in models.iter().filter(|_| models.len() > 1) {
                let coverage = documents::model::coverage(&mut tx, model.number).await?;
                missing.push((model.clone(), coverage.missing));
            }
            Ok::<_, sqlx::Error>(missing)
        }
        .await;
        self.without_vector.reset();
        match counted {
            Ok(counted) => {
                for (model, missing) in counted {
                    let labels = [model.name.as_str(), &model.number.to_string()];
                    self.without_vector.with_label_values(&labels).set(missing);
                }
            }
            Err(error) => tracing::warn!(%error, "counting passages without a vector"),
        }
    }

    /// Counts documents in state `processing` that have no job in the queue, so that no worker will ever finish them.
    /// Only the oldest ones are checked, because a stuck document becomes one of them.
    async fn stuck(&self) -> anyhow::Result<()> {
        let mut tx = documents::scope::begin(&self.pool, &Scope::All).await?;
        let processing: Vec<(String, String)> = sqlx::query_as(
            "SELECT project.id, document.id FROM document JOIN project ON project.key = project_key
             WHERE state = 'processing' AND kind = 'document' AND accepted_at < now() - interval '15 minutes'
             ORDER BY accepted_at LIMIT 20",
        )
        .fetch_all(&mut *tx)
        .await?;
        drop(tx);
        let mut stuck = 0;
        for (project, document) in processing {
            let (project, document): (ProjectId, DocumentId) = (project.parse()?, document.parse()?);
            let jobs = subjects::jobs_of(Some(&project), &document);
            let job = self.nats.last_stored(subjects::INGEST_STREAM, &jobs).await;
            stuck += i64::from(job.context("looking into the queue")?.is_none());
        }
        self.stuck.with_label_values::<&str>(&[]).set(stuck);
        Ok(())
    }
}

#[cfg(test)]
pub mod tests;
