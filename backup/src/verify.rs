//! Verifies that all backups can be restored: decrypts everything and compares it with its hash.

use std::io;

use anyhow::{Context as _, Result, ensure};
use chrono::Utc;
use sqlx::Connection as _;

use crate::{
    base, database, files,
    messages::{self, Message},
    repository::{self, Repository, Source, wal_start},
    seal, wal,
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
    let (Some(wal_start), Some(newest), Some(last)) = (wal_start(&sets), newest, sets.last()) else {
        anyhow::bail!("there is no backup in {}", options.source.backup_dir.display());
    };

    let scratch = tempfile::tempdir().context("TMPDIR: cannot make a temporary folder")?;
    base::unpack(newest, &identity, &options.programs, &scratch.path().join("base")).await?;
    scratch.close()?;
    tracing::info!(set = %newest.folder.display(), "the database's files are as PostgreSQL wrote them");
    // To unpack one is enough to know that PostgreSQL accepts them; the older ones are decrypted, which finds any damage.
    for set in sets.iter().filter(|set| set.base.is_some() && set.folder != newest.folder) {
        base::read(set, &identity).await?;
        tracing::info!(set = %set.folder.display(), "the database's files are whole");
    }

    let mut bytes = 0;
    let segments = wal::chain(&repository, wal_start, last)?;
    for segment in &segments {
        let size = wal::read(&repository, &identity, &segment.to_string(), &mut io::sink())?;
        ensure!(size == last.wal_segment_bytes, "the log's segment {segment} has {size} bytes");
        bytes += size;
        // Lets an interruption take effect between two files.
        tokio::task::yield_now().await;
    }
    tracing::info!(segments = segments.len(), "the log is whole");

    let mut jobs = 0;
    for set in &sets {
        for message in messages::lines::<Message>(&set.folder.join(repository::QUEUE), &identity)? {
            message?;
            jobs += 1;
        }
        tokio::task::yield_now().await;
    }
    let entries: Vec<_> = files::list(&sets, &identity)?.into_values().flatten().collect();
    for entry in &entries {
        bytes += files::read(&repository, &identity, entry)?.len() as u64;
        tokio::task::yield_now().await;
    }
    tracing::info!(files = entries.len(), messages = jobs, "the original files and the queue are whole");

    if let Some(url) = &options.database_url {
        let mut connection = database::connect(url).await?;
        let detail = format!("{} backups, {} segments, {} files", sets.len(), segments.len(), entries.len());
        database::record(&mut connection, "verify", started, bytes, &detail).await?;
        connection.close().await?;
    }
    Ok(())
}
