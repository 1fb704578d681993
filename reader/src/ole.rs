//! Compound files: the container of Outlook messages, of Office documents before 2007 and of encrypted newer ones.

use std::io::{Cursor, Read};

use cfb::CompoundFile;

use super::{Error, Limits};

/// Returns what belongs to the first of these streams that a compound file has.
pub fn find<T, const N: usize>(bytes: &[u8], kinds: [(&str, T); N]) -> Option<T> {
    let container = CompoundFile::open(Cursor::new(bytes)).ok()?;
    kinds.into_iter().find(|(stream, _)| container.exists(stream)).map(|(_, kind)| kind)
}

pub struct Container<'a> {
    inner: CompoundFile<Cursor<&'a [u8]>>,
    /// Bytes that may still be read. Streams may share sectors, so together they may be larger than the file.
    left: u64,
    limit: u64,
}

impl<'a> Container<'a> {
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let inner = CompoundFile::open(Cursor::new(bytes)).map_err(damaged)?;
        Error::if_over("entries", inner.walk().take(limits.entries + 1).count(), limits.entries)?;
        Ok(Self { inner, left: limits.unpacked_bytes, limit: limits.unpacked_bytes })
    }

    /// Returns the bytes of a stream; None if there is no such stream.
    pub fn stream(&mut self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        if !self.inner.is_stream(path) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let stream = self.inner.open_stream(path).map_err(damaged)?;
        stream.take(self.left + 1).read_to_end(&mut bytes).map_err(damaged)?;
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| Error::TooLarge { what: "unpacked bytes".to_owned(), limit: self.limit })?;
        Ok(Some(bytes))
    }

    /// Returns the full path of each entry directly inside a storage, and whether the entry is a storage, too.
    pub fn entries(&self, path: &str) -> Vec<(String, bool)> {
        let Ok(entries) = self.inner.read_storage(path) else { return Vec::new() };
        entries.map(|entry| (entry.path().to_string_lossy().into_owned(), entry.is_storage())).collect()
    }
}

fn damaged(error: std::io::Error) -> Error {
    Error::of_part("compound file", &error)
}

#[cfg(test)]
pub mod tests;
