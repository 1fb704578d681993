//! The folder that holds the backups (BACKUP_DIR).
//!
//! ```text
//! wal/<segment>.age, <segment>.sha256   the archived write-ahead log
//! files/<version>.age                   original files; each is stored once for all backups
//! sets/<time>-<kind>/base.age           the database's files (kind full)
//!                    queue.age          the jobs in the queue and the dead letters
//!                    files.age          the list of the original files: all (kind full), or those that no set lists since the
//!                                       last full one
//!                    versions           their names in files/, so that they can be kept without the key
//!                    set.json           written last; a set without this file is not valid
//! ```

use std::{
    collections::HashSet,
    fs::{self, File, TryLockError},
    io::ErrorKind::{NotADirectory, NotFound},
    path::{Path, PathBuf},
    time::Duration,
};

use age::x25519::Recipient;
use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::{seal, wal::Segment};

const FORMAT: u32 = 2;

pub struct Repository(PathBuf);

/// A backup. There may be a thousand of them, so the long list of its files is not kept in memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Set {
    /// Every format has this field.
    format: u32,
    /// When the queue was read: jobs that were accepted before and not finished are in the set's queue.
    pub queue_read_at: DateTime<Utc>,
    pub base: Option<Base>,
    pub wal_segment_bytes: u64,
    /// The segment that contains everything committed before this set was completed.
    pub wal_end: Segment,
    /// The public key to which the set is encrypted; earlier releases did not note it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    #[serde(skip)]
    pub folder: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Base {
    pub wal_start: Segment,
    pub finished_at: DateTime<Utc>,
}

impl Set {
    pub fn new(folder: PathBuf, wal_segment_bytes: u64, wal_end: Segment) -> Self {
        Self {
            format: FORMAT,
            queue_read_at: Utc::now(),
            base: None,
            wal_segment_bytes,
            wal_end,
            recipient: None,
            folder,
        }
    }

    /// Writes `set.json`; from then on the set is a valid backup.
    pub fn commit(&self) -> Result<()> {
        seal::plain(&self.folder.join(SET), &serde_json::to_vec_pretty(self)?)
    }
}

pub const BASE: &str = "base.age";
pub const QUEUE: &str = "queue.age";
pub const FILES: &str = "files.age";
/// The versions of files that the set lists, one in a line.
pub const VERSIONS: &str = "versions";
const SET: &str = "set.json";

impl Repository {
    pub fn new(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .with_context(|| format!("BACKUP_DIR: cannot find {}; is it mounted?", folder.display()))?;
        Ok(Self(folder))
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    pub fn wal(&self, name: &str) -> PathBuf {
        self.wal_folder().join(name)
    }

    pub fn wal_folder(&self) -> PathBuf {
        self.0.join("wal")
    }

    pub fn file(&self, version: &str) -> PathBuf {
        self.0.join("files").join(version).with_extension("age")
    }

    /// Returns the folder of a new set. Two sets of the same kind never begin at the same time.
    pub fn new_set(&self, started: DateTime<Utc>, kind: &str) -> PathBuf {
        self.0.join("sets").join(format!("{}-{kind}", started.format("%Y%m%dT%H%M%S%.3fZ")))
    }

    /// Returns the valid backups, oldest first. Those of another format are left out, so that they prevent no new backup
    /// after an upgrade or a rollback; a warning says so.
    pub fn sets(&self) -> Result<Vec<Set>> {
        let (sets, others) = self.all_sets()?;
        if let Some(newest) = others.iter().max() {
            tracing::warn!(
                backups = others.len(),
                newest = %newest.display(),
                "backups of another version of acorag-backup are left out; only that version can restore or verify them"
            );
        }
        Ok(sets)
    }

    /// Returns the valid backups of this format, oldest first, and the folders of those of another format.
    fn all_sets(&self) -> Result<(Vec<Set>, Vec<PathBuf>)> {
        let (mut sets, mut others) = (Vec::new(), Vec::new());
        for folder in entries(&self.0.join("sets"))? {
            let path = folder.join(SET);
            let read = fs::read(&path);
            if read.as_ref().is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory)) {
                continue;
            }
            // A backup that cannot be read at the moment is not an unfinished one, which `tidy` would remove.
            let text = read.with_context(|| format!("cannot read {}", path.display()))?;
            let damaged = || format!("{} is damaged", path.display());
            let set: Value = serde_json::from_slice(&text).with_context(damaged)?;
            if set["format"].as_u64().with_context(damaged)? == u64::from(FORMAT) {
                let set: Set = serde_json::from_value(set).with_context(damaged)?;
                sets.push(Set { folder, ..set });
            } else {
                others.push(folder);
            }
        }
        sets.sort_by_key(|set| set.queue_read_at);
        Ok((sets, others))
    }

    /// Fails if the newest backup is encrypted to another public key. A restore needs files and log of several backups, so
    /// with two keys in one folder no identity could decrypt all that it needs.
    ///
    /// This runs for each segment of the log, so it reads only the newest backup that names its key. A backup that cannot be
    /// read is passed over: a run fails because of it, but the log must still be archived.
    pub fn ensure_same_recipient(&self, recipient: &str) -> Result<()> {
        let mut folders = entries(&self.0.join("sets")).unwrap_or_default();
        // The names of the folders begin with the time.
        folders.sort_unstable();
        let known = folders.iter().rev().find_map(|folder| {
            let text = fs::read(folder.join(SET)).ok()?;
            serde_json::from_slice::<Set>(&text).ok()?.recipient
        });
        ensure!(
            known.as_deref().is_none_or(|known| known == recipient),
            "BACKUP_RECIPIENT is not the public key of the backups in {}, which is {}: a restore needs several of them, and no \
             identity could decrypt them all. Use that key, or a new folder for the new key",
            self.0.display(),
            known.unwrap_or_default()
        );
        Ok(())
    }

    /// Prevents a second full backup from copying the database at the same time. Dropping the returned file unlocks.
    pub fn lock_full(&self) -> Result<File> {
        self.try_lock("lock-full")?.context("another full backup is running into the same folder")
    }

    /// Prevents two runs from reading the queue and the files, or removing old backups, at the same time. Each run
    /// holds this lock only for these steps, so others wait for it.
    pub async fn lock(&self, patience: Duration) -> Result<File> {
        let deadline = Instant::now() + patience;
        let mut told = false;
        loop {
            if let Some(lock) = self.try_lock("lock")? {
                return Ok(lock);
            }
            ensure!(
                Instant::now() < deadline,
                "another backup has kept the folder locked for {} s (BACKUP_LOCK_TIMEOUT)",
                patience.as_secs()
            );
            if !told {
                tracing::info!("waiting for another backup into the same folder");
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn try_lock(&self, name: &str) -> Result<Option<File>> {
        let file = File::create(self.0.join(name)).context("BACKUP_DIR: cannot write")?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            // Mounted object storage does not support locks; there the schedule must prevent simultaneous runs.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "this folder knows no locks: never run two backups at once");
                Ok(Some(file))
            }
        }
    }

    /// Removes the remains of interrupted runs, and all full backups except the newest `keep`, with the files that only
    /// they need. The caller holds both locks, so no incomplete set here belongs to a running backup. Backups of another
    /// format are removed when they are older than all full backups that are kept.
    pub fn tidy(&self, keep: usize) -> Result<()> {
        let (sets, others) = self.all_sets()?;
        let full: Vec<&Set> = sets.iter().filter(|set| set.base.is_some()).collect();
        let oldest = full.get(full.len().saturating_sub(keep.max(1)));
        let (kept, old): (Vec<&Set>, Vec<&Set>) = sets
            .iter()
            .partition(|set| oldest.is_none_or(|oldest| set.queue_read_at >= oldest.queue_read_at));
        let needed = versions(kept.iter().copied())?;
        // The names of the folders begin with the time.
        let (kept_others, old_others): (Vec<&PathBuf>, Vec<&PathBuf>) =
            others.iter().partition(|folder| oldest.is_none_or(|oldest| **folder > oldest.folder));
        for folder in old.iter().map(|set| &set.folder).chain(old_others) {
            // `set.json` is removed first, so that a partly removed set is never valid.
            fs::remove_file(folder.join(SET))?;
        }
        let kept_folders: HashSet<&PathBuf> =
            kept.iter().map(|set| &set.folder).chain(kept_others.iter().copied()).collect();
        for folder in entries(&self.0.join("sets"))? {
            if !kept_folders.contains(&folder) {
                fs::remove_dir_all(&folder)?;
            }
        }
        if oldest.is_none() || !kept_others.is_empty() {
            // The first full backup will need the files that an interrupted run has stored. Nobody here knows which files,
            // and which part of the log, backups of another format need.
            return Ok(());
        }
        let files = remove(&self.0.join("files"), |name| !needed.contains(name))?;
        let start = wal_start(kept).map(|start| start.number);
        // Only segments are removed: timeline histories and backup labels are small, and needed for a long time.
        let wal = remove(&self.wal_folder(), |name| {
            Segment::parse(name).is_some_and(|segment| start.is_some_and(|start| segment.number < start))
        })?;
        if !old.is_empty() {
            tracing::info!(backups = old.len(), files, wal, "old backups are removed");
        }
        Ok(())
    }
}

/// Returns the versions of files that the newest full backup and those after it list. What is in a list that cannot be read is
/// listed again.
pub fn listed(sets: &[Set]) -> HashSet<String> {
    let newest = sets.iter().rposition(|set| set.base.is_some()).unwrap_or_default();
    let read = |set| {
        versions([set]).unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "its files are listed again");
            HashSet::new()
        })
    };
    sets.iter().skip(newest).flat_map(read).collect()
}

fn versions<'a>(sets: impl IntoIterator<Item = &'a Set>) -> Result<HashSet<String>> {
    let mut versions = HashSet::new();
    for set in sets {
        let path = set.folder.join(VERSIONS);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        versions.extend(text.lines().map(str::to_owned));
    }
    Ok(versions)
}

/// Returns the lowest segment from which one of these backups starts. The oldest backup need not start there: after a
/// restore to an earlier moment, the new timeline has lower numbers than backups that were made after that moment.
pub fn wal_start<'a>(sets: impl IntoIterator<Item = &'a Set>) -> Option<Segment> {
    let starts = sets.into_iter().filter_map(|set| Some(set.base.as_ref()?.wal_start));
    starts.min_by_key(|start| start.number)
}

/// Removes unfinished files, and files whose name without extension is unwanted.
fn remove(folder: &Path, unwanted: impl Fn(&str) -> bool) -> Result<usize> {
    let mut removed = 0;
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        // PostgreSQL may archive at any time, so only files that nobody has changed for an hour are removed.
        let left_over = name.starts_with(seal::PART)
            && path.metadata()?.modified()?.elapsed().is_ok_and(|age| age.as_secs() > 3600);
        if left_over || (!name.starts_with(seal::PART) && unwanted(&stem)) {
            fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?)
}

/// The target of a backup: the folder and the public key.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Target {
    /// Folder for the backups: a mounted volume or mounted object storage.
    #[arg(long, env = "BACKUP_DIR")]
    pub backup_dir: PathBuf,
    /// Public key for the encryption (age1…), from `acorag-backup keygen`.
    #[arg(long, env = "BACKUP_RECIPIENT", value_parser = seal::recipient)]
    pub backup_recipient: Recipient,
}

/// The source of a restore: the folder and the private key.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Source {
    /// Folder with the backups.
    #[arg(long, env = "BACKUP_DIR")]
    pub backup_dir: PathBuf,
    /// File with the identity (private key) from `acorag-backup keygen`.
    #[arg(long, env = "BACKUP_IDENTITY")]
    pub backup_identity: PathBuf,
}

#[cfg(test)]
mod tests;
