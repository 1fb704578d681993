//! The protocol between a worker and the reader: the request is JSON, and the answer is JSON lines; the bytes of each
//! attachment follow its line.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::{Attachment, Block, Error, Extracted, ExtractedMetadata, Limits, Record, RecordError};

/// The version of [`Request`] and of the answer. During an update, a worker and a reader program of different releases
/// may meet: they refuse each other, and the file is read once both have the same release.
pub const PROTOCOL: u32 = 2;

/// With this argument, the program only prints its locks: [`super::Confinement`] as JSON.
pub const CHECK: &str = "--check";

/// The request, on the standard input of the program.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub protocol: u32,
    /// The file to read.
    pub input: PathBuf,
    /// The path of the PDFium library.
    pub pdfium: PathBuf,
    /// The file name from the sender.
    pub filename: String,
    /// The media type from the sender.
    pub media_type: String,
    pub limits: Limits,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
enum Line {
    Metadata(ExtractedMetadata),
    Block(Block),
    /// The bytes of the attachment follow this line.
    Attachment {
        filename: String,
        media_type: String,
        length: usize,
    },
    /// The file is a bulk import; its records follow.
    Records,
    Record(Result<Record, RecordError>),
    Failed(Error),
    /// The output is complete.
    Done,
}

#[derive(Debug, PartialEq)]
pub enum Answer {
    Document(Extracted),
    /// A bulk import; [`records`] reads its records.
    Records,
}

/// Some records, and whether more records follow.
pub type Batch = (Vec<Result<Record, RecordError>>, bool);

/// Returns the maximum number of bytes that a correct reader writes about a document; escaping may double the text.
pub fn longest_output(limits: &Limits) -> u64 {
    const OVERHEAD: u64 = 64 * 1024 * 1024;
    let text = (limits.text_bytes as u64).saturating_mul(2);
    text.saturating_add(limits.attachment_bytes).saturating_add(OVERHEAD)
}

/// Returns the maximum length of a line: all text in one block, or a record that contains its values twice, with
/// numbers in full.
fn longest_line(limits: &Limits) -> u64 {
    const OVERHEAD: u64 = 64 * 1024;
    let text = (limits.text_bytes as u64).saturating_mul(2);
    let record = (limits.record_bytes as u64).saturating_mul(16);
    text.max(record).saturating_add(OVERHEAD)
}

pub fn write(mut to: impl Write, outcome: Result<Extracted, Error>) -> io::Result<()> {
    match outcome {
        Err(error) => line(&mut to, &Line::Failed(error))?,
        Ok(Extracted { metadata, blocks, attachments }) => {
            line(&mut to, &Line::Metadata(metadata))?;
            for block in blocks {
                line(&mut to, &Line::Block(block))?;
            }
            for Attachment { filename, media_type, bytes } in attachments {
                line(&mut to, &Line::Attachment { filename, media_type, length: bytes.len() })?;
                to.write_all(&bytes)?;
            }
            line(&mut to, &Line::Done)?;
        }
    }
    to.flush()
}

/// Writes each record as soon as it is read, and waits while the worker takes none.
pub fn write_records(
    mut to: impl Write,
    records: impl Iterator<Item = Result<Record, RecordError>>,
) -> io::Result<()> {
    line(&mut to, &Line::Records)?;
    for record in records {
        line(&mut to, &Line::Record(record))?;
    }
    line(&mut to, &Line::Done)?;
    to.flush()
}

fn line(to: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Reads the reader's answer; `None` if it is incomplete or violates the protocol.
pub async fn read(
    mut from: impl AsyncBufRead + Unpin,
    limits: &Limits,
) -> io::Result<Option<Result<Answer, Error>>> {
    let mut extracted = Extracted::default();
    let mut attached = 0;
    loop {
        match next(&mut from, limits).await?.1 {
            Some(Line::Metadata(metadata)) => extracted.metadata = metadata,
            Some(Line::Block(_)) if extracted.blocks.len() >= limits.blocks => return Ok(None),
            Some(Line::Block(block)) => extracted.blocks.push(block),
            Some(Line::Attachment { filename, media_type, length }) => {
                attached = length.saturating_add(attached);
                if attached as u64 > limits.attachment_bytes
                    || extracted.attachments.len() >= limits.attachments
                {
                    return Ok(None);
                }
                let mut bytes = vec![0; length];
                if from.read_exact(&mut bytes).await.is_err() {
                    return Ok(None);
                }
                extracted.attachments.push(Attachment { filename, media_type, bytes });
            }
            Some(Line::Records) => return Ok(Some(Ok(Answer::Records))),
            Some(Line::Failed(error)) => return Ok(Some(Err(error))),
            Some(Line::Done) => return Ok(Some(Ok(Answer::Document(extracted)))),
            Some(Line::Record(_)) | None => return Ok(None),
        }
    }
}

/// Reads the next records, at most `most`; `None` if they are incomplete or violate the protocol.
pub async fn records(
    mut from: impl AsyncBufRead + Unpin,
    limits: &Limits,
    most: usize,
) -> io::Result<Option<Batch>> {
    /// The batch ends after this many bytes, because all its records are in memory together.
    const BYTES: usize = 8 * 1024 * 1024;
    let (mut records, mut taken) = (Vec::new(), 0);
    while records.len() < most && taken < BYTES {
        match next(&mut from, limits).await? {
            (length, Some(Line::Record(record))) => {
                taken += length;
                records.push(record);
            }
            (_, Some(Line::Done)) => return Ok(Some((records, false))),
            _ => return Ok(None),
        }
    }
    Ok(Some((records, true)))
}

/// Reads a line; returns its length and its content, which is `None` if the line is invalid.
async fn next(from: &mut (impl AsyncBufRead + Unpin), limits: &Limits) -> io::Result<(usize, Option<Line>)> {
    let mut json = Vec::new();
    from.take(longest_line(limits)).read_until(b'\n', &mut json).await?;
    Ok((json.len(), serde_json::from_slice(&json).ok()))
}

#[cfg(test)]
mod tests;
