//! Extracts text with pages and headings from files.
//!
//! Files come from outside, so the calling process never parses them: a [`Reader`] runs the program `acorag-reader`
//! with limits on memory, time and output, and returns what it extracted. The parsers belong to that program; this
//! library contains what both sides use.

pub mod blocks;
mod error;
mod run;
pub mod text;
pub mod wire;

use chrono::{DateTime, Utc};
use schemas::problem::Reason;
use serde::{Deserialize, Serialize};

pub use error::Error;
pub use run::{Found, Hints, Reader, Records};

/// The content of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extracted {
    pub blocks: Vec<Block>,
    pub metadata: ExtractedMetadata,
    /// Documents inside the document, such as attachments of a mail.
    pub attachments: Vec<Attachment>,
}

/// A piece of text: a heading, a paragraph, a list item or a table row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    pub kind: BlockKind,
    pub text: String,
    /// The page, from 1; None if the format has no pages.
    pub page: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// A heading with its level; 1 is the outermost.
    Heading(u8),
    Paragraph,
    ListItem,
    /// One row of a table; each cell is preceded by the header of its column.
    TableRow,
}

/// Metadata in the file. Metadata from the client has priority.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractedMetadata {
    pub title: String,
    pub author: String,
    pub date: Option<DateTime<Utc>>,
    /// The number of pages; 0 if the format has no pages.
    pub pages: u32,
    pub media_type: String,
    /// The short name of the format, such as `pdf`.
    pub file_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub filename: String,
    pub media_type: String,
    /// Empty if it is a photo, a film or a recording, which becomes no document.
    pub bytes: Vec<u8>,
}

/// A record of a bulk import. It becomes a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The record's line in the file or its position in the list, from 1.
    pub index: u64,
    pub document_id: String,
    /// The project that the record names.
    pub project: Option<String>,
    pub metadata: schemas::Metadata,
    pub filename: String,
    pub full_text: Option<String>,
    /// The metadata as text, for records without `full_text`.
    pub labelled: String,
}

/// A record that cannot become a document, with the reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordError {
    pub index: u64,
    pub reason: Reason,
}

/// Which of the kernel's locks confine the reader while it parses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The reader may use only the system calls that a computation needs.
    pub seccomp: bool,
    /// The reader may open no file.
    pub landlock: bool,
}

/// Upper limits for everything that a file determines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of extracted text.
    pub text_bytes: usize,
    /// Number of blocks of extracted text: a short one takes far more memory than its text.
    pub blocks: usize,
    pub pages: u32,
    /// Bytes of all unpacked parts of a compressed file together.
    pub unpacked_bytes: u64,
    /// Number of entries of a compressed file.
    pub entries: usize,
    /// Nesting depth of XML and RTF. HTML may be nested five times as deep.
    pub depth: usize,
    /// Number of cells of a spreadsheet or table.
    pub cells: usize,
    /// Number of columns of a row.
    pub columns: usize,
    pub attachments: usize,
    pub attachment_bytes: u64,
    /// Bytes of one record of a bulk import.
    pub record_bytes: usize,
    /// Address space of the child process, in bytes.
    pub memory_bytes: u64,
    /// Processor time of the child, in seconds.
    pub cpu_seconds: u64,
    /// Wall clock of the child, in seconds.
    pub wall_seconds: u64,
    /// Processor time, and also wall-clock time, of a bulk import, in seconds. The wall clock is stopped while nobody
    /// waits for a record.
    pub import_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            text_bytes: 32 * 1024 * 1024,
            // A sheet of Excel has up to 1,048,576 rows.
            blocks: 1_100_000,
            pages: 10_000,
            unpacked_bytes: 512 * MIB,
            entries: 10_000,
            depth: 200,
            cells: 2_000_000,
            columns: 2_000,
            attachments: 100,
            attachment_bytes: 100 * MIB,
            record_bytes: 4 * 1024 * 1024,
            memory_bytes: 640 * MIB,
            cpu_seconds: 120,
            wall_seconds: 180,
            import_seconds: 1_800,
        }
    }
}

impl Extracted {
    /// The number of characters of text.
    pub fn text_length(&self) -> u64 {
        self.blocks.iter().map(|block| block.text.chars().count() as u64).sum()
    }

    /// Structures a text that came in a message without a file, as a text file.
    pub fn from_text(text: &str) -> Self {
        // The size of the message is already limited, and a text has no other limit.
        let unbounded =
            Limits { text_bytes: usize::MAX, blocks: usize::MAX, pages: u32::MAX, ..Limits::default() };
        let mut extracted = text::structure(text, &unbounded).unwrap_or_default();
        extracted.metadata.media_type = "text/plain".to_owned();
        extracted.metadata.file_type = "txt".to_owned();
        extracted
    }
}
