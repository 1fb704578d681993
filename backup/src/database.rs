//! PostgreSQL for backups: its programs, its write-ahead log, and the table of successful backups.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{process::Command, time::Instant};

use crate::{repository::Repository, wal::Segment};

#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Programs {
    /// Folder with the programs of PostgreSQL, of the server's major version; without it they are searched in PATH.
    #[arg(long, env = "POSTGRES_BIN")]
    pub postgres_bin: Option<PathBuf>,
}

impl Programs {
    pub fn command(&self, program: &str) -> Command {
        let path = self.postgres_bin.as_ref().map_or_else(|| program.into(), |folder| folder.join(program));
        let mut command = Command::new(path);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Streams a base backup as a tar archive. The password is passed in the environment, because other users
    /// can read the arguments of a process.
    pub fn base_backup(&self, database_url: &str) -> Result<Command> {
        let mut url = url::Url::parse(database_url).context("DATABASE_URL is not a URL")?;
        let mut command = self.command("pg_basebackup");
        if let Some(password) = url.password() {
            let password = percent_encoding::percent_decode_str(password).decode_utf8()?.into_owned();
            command.env("PGPASSWORD", password);
        }
        ensure!(url.set_password(None).is_ok(), "DATABASE_URL names no host");
        command
            .args(["--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast", "--no-password"])
            .args(["--label=acorag", "--manifest-checksums=SHA256"])
            .arg(format!("--dbname={url}"))
            .stdout(Stdio::piped());
        Ok(command)
    }
}

pub async fn connect(url: &str) -> Result<PgConnection> {
    let options = url
        .parse::<PgConnectOptions>()
        .context("DATABASE_URL is not a PostgreSQL URL (postgres://user:password@host:port/database)")?
        .application_name("acorag-backup");
    PgConnection::connect_with(&options).await.context("DATABASE_URL: cannot connect to PostgreSQL")
}

/// Returns the segment that is being written, and the size of a segment in bytes.
pub async fn current_segment(connection: &mut PgConnection) -> Result<(Segment, u64)> {
    let (segment, bytes): (String, i64) = sqlx::query_as(
        "SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_size_bytes(current_setting('wal_segment_size'))",
    )
    .fetch_one(connection)
    .await?;
    Ok((Segment::parse(&segment).context("the name of a segment")?, u64::try_from(bytes)?))
}

/// Ends the current segment and waits until it is archived: then everything committed before this call is safe.
pub async fn close_wal(
    connection: &mut PgConnection,
    repository: &Repository,
    patience: Duration,
) -> Result<Segment> {
    // Writes a message into the segment, because PostgreSQL ends a segment only if it has new content.
    let segment: String = sqlx::query_scalar(
        "SELECT pg_walfile_name(pg_logical_emit_message(false, 'acorag-backup', '', true))",
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query("SELECT pg_switch_wal()").execute(&mut *connection).await.context(
        "ending the log's segment (GRANT EXECUTE ON FUNCTION pg_switch_wal() TO the backup's user)",
    )?;
    let deadline = Instant::now() + patience;
    while !repository.wal(&format!("{segment}.age")).exists() {
        if Instant::now() > deadline {
            let (failed, last): (i64, Option<String>) =
                sqlx::query_as("SELECT failed_count, last_failed_wal FROM pg_stat_archiver")
                    .fetch_one(&mut *connection)
                    .await?;
            bail!(
                "the log's segment {segment} was not archived within {} s (failures so far: {failed}, the last with {}): \
                 archive_mode must be on and archive_command be 'acorag-backup archive %p' (or pg_receivewal hand the \
                 segments to it); see PostgreSQL's own log for what it says",
                patience.as_secs(),
                last.unwrap_or_else(|| "none".to_owned())
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Segment::parse(&segment).context("the name of a segment")
}

/// Records a success in the database, for the metric and the alert. `kind` is `base`, `wal`, `files` or `verify`.
pub async fn record(
    connection: &mut PgConnection,
    kind: &str,
    started: DateTime<Utc>,
    bytes: u64,
    detail: &str,
) -> Result<()> {
    sqlx::query("INSERT INTO backup_run (kind, started_at, bytes, detail) VALUES ($1, $2, $3, $4)")
        .bind(kind)
        .bind(started)
        .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
        .bind(detail)
        .execute(connection)
        .await
        .context("writing into backup_run (has acorag-migrate run?)")
        .map(drop)
}
