//! The descriptions of objects. Every field of a description is checked before it is used in a subject or a path.

use async_nats::jetstream::{message::StreamMessage, object_store::ObjectInfo};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use chrono::{DateTime, Utc};
use schemas::subjects::FILES_BUCKET;

use super::Error;

/// What the subjects of parts and of descriptions begin with, in the bucket [`FILES_BUCKET`].
pub(super) const PART_SUBJECTS: &str = "$O.FILES.C.";
pub(super) const DESCRIPTION_SUBJECTS: &str = "$O.FILES.M.";

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    pub name: String,
    /// The store's id of this version of the object: only letters and digits, so it is safe in a subject and in a path.
    pub version: String,
    /// The size in bytes.
    pub size: u64,
    /// The hash in hexadecimal.
    pub sha256: String,
    /// When the stream stored the description. The time inside the description may be forged.
    pub stored_at: DateTime<Utc>,
}

impl Stored {
    /// Reads a description from a message of the store's stream. `None`: the object was deleted.
    pub fn read(message: &StreamMessage) -> Result<Option<Self>, Error> {
        let name = name_in(&message.subject).ok_or(Error::Malformed)?;
        let info: ObjectInfo = serde_json::from_slice(&message.payload).map_err(|_| Error::Malformed)?;
        Self::new(info, &name, message.time)
    }

    pub(super) fn new(info: ObjectInfo, name: &str, stored_at: DateTime<Utc>) -> Result<Option<Self>, Error> {
        let is_link = info.options.as_ref().is_some_and(|options| options.link.is_some());
        if info.name != name || info.bucket != FILES_BUCKET || is_link {
            return Err(Error::Malformed);
        }
        if info.deleted {
            return Ok(None);
        }
        let plain = |id: &str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
        let digest = info.digest.as_deref().and_then(|digest| digest.strip_prefix("SHA-256="));
        let digest =
            digest.and_then(|digest| URL_SAFE.decode(digest).ok()).filter(|digest| digest.len() == 32);
        let (true, Some(digest)) = (plain(&info.nuid), digest) else { return Err(Error::Malformed) };
        let sha256 = schemas::text::hex(digest);
        Ok(Some(Self { name: info.name, version: info.nuid, size: info.size as u64, sha256, stored_at }))
    }

    pub(super) fn parts(&self) -> String {
        format!("{PART_SUBJECTS}{}", self.version)
    }
}

/// Returns the subject of an object's description, encoded as in the NATS clients.
pub(super) fn description_of(name: &str) -> String {
    format!("{DESCRIPTION_SUBJECTS}{}", URL_SAFE.encode(name))
}

/// Returns the object name that is encoded in the subject of a description.
fn name_in(subject: &str) -> Option<String> {
    let encoded = subject.strip_prefix(DESCRIPTION_SUBJECTS)?;
    String::from_utf8(URL_SAFE.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn message(subject: &str, payload: &Value) -> StreamMessage {
        StreamMessage {
            subject: subject.into(),
            sequence: 1,
            headers: async_nats::HeaderMap::new(),
            payload: payload.to_string().into(),
            time: DateTime::UNIX_EPOCH,
        }
    }

    fn described() -> Value {
        let digest = format!("SHA-256={}", URL_SAFE.encode([7; 32]));
        json!({"name": "x", "bucket": "FILES", "nuid": "Ab9", "size": 3, "chunks": 1, "digest": digest,
               "mtime": "2020-01-01T00:00:00Z"})
    }

    #[test]
    fn a_description_is_what_its_writer_wrote_and_when_the_stream_took_it() {
        let stored = Stored::read(&message("$O.FILES.M.eA==", &described())).unwrap().unwrap();
        assert_eq!((stored.name.as_str(), stored.version.as_str(), stored.size), ("x", "Ab9", 3));
        assert_eq!((stored.sha256, stored.stored_at), ("07".repeat(32), DateTime::UNIX_EPOCH));
        let mut deleted = described();
        deleted["deleted"] = json!(true);
        assert!(Stored::read(&message("$O.FILES.M.eA==", &deleted)).unwrap().is_none());
    }

    #[test]
    fn a_forged_description_names_nothing() {
        let link = json!({"link": {"bucket": "FILES", "name": "x"}});
        for (field, forged) in [
            ("nuid", json!(">")),
            ("nuid", json!("*")),
            ("nuid", json!("a.b")),
            ("nuid", json!("../../wal/000000010000000000000001")),
            ("nuid", json!("")),
            ("nuid", json!("a".repeat(65))),
            ("name", json!("another")),
            ("bucket", json!("OTHER")),
            ("digest", json!("SHA-256=short")),
            ("digest", Value::Null),
            ("size", json!(-1)),
            ("options", link),
        ] {
            let mut description = described();
            description[field] = forged.clone();
            let read = Stored::read(&message("$O.FILES.M.eA==", &description));
            assert!(matches!(read, Err(Error::Malformed)), "{field}: {forged}");
        }
        for subject in ["$O.FILES.M.eQ==", "$O.OTHER.M.eA==", "$O.FILES.M.!", "x"] {
            let read = Stored::read(&message(subject, &described()));
            assert!(matches!(read, Err(Error::Malformed)), "{subject}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_safe_in_a_subject(payload in any::<String>(), nuid in any::<String>()) {
            let mut description = described();
            description["nuid"] = json!(nuid);
            for payload in [Value::String(payload), description] {
                if let Ok(Some(stored)) = Stored::read(&message("$O.FILES.M.eA==", &payload)) {
                    prop_assert!(stored.version.bytes().all(|byte| byte.is_ascii_alphanumeric()));
                }
            }
        }
    }
}
