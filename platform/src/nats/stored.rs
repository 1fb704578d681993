//! Reads single messages of a stream (MSG.GET). An event producer can store headers that the client library cannot read,
//! because NATS accepts any. The library's function would then fail each time, and with it a backup, a sweep or a list.

use std::str::FromStr as _;

use async_nats::{
    HeaderMap, HeaderName,
    jetstream::{ErrorCode, response::Response, stream::RawMessage},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Connection;

/// A stored message.
#[derive(Debug)]
pub struct Stored {
    pub subject: String,
    pub sequence: u64,
    pub time: DateTime<Utc>,
    /// `None` if the client library could not read them.
    pub headers: Option<HeaderMap>,
    pub payload: Bytes,
}

#[derive(Deserialize)]
struct Found {
    message: RawMessage,
}

impl Connection {
    /// Returns the first message of a stream on these subjects from a sequence number on.
    pub async fn first_stored(
        &self,
        stream: &str,
        subjects: &str,
        from: u64,
    ) -> anyhow::Result<Option<Stored>> {
        self.stored(stream, json!({ "seq": from, "next_by_subj": subjects })).await
    }

    /// Returns the last message of a stream on these subjects.
    pub async fn last_stored(&self, stream: &str, subjects: &str) -> anyhow::Result<Option<Stored>> {
        self.stored(stream, json!({ "last_by_subj": subjects })).await
    }

    async fn stored(&self, stream: &str, wanted: Value) -> anyhow::Result<Option<Stored>> {
        let raw = match self.jetstream.request(format!("STREAM.MSG.GET.{stream}"), &wanted).await? {
            Response::Ok(Found { message }) => message,
            Response::Err { error } if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => return Ok(None),
            Response::Err { error } => return Err(error.into()),
        };
        let headers = parse(&STANDARD.decode(raw.headers.unwrap_or_default())?);
        let payload = STANDARD.decode(raw.payload)?.into();
        Ok(Some(Stored { subject: raw.subject, sequence: raw.sequence, time: raw.time, headers, payload }))
    }
}

/// Reads headers as strictly as the client library does.
fn parse(headers: &[u8]) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    if headers.is_empty() {
        return Some(map);
    }
    let mut lines = std::str::from_utf8(headers).ok()?.lines();
    if lines.next() != Some("NATS/1.0") {
        return None;
    }
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').filter(|_| !line.contains('\r'))?;
        map.append(HeaderName::from_str(name).ok()?, value.trim());
    }
    Some(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_break_the_client_are_none() {
        for (headers, expected) in [
            (b"".as_slice(), Some(vec![])),
            (b"NATS/1.0\r\nNats-Msg-Id: a: b\r\nX:\r\n\r\n", Some(vec!["a: b", ""])),
            (b"NATS/1.0\r\nwithout colon\r\n\r\n", None),
            (b"NATS/1.0\r\nX: a\rb\r\n\r\n", None),
            (b"NATS/1.0\r\nX: \xff\r\n\r\n", None),
            (b"NATS/1.0 503 gone\r\n\r\n", None),
            (b"NATS/1.0\r\na b: c\r\n\r\n", None),
        ] {
            let read = parse(headers).map(|map| {
                let value = |name: &str| map.get(name).map(|value| value.as_str().to_owned());
                [value("Nats-Msg-Id"), value("X")].into_iter().flatten().collect::<Vec<_>>()
            });
            let expected = expected.map(|values| values.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(read, expected, "{}", String::from_utf8_lossy(headers));
        }
    }
}
