//! Why a document could not be read, in words that its owner can act on.

use schemas::problem::Reason;
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
    /// Our side's fault, not the document's: trying again may help.
    #[error("the reader could not be started: {0}")]
    Unavailable(String),
}

impl Error {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub fn reason(&self) -> Reason {
        match self {
            Self::Empty => Reason::new("empty", "El archivo está vacío.", "The file is empty."),
            Self::NoText => {
                Reason::new("no_text", "El documento no contiene texto.", "There is no text in the document.")
            }
            Self::ScanWithoutText => Reason::new(
                "scan_without_text",
                "El documento es un escaneo: sus páginas son imágenes sin texto. Aplíquele OCR y súbalo de nuevo.",
                "The document is a scan: its pages are images without text. Run OCR on it and upload it again.",
            ),
            Self::PasswordProtected => Reason::new(
                "password_protected",
                "El documento está protegido con contraseña. Quite la protección y súbalo de nuevo.",
                "The document is protected by a password. Remove the protection and upload it again.",
            ),
            Self::Damaged(_) => Reason::new(
                "damaged",
                "El archivo está dañado o incompleto. Compruebe que se abre en su programa y súbalo de nuevo.",
                "The file is damaged or incomplete. Check that it opens in its program and upload it again.",
            ),
            Self::TooLarge { limit, .. } => Reason::new(
                "too_large",
                format!(
                    "El documento supera los límites de lectura ({limit}). Divídalo en partes más pequeñas."
                ),
                format!("The document exceeds what can be read ({limit}). Split it into smaller parts."),
            ),
            Self::Unsupported(_) => Reason::new(
                "unsupported",
                "El formato no se admite. Se admiten PDF, DOCX, TXT, Markdown, HTML, XLSX, CSV, PPTX, EML, MSG, JSON y \
                 NDJSON.",
                "The format is not supported. PDF, DOCX, TXT, Markdown, HTML, XLSX, CSV, PPTX, EML, MSG, JSON and \
                 NDJSON are.",
            ),
            Self::TimedOut(seconds) => Reason::new(
                "timed_out",
                format!("La lectura del documento superó los {seconds} segundos."),
                format!("Reading the document took longer than {seconds} seconds."),
            ),
            Self::OutOfMemory => Reason::new(
                "out_of_memory",
                "La lectura del documento necesitó demasiada memoria. Divídalo en partes más pequeñas.",
                "Reading the document needed too much memory. Split it into smaller parts.",
            ),
            Self::Crashed(_) | Self::Unavailable(_) => Reason::new(
                "reader_failed",
                "El lector de documentos falló con este archivo.",
                "The document reader failed on this file.",
            ),
        }
    }
}
