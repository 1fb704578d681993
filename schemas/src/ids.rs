//! Identifiers: any text for clients; in a NATS subject, one token with safe characters only.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{Problem, lenient, messages::fields, text};

/// Maximum number of characters of an identifier.
pub const MAX_ID_CHARS: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("must not be empty")]
    Empty,
    #[error("must not have more than {MAX_ID_CHARS} characters")]
    TooLong,
    #[error("must not contain control characters")]
    Control,
    #[error("is not valid in a subject of NATS")]
    Token,
}

impl Error {
    pub const ALL: [Self; 4] = [Self::Empty, Self::TooLong, Self::Control, Self::Token];

    /// The error as an answer to a client.
    pub fn problem(&self, field: &str) -> Problem {
        let message = match self {
            Self::Empty => fields::empty(),
            Self::TooLong => fields::too_long(MAX_ID_CHARS),
            Self::Control => fields::control(),
            Self::Token => fields::not_token(),
        };
        message.about(field)
    }
}

fn parse(raw: &str) -> Result<String, Error> {
    let id = raw.trim();
    if id.is_empty() {
        Err(Error::Empty)
    } else if id.chars().any(char::is_control) {
        Err(Error::Control)
    } else if text::is_longer(id, MAX_ID_CHARS) {
        Err(Error::TooLong)
    } else {
        Ok(id.to_owned())
    }
}

/// Encodes an identifier as a token of a subject. Letters, digits, `-` and `_` stay as they are; every other byte
/// becomes `=XX`. The token has no dot, space or wildcard, and `decode` restores the identifier exactly.
fn encode(id: &str) -> String {
    let mut token = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            token.push(char::from(byte));
        } else {
            token.push_str(&format!("={byte:02X}"));
        }
    }
    token
}

fn decode(token: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'=' => {
                let pair = [rest.next().ok_or(Error::Token)?, rest.next().ok_or(Error::Token)?];
                let hex = std::str::from_utf8(&pair).map_err(|_| Error::Token)?;
                u8::from_str_radix(hex, 16).map_err(|_| Error::Token)?
            }
            b'-' | b'_' => byte,
            _ if byte.is_ascii_alphanumeric() => byte,
            _ => return Err(Error::Token),
        });
    }
    String::from_utf8(bytes).map_err(|_| Error::Token)
}

macro_rules! id {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
        pub struct $name(
            // At least one character is not a space, and none is a control character.
            #[schemars(length(min = 1, max = MAX_ID_CHARS))]
            #[schemars(regex(pattern = r"^(?=.*\S)[^\x00-\x1f\x7f-\x9f]+$"))]
            String,
        );

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The identifier as a token of a NATS subject.
            pub fn token(&self) -> String {
                encode(&self.0)
            }

            pub fn from_token(token: &str) -> Result<Self, Error> {
                decode(token)?.parse()
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(raw: &str) -> Result<Self, Error> {
                parse(raw).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                lenient::text(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

id!(ProjectId, "A project: free text chosen by the client, 1 to 128 characters.");
id!(
    DocumentId,
    "A document within its project: the imported record's `DocumentId`, or made from the content."
);

impl ProjectId {
    /// The project of a document whose upload names no project.
    pub fn default_project() -> Self {
        Self("default".to_owned())
    }
}

impl DocumentId {
    /// The id of an uploaded document: the same file, name, number and revision in the same project always give the
    /// same id.
    pub fn of_content(
        project: &ProjectId,
        filename: &str,
        number: &str,
        revision: &str,
        sha256: &str,
    ) -> Self {
        /// A random value, made once for acorag. Changing it would change the id of every document.
        const NAMESPACE: uuid::Uuid = uuid::uuid!("6f0a1f3e-5c1b-4c0e-9b43-0a1c52c0ac0a");
        let name = [project.as_str(), filename, number, revision, sha256].join("\u{1f}");
        Self(uuid::Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string())
    }

    /// The id of a document that another document contains, such as an attachment of a mail.
    pub fn of_part(&self, part: &str) -> Self {
        const NAMESPACE: uuid::Uuid = uuid::uuid!("0c9c1d52-6f8e-4c73-8b51-2f5d3a0ac0a6");
        Self(uuid::Uuid::new_v5(&NAMESPACE, format!("{self}\u{1f}{part}").as_bytes()).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_project_name_becomes_one_safe_subject_token_and_is_decoded_exactly() {
        for name in ["obra-norte", "Torre Ñuñoa / Fase 2", "a.b.*.>", "工事", "=41", "x y\u{a0}z"] {
            let project: ProjectId = name.parse().unwrap();
            let token = project.token();
            assert!(!token.contains(['.', ' ', '*', '>']), "{token}");
            assert_eq!(ProjectId::from_token(&token).unwrap(), project);
        }
    }

    #[test]
    fn bad_ids_are_refused() {
        assert_eq!("  ".parse::<ProjectId>(), Err(Error::Empty));
        assert_eq!("a\nb".parse::<ProjectId>(), Err(Error::Control));
        assert_eq!("x".repeat(129).parse::<ProjectId>(), Err(Error::TooLong));
        for token in ["a.b", "=4", "=ZZ", "a b"] {
            assert_eq!(ProjectId::from_token(token), Err(Error::Token), "{token}");
        }
    }

    #[test]
    fn the_same_upload_is_the_same_document() {
        let project = ProjectId::default_project();
        let id = |revision| DocumentId::of_content(&project, "plano.pdf", "A-1", revision, "00ff");
        assert_eq!(id("A"), id("A"));
        assert_ne!(id("A"), id("B"));
    }

    #[test]
    fn old_clients_may_send_a_number_as_an_id() {
        assert_eq!(serde_json::from_str::<DocumentId>("271341").unwrap().as_str(), "271341");
    }
}
