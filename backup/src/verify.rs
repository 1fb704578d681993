//! Verifies that all backups can be restored: decrypts everything and compares it with its hash.

use std::{collections::BTreeSet, io};

use age::x25519::Identity;
use anyhow::{Context as _, Result, ensure};
use chrono::Utc;
use sqlx::Connection as _;

use crate::{
    base, database, files,
    messages::{self, Message},
    repository::{self, Repository, Set, Source, wal_start},
    seal,
    timeline::{self, Timeline},
    wal::{self, Segment},
};

#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    programs: database::Programs,
    /// The database in which the success is recorded; without it no connection is made.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

pub async fn verify(options: &Options) -> Result<()> {
    let started = Utc::now();
    let repository = Repository::new(&options.source.backup_dir)?;
    let identity = seal::identity(&options.source.backup_identity)?;
    let sets = repository.sets()?;
    let newest = sets.iter().rev().find(|set| set.base.is_some());
    let (Some(newest), Some(last)) = (newest, sets.last()) else {
        anyhow::bail!("there is no backup in {}", options.source.backup_dir.display());
    };

    let scratch = tempfile::tempdir().context("TMPDIR: cannot make a temporary folder")?;
    base::unpack(newest, &identity, &options.programs, &scratch.path().join("base")).await?;
    scratch.close()?;
    tracing::info!(set = %newest.folder.display(), "the database's files are as PostgreSQL wrote them");
    let mut damage = Damage::default();
    // To unpack one is enough to know that PostgreSQL accepts them; the older ones are decrypted, which finds any damage.
    for set in sets.iter().filter(|set| set.base.is_some() && set.folder != newest.folder) {
        damage.note(base::read(set, &identity).await);
        tracing::info!(set = %set.folder.display(), damaged = damage.0, "the database's files are checked");
    }

    let mut bytes = 0;
    let mut segments = BTreeSet::new();
    for timeline in 1..=timeline::newest(&repository, &sets) {
        segments.extend(damage.note(log(&repository, &identity, &sets, timeline)));
    }
    for segment in &segments {
        let size = wal::read(&repository, &identity, &segment.to_string(), &mut io::sink());
        bytes += damage.note(size.and_then(|size| {
            ensure!(size == last.wal_segment_bytes, "the log's segment {segment} has {size} bytes");
            Ok(size)
        }));
        // Lets an interruption take effect between two files.
        tokio::task::yield_now().await;
    }
    tracing::info!(segments = segments.len(), damaged = damage.0, "the log is checked");

    let mut jobs = 0;
    for set in &sets {
        jobs += damage.note(read_queue(set, &identity));
        tokio::task::yield_now().await;
    }
    let files = files::list(&sets, &identity, |error| damage.note(Err(error)));
    let entries: Vec<_> = files.into_values().flatten().collect();
    for entry in &entries {
        let read = files::read(&repository, &identity, entry);
        bytes += damage.note(read.map(|bytes| bytes.len() as u64));
        tokio::task::yield_now().await;
    }
    let (files, damaged) = (entries.len(), damage.0);
    tracing::info!(files, messages = jobs, damaged, "the original files and the queue are checked");
    ensure!(damaged == 0, "the backups are damaged in {damaged} places, which are named above");

    if let Some(url) = &options.database_url {
        let mut connection = database::connect(url).await?;
        let detail = format!("{} backups, {} segments, {files} files", sets.len(), segments.len());
        database::record(&mut connection, "verify", started, bytes, &detail).await?;
        connection.close().await?;
    }
    Ok(())
}

/// Counts and names what is damaged or missing, so that one check shows everything that is to be repaired.
#[derive(Default)]
struct Damage(usize);

impl Damage {
    fn note<T: Default>(&mut self, read: Result<T>) -> T {
        read.unwrap_or_else(|error| {
            tracing::error!("{error:#}");
            self.0 += 1;
            T::default()
        })
    }
}

/// Returns the segments that a restore of this timeline may read.
fn log(repository: &Repository, identity: &Identity, sets: &[Set], timeline: u32) -> Result<Vec<Segment>> {
    let timeline = Timeline::read(repository, identity, timeline)?;
    let sets: Vec<&Set> = sets.iter().filter(|set| timeline.contains(set)).collect();
    match (wal_start(sets.iter().copied()), sets.last()) {
        (Some(start), Some(last)) => timeline.chain(repository, start, last),
        _ => Ok(Vec::new()),
    }
}

/// Reads the queue of a backup to its end; returns the number of its messages.
fn read_queue(set: &Set, identity: &Identity) -> Result<usize> {
    let mut messages = messages::lines::<Message>(&set.folder.join(repository::QUEUE), identity)?;
    messages.try_fold(0, |count, message| message.map(|_| count + 1))
}
