//! Compound files: the container of Outlook messages, of old Office documents and of encrypted new ones.

use std::io::{Cursor, Read};

use cfb::CompoundFile;

use super::{Error, Limits};

pub const MAGIC: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A new Office document behind a password or rights management.
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

/// What a compound file holds; none when the bytes are no compound file.
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let Ok(container) = CompoundFile::open(Cursor::new(bytes)) else { return Some(Kind::Unknown) };
    let has = |name: &str| container.exists(name);
    Some(if has("/EncryptedPackage") {
        Kind::EncryptedOffice
    } else if has("/__properties_version1.0") {
        Kind::OutlookMessage
    } else if has("/Workbook") || has("/Book") {
        Kind::OldWorkbook
    } else if has("/WordDocument") {
        Kind::OldDocument
    } else if has("/PowerPoint Document") {
        Kind::OldPresentation
    } else {
        Kind::Unknown
    })
}

pub struct Container<'a> {
    inner: CompoundFile<Cursor<&'a [u8]>>,
    /// Bytes that may still be read: streams may share sectors, so their sum is not the file's size.
    left: u64,
    limit: u64,
}

impl<'a> Container<'a> {
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let inner = CompoundFile::open(Cursor::new(bytes))
            .map_err(|error| Error::Damaged(format!("compound file: {error}")))?;
        if inner.walk().take(limits.entries + 1).count() > limits.entries {
            return Err(Error::TooLarge { what: "entries".to_owned(), limit: limits.entries as u64 });
        }
        Ok(Self { inner, left: limits.unpacked_bytes, limit: limits.unpacked_bytes })
    }

    /// The bytes of a stream, or none when there is no such stream.
    pub fn stream(&mut self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        if !self.inner.is_stream(path) {
            return Ok(None);
        }
        let damaged = |error: std::io::Error| Error::Damaged(format!("compound file: {error}"));
        let mut bytes = Vec::new();
        let stream = self.inner.open_stream(path).map_err(damaged)?;
        stream.take(self.left + 1).read_to_end(&mut bytes).map_err(damaged)?;
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| Error::TooLarge { what: "unpacked bytes".to_owned(), limit: self.limit })?;
        Ok(Some(bytes))
    }

    /// The storages directly below one, by their full path.
    pub fn storages(&self, path: &str) -> Vec<String> {
        self.below(path, true)
    }

    /// The streams directly below a storage, by their full path.
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

#[cfg(test)]
pub mod tests {
    use std::io::Write;

    use super::*;

    /// A compound file with these streams; the storages above them are made as needed.
    pub fn build(streams: &[(&str, &[u8])]) -> Vec<u8> {
        let mut container = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        for (path, bytes) in streams {
            if let Some((storage, _)) = path.rsplit_once('/')
                && !storage.is_empty()
            {
                container.create_storage_all(storage).unwrap();
            }
            container.create_stream(path).unwrap().write_all(bytes).unwrap();
        }
        container.flush().unwrap();
        container.into_inner().into_inner()
    }

    #[test]
    fn tells_what_a_compound_file_holds() {
        for (stream, expected) in [
            ("/EncryptedPackage", Kind::EncryptedOffice),
            ("/__properties_version1.0", Kind::OutlookMessage),
            ("/Workbook", Kind::OldWorkbook),
            ("/WordDocument", Kind::OldDocument),
            ("/PowerPoint Document", Kind::OldPresentation),
            ("/other", Kind::Unknown),
        ] {
            assert_eq!(kind(&build(&[(stream, b"x")])), Some(expected));
        }
        assert_eq!(kind(b"PK\x03\x04"), None);
        assert_eq!(kind(MAGIC), Some(Kind::Unknown));
    }

    #[test]
    fn counts_what_it_reads() {
        let built = build(&[("/a/b", &[7; 5000]), ("/c", b"x")]);
        let mut container = Container::open(&built, &Limits::default()).unwrap();
        assert_eq!(container.stream("/a/b").unwrap().unwrap().len(), 5000);
        assert_eq!(container.stream("/a").unwrap(), None);
        assert_eq!(container.storages("/"), ["/a"]);
        assert_eq!(container.streams("/"), ["/c"]);

        let limits = Limits { unpacked_bytes: 8000, ..Limits::default() };
        let mut container = Container::open(&built, &limits).unwrap();
        container.stream("/a/b").unwrap();
        assert!(matches!(container.stream("/a/b"), Err(Error::TooLarge { limit: 8000, .. })));
    }
}
