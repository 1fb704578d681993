//! Splits a JSON stream into its elements: the items of one list, or consecutive values.

mod value;

use std::io::{self, BufRead, Chain, Cursor, Read};

use schemas::{messages::reading, problem::Reason};

use value::Value;

/// Why there is no valid value at a place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    #[error("the file ends inside it")]
    Incomplete,
    #[error("something that is no JSON stands here")]
    Stray,
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooLarge(limit) => reading::record_too_large(*limit).reason("too_large"),
            Self::Incomplete => reading::record_incomplete().reason("damaged"),
            Self::Stray => reading::text_between_records().reason("bad_record"),
            Self::Io(_) => reading::no_further().reason("unreadable"),
        }
    }
}

/// Returns the elements of a stream of UTF-8 without a byte-order mark: the place of each, and its JSON text of at most
/// `limit` bytes. The place is the line if there is one value per line, or else the position; from 1.
///
/// If one of the first two lines is a complete object, each line is one value (NDJSON), so an invalid line does not
/// affect the others. Otherwise brackets separate the values.
pub fn elements<R: BufRead>(mut reader: R, limit: usize) -> Elements<R> {
    let mut head = Head::default();
    let pending = head.read(&mut reader, limit).err();
    Elements {
        place: if head.shape == Shape::Lines { head.empty } else { 0 },
        shape: head.shape,
        source: Cursor::new(head.bytes).chain(reader),
        limit,
        pending,
        done: false,
    }
}

pub struct Elements<R> {
    source: Chain<Cursor<Vec<u8>>, R>,
    limit: usize,
    shape: Shape,
    /// The number of the line or value that was read last.
    place: u64,
    pending: Option<io::Error>,
    done: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Shape {
    Lines,
    /// The items of one list, after its opening bracket.
    Items,
    #[default]
    Values,
}

impl<R: BufRead> Iterator for Elements<R> {
    type Item = (u64, Result<Vec<u8>, Error>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = match self.pending.take() {
            Some(error) => Err(error.into()),
            None if self.shape == Shape::Lines => self.line(),
            None => self.value(),
        };
        // After a read error, or text that is not JSON, the start of the next value is unknown.
        self.done = !matches!(next, Ok(Some(_)) | Err(Error::TooLarge(_)));
        next.transpose().map(|json| (self.place, json))
    }
}

impl<R: BufRead> Elements<R> {
    /// Returns the next line that is not empty. Skips the rest of a line that is too long.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            self.place += 1;
            let mut json = Vec::new();
            if !read_line(&mut self.source, &mut json, self.limit)? {
                self.source.skip_until(b'\n')?;
                return Err(Error::TooLarge(self.limit));
            }
            if json.is_empty() {
                return Ok(None);
            }
            if !json.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(json));
            }
        }
    }

    /// Returns the next value; it ends with its closing bracket, or at a delimiter if it has no brackets.
    fn value(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.place += 1;
        loop {
            match (self.peek()?, self.shape) {
                (None, Shape::Items) => return Err(Error::Incomplete),
                (None, _) => return Ok(None),
                (Some(b']'), Shape::Items) => {
                    self.source.consume(1);
                    return if self.peek()?.is_none() { Ok(None) } else { Err(Error::Stray) };
                }
                (Some(b','), _) => {}
                (Some(_), _) => break,
            }
            self.source.consume(1);
        }
        let mut value = Value::default();
        while !value.complete {
            let buffer = self.source.fill_buf()?;
            if buffer.is_empty() {
                if value.depth > 0 || value.in_string {
                    return Err(Error::Incomplete);
                }
                break;
            }
            let taken = value.feed(buffer, self.limit);
            self.source.consume(taken);
        }
        if value.too_large { Err(Error::TooLarge(self.limit)) } else { Ok(Some(value.json)) }
    }

    /// Returns the next byte that is not white space, without consuming it.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            let buffer = self.source.fill_buf()?;
            let white = buffer.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let (next, at_end) = (buffer.get(white).copied(), buffer.is_empty());
            self.source.consume(white);
            if next.is_some() || at_end {
                return Ok(next);
            }
        }
    }
}

/// The first lines, which are read in advance to find the shape of the file.
#[derive(Default)]
struct Head {
    bytes: Vec<u8>,
    shape: Shape,
    /// The number of empty lines that were skipped.
    empty: u64,
}

impl Head {
    fn read(&mut self, reader: &mut impl BufRead, limit: usize) -> io::Result<()> {
        let mut line = Vec::new();
        while read_line(reader, &mut line, limit)?
            && !line.is_empty()
            && line.iter().all(u8::is_ascii_whitespace)
        {
            line.clear();
            self.empty += 1;
        }
        self.shape = match line.trim_ascii_start() {
            [b'{', ..] if is_json(&line) => Shape::Lines,
            [b'[', items @ ..] => {
                line.drain(..line.len() - items.len());
                Shape::Items
            }
            [b'{', ..] if line.ends_with(b"\n") => {
                let first = line.len();
                read_line(reader, &mut line, limit)?;
                let second = &line[first..];
                if second.starts_with(b"{") && is_json(second) { Shape::Lines } else { Shape::Values }
            }
            _ => Shape::Values,
        };
        self.bytes = line;
        Ok(())
    }
}

/// Appends a line with its line end. Returns false if the line is longer than `limit` bytes.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
    let read = reader.by_ref().take(limit as u64).read_until(b'\n', line)?;
    Ok(line.ends_with(b"\n") || read < limit)
}

pub fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

#[cfg(test)]
mod tests;
