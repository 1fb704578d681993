//! The object store of the original files. Files are streamed in both directions and are never completely in memory.
//!
//! The store has the layout of NATS's own object stores, so NATS's tools can list and read it: the parts of
//! an object are messages, and so is its description (name, size, hash and version). async-nats writes
//! objects, but this module reads them itself. The version in a description determines which subject is read
//! or purged, and async-nats accepts every version: a forged description with a wildcard as its version would
//! name the parts of all files.

mod stored;

use std::{collections::HashSet, io, sync::Arc};

use async_nats::jetstream::{
    message::StreamMessage,
    object_store::{ObjectMetadata, ObjectStore, PutError, PutErrorKind},
    stream::{DirectGetErrorKind, LastRawMessageError, LastRawMessageErrorKind, Stream},
};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use schemas::subjects::{FILES_BUCKET, FILES_STREAM};
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use super::Nats;
pub use stored::Stored;
use stored::{DESCRIPTION_SUBJECTS, PART_SUBJECTS};

/// Size of a stored part in bytes. Larger parts need fewer synchronous writes, but a part must fit into the
/// server's `max_payload`.
const PART: usize = 512 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no such object")]
    NotFound,
    /// The description is damaged or forged: only the services of acorag may write descriptions.
    #[error("the description of an object is not one that acorag writes")]
    Malformed,
    /// The bytes to store could not be read from their source, or their source was refused. The store has no
    /// fault.
    #[error("reading the bytes to store")]
    Source(#[source] PutError),
    #[error("the object store is not reachable")]
    Unavailable(#[source] async_nats::Error),
}

impl Error {
    fn unavailable(error: impl Into<async_nats::Error>) -> Self {
        Self::Unavailable(error.into())
    }
}

#[derive(Clone)]
pub struct Objects {
    store: Arc<ObjectStore>,
    stream: Arc<Stream<()>>,
}

impl Objects {
    pub async fn open(nats: &Nats) -> Result<Self, Error> {
        let store = nats.jetstream.get_object_store(FILES_BUCKET).await.map_err(Error::unavailable)?;
        let stream = nats.jetstream.get_stream_no_info(FILES_STREAM).await.map_err(Error::unavailable)?;
        Ok(Self { store: Arc::new(store), stream: Arc::new(stream) })
    }

    /// Stores the bytes of the stream. Returns when every part is safe on disk.
    pub async fn put<S>(&self, name: &str, bytes: S) -> Result<Stored, Error>
    where
        S: futures::Stream<Item = io::Result<Bytes>> + Unpin + Send,
    {
        let metadata = ObjectMetadata { name: name.to_owned(), chunk_size: Some(PART), ..Default::default() };
        let stored = self.store.put(metadata, &mut StreamReader::new(Box::pin(parts(bytes)))).await;
        let info = stored.map_err(|error| match error.kind() {
            PutErrorKind::ReadChunks => Error::Source(error),
            _ => Error::unavailable(error),
        })?;
        Stored::new(info, name, Utc::now())?.ok_or(Error::NotFound)
    }

    /// Returns the description of the object. The stream's leader is asked, because another server may not know yet of
    /// an object that was stored just now.
    pub async fn info(&self, name: &str) -> Result<Stored, Error> {
        let subject = stored::description_of(name);
        let message = found(self.stream.get_last_raw_message_by_subject(&subject).await)?;
        Stored::read(&message.ok_or(Error::NotFound)?)?.ok_or(Error::NotFound)
    }

    /// Reads at most `length` bytes of an object from `start`. Parts cannot be skipped: the bytes before the range are
    /// read and dropped. Each part is a separate request, so reading continues after the connection to the server was
    /// interrupted.
    pub fn read(&self, stored: &Stored, start: u64, length: u64) -> impl AsyncRead + Send + Unpin + use<> {
        let (stream, subject, size) = (self.stream.clone(), stored.parts(), stored.size);
        let end = start.saturating_add(length).min(size);
        let parts = futures::stream::try_unfold((0_u64, 1), move |(at, sequence)| {
            let (stream, subject) = (stream.clone(), subject.clone());
            async move {
                if at >= end {
                    return Ok(None);
                }
                let part = match stream.direct_get_next_for_subject(&*subject, Some(sequence)).await {
                    // Another server than the leader may not know yet of a part that was stored just now.
                    Err(error) if error.kind() == DirectGetErrorKind::NotFound => {
                        let part = stream.get_first_raw_message_by_subject(&subject, sequence).await;
                        found(part).map_err(io::Error::other)?.ok_or(io::ErrorKind::UnexpectedEof)?
                    }
                    part => part.map_err(io::Error::other)?,
                };
                let next = at.saturating_add(part.payload.len() as u64);
                if next > size {
                    return Err(io::Error::from(io::ErrorKind::InvalidData));
                }
                let cut = |position: u64| usize::try_from(position.clamp(at, next) - at).unwrap_or_default();
                Ok(Some((part.payload.slice(cut(start)..cut(end)), (next, part.sequence + 1))))
            }
        });
        StreamReader::new(Box::pin(parts))
    }

    /// Returns all objects, the oldest first. A malformed description is skipped with a warning, so that one damaged
    /// description does not make the others inaccessible.
    pub fn all(&self) -> impl futures::Stream<Item = Result<Stored, Error>> + Send + use<> {
        let stream = self.stream.clone();
        let all = futures::stream::try_unfold(1, move |sequence| {
            let stream = stream.clone();
            async move {
                let subject = format!("{DESCRIPTION_SUBJECTS}>");
                let next = found(stream.get_first_raw_message_by_subject(subject, sequence).await)?;
                let Some(message) = next else { return Ok(None) };
                let stored = Stored::read(&message).unwrap_or_else(|error| {
                    tracing::warn!(%error, subject = %message.subject, "an object is passed over");
                    None
                });
                Ok(Some((stored, message.sequence + 1)))
            }
        });
        all.try_filter_map(|stored| std::future::ready(Ok(stored)))
    }

    /// Removes an object; it is no error if the object does not exist.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let stored = match self.info(name).await {
            Err(Error::NotFound) => return Ok(()),
            stored => stored?,
        };
        // The description first: parts without a description are removed later by `remove_parts`.
        self.purge(stored::description_of(name)).await?;
        crate::crash::point("description-removed", name);
        self.purge(stored.parts()).await
    }

    /// Removes parts that belong to no object and were stored before `moment`, such as those of an interrupted upload.
    /// Returns the number of objects to which they belonged.
    pub async fn remove_parts(&self, moment: DateTime<Utc>) -> Result<usize, Error> {
        // The parts are listed before the descriptions, so that an upload that ends in between already has its
        // description.
        let listed = self.stream.info_with_subjects(format!("{PART_SUBJECTS}>")).await;
        let listed = listed.map_err(Error::unavailable)?.map_ok(|(subject, _)| subject);
        let mut subjects: HashSet<String> = listed.try_collect().await.map_err(Error::unavailable)?;
        let mut all = std::pin::pin!(self.all());
        while let Some(stored) = all.next().await {
            subjects.remove(&stored?.parts());
        }
        let mut removed = 0;
        for subject in subjects {
            let last = found(self.stream.get_last_raw_message_by_subject(&subject).await)?;
            if last.is_some_and(|last| last.time < moment) {
                self.purge(subject).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn purge(&self, subject: String) -> Result<(), Error> {
        self.stream.purge().filter(subject).await.map(drop).map_err(Error::unavailable)
    }
}

/// `None` if there is no such message.
fn found(message: Result<StreamMessage, LastRawMessageError>) -> Result<Option<StreamMessage>, Error> {
    match message {
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        message => message.map(Some).map_err(Error::unavailable),
    }
}

/// Collects the small pieces from a socket into complete parts.
fn parts<S>(bytes: S) -> impl futures::Stream<Item = io::Result<Bytes>> + Send
where
    S: futures::Stream<Item = io::Result<Bytes>> + Unpin + Send,
{
    futures::stream::try_unfold((bytes.fuse(), BytesMut::new()), |(mut bytes, mut part)| async move {
        while part.len() < PART
            && let Some(piece) = bytes.try_next().await?
        {
            part.extend_from_slice(&piece);
        }
        let full = part.split_to(part.len().min(PART)).freeze();
        Ok((!full.is_empty()).then_some((full, (bytes, part))))
    })
}

#[cfg(test)]
mod tests;
