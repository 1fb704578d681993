//! The original files in the object store. A version of a file never changes, so each is stored once.

use std::{collections::HashMap, io::Write};

use age::x25519::{Identity, Recipient};
use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{
    object_store::ObjectInfo,
    stream::{LastRawMessageErrorKind, Stream},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use futures::StreamExt as _;
use platform::nats::{Nats, objects::Objects};
use schemas::{subjects::FILES_BUCKET, text::hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    messages::{self, Reader},
    repository::{Repository, Set},
    seal::{self, Sealed},
};

/// A version of a file, one line of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub name: String,
    /// What the object store calls this version; it says nothing about the file.
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

/// Stores every file that is not stored yet, and notes in the set which there are.
pub async fn save(
    nats: &Nats,
    repository: &Repository,
    recipient: &Recipient,
    set: &mut Set,
) -> Result<Saved> {
    let stream = nats.jetstream.get_stream_no_info(format!("OBJ_{FILES_BUCKET}")).await?;
    let mut list = Sealed::create(set.files_file(), recipient)?;
    let mut saved = Saved::default();
    let mut subjects = stream.info_with_subjects(format!("$O.{FILES_BUCKET}.M.>")).await?;
    while let Some(subject) = subjects.next().await {
        let (subject, _) = subject.context("listing the object store")?;
        // A file that is replaced or deleted while it is read is looked at again.
        while let Some(info) = info(&stream, &subject).await? {
            let path = repository.file(&info.nuid);
            if !path.exists() {
                match store(&stream, &info, Sealed::create(path, recipient)?).await {
                    Ok(bytes) => {
                        saved.stored += 1;
                        saved.bytes += bytes;
                    }
                    Err(error) => match self::info(&stream, &subject).await? {
                        Some(now) if now.nuid == info.nuid => return Err(error),
                        _ => continue,
                    },
                }
                if saved.stored % 100 == 0 {
                    tracing::info!(stored = saved.stored, mib = saved.bytes >> 20, "files");
                }
            }
            let entry = Entry {
                sha256: sha256(&info),
                name: info.name,
                version: info.nuid.clone(),
                size: info.size as u64,
            };
            writeln!(list, "{}", serde_json::to_string(&entry)?)?;
            set.files.insert(info.nuid);
            saved.files += 1;
            break;
        }
    }
    saved.bytes += list.finish()?;
    Ok(saved)
}

async fn info(stream: &Stream<()>, subject: &str) -> Result<Option<ObjectInfo>> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => {
            let info: ObjectInfo =
                serde_json::from_slice(&message.payload).context("an object's description")?;
            Ok((!info.deleted).then_some(info))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error).context("reading an object's description"),
    }
}

async fn store(stream: &Stream<()>, info: &ObjectInfo, mut target: Sealed) -> Result<u64> {
    let mut parts = Reader::new(stream.clone(), format!("$O.{FILES_BUCKET}.C.{}", info.nuid));
    let mut hash = Sha256::new();
    while let Some(part) = parts.next().await? {
        hash.update(&part.payload);
        target.write_all(&part.payload)?;
    }
    ensure!(
        hex(hash.finalize()) == sha256(info),
        "the object store's file {} is damaged or went away while it was read",
        info.name
    );
    target.finish()
}

/// The store writes `SHA-256=` and base64.
fn sha256(info: &ObjectInfo) -> String {
    let digest =
        info.digest.as_deref().and_then(|digest| digest.strip_prefix("SHA-256=")).unwrap_or_default();
    hex(URL_SAFE.decode(digest).unwrap_or_default())
}

/// Decrypts one file and checks it. Files of an ordinary size: the largest upload is bounded (MAX_UPLOAD_MB).
pub fn read(repository: &Repository, identity: &Identity, entry: &Entry) -> Result<Vec<u8>> {
    let path = repository.file(&entry.version);
    let mut bytes = Vec::new();
    let (_, hash) = seal::copy_hashed(&mut seal::open(&path, identity)?, &mut bytes)
        .with_context(|| format!("{} is damaged", path.display()))?;
    ensure!(hash == entry.sha256, "{} is not the file that was stored under this name", path.display());
    Ok(bytes)
}

/// Every file of these backups, by name; the newest version of a name last.
pub fn list(sets: &[Set], identity: &Identity) -> Result<HashMap<String, Vec<Entry>>> {
    let mut files: HashMap<String, Vec<Entry>> = HashMap::new();
    for set in sets {
        for entry in messages::lines::<Entry>(&set.files_file(), identity)? {
            let versions = files.entry(entry.name.clone()).or_default();
            if versions.last().is_none_or(|last| last.version != entry.version) {
                versions.push(entry);
            }
        }
    }
    Ok(files)
}

/// Puts a file back under its name.
pub async fn restore(objects: &Objects, entry: &Entry, bytes: Vec<u8>) -> Result<()> {
    let stored = objects.put(&entry.name, futures::stream::iter([Ok(Bytes::from(bytes))])).await?;
    ensure!(stored.sha256 == entry.sha256, "the object store holds something else than {}", entry.name);
    Ok(())
}
