//! Messages of a stream in a backup. They are read one by one (MSG.GET), which needs no consumer and no right to create
//! one, and does not affect the services.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
};

use age::x25519::Identity;
use anyhow::{Context as _, Result};
use async_nats::{
    HeaderMap,
    jetstream::stream::{LastRawMessageErrorKind, Stream},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use platform::nats::Nats;
use schemas::{DocumentId, ProjectId, headers, subjects};
use serde::{Deserialize, Serialize};

use crate::seal;

/// A message; one line of JSON in the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub subject: String,
    /// When the stream stored the message; this orders all jobs of a document.
    pub time: DateTime<Utc>,
    headers: Vec<(String, String)>,
    /// The payload in base64, because a dead letter may contain any bytes.
    payload: String,
}

impl Message {
    pub fn payload(&self) -> Result<Vec<u8>> {
        STANDARD.decode(&self.payload).context("a message's payload")
    }

    /// The project and document of a job, or of the job that became this dead letter.
    pub fn job(&self) -> Option<(ProjectId, DocumentId)> {
        let died = self.headers.iter().find(|(name, _)| name == headers::DEAD_SUBJECT);
        subjects::parse_job(died.map_or(&self.subject, |(_, subject)| subject)).ok()
    }

    /// Returns when the job was accepted, if the message is a job.
    pub fn accepted_at(&self) -> DateTime<Utc> {
        let header = self.headers.iter().find(|(name, _)| name == headers::ORDERED_AT);
        subjects::accepted_at(&self.subject, header.map(|(_, at)| at.as_str()), self.time)
    }

    /// Publishes the message again without the headers that are commands to JetStream, because they were for
    /// the original stream. With its id, for example, the new stream would drop the second of two messages
    /// with the same id.
    pub async fn publish(&self, nats: &Nats) -> Result<()> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.starts_with("Nats-")) {
            headers.append(name.as_str(), value.as_str());
        }
        nats.publish_raw(self.subject.clone(), headers, self.payload()?.into())
            .await
            .with_context(|| format!("publishing on {}", self.subject))
    }
}

/// Calls `take` with each message of a stream, in order, and returns their number.
pub async fn each(
    nats: &Nats,
    stream: &str,
    mut take: impl FnMut(Message) -> Result<()> + Send,
) -> Result<usize> {
    let stream =
        nats.jetstream.get_stream_no_info(stream).await.with_context(|| format!("stream {stream}"))?;
    let mut reader = Reader::new(stream, ">".to_owned());
    let mut count = 0;
    while let Some(message) = reader.next().await? {
        let headers = message.headers.iter().flat_map(|(name, values)| {
            values.iter().map(move |value| (name.to_string(), value.as_str().to_owned()))
        });
        take(Message {
            subject: message.subject.to_string(),
            time: message.time,
            headers: headers.collect(),
            payload: STANDARD.encode(&message.payload),
        })?;
        count += 1;
    }
    Ok(count)
}

/// Reads the JSON lines of an encrypted file.
pub fn lines<T: for<'de> Deserialize<'de>>(path: &Path, identity: &Identity) -> Result<Vec<T>> {
    let damaged = || format!("{} is damaged", path.display());
    BufReader::new(seal::open(path, identity)?)
        .lines()
        .map(|line| serde_json::from_str(&line.with_context(damaged)?).with_context(damaged))
        .collect()
}

/// Reads the messages of one subject of a stream, one after another.
pub struct Reader {
    stream: Stream<()>,
    subject: String,
    next: u64,
}

impl Reader {
    pub fn new(stream: Stream<()>, subject: String) -> Self {
        Self { stream, subject, next: 1 }
    }

    pub async fn next(&mut self) -> Result<Option<async_nats::jetstream::message::StreamMessage>> {
        match self.stream.get_first_raw_message_by_subject(&self.subject, self.next).await {
            Ok(message) => {
                self.next = message.sequence + 1;
                Ok(Some(message))
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", self.subject)),
        }
    }
}
