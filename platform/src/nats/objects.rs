//! The object store: original files, streamed in and out, never whole in memory.

use std::io;

use async_nats::jetstream::object_store::{self, ObjectMetadata, ObjectStore};
use base64_digest::hex;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::StreamReader;

use super::Nats;

/// Bytes of one stored part: each costs a synchronous write, and must fit the server's `max_payload`.
const PART: usize = 512 * 1024;

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub name: String,
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no such object")]
    NotFound,
    /// The sender of the bytes failed or was refused, not the store.
    #[error("reading the bytes to store")]
    Source(#[source] io::Error),
    #[error("the object store is not reachable")]
    Unavailable(#[source] async_nats::Error),
}

#[derive(Clone)]
pub struct Objects(ObjectStore);

impl Objects {
    pub async fn open(nats: &Nats, bucket: &str) -> Result<Self, Error> {
        nats.jetstream
            .get_object_store(bucket)
            .await
            .map(Self)
            .map_err(|error| Error::Unavailable(error.into()))
    }

    /// Stores what the stream brings. Returns when every part is safe on disk.
    pub async fn put<S>(&self, name: &str, bytes: S) -> Result<Stored, Error>
    where
        S: Stream<Item = io::Result<Bytes>> + Unpin + Send,
    {
        let mut failed = None;
        let parts = parts(bytes).map(|part| {
            part.inspect_err(|error| failed = Some(io::Error::new(error.kind(), error.to_string())))
        });
        let metadata = ObjectMetadata { name: name.to_owned(), chunk_size: Some(PART), ..Default::default() };
        let result = self.0.put(metadata, &mut StreamReader::new(Box::pin(parts))).await;
        if let Some(error) = failed {
            return Err(Error::Source(error));
        }
        let info = result.map_err(|error| Error::Unavailable(error.into()))?;
        Ok(stored(&info))
    }

    pub async fn info(&self, name: &str) -> Result<Stored, Error> {
        match self.0.info(name).await {
            Ok(info) if !info.deleted => Ok(stored(&info)),
            Ok(_) => Err(Error::NotFound),
            Err(error) if error.kind() == object_store::InfoErrorKind::NotFound => Err(Error::NotFound),
            Err(error) => Err(Error::Unavailable(error.into())),
        }
    }

    /// Reads from `start`, at most `length` bytes.
    pub async fn get(
        &self,
        name: &str,
        start: u64,
        length: u64,
    ) -> Result<impl AsyncRead + Send + Unpin + use<>, Error> {
        let mut object = self.0.get(name).await.map_err(|error| match error.kind() {
            object_store::GetErrorKind::NotFound => Error::NotFound,
            _ => Error::Unavailable(error.into()),
        })?;
        // A part cannot be skipped: what lies before the range is read and dropped.
        tokio::io::copy(&mut (&mut object).take(start), &mut tokio::io::sink())
            .await
            .map_err(|error| Error::Unavailable(error.into()))?;
        Ok(object.take(length))
    }

    /// The names of the objects stored before `moment`.
    pub async fn older_than(&self, moment: DateTime<Utc>) -> Result<Vec<String>, Error> {
        let unavailable = |error: async_nats::Error| Error::Unavailable(error);
        let mut list = self.0.list().await.map_err(|error| unavailable(error.into()))?;
        let mut names = Vec::new();
        while let Some(info) = list.next().await {
            let info = info.map_err(|error| unavailable(error.into()))?;
            if !info.deleted && info.modified.is_some_and(|modified| modified < moment) {
                names.push(info.name);
            }
        }
        Ok(names)
    }

    /// Removes an object; one that is not there is no error.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        match self.0.delete(name).await {
            Ok(()) => Ok(()),
            Err(error) => match self.info(name).await {
                Err(Error::NotFound) => Ok(()),
                _ => Err(Error::Unavailable(error.into())),
            },
        }
    }
}

fn stored(info: &object_store::ObjectInfo) -> Stored {
    let sha256 = info.digest.as_deref().map(hex).unwrap_or_default();
    Stored { name: info.name.clone(), size: info.size as u64, sha256 }
}

/// Gathers the small pieces that come from a socket into whole parts.
fn parts<S>(bytes: S) -> impl Stream<Item = io::Result<Bytes>> + Send
where
    S: Stream<Item = io::Result<Bytes>> + Unpin + Send,
{
    futures::stream::unfold((bytes, BytesMut::new(), false), |(mut bytes, mut part, ended)| async move {
        if ended {
            return None;
        }
        loop {
            if part.len() >= PART {
                let full = part.split_to(PART).freeze();
                return Some((Ok(full), (bytes, part, false)));
            }
            match bytes.next().await {
                Some(Ok(piece)) => part.extend_from_slice(&piece),
                Some(Err(error)) => return Some((Err(error), (bytes, part, true))),
                None if part.is_empty() => return None,
                None => return Some((Ok(part.split().freeze()), (bytes, part, true))),
            }
        }
    })
}

mod base64_digest {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE};

    /// The store writes `SHA-256=` and base64; everybody else writes hexadecimal.
    pub fn hex(digest: &str) -> String {
        let encoded = digest.split_once('=').map_or(digest, |(_, encoded)| encoded);
        schemas::text::hex(URL_SAFE.decode(encoded).unwrap_or_default())
    }
}
