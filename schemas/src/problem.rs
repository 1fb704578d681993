//! The form of all errors, on HTTP and on NATS, in the caller's language.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::messages::calls;

/// A sentence for users, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    pub es: String,
    pub en: String,
}

impl Message {
    pub fn in_language(&self, language: UiLanguage) -> &str {
        match language {
            UiLanguage::Spanish => &self.es,
            UiLanguage::English => &self.en,
        }
    }
}

/// The language of messages to a caller: Spanish, unless the caller prefers English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum UiLanguage {
    #[default]
    #[serde(rename = "es")]
    Spanish,
    #[serde(rename = "en")]
    English,
}

impl UiLanguage {
    /// Reads `Accept-Language`: returns the language with the higher weight, Spanish if neither is named.
    pub fn from_accept_language(header: &str) -> Self {
        let weight = |wanted: &str| -> f32 {
            header
                .split(',')
                .filter_map(|item| {
                    let (tag, parameters) = item.split_once(';').unwrap_or((item, ""));
                    let primary = tag.trim().split('-').next().unwrap_or_default();
                    let quality =
                        parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse().ok())?;
                    primary.eq_ignore_ascii_case(wanted).then_some(quality)
                })
                .fold(0.0, f32::max)
        };
        if weight("en") > weight("es") { Self::English } else { Self::Spanish }
    }
}

/// Declares the kinds of problems, each with its HTTP status and its title.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $status:literal $title:literal)*) => {
        /// The kind of a problem: one for each case that clients have to tell apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)*
        }

        impl ProblemKind {
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$kind => $status,)*
                }
            }

            /// The short title, which clients of the old system compare.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$kind => $title,)*
                }
            }
        }
    };
}

kinds! {
    BadRequest 400 "Bad request"
    Unauthorized 401 "Unauthorized"
    Forbidden 403 "Forbidden"
    NotFound 404 "Not found"
    MethodNotAllowed 405 "Method not allowed"
    /// The client stopped sending in the middle of a request.
    RequestTimeout 408 "Request timeout"
    Conflict 409 "Conflict"
    TooLarge 413 "Payload too large"
    UnsupportedMediaType 415 "Unsupported media type"
    RangeNotSatisfiable 416 "Range not satisfiable"
    NoText 422 "No text in the document"
    RateLimited 429 "Rate limit exceeded"
    Internal 500 "Internal error"
    Unavailable 503 "Service unavailable"
    Overloaded 503 "Overloaded"
    Timeout 504 "Timeout"
}

/// Why something failed finally: a code for programs and a sentence for users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    pub code: String,
    pub message: Message,
}

/// A refusal or failure on its way between services; the api turns it into a [`Body`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub kind: ProblemKind,
    pub detail: Message,
    /// The number of seconds after which the client may try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Problem {
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn not_found() -> Self {
        calls::not_found().problem(ProblemKind::NotFound)
    }

    pub fn internal() -> Self {
        calls::internal().problem(ProblemKind::Internal)
    }

    pub fn unavailable() -> Self {
        calls::unavailable().problem(ProblemKind::Unavailable).retry_after(2)
    }

    pub fn overloaded() -> Self {
        calls::overloaded().problem(ProblemKind::Overloaded).retry_after(1)
    }

    pub fn timeout() -> Self {
        calls::timeout().problem(ProblemKind::Timeout)
    }
}

/// The body of every failed HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct Body {
    /// A short title, the same in every language.
    pub error: String,
    /// A sentence with the cause, in the caller's language.
    pub detail: String,
    /// The id of this call in the logs of all services.
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spanish_unless_english_is_preferred() {
        use UiLanguage::{English, Spanish};
        for (header, language) in [
            ("", Spanish),
            ("en", English),
            ("en-US,en;q=0.9,es;q=0.8", English),
            ("es-CL,es;q=0.9,en;q=0.8", Spanish),
            ("de", Spanish),
            ("EN-gb;q=0.3", English),
            ("en;q=x", Spanish),
        ] {
            assert_eq!(UiLanguage::from_accept_language(header), language, "{header}");
        }
    }
}
