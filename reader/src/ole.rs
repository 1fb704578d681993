//! Compound files: the container of Outlook messages, of Office documents before 2007 and of encrypted newer ones.

use std::io::{Cursor, Read};

use cfb::CompoundFile;

use super::{Error, Limits};

pub const MAGIC: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An Office document since 2007 that is protected by a password or rights management.
    EncryptedOffice,
    OutlookMessage,
    /// Excel 97 to 2003.
    OldWorkbook,
    /// Word 97 to 2003.
    OldDocument,
    /// PowerPoint 97 to 2003.
    OldPresentation,
    Unknown,
}

/// Returns the kind of a compound file; None if the bytes are not a compound file.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let Ok(container) = CompoundFile::open(Cursor::new(bytes)) else { return Some(Kind::Unknown) };
    let kinds = [
        ("/EncryptedPackage", Kind::EncryptedOffice),
        ("/__properties_version1.0", Kind::OutlookMessage),
        ("/Workbook", Kind::OldWorkbook),
        ("/Book", Kind::OldWorkbook),
        ("/WordDocument", Kind::OldDocument),
        ("/PowerPoint Document", Kind::OldPresentation),
    ];
    let found = kinds.into_iter().find(|(name, _)| container.exists(name));
    Some(found.map_or(Kind::Unknown, |(_, kind)| kind))
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

    /// Returns the full paths of the storages directly inside a storage.
    pub fn storages(&self, path: &str) -> Vec<String> {
        self.below(path, true)
    }

    /// Returns the full paths of the streams directly inside a storage.
    pub fn streams(&self, path: &str) -> Vec<String> {
        self.below(path, false)
    }

    fn below(&self, path: &str, storages: bool) -> Vec<String> {
        let Ok(entries) = self.inner.read_storage(path) else { return Vec::new() };
        entries
            .filter(|entry| entry.is_storage() == storages)
            .map(|entry| entry.path().to_string_lossy().into_owned())
            .collect()
    }
}

fn damaged(error: std::io::Error) -> Error {
    Error::of_part("compound file", &error)
}

#[cfg(test)]
pub mod tests;
