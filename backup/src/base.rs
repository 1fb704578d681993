//! Unpacks and verifies a base backup.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use age::x25519::Identity;
use anyhow::{Context as _, Result, ensure};

use crate::{
    database::Programs,
    repository::{self, Set},
    seal,
};

/// Unpacks the database's files into an empty folder. PostgreSQL's program `pg_verifybackup` then compares each file
/// with the manifest that the server wrote.
pub async fn unpack(set: &Set, identity: &Identity, programs: &Programs, folder: &Path) -> Result<()> {
    if !folder.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let empty =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?.next().is_none();
    ensure!(empty, "{} is not empty: a restore never replaces what is there", folder.display());
    let archive = seal::open(&set.folder.join(repository::BASE), identity)?;
    let (path, to) = (set.folder.join(repository::BASE), folder.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut archive = tar::Archive::new(archive);
        archive.unpack(to).with_context(|| format!("{} is damaged", path.display()))
    })
    .await??;
    // The write-ahead log is verified separately, segment by segment in the archive.
    let status = programs
        .command("pg_verifybackup")
        .args(["--no-parse-wal", "--quiet"])
        .arg(folder)
        .status()
        .await
        .context("cannot run pg_verifybackup (POSTGRES_BIN)")?;
    ensure!(status.success(), "pg_verifybackup refuses the backup of the database; it says why above");
    Ok(())
}
