//! Unpacks and verifies a base backup.

use std::{
    fs::{self, DirBuilder},
    io,
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
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
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

/// Decrypts the database's files to their end, which finds any damage, and stores nothing.
pub async fn read(set: &Set, identity: &Identity) -> Result<()> {
    let path = set.folder.join(repository::BASE);
    let mut archive = seal::open(&path, identity)?;
    tokio::task::spawn_blocking(move || io::copy(&mut archive, &mut io::sink()))
        .await?
        .with_context(|| format!("{} is damaged", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::wal::Segment;

    #[tokio::test]
    async fn a_damaged_backup_is_found_without_unpacking_it() {
        let (folder, identity) = (tempfile::tempdir().unwrap(), Identity::generate());
        let set = Set::new(folder.path().join("set"), 16 << 20, Segment { timeline: 1, number: 1 });
        let path = set.folder.join(repository::BASE);
        let mut base = seal::Sealed::create(path.clone(), &identity.to_public()).unwrap();
        base.write_all(&[7; 100_000]).unwrap();
        base.finish().unwrap();
        read(&set, &identity).await.unwrap();

        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(read(&set, &identity).await.unwrap_err().to_string().contains("is damaged"));
    }
}
