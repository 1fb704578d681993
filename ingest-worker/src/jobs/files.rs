//! The files of documents: between the object store and a job.

use bytes::Bytes;
use platform::nats::{consume::Failure, objects};
use schemas::{ingest::ObjectRef, messages};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;

use crate::app::App;

/// How the names of an attachment's file and of a record's long text begin.
pub const ATTACHMENT: &str = "part-";
pub const RECORD: &str = "record-";

/// Brings a file from the object store into a temporary one and checks that it is what was announced.
pub async fn fetch(app: &App, object: &ObjectRef) -> Result<(NamedTempFile, ObjectRef), Failure> {
    let _timer = app.metrics.stage_seconds.with_label_values(&["read"]).start_timer();
    let stored = app.objects.info(&object.name).await.map_err(unavailable)?;
    if stored.size == 0 {
        return Err(Failure::Dead(reader::Error::Empty.reason()));
    }
    if stored.size > app.max_file_bytes {
        return Err(Failure::Dead(messages::jobs::too_large(app.max_file_bytes >> 20).reason("too_large")));
    }
    if !object.sha256.is_empty() && !object.sha256.eq_ignore_ascii_case(&stored.sha256) {
        return Err(Failure::Dead(messages::jobs::wrong_hash().reason("wrong_hash")));
    }
    let mut bytes = app.objects.get(&object.name, 0, u64::MAX).await.map_err(unavailable)?;
    let file = NamedTempFile::new().map_err(disk)?;
    let mut target = tokio::fs::File::create(file.path()).await.map_err(disk)?;
    let copied = tokio::io::copy(&mut bytes, &mut target)
        .await
        .map_err(|error| Failure::Wait(format!("object store: {error}")))?;
    target.flush().await.map_err(disk)?;
    if copied != stored.size {
        return Err(Failure::Wait(format!("object store: {copied} of {} bytes came", stored.size)));
    }
    Ok((file, ObjectRef { name: stored.name, size: stored.size, sha256: stored.sha256 }))
}

pub async fn store(app: &App, name: &str, bytes: Bytes) -> Result<ObjectRef, Failure> {
    let stored = app
        .objects
        .put(name, futures::stream::iter([Ok(bytes)]))
        .await
        .map_err(|error| Failure::Wait(format!("object store: {error}")))?;
    Ok(ObjectRef { name: stored.name, size: stored.size, sha256: stored.sha256 })
}

/// Removes a file that its document no longer needs. One that a producer stored under a name of its own may serve others,
/// which only the sweep can tell.
pub async fn remove(app: &App, object: &str) {
    let is_the_services_own = [ATTACHMENT, RECORD].into_iter().any(|prefix| object.starts_with(prefix))
        || object.parse::<uuid::Uuid>().is_ok();
    if is_the_services_own && let Err(error) = app.objects.delete(object).await {
        tracing::warn!(%error, object, "an unused file stays until the sweep");
    }
}

fn unavailable(error: objects::Error) -> Failure {
    match error {
        objects::Error::NotFound => Failure::Dead(messages::jobs::file_missing().reason("file_missing")),
        error => Failure::Wait(format!("object store: {error}")),
    }
}

pub fn disk(error: std::io::Error) -> Failure {
    Failure::Wait(format!("temporary file: {error}"))
}
