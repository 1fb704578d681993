//! Reasons why a document could not be read, which tell its owner what to do.

use std::io;

use schemas::{messages::reading, problem::Reason};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Error {
    #[error("the file is empty")]
    Empty,
    #[error("there is no text in the document")]
    NoText,
    #[error("the pages are images without text")]
    ScanWithoutText,
    #[error("the pages of the form are not in the file")]
    DynamicForm,
    #[error("the document is protected by a password")]
    PasswordProtected,
    #[error("the file is damaged or incomplete: {0}")]
    Damaged(String),
    #[error("too large: {what} (limit {limit})")]
    TooLarge { what: String, limit: u64 },
    #[error("unsupported format: {0}")]
    Unsupported(String),
    #[error("reading it took longer than {0} seconds")]
    TimedOut(u64),
    #[error("reading it needed more memory than allowed")]
    OutOfMemory,
    #[error("the reader crashed: {0}")]
    Crashed(String),
    /// The service is at fault, not the document: another attempt may succeed.
    #[error("the reader could not be started: {0}")]
    Unavailable(String),
}

impl Error {
    /// Returns an error if `count` is over `limit`; `what` names what is counted.
    pub fn if_over<N: PartialOrd + TryInto<u64>>(what: &str, count: N, limit: N) -> Result<(), Self> {
        if count <= limit {
            return Ok(());
        }
        Err(Self::TooLarge { what: what.to_owned(), limit: limit.try_into().unwrap_or(u64::MAX) })
    }

    /// Returns the error for a part of the file that cannot be read: it is damaged, unless there was no memory left for it.
    pub fn of_part(part: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::OutOfMemory => Self::OutOfMemory,
            _ => Self::Damaged(format!("{part}: {error}")),
        }
    }

    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub fn reason(&self) -> Reason {
        let (code, sentence) = match self {
            Self::Empty => ("empty", reading::empty()),
            Self::NoText => ("no_text", reading::no_text()),
            Self::ScanWithoutText => ("scan_without_text", reading::scan_without_text()),
            Self::DynamicForm => ("dynamic_form", reading::dynamic_form()),
            Self::PasswordProtected => ("password_protected", reading::password_protected()),
            Self::Damaged(_) => ("damaged", reading::damaged()),
            Self::TooLarge { what, limit } => ("too_large", reading::too_large(what, *limit)),
            Self::Unsupported(_) => ("unsupported", reading::unsupported()),
            Self::TimedOut(seconds) => ("timed_out", reading::timed_out(*seconds)),
            Self::OutOfMemory => ("out_of_memory", reading::out_of_memory()),
            Self::Crashed(_) | Self::Unavailable(_) => ("reader_failed", reading::failed()),
        };
        sentence.reason(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_too_large_learns_what_there_is_too_much_of() {
        for (what, limit, es, en) in [
            ("cells", 2_000_000, "2000000 celdas", "2000000 cells"),
            ("blocks", 1_100_000, "1100000 párrafos o filas", "1100000 paragraphs or rows"),
            ("bytes of text", 32 << 20, "32 MB de texto", "32 MB of text"),
            ("nesting", 200, "200 niveles de elementos anidados", "200 levels of nested elements"),
            ("unknown", 7, "7 unidades", "7 units"),
        ] {
            let reason = Error::if_over(what, limit + 1, limit).unwrap_err().reason();
            assert_eq!(reason.code, "too_large");
            assert!(reason.message.es.starts_with(&format!("El documento supera el máximo de {es}.")));
            assert!(reason.message.en.starts_with(&format!("The document exceeds the maximum of {en}.")));
        }
    }
}
