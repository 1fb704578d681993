//! Moves the files of documents between the object store and a job.

use bytes::Bytes;
use documents::Job;
use platform::{
    crash,
    nats::{consume::Failure, objects},
};
use schemas::{
    ingest::{ObjectRef, SentFile},
    messages, subjects,
};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use crate::app::App;

/// How the names of the objects begin that hold long texts of records.
pub const RECORD: &str = "record-";

/// A temporary file, and the object of which it is a copy.
type Copied = (NamedTempFile, ObjectRef);

/// Copies the job's file to a temporary file and checks that it is the file that the job describes.
pub async fn fetch(app: &App, job: &Job) -> Result<Copied, Failure> {
    let _timer = app.metrics.stage_seconds.with_label_values(&["read"]).start_timer();
    let object = job.object();
    match (app.objects.info(&object.name).await, &job.sent) {
        (Ok(stored), _) => read(app, &object, &stored).await,
        (Err(objects::Error::NotFound), Some(sent)) => take_in(app, job, sent, &object).await,
        (Err(error), _) => Err(unavailable(error)),
    }
}

async fn read(app: &App, object: &ObjectRef, stored: &objects::Stored) -> Result<Copied, Failure> {
    check_size(app, stored.size)?;
    if !object.sha256.is_empty() && !object.sha256.eq_ignore_ascii_case(&stored.sha256) {
        return Err(wrong_hash());
    }
    let mut target = Target::new().await?;
    let mut bytes = app.objects.read(stored, 0, u64::MAX);
    let mut buffer = bytes::BytesMut::with_capacity(BUFFER);
    while bytes.read_buf(&mut buffer).await.map_err(broken_off)? > 0 {
        target.write(&buffer.split()).await?;
    }
    let (file, size, sha256) = target.finish().await?;
    if (size, &sha256) != (stored.size, &stored.sha256) {
        return Err(broken_off(std::io::ErrorKind::InvalidData.into()));
    }
    Ok((file, ObjectRef { name: stored.name.clone(), size, sha256 }))
}

/// An incomplete object may be in the middle of a replacement, or damaged. So the job is tried again a few times.
fn broken_off(error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => {
            Failure::Retry(messages::jobs::wrong_hash().reason("wrong_hash"))
        }
        _ => Failure::Wait(format!("object store: {error}")),
    }
}

/// Maximum number of parts of one file. Each costs a request: a file in parts of one byte would take hours.
const MAX_PARTS: u32 = 20_000;

/// Assembles a producer's file from its parts, checks it, stores it under the service's own name and removes the parts.
/// If this is interrupted, the next attempt starts again or finds the object.
async fn take_in(app: &App, job: &Job, sent: &SentFile, object: &ObjectRef) -> Result<Copied, Failure> {
    check_size(app, sent.size)?;
    let subject = subjects::parts(&job.project, sent);
    let waiting = |error: &dyn std::fmt::Display| Failure::Wait(format!("parts of a file: {error}"));
    let stream = app.nats.jetstream.get_stream_no_info(subjects::PARTS_STREAM).await;
    let stream = stream.map_err(|error| waiting(&error))?;
    let mut target = Target::new().await?;
    let (mut next, mut parts) = (1, 0);
    while target.size <= sent.size && parts <= MAX_PARTS {
        // The request goes to the stream's leader, because another server may not have the newest part yet.
        let part = app.nats.first_stored(subjects::PARTS_STREAM, &subject, next).await;
        let Some(part) = part.map_err(|error| waiting(&error))? else { break };
        (next, parts) = (part.sequence + 1, parts + 1);
        target.write(&part.payload).await?;
    }
    let (file, size, sha256) = target.finish().await?;
    if (size, &sha256) != (sent.size, &object.sha256) {
        // Another delivery of this job may have stored the file and removed its parts in the meantime.
        return match app.objects.info(&object.name).await {
            Ok(stored) => read(app, object, &stored).await,
            Err(objects::Error::NotFound) => Err(match parts {
                0 => missing(),
                1..=MAX_PARTS => wrong_hash(),
                _ => Failure::Dead(messages::jobs::too_many_parts(MAX_PARTS).reason("too_many_parts")),
            }),
            Err(error) => Err(unavailable(error)),
        };
    }
    crash::point("parts-read", job.project.as_str());
    let bytes = tokio::fs::File::open(file.path()).await.map_err(disk)?;
    let stored = app.objects.put(&object.name, ReaderStream::with_capacity(bytes, BUFFER)).await;
    let stored = stored.map_err(unavailable)?;
    crash::point("sent-file-stored", job.project.as_str());
    if let Err(error) = stream.purge().filter(&subject).await {
        tracing::warn!(%error, subject, "parts of a file stay until the sweep");
    }
    Ok((file, ObjectRef { name: stored.name, size, sha256 }))
}

const BUFFER: usize = 256 * 1024;

/// A temporary file that is being written.
struct Target {
    file: NamedTempFile,
    writer: tokio::fs::File,
    hash: Sha256,
    size: u64,
}

impl Target {
    async fn new() -> Result<Self, Failure> {
        let file = NamedTempFile::new().map_err(disk)?;
        let writer = tokio::fs::File::create(file.path()).await.map_err(disk)?;
        Ok(Self { file, writer, hash: Sha256::new(), size: 0 })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
        self.writer.write_all(bytes).await.map_err(disk)
    }

    /// The file, its size in bytes and its SHA-256 in hexadecimal.
    async fn finish(mut self) -> Result<(NamedTempFile, u64, String), Failure> {
        self.writer.flush().await.map_err(disk)?;
        Ok((self.file, self.size, schemas::text::hex(self.hash.finalize())))
    }
}

pub async fn store(app: &App, name: &str, bytes: Bytes) -> Result<ObjectRef, Failure> {
    let stored = app.objects.put(name, futures::stream::iter([Ok(bytes)])).await.map_err(unavailable)?;
    Ok(ObjectRef { name: stored.name, size: stored.size, sha256: stored.sha256 })
}

/// Removes a file that its document no longer needs.
pub async fn remove(app: &App, object: &str) {
    if let Err(error) = app.objects.delete(object).await {
        tracing::warn!(%error, object, "an unused file stays until the sweep");
    }
}

fn check_size(app: &App, size: u64) -> Result<(), Failure> {
    if size == 0 {
        return Err(Failure::Dead(reader::Error::Empty.reason()));
    }
    if size > app.max_file_bytes {
        return Err(Failure::Dead(messages::jobs::too_large(app.max_file_bytes >> 20).reason("too_large")));
    }
    Ok(())
}

fn missing() -> Failure {
    Failure::Dead(messages::jobs::file_missing().reason("file_missing"))
}

fn wrong_hash() -> Failure {
    Failure::Dead(messages::jobs::wrong_hash().reason("wrong_hash"))
}

fn unavailable(error: objects::Error) -> Failure {
    match error {
        objects::Error::NotFound => missing(),
        error @ objects::Error::Malformed => {
            tracing::error!(%error, "reading a document's file");
            missing()
        }
        error => Failure::Wait(format!("object store: {error}")),
    }
}

pub fn disk(error: std::io::Error) -> Failure {
    Failure::Wait(format!("temporary file: {error}"))
}
