//! Makes a backup.

use std::{io::Write as _, pin::pin, time::Duration};

use age::x25519::Recipient;
use anyhow::{Context as _, Result, ensure};
use chrono::Utc;
use futures::TryStreamExt as _;
use platform::nats::{self, Nats};
use schemas::subjects;
use sqlx::Connection as _;
use tokio_util::io::{InspectReader, SyncIoBridge};

use crate::{
    database, files,
    messages::{self, Message},
    repository::{self, Base, Repository, Set, Target},
    seal::Sealed,
    wal,
};

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Back up only the files and the queue, based on the last full backup; fast enough to run every few minutes.
    #[arg(long)]
    files: bool,
    /// Number of full backups to keep; older ones are removed with the files that only they need.
    #[arg(long, env = "BACKUP_KEEP", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Maximum wait until PostgreSQL has archived its log, in seconds.
    #[arg(long, env = "BACKUP_ARCHIVE_TIMEOUT", default_value_t = 300)]
    archive_timeout: u64,
    /// Maximum wait for another run that reads the queue and the files, in seconds.
    #[arg(long, env = "BACKUP_LOCK_TIMEOUT", default_value_t = 1800)]
    lock_timeout: u64,
    #[command(flatten)]
    target: Target,
    /// The database (postgres://user:password@host:port/database). The user needs REPLICATION and the right to execute
    /// pg_switch_wal().
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[command(flatten)]
    programs: database::Programs,
    #[command(flatten)]
    nats: nats::Config,
}

pub async fn run(options: &Options) -> Result<()> {
    let started = Utc::now();
    let repository = Repository::new(&options.target.backup_dir)?;
    let recipient = options.target.backup_recipient.to_string();
    repository.ensure_same_recipient(&recipient)?;
    let lock_patience = Duration::from_secs(options.lock_timeout);
    let patience = Duration::from_secs(options.archive_timeout);
    let nats = options.nats.connect("acorag-backup").await?;
    let mut connection = database::connect(&options.database_url).await?;
    let (segment, segment_bytes) = database::current_segment(&mut connection).await?;
    let full = if options.files {
        None
    } else {
        let full = repository.lock_full()?;
        // The remains of a run that was killed must not take the disk space that this run needs.
        let lock = repository.lock(lock_patience).await?;
        repository.tidy(usize::from(options.keep))?;
        drop(lock);
        // Checks that the log is archived at all, before hours of copying.
        database::close_wal(&mut connection, &repository, patience).await?;
        Some(full)
    };
    connection.close().await?;

    let kind = if options.files { "files" } else { "full" };
    let mut set = Set::new(repository.new_set(started, kind), segment_bytes, segment);
    set.recipient = Some(recipient);
    let mut base_bytes = None;
    if full.is_some() {
        // Copying the database may take hours. Meanwhile runs with --files are possible, because the lock is
        // released.
        tracing::info!("the database's files");
        base_bytes = Some(base(options, &set).await?);
        set.base = Some(Base { wal_start: segment, finished_at: Utc::now() });
    }
    let _lock = repository.lock(lock_patience).await?;
    let sets = repository.sets()?;
    let base = set.base.clone().or_else(|| sets.iter().rev().find_map(|set| set.base.clone()));
    let start = base.context("there is no full backup yet: run without --files first")?.wal_start;
    // The order matters. The queue is read before the files, because a job's file exists as long as the job. The log is
    // closed last, because it then contains all jobs that were finished since the queue was read: no job is lost.
    set.queue_read_at = Utc::now();
    let (jobs, dead, queue_bytes) = queue(&nats, &options.target.backup_recipient, &set).await?;
    tracing::info!(jobs, dead_letters = dead, "the queue");
    let saved = files::save(&nats, &repository, &options.target.backup_recipient, &set, &sets).await?;
    tracing::info!(files = saved.files, new = saved.stored, mib = saved.bytes >> 20, "the original files");
    let log_started = Utc::now();
    let mut connection = database::connect(&options.database_url).await?;
    set.wal_end = database::close_wal(&mut connection, &repository, patience).await?;
    // Checks the segments that a restore would read, from the newest full backup on. If a new timeline has begun since then,
    // only the holder of the key can tell where, so a segment of either counts here; `verify` knows.
    let segments = wal::chain(&repository, start, &set, |_| start.timeline..=set.wal_end.timeline)?;
    set.commit()?;

    if let Some(bytes) = base_bytes {
        database::record(&mut connection, "base", started, bytes, "").await?;
    }
    let detail = format!("{} files, {} new, {jobs} jobs, {dead} dead letters", saved.files, saved.stored);
    database::record(&mut connection, "files", started, saved.bytes + queue_bytes, &detail).await?;
    let detail = format!("up to {}", set.wal_end);
    let log_bytes = segments.len() as u64 * segment_bytes;
    database::record(&mut connection, "wal", log_started, log_bytes, &detail).await?;
    connection.close().await?;
    if full.is_some() {
        repository.tidy(usize::from(options.keep))?;
    }
    tracing::info!(set = %set.folder.display(), wal_end = %set.wal_end, "the backup is complete");
    Ok(())
}

/// The number of bytes of the database's files after which the progress is logged.
const REPORT_EVERY: u64 = 256 << 20;

/// Stores the database's files as PostgreSQL streams them.
async fn base(options: &Options, set: &Set) -> Result<u64> {
    let mut target = Sealed::create(set.folder.join(repository::BASE), &options.target.backup_recipient)?;
    let mut command = options.programs.base_backup(&options.database_url)?;
    let mut child = command.spawn().context("cannot run pg_basebackup (POSTGRES_BIN)")?;
    let stream = child.stdout.take().context("pg_basebackup's output")?;
    let (mut bytes, mut reported) = (0, 0);
    let mut stream = SyncIoBridge::new(InspectReader::new(stream, move |piece| {
        bytes += piece.len() as u64;
        if bytes >= reported + REPORT_EVERY {
            reported = bytes;
            tracing::info!(mib = bytes >> 20, "the database's files so far");
        }
    }));
    let target = tokio::task::spawn_blocking(move || std::io::copy(&mut stream, &mut target).map(|_| target))
        .await??;
    let status = child.wait().await?;
    ensure!(status.success(), "pg_basebackup failed ({status}); it says why above");
    target.finish()
}

async fn queue(nats: &Nats, recipient: &Recipient, set: &Set) -> Result<(usize, usize, u64)> {
    let mut target = Sealed::create(set.folder.join(repository::QUEUE), recipient)?;
    let mut counts = [0; 4];
    // The parts are read after the jobs: those of a waiting job's file are still there, or a worker has stored them as an
    // object. The dead letters are read before the jobs, because one may be queued again meanwhile, and after them, because a
    // job may fail.
    let (jobs, dead) = (subjects::INGEST_STREAM, subjects::DEAD_LETTERS_STREAM);
    let streams = [dead, jobs, subjects::PARTS_STREAM, dead];
    let mut next_letter = 1;
    for (stream, count) in streams.into_iter().zip(&mut counts) {
        let from = if stream == dead { next_letter } else { 1 };
        let mut all = pin!(messages::all(nats, stream, from));
        while let Some(stored) = all.try_next().await? {
            if stream == dead {
                next_letter = stored.sequence + 1;
            }
            writeln!(target, "{}", serde_json::to_string(&Message::from(stored))?)?;
            *count += 1;
        }
    }
    let [before, jobs, _, after] = counts;
    let dead = before + after;
    Ok((jobs, dead, target.finish()?))
}

#[cfg(test)]
mod tests {
    use age::x25519::Identity;
    use async_nats::HeaderMap;
    use devstack::Stack;
    use migrations::StreamSettings;

    use super::*;
    use crate::wal::Segment;

    #[tokio::test]
    async fn a_dead_letter_that_a_restore_has_published_is_stored_once() {
        let servers = devstack::Options {
            database_url: Some(String::new()),
            redis_url: Some(String::new()),
            ..Default::default()
        };
        let stack = tokio::task::spawn_blocking(|| Stack::start(servers)).await.unwrap().unwrap();
        let nats_url = stack.nats_url().to_owned();
        let config =
            nats::Config { nats_url, nats_user: None, nats_password: None, nats_creds: None, nats_ca: None };
        let nats = config.connect("test").await.unwrap();
        let streams = StreamSettings {
            nats_replicas: 1,
            max_queued_jobs: 100,
            max_queued_queries: 100,
            events_days: 1,
            files_gib: None,
            parts_gib: 1,
        };
        migrations::nats(&nats, &streams).await.unwrap();
        // A restore publishes without ids, because they are commands to JetStream.
        for letter in ["one", "other"] {
            let subject = subjects::dead_letter("ingest-document");
            nats.publish_raw(subject, HeaderMap::new(), letter.into()).await.unwrap();
        }
        let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::generate());
        let set = Set::new(folder.path().join("set"), 16 << 20, Segment { timeline: 1, number: 1 });
        let (jobs, dead, _) = queue(&nats, &identity.to_public(), &set).await.unwrap();
        assert_eq!((jobs, dead), (0, 2));
    }
}
