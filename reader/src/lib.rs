//! From a file to text with pages and headings.
//!
//! Files come from outside, so none is parsed in the process that asks: a [`Reader`] starts the program `acorag-reader`
//! with limits on memory, time and output, and says what it found. The parsers belong to that program; here is what both
//! sides share.

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

/// What a document says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extracted {
    pub blocks: Vec<Block>,
    pub metadata: ExtractedMetadata,
    /// Documents inside the document: what a mail carries.
    pub attachments: Vec<Attachment>,
}

/// A piece of text that belongs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    pub kind: BlockKind,
    pub text: String,
    /// From 1; none where the format has no pages.
    pub page: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// 1 for the outermost.
    Heading(u8),
    Paragraph,
    ListItem,
    /// One row of a table, its cells named by their headers.
    TableRow,
}

/// What a document says about itself. A client's own metadata goes before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractedMetadata {
    pub title: String,
    pub author: String,
    pub date: Option<DateTime<Utc>>,
    /// 0 where the format has no pages.
    pub pages: u32,
    pub media_type: String,
    /// Short name of the format, such as `pdf`.
    pub file_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub filename: String,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// A record of a bulk import, which becomes a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Where it stands in the file: its line, or its position in the list, from 1.
    pub index: u64,
    pub document_id: String,
    /// The project it names itself.
    pub project: Option<String>,
    pub metadata: schemas::Metadata,
    pub filename: String,
    pub full_text: Option<String>,
    /// Its metadata as text, for records without `full_text`.
    pub labelled: String,
}

/// A record that cannot become a document.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("record {index}: {}", reason.message.en)]
pub struct RecordError {
    pub index: u64,
    pub reason: Reason,
}

/// Which locks of the kernel hold the reader while it parses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// It can call the kernel only for what a computation needs.
    pub seccomp: bool,
    /// It can reach no file.
    pub landlock: bool,
}

/// Bounds of everything that a file decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of text that come out.
    pub text_bytes: usize,
    pub pages: u32,
    /// Bytes that the parts of a compressed file may unpack to, together.
    pub unpacked_bytes: u64,
    /// Entries of a compressed file.
    pub entries: usize,
    /// Nesting of XML, HTML and JSON.
    pub depth: usize,
    /// Cells of a spreadsheet or table.
    pub cells: usize,
    /// Columns of one row.
    pub columns: usize,
    pub attachments: usize,
    pub attachment_bytes: u64,
    /// One record of a bulk import.
    pub record_bytes: usize,
    /// Address space of the child.
    pub memory_bytes: u64,
    /// Processor time of the child, in seconds.
    pub cpu_seconds: u64,
    /// Wall clock of the child, in seconds.
    pub wall_seconds: u64,
    /// The same two for a bulk import, whose records are read one by one. Its wall clock stands still while nobody waits
    /// for a record.
    pub import_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            text_bytes: 32 * 1024 * 1024,
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

impl Block {
    pub fn new(kind: BlockKind, text: impl Into<String>, page: Option<u32>) -> Self {
        Self { kind, text: text.into(), page }
    }
}

impl Extracted {
    /// Characters of text.
    pub fn text_length(&self) -> u64 {
        self.blocks.iter().map(|block| block.text.chars().count() as u64).sum()
    }

    /// Text that came in a message, without a file: read as a text file is.
    pub fn from_text(text: &str) -> Self {
        // Whoever let the message in has bounded it, and text is refused for nothing else.
        let unbounded = Limits { text_bytes: usize::MAX, ..Limits::default() };
        let mut extracted = text::structure(text, &unbounded).unwrap_or_default();
        extracted.metadata.media_type = "text/plain".to_owned();
        extracted.metadata.file_type = "txt".to_owned();
        extracted
    }
}
