//! The one shape of an error, on HTTP and on NATS, in the caller's language.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;

/// A sentence for a person, in both languages of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    pub es: String,
    pub en: String,
}

impl Message {
    pub fn new(es: impl Into<String>, en: impl Into<String>) -> Self {
        Self { es: es.into(), en: en.into() }
    }

    pub fn in_language(&self, language: UiLanguage) -> &str {
        match language {
            UiLanguage::Spanish => &self.es,
            UiLanguage::English => &self.en,
        }
    }
}

/// The language of a caller's messages: Spanish unless asked otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum UiLanguage {
    #[default]
    #[serde(rename = "es")]
    Spanish,
    #[serde(rename = "en")]
    English,
}

impl UiLanguage {
    /// Reads `Accept-Language`: the one of our two languages with the higher weight, Spanish when neither is named.
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

/// What went wrong, as far as a client needs to tell cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    /// The caller stopped sending in the middle of a request.
    RequestTimeout,
    Conflict,
    TooLarge,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    NoText,
    RateLimited,
    Internal,
    Unavailable,
    Overloaded,
    Timeout,
}

impl ProblemKind {
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RangeNotSatisfiable => 416,
            Self::NoText => 422,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Unavailable | Self::Overloaded => 503,
            Self::Timeout => 504,
        }
    }

    /// The short title that clients of the old system compare with.
    pub fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::RequestTimeout => "Request timeout",
            Self::Conflict => "Conflict",
            Self::TooLarge => "Payload too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::RangeNotSatisfiable => "Range not satisfiable",
            Self::NoText => "No text in the document",
            Self::RateLimited => "Rate limit exceeded",
            Self::Internal => "Internal error",
            Self::Unavailable => "Service unavailable",
            Self::Overloaded => "Overloaded",
            Self::Timeout => "Timeout",
        }
    }
}

/// Why something failed for good: a code for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    pub code: String,
    pub message: Message,
}

impl Reason {
    /// A sentence may quote what a stranger sent: NUL, which the database does not keep, is left out.
    pub fn new(code: impl Into<String>, es: impl Into<String>, en: impl Into<String>) -> Self {
        let [es, en] = [es.into(), en.into()].map(|sentence: String| text::without_nul(sentence));
        Self { code: code.into(), message: Message::new(es, en) }
    }
}

/// A refusal or failure as it travels between the services; the api turns it into [`Body`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub kind: ProblemKind,
    pub detail: Message,
    /// When trying again makes sense, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Problem {
    pub fn new(kind: ProblemKind, es: impl Into<String>, en: impl Into<String>) -> Self {
        Self { kind, detail: Message::new(es, en), retry_after: None }
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A parameter, body field or metadata field that cannot be used: the field is named.
    pub fn field(name: &str, es: &str, en: &str) -> Self {
        Self::new(ProblemKind::BadRequest, format!("{name}: {es}"), format!("{name}: {en}"))
    }

    pub fn not_found() -> Self {
        Self::new(
            ProblemKind::NotFound,
            "No existe, o no pertenece a un proyecto que usted pueda leer.",
            "It does not exist, or belongs to no project that you may read.",
        )
    }

    pub fn internal() -> Self {
        Self::new(
            ProblemKind::Internal,
            "Error interno. Indique el request_id al administrador.",
            "Internal error. Give the request_id to your administrator.",
        )
    }

    pub fn unavailable() -> Self {
        Self::new(
            ProblemKind::Unavailable,
            "Un servicio necesario no está disponible en este momento. Inténtelo de nuevo en unos segundos.",
            "A service this needs is not available right now. Try again in a few seconds.",
        )
        .retry_after(2)
    }

    pub fn overloaded() -> Self {
        Self::new(
            ProblemKind::Overloaded,
            "Hay demasiado trabajo en curso. Inténtelo de nuevo en unos segundos.",
            "There is too much work under way. Try again in a few seconds.",
        )
        .retry_after(1)
    }

    pub fn timeout() -> Self {
        Self::new(
            ProblemKind::Timeout,
            "La respuesta no llegó a tiempo. Inténtelo de nuevo.",
            "The answer did not arrive in time. Try again.",
        )
    }
}

/// The body of every failed HTTP call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct Body {
    /// Short title, the same in every language.
    pub error: String,
    /// A sentence that helps, in the caller's language.
    pub detail: String,
    /// The id under which the logs of all services know this call.
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
