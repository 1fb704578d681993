//! What the child says to its parent: JSON lines, and the bytes of attachments behind theirs.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::{Attachment, Block, Error, Extracted, ExtractedMetadata, Limits};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Metadata(ExtractedMetadata),
    Block(Block),
    /// Its bytes follow the line.
    Attachment {
        filename: String,
        media_type: String,
        length: usize,
    },
    Failed(Error),
    /// Nothing is missing.
    Done,
}

/// Bytes that an honest child writes at the most: text may double when it is escaped.
pub fn longest_output(limits: &Limits) -> u64 {
    const OVERHEAD: u64 = 64 * 1024 * 1024;
    (limits.text_bytes as u64)
        .saturating_mul(2)
        .saturating_add(limits.attachment_bytes)
        .saturating_add(OVERHEAD)
}

/// The longest line: all the text in one block.
fn longest_line(limits: &Limits) -> u64 {
    const OVERHEAD: u64 = 64 * 1024;
    (limits.text_bytes as u64).saturating_mul(2).saturating_add(OVERHEAD)
}

pub fn write(mut to: impl Write, outcome: &Result<Extracted, Error>) -> io::Result<()> {
    match outcome {
        Err(error) => line(&mut to, &Line::Failed(error.clone()))?,
        Ok(extracted) => {
            line(&mut to, &Line::Metadata(extracted.metadata.clone()))?;
            for block in &extracted.blocks {
                line(&mut to, &Line::Block(block.clone()))?;
            }
            for Attachment { filename, media_type, bytes } in &extracted.attachments {
                let (filename, media_type) = (filename.clone(), media_type.clone());
                line(&mut to, &Line::Attachment { filename, media_type, length: bytes.len() })?;
                to.write_all(bytes)?;
            }
            line(&mut to, &Line::Done)?;
        }
    }
    to.flush()
}

fn line(to: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Reads what the child says; none when it did not get to the end, or says what no child of ours would.
pub async fn read(
    mut from: impl AsyncBufRead + Unpin,
    limits: &Limits,
) -> io::Result<Option<Result<Extracted, Error>>> {
    let mut extracted = Extracted::default();
    let mut attached = 0;
    let mut json = Vec::new();
    loop {
        json.clear();
        (&mut from).take(longest_line(limits)).read_until(b'\n', &mut json).await?;
        match serde_json::from_slice(&json) {
            Ok(Line::Metadata(metadata)) => extracted.metadata = metadata,
            Ok(Line::Block(block)) => extracted.blocks.push(block),
            Ok(Line::Attachment { filename, media_type, length }) => {
                attached += length as u64;
                if attached > limits.attachment_bytes {
                    return Ok(None);
                }
                let mut bytes = vec![0; length];
                if from.read_exact(&mut bytes).await.is_err() {
                    return Ok(None);
                }
                extracted.attachments.push(Attachment { filename, media_type, bytes });
            }
            Ok(Line::Failed(error)) => return Ok(Some(Err(error))),
            Ok(Line::Done) => return Ok(Some(Ok(extracted))),
            Err(_) => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockKind;

    fn sample() -> Extracted {
        Extracted {
            blocks: vec![Block::new(BlockKind::Heading(2), "Línea\nuna", Some(3))],
            metadata: ExtractedMetadata { title: "T".into(), pages: 3, ..ExtractedMetadata::default() },
            attachments: vec![Attachment {
                filename: "a.bin".into(),
                media_type: "x/y".into(),
                bytes: b"\n\x00{}\n".to_vec(),
            }],
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        for outcome in [Ok(sample()), Err(Error::TooLarge { what: "cells".into(), limit: 7 })] {
            let mut bytes = Vec::new();
            write(&mut bytes, &outcome).unwrap();
            assert_eq!(read(bytes.as_slice(), &Limits::default()).await.unwrap(), Some(outcome));
        }
    }

    #[tokio::test]
    async fn a_child_that_stopped_half_way_said_nothing() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Ok(sample())).unwrap();
        for length in 0..bytes.len() - 1 {
            assert_eq!(read(&bytes[..length], &Limits::default()).await.unwrap(), None, "{length}");
        }
    }
}
