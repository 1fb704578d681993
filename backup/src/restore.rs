//! Restores everything into empty servers: the data folder of PostgreSQL and NATS.

mod reconcile;
mod server;

use std::{path::PathBuf, time::Instant};

use anyhow::{Result, bail, ensure};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use migrations::StreamSettings;
use platform::nats::{self, Nats, objects::Objects};
use schemas::subjects::{DEAD_LETTERS_STREAM, FILES_STREAM, INGEST_STREAM, PARTS_STREAM};

use crate::{
    base, database,
    files::{self, Entry},
    messages::{self, Message},
    repository::{self, Repository, Set, Source},
    seal,
    timeline::Timeline,
};
use reconcile::Wanted;
use server::Server;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Restore the state as of this time (such as 2026-11-24T15:00:00Z); without it, to the end of the write-ahead log.
    #[arg(long)]
    to: Option<DateTime<Utc>>,
    /// Restore this timeline of the write-ahead log; without it, the newest one. Each restored server begins a new
    /// timeline, and what was written after that moment before is only on the earlier one.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    timeline: Option<u32>,
    /// Restore only the database. NATS was not lost, so its content is newer than any backup and is kept.
    #[arg(long, conflicts_with = "to")]
    keep_nats: bool,
    /// Restore only NATS, which was lost or is replaced. The database stays as it is and keeps running. Stop the api
    /// and the workers first.
    #[arg(long, conflicts_with_all = ["to", "timeline", "keep_nats"])]
    keep_database: bool,
    /// The data folder of PostgreSQL, empty or not existing. The restore starts PostgreSQL on it, without access for
    /// others, and stops it again; start your server after that.
    #[arg(long, env = "PGDATA", required_unless_present = "keep_database")]
    pgdata: Option<PathBuf>,
    /// The name of the database and the owner of its tables; host and password are only used with --keep-database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    programs: database::Programs,
    #[command(flatten)]
    nats: nats::Config,
    #[command(flatten)]
    streams: StreamSettings,
}

pub async fn restore(options: &Options) -> Result<()> {
    let started = Instant::now();
    ensure!(
        options.keep_database || !rustix::process::geteuid().is_root(),
        "PostgreSQL does not run as root: run this as the user that PostgreSQL will run as"
    );
    let repository = Repository::new(&options.source.backup_dir)?;
    let identity = seal::identity(&options.source.backup_identity)?;
    let sets = repository.sets()?;
    let timeline = Timeline::choose(&repository, &identity, &sets, options.timeline, options.to)?;
    let (full, newest) = choose(&sets, &timeline, options.to)?;
    let queue = || messages::lines::<Message>(&newest.folder.join(repository::QUEUE), &identity);
    // Damage must be found now, and not after the database is restored.
    for message in queue()? {
        message?;
    }
    let files = files::list(&sets, &identity, |error| {
        tracing::warn!(error = format!("{error:#}"), "files that only this backup lists will be missing");
    });
    if options.to.is_none()
        && !options.keep_database
        && let Some(base) = &full.base
    {
        timeline.chain(&repository, base.wal_start, newest)?;
    }
    let nats = options.nats.connect("acorag-backup").await?;
    if !options.keep_nats {
        migrations::nats(&nats, &options.streams).await?;
        ensure_empty(&nats).await?;
    }

    let mut server = None;
    let mut connection = match &options.pgdata {
        Some(pgdata) if !options.keep_database => {
            tracing::info!(set = %full.folder.display(), "unpacking the database's files");
            base::unpack(full, &identity, &options.programs, pgdata).await?;
            tracing::info!("PostgreSQL reads its log");
            server.insert(Server::start(options, pgdata, &repository).await?).until_recovered().await?
        }
        _ => database::connect(&options.database_url).await?,
    };
    let last: Option<DateTime<Utc>> =
        sqlx::query_scalar("SELECT pg_last_xact_replay_timestamp()").fetch_one(&mut connection).await?;
    let waiting = match options.keep_nats {
        true => messages::all(&nats, INGEST_STREAM, 1).map_ok(Message::from).boxed(),
        false => stream::iter(queue()?).boxed(),
    };
    let mut plan = reconcile::plan(&mut connection, waiting).await?;
    drop(connection);
    if let Some(server) = server {
        server.stop().await?;
    }

    if options.keep_nats {
        plan.files.clear();
    }
    let objects = Objects::open(&nats).await?;
    let (mut restored, mut missing) = (0, 0);
    for wanted in &plan.files {
        let Some(entry) = version(files.get(&wanted.name), wanted) else {
            if wanted.is_needed {
                tracing::warn!(
                    file = wanted.name,
                    "no readable list of a backup has it: it came after the last one, or its list is damaged"
                );
                missing += 1;
            }
            continue;
        };
        match files::read(&repository, &identity, entry) {
            Ok(bytes) => files::restore(&objects, entry, bytes).await?,
            // All others are restored, because a repetition would find the same damage.
            Err(error) => {
                tracing::warn!(file = wanted.name, error = format!("{error:#}"), "cannot be restored");
                missing += 1;
                continue;
            }
        }
        restored += 1;
        if restored % 100 == 0 {
            tracing::info!(restored, of = plan.files.len(), "files");
        }
    }
    // Jobs are published last, so that their files are already there.
    let mut published = 0;
    if !options.keep_nats {
        // The queue is read again, because it may be larger than the memory.
        for (place, message) in queue()?.enumerate() {
            let message = message?;
            if !plan.settled.contains(&place) {
                message.publish(&nats).await?;
                published += 1;
            }
        }
    }
    for message in &plan.again {
        message.publish(&nats).await?;
    }
    if options.keep_nats {
        tracing::warn!(
            restored_until = last.unwrap_or(newest.queue_read_at).to_rfc3339(),
            "what was indexed or deleted after this time is not in the database, and its jobs have left the queue: send or delete \
             it again, even if its events say that it was done"
        );
    }
    tracing::info!(
        last_commit = last.map(|last| last.to_rfc3339()),
        files = restored,
        files_missing = missing,
        messages = published + plan.again.len(),
        settled = plan.settled.len(),
        to_be_sent_again = plan.lost,
        seconds = started.elapsed().as_secs(),
        "restored: now start PostgreSQL unless it runs, empty the cache, run acorag-migrate, start the services, make a full backup"
    );
    Ok(())
}

/// Chooses the full backup to start from, and the newest backup of the queue; both are on the timeline, and not later
/// than `to`.
fn choose<'a>(sets: &'a [Set], timeline: &Timeline, to: Option<DateTime<Utc>>) -> Result<(&'a Set, &'a Set)> {
    let sets: Vec<&Set> = sets.iter().filter(|set| timeline.contains(set)).collect();
    let usable: Vec<&Set> =
        sets.iter().copied().filter(|set| to.is_none_or(|to| set.queue_read_at <= to)).collect();
    match (usable.iter().rev().find(|set| set.base.is_some()), usable.last()) {
        (Some(full), Some(last)) => Ok((full, last)),
        _ => match sets.iter().find(|set| set.base.is_some()) {
            Some(oldest) => bail!("the oldest full backup is of {}", oldest.queue_read_at.to_rfc3339()),
            None => bail!("there is no full backup on timeline {}", timeline.id),
        },
    }
}

async fn ensure_empty(nats: &Nats) -> Result<()> {
    for stream in [INGEST_STREAM, PARTS_STREAM, DEAD_LETTERS_STREAM, FILES_STREAM] {
        let info = nats.jetstream.get_stream(stream).await?.cached_info().clone();
        ensure!(
            info.state.messages == 0,
            "NATS is not empty (stream {stream} holds {} messages): a restore never mixes with what is there",
            info.state.messages
        );
    }
    Ok(())
}

/// Chooses the version of a file: the one from which the document was made, or else the newest.
fn version<'a>(versions: Option<&'a Vec<Entry>>, wanted: &Wanted) -> Option<&'a Entry> {
    let versions = versions?;
    let exact = versions.iter().rev().find(|entry| entry.sha256.eq_ignore_ascii_case(&wanted.sha256));
    exact.or_else(|| versions.last())
}
