//! The original files in the object store. A version of a file never changes, so the backup stores each one once.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
};

use age::x25519::{Identity, Recipient};
use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt as _;
use platform::nats::{
    Nats,
    objects::{self, Objects, Stored},
};
use schemas::text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use crate::{
    messages,
    repository::{self, Repository, Set},
    seal::{self, Sealed},
};

/// A version of a file; one line of JSON in the backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    /// The name of this version in the object store; it reveals nothing about the file.
    version: String,
    pub size: u64,
    pub sha256: String,
}

#[derive(Debug, Default)]
pub struct Saved {
    pub files: usize,
    pub stored: usize,
    pub bytes: u64,
}

/// Stores all files that are not stored yet, and writes the list of files into the set. A restore reads the lists of all
/// backups, so what is in one since the last full backup is not listed again: runs are frequent, and files are many. A full
/// backup lists all, because those before it are removed.
pub async fn save(
    nats: &Nats,
    repository: &Repository,
    recipient: &Recipient,
    set: &Set,
    earlier: &[Set],
) -> Result<Saved> {
    let listed = if set.base.is_some() { HashSet::new() } else { repository::listed(earlier) };
    let objects = Objects::open(nats).await?;
    let mut list = Sealed::create(set.folder.join(repository::FILES), recipient)?;
    let mut versions = String::new();
    let mut saved = Saved::default();
    let mut all = std::pin::pin!(objects.all());
    while let Some(stored) = all.try_next().await.context("listing the object store")? {
        let path = repository.file(&stored.version);
        if !path.exists() {
            match store(&objects, &stored, Sealed::create(path, recipient)?).await {
                Ok(bytes) => {
                    saved.stored += 1;
                    saved.bytes += bytes;
                }
                Err(error) => match objects.info(&stored.name).await {
                    Ok(now) if now.version == stored.version => return Err(error),
                    // The file was deleted, or replaced while it was read. A new version is listed later.
                    Ok(_) | Err(objects::Error::NotFound) => continue,
                    Err(error) => return Err(error.into()),
                },
            }
            if saved.stored % 100 == 0 {
                tracing::info!(stored = saved.stored, mib = saved.bytes >> 20, "files");
            }
        }
        saved.files += 1;
        if listed.contains(&stored.version) {
            continue;
        }
        versions.push_str(&stored.version);
        versions.push('\n');
        let entry =
            Entry { name: stored.name, version: stored.version, size: stored.size, sha256: stored.sha256 };
        writeln!(list, "{}", serde_json::to_string(&entry)?)?;
    }
    seal::plain(&set.folder.join(repository::VERSIONS), versions.as_bytes())?;
    saved.bytes += list.finish()?;
    Ok(saved)
}

async fn store(objects: &Objects, stored: &Stored, mut target: Sealed) -> Result<u64> {
    let mut bytes = objects.read(stored, 0, u64::MAX);
    let (mut hash, mut buffer) = (Sha256::new(), BytesMut::with_capacity(256 * 1024));
    while bytes.read_buf(&mut buffer).await.with_context(|| format!("reading {}", stored.name))? > 0 {
        let piece = buffer.split();
        hash.update(&piece);
        target.write_all(&piece)?;
    }
    ensure!(
        hex(hash.finalize()) == stored.sha256,
        "the object store's file {} is damaged or went away while it was read",
        stored.name
    );
    target.finish()
}

/// Decrypts a file into memory and verifies it. Its size is limited, because uploads are (MAX_UPLOAD_MB).
pub fn read(repository: &Repository, identity: &Identity, entry: &Entry) -> Result<Vec<u8>> {
    let path = repository.file(&entry.version);
    let mut bytes = Vec::new();
    let (_, hash) = seal::copy_hashed(&mut seal::open(&path, identity)?, &mut bytes)
        .with_context(|| format!("{} is damaged", path.display()))?;
    ensure!(hash == entry.sha256, "{} is not the file that was stored under this name", path.display());
    Ok(bytes)
}

/// Returns all files of these backups by name, with the newest version last. A damaged list is passed to `damaged` and read
/// as far as it is whole, because other backups list most of its files, too.
pub fn list(
    sets: &[Set],
    identity: &Identity,
    mut damaged: impl FnMut(anyhow::Error),
) -> HashMap<String, Vec<Entry>> {
    let mut files = HashMap::new();
    for set in sets {
        add(set, identity, &mut files).unwrap_or_else(&mut damaged);
    }
    files
}

fn add(set: &Set, identity: &Identity, files: &mut HashMap<String, Vec<Entry>>) -> Result<()> {
    for entry in messages::lines::<Entry>(&set.folder.join(repository::FILES), identity)? {
        let entry = entry?;
        let versions = files.entry(entry.name.clone()).or_default();
        if versions.last().is_none_or(|last| last.version != entry.version) {
            versions.push(entry);
        }
    }
    Ok(())
}

pub async fn restore(objects: &Objects, entry: &Entry, bytes: Vec<u8>) -> Result<()> {
    let stored = objects.put(&entry.name, futures::stream::iter([Ok(Bytes::from(bytes))])).await?;
    ensure!(stored.sha256 == entry.sha256, "the object store holds something else than {}", entry.name);
    Ok(())
}
