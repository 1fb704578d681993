//! A PostgreSQL server during recovery, which only this program can reach.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tempfile::TempDir;
use tokio::process::Child;

use super::Options;
use crate::repository::Repository;

const POLL: Duration = Duration::from_millis(100);
const REPORT_EVERY: u32 = 100;
/// The port is only a part of the socket's file name.
const PORT: u16 = 5432;

pub struct Server {
    child: Child,
    connect: PgConnectOptions,
    log: PathBuf,
    /// Contains socket, log and access rules; only this user may access it.
    _folder: TempDir,
}

impl Server {
    pub async fn start(options: &Options, pgdata: &Path, repository: &Repository) -> Result<Self> {
        let folder = tempfile::tempdir().context("TMPDIR: cannot make a temporary folder")?;
        let (log, access) = (folder.path().join("postgres.log"), folder.path().join("hba.conf"));
        fs::write(&access, "local all all trust\n")?;
        fs::write(pgdata.join("recovery.signal"), "")?;
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let own = own.to_str().context("the path of this program is not UTF-8")?;
        let timeline = options.timeline.map_or_else(|| "latest".to_owned(), |id| id.to_string());
        let mut settings = vec![
            format!("restore_command=\"{own}\" fetch-wal \"%f\" \"%p\""),
            format!("recovery_target_timeline={timeline}"),
            // Nothing is archived during the restore, because the restore may be a rehearsal.
            "archive_mode=on".to_owned(),
            "archive_command=/bin/false".to_owned(),
            // With hot_standby off, the settings need not match those of the original server, and a
            // successful connection means that recovery has ended.
            "hot_standby=off".to_owned(),
            // Settings of a cluster that would wait for other servers, or load libraries that may be missing here.
            "synchronous_standby_names=".to_owned(),
            "shared_preload_libraries=".to_owned(),
            "listen_addresses=".to_owned(),
            format!("unix_socket_directories={}", folder.path().display()),
            format!("port={PORT}"),
            format!("hba_file={}", access.display()),
            "ssl=off".to_owned(),
            "logging_collector=off".to_owned(),
            "log_destination=stderr".to_owned(),
        ];
        if let Some(to) = options.to {
            settings.push(format!("recovery_target_time={}", to.to_rfc3339()));
            settings.push("recovery_target_action=promote".to_owned());
        }
        let output = fs::File::create(&log)?;
        let child = options
            .programs
            .command("postgres")
            .arg("-D")
            .arg(pgdata)
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .env("BACKUP_DIR", repository.folder())
            .env("BACKUP_IDENTITY", std::path::absolute(&options.source.backup_identity)?)
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output))
            // Ctrl-C then reaches only this program, which stops the server properly.
            .process_group(0)
            .spawn()
            .context("cannot run postgres (POSTGRES_BIN)")?;
        let connect = options
            .database_url
            .parse::<PgConnectOptions>()
            .context("DATABASE_URL is not a PostgreSQL URL")?
            .socket(folder.path())
            .port(PORT)
            .ssl_mode(PgSslMode::Disable);
        Ok(Self { child, connect, log, _folder: folder })
    }

    /// Waits until the log is replayed to its end or to the requested time.
    pub async fn until_recovered(&mut self) -> Result<PgConnection> {
        let mut turn = 0;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "PostgreSQL ended while it recovered ({status}); its last words:\n{}",
                    self.last_words()
                );
            }
            match PgConnection::connect_with(&self.connect).await {
                Ok(connection) => return Ok(connection),
                // PostgreSQL returns 57P03 during recovery. Any other error does not disappear by waiting.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() != Some("57P03") => {
                    return Err(error).context("DATABASE_URL: connecting to the restored database");
                }
                Err(_) => {}
            }
            turn += 1;
            if turn % REPORT_EVERY == 0 {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                tracing::info!(
                    segments = log.matches("restored log file").count(),
                    "PostgreSQL reads its log"
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub async fn stop(mut self) -> Result<()> {
        self.ask_to_stop();
        let status = self.child.wait().await?;
        if !status.success() {
            bail!("PostgreSQL did not stop in order ({status}); its last words:\n{}", self.last_words());
        }
        Ok(())
    }

    /// A fast shutdown: PostgreSQL disconnects its clients and loses no data.
    fn ask_to_stop(&self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // The process may have ended already.
            let _ = kill_process(pid, Signal::INT);
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        // Leaves out the many messages of the archive_command, which fails on purpose.
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("archive")).collect();
        lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ask_to_stop();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}
