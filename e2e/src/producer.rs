//! Sends files as an event producer does.

use anyhow::{Context as _, Result};
use async_nats::jetstream::Context;
use bytes::Bytes;
use schemas::{
    ProjectId,
    ingest::{MAX_PART_BYTES, SentFile},
    subjects,
    text::hex,
};
use sha2::{Digest as _, Sha256};

/// Publishes a file in parts under a new id. The job that the producer publishes afterwards must contain the
/// returned value.
pub async fn send_file(jetstream: &Context, project: &ProjectId, bytes: &[u8]) -> Result<SentFile> {
    let file = SentFile {
        id: uuid::Uuid::new_v4().to_string(),
        size: bytes.len() as u64,
        sha256: hex(Sha256::digest(bytes)),
    };
    for part in bytes.chunks(MAX_PART_BYTES) {
        let sent = jetstream.publish(subjects::parts(project, &file), Bytes::copy_from_slice(part)).await;
        sent.context("sending a part")?.await.context("sending a part")?;
    }
    Ok(file)
}
