//! Messages of a stream in a backup. They are read one by one (MSG.GET), which needs no consumer and no right to create
//! one, and does not affect the services.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
};

use age::x25519::Identity;
use anyhow::{Context as _, Result};
use async_nats::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use futures::{Stream, stream};
use platform::nats::{Nats, stored::Stored};
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
    /// A job that is published now and counts as accepted at `since`.
    pub fn again(subject: String, since: DateTime<Utc>, payload: &[u8]) -> Self {
        let headers = vec![(headers::ACCEPTED.to_owned(), since.to_rfc3339())];
        Self { subject, time: Utc::now(), headers, payload: STANDARD.encode(payload) }
    }

    pub fn payload(&self) -> Result<Vec<u8>> {
        STANDARD.decode(&self.payload).context("a message's payload")
    }

    /// The project and document of a job, or of the job that became this dead letter.
    pub fn job(&self) -> Option<(ProjectId, DocumentId)> {
        subjects::parse_job(self.header(headers::DEAD_SUBJECT).unwrap_or(&self.subject)).ok()
    }

    /// Returns when the job was accepted, if the message is a job.
    pub fn accepted_at(&self) -> DateTime<Utc> {
        subjects::accepted_at(&self.subject, self.header(headers::ORDERED_AT), self.time)
    }

    /// Returns when the job was first accepted; earlier than [`Self::accepted_at`] if it was queued again.
    pub fn since(&self) -> DateTime<Utc> {
        subjects::first_accepted_at(self.header(headers::ACCEPTED), self.accepted_at())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub async fn publish(&self, nats: &Nats) -> Result<()> {
        nats.publish_raw(self.subject.clone(), self.headers_to_publish(), self.payload()?.into())
            .await
            .with_context(|| format!("publishing on {}", self.subject))
    }

    /// Returns the headers without those that are commands to JetStream, because they were for the original stream. With
    /// its id, for example, the new stream would drop the second of two messages with the same id.
    ///
    /// A job keeps its time of acceptance. Otherwise it would count as accepted during the restore: a deletion that waited
    /// would delete what was uploaded after it.
    fn headers_to_publish(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.starts_with("Nats-")) {
            map.append(name.as_str(), value.as_str());
        }
        if subjects::parse_job(&self.subject).is_ok() {
            let accepted_at = self.accepted_at().to_rfc3339();
            if subjects::is_the_services_own(&self.subject) {
                map.insert(headers::ORDERED_AT, accepted_at.as_str());
            } else if map.get(headers::ACCEPTED).is_none() {
                // A producer's job is a new job to the workers, but with this header an older one.
                map.insert(headers::ACCEPTED, accepted_at.as_str());
            }
        }
        map
    }
}

/// Returns the messages of a stream from this sequence number on, in order.
pub fn all<'a>(nats: &'a Nats, name: &'a str, from: u64) -> impl Stream<Item = Result<Stored>> + Send + 'a {
    stream::try_unfold(from, move |from| async move {
        let stored = nats.first_stored(name, ">", from).await;
        let stored = stored.with_context(|| format!("reading the stream {name}"))?;
        Ok(stored.map(|stored| {
            let next = stored.sequence + 1;
            (stored, next)
        }))
    })
}

/// Headers that nobody can read are left out.
impl From<Stored> for Message {
    fn from(message: Stored) -> Self {
        let headers = message.headers.iter().flat_map(HeaderMap::iter).flat_map(|(name, values)| {
            values.iter().map(move |value| (name.to_string(), value.as_str().to_owned()))
        });
        Self {
            subject: message.subject,
            time: message.time,
            headers: headers.collect(),
            payload: STANDARD.encode(&message.payload),
        }
    }
}

/// Reads the JSON lines of an encrypted file one by one: a queue with its files' parts can be larger than the memory.
pub fn lines<T: for<'de> Deserialize<'de>>(
    path: &Path,
    identity: &Identity,
) -> Result<impl Iterator<Item = Result<T>> + Send + use<T>> {
    let lines = BufReader::new(seal::open(path, identity)?).lines();
    let path = path.to_owned();
    Ok(lines.map(move |line| {
        let damaged = || format!("{} is damaged", path.display());
        serde_json::from_str(&line.with_context(damaged)?).with_context(damaged)
    }))
}

#[cfg(test)]
mod tests;
