//! Repairs jobs of event producers whose headers the client library cannot read. NATS accepts headers of any form, but the
//! library ends the connection when it receives a line without a colon or bytes that are not UTF-8, and itself when a value
//! contains a carriage return. Such a job would come again and again, to each worker. So after each break of the connection,
//! and at the start, the jobs under way are looked at in the form of NATS's API, which contains headers as base64. A job with
//! such headers is published again without them.

use std::str::FromStr as _;

use anyhow::{Context as _, bail};
use async_nats::{HeaderMap, HeaderName};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use platform::nats::Nats;
use schemas::{
    headers,
    subjects::{self, JobKind},
};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

pub async fn watch(nats: Nats, stopping: CancellationToken) -> anyhow::Result<()> {
    let watch = async {
        loop {
            if let Err(error) = repair(&nats).await {
                tracing::warn!(error = format!("{error:#}"), "looking for jobs with unreadable headers");
            }
            nats.broken().await;
        }
    };
    stopping.run_until_cancelled(watch).await;
    Ok(())
}

/// Looks at the jobs that were delivered to a worker and are not settled.
pub async fn repair(nats: &Nats) -> anyhow::Result<()> {
    let stream = nats.jetstream.get_stream_no_info(subjects::INGEST_STREAM).await?;
    let info = stream.consumer_info(subjects::ingest_consumer(JobKind::Document)).await?;
    for filter in JobKind::Document.filters() {
        let mut next = info.ack_floor.stream_sequence + 1;
        while let Some(job) = stored(nats, &filter, next).await? {
            if job.seq > info.delivered.stream_sequence {
                break;
            }
            if !is_readable(&STANDARD.decode(&job.hdrs)?) {
                tracing::warn!(
                    subject = job.subject,
                    "a job with unreadable headers is queued again without them"
                );
                let mut map = HeaderMap::new();
                // This step may be repeated: JetStream drops a second job with the same id.
                map.insert(headers::MESSAGE_ID, format!("readable:{}", job.seq));
                map.insert(headers::ACCEPTED, job.time.as_str());
                nats.publish_raw(job.subject, map, STANDARD.decode(&job.data)?.into()).await?;
                stream.delete_message(job.seq).await?;
            }
            next = job.seq + 1;
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Reply {
    message: Option<Stored>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: u16,
    #[serde(default)]
    description: String,
}

/// A message as NATS's API gives it.
#[derive(Deserialize)]
struct Stored {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: String,
}

/// Returns the first message on these subjects from a sequence number on. (The library's function reads its headers.)
async fn stored(nats: &Nats, filter: &str, from: u64) -> anyhow::Result<Option<Stored>> {
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", subjects::INGEST_STREAM);
    let request = serde_json::json!({"seq": from, "next_by_subj": filter}).to_string();
    let reply = nats.client.request(subject, request.into()).await.context("reading the queue")?;
    match serde_json::from_slice(&reply.payload)? {
        Reply { error: Some(Refusal { code: 404, .. }), .. } => Ok(None),
        Reply { error: Some(Refusal { description, .. }), .. } => bail!("reading the queue: {description}"),
        Reply { message, .. } => Ok(message),
    }
}

/// Whether the library can read these headers.
fn is_readable(headers: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(headers) else { return false };
    let mut lines = text.lines();
    let is_header = |line: &str| {
        let name = line.split_once(':').map(|(name, _)| name);
        !line.contains('\r') && name.is_some_and(|name| HeaderName::from_str(name).is_ok())
    };
    headers.is_empty()
        || lines.next() == Some("NATS/1.0") && lines.filter(|line| !line.is_empty()).all(is_header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_break_the_client_are_found() {
        for (headers, readable) in [
            (b"".as_slice(), true),
            (b"NATS/1.0\r\nNats-Msg-Id: a: b\r\nX:\r\n\r\n", true),
            (b"NATS/1.0\r\nwithout colon\r\n\r\n", false),
            (b"NATS/1.0\r\nX: a\rb\r\n\r\n", false),
            (b"NATS/1.0\r\nX: \xff\r\n\r\n", false),
            (b"NATS/1.0 503 gone\r\n\r\n", false),
            (b"NATS/1.0\r\na b: c\r\n\r\n", false),
        ] {
            assert_eq!(is_readable(headers), readable, "{}", String::from_utf8_lossy(headers));
        }
    }
}
