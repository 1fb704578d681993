//! Zip containers from strangers: everything is counted while it is unpacked, whatever the file says about itself.

use std::{
    collections::HashMap,
    io::{Cursor, Read},
};

use zip::{ZipArchive, read::ZipFile, result::ZipError};

use super::{Error, Limits};

pub struct Archive<'a> {
    inner: ZipArchive<Cursor<&'a [u8]>>,
    /// Index by comparable name: producers disagree about case and slashes.
    entries: HashMap<String, usize>,
    /// Bytes that may still be unpacked.
    left: u64,
    limit: u64,
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let inner = ZipArchive::new(Cursor::new(bytes)).map_err(refusal)?;
        if inner.len() > limits.entries {
            return Err(Error::TooLarge { what: "entries".to_owned(), limit: limits.entries as u64 });
        }
        let entries = (0..inner.len())
            .filter_map(|index| Some((comparable(inner.name_for_index(index)?), index)))
            .collect();
        Ok(Self { inner, entries, left: limits.unpacked_bytes, limit: limits.unpacked_bytes })
    }

    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(&comparable(name))
    }

    /// The bytes of an entry, or none when there is no such entry.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(&index) = self.entries.get(&comparable(name)) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.unpack(index, |piece| bytes.extend_from_slice(piece))?;
        Ok(Some(bytes))
    }

    /// Unpacks what `wanted` names and forgets it: another library may then open the same file without being bombed.
    pub fn check(&mut self, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
        let indexes: Vec<usize> =
            self.entries.iter().filter(|(name, _)| wanted(name)).map(|(_, index)| *index).collect();
        indexes.into_iter().try_for_each(|index| self.unpack(index, |_| ()))
    }

    fn unpack(&mut self, index: usize, mut sink: impl FnMut(&[u8])) -> Result<(), Error> {
        // One entry is held in memory while it is parsed: it may not take everything that the whole file may.
        let mut entry_left = self.left.min(self.limit / 2);
        let limit = self.limit;
        let too_large = || Error::TooLarge { what: "unpacked bytes".to_owned(), limit };
        let mut file: ZipFile<'_, _> = self.inner.by_index(index).map_err(refusal)?;
        if file.size() > entry_left {
            return Err(too_large());
        }
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = file
                .read(&mut buffer)
                .map_err(|error| Error::Damaged(format!("{}: {error}", printable(file.name()))))?;
            if count == 0 {
                return Ok(());
            }
            if count as u64 > entry_left {
                return Err(too_large());
            }
            entry_left -= count as u64;
            self.left -= count as u64;
            sink(&buffer[..count]);
        }
    }
}

fn comparable(name: &str) -> String {
    name.trim_start_matches(['/', '\\']).replace('\\', "/").to_lowercase()
}

/// A name from the file, fit for a message.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn refusal(error: ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            Error::PasswordProtected
        }
        ZipError::UnsupportedArchive(what) => Error::Unsupported(format!("zip container: {what}")),
        other => Error::Damaged(format!("zip container: {other}")),
    }
}

#[cfg(test)]
pub mod tests {
    use std::io::Write;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// A zip container with these entries.
    pub fn pack(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn reads_entries_whatever_case_and_slashes_they_have() {
        let packed = pack(&[("Word\\Document.xml", b"text")]);
        let mut archive = Archive::open(&packed, &Limits::default()).unwrap();
        assert_eq!(archive.read("/word/document.xml").unwrap().unwrap(), b"text");
        assert_eq!(archive.read("word/styles.xml").unwrap(), None);
    }

    #[test]
    fn refuses_bombs_while_it_unpacks_them() {
        let limits = Limits { unpacked_bytes: 1024 * 1024, ..Limits::default() };
        let too_large = Error::TooLarge { what: "unpacked bytes".to_owned(), limit: 1024 * 1024 };

        let one = pack(&[("a", &vec![0; 600 * 1024])]);
        assert!(one.len() < 10 * 1024);
        assert_eq!(Archive::open(&one, &limits).unwrap().read("a"), Err(too_large.clone()));

        let third = vec![0; 400 * 1024];
        let three = pack(&[("a", &third), ("b", &third), ("c", &third)]);
        assert_eq!(Archive::open(&three, &limits).unwrap().check(|_| true), Err(too_large.clone()));

        // The size that the file states, in both of its directories, is a lie.
        let mut liar = one;
        let stated = (600u32 * 1024).to_le_bytes();
        let places: Vec<usize> = (0..liar.len() - 4).filter(|&at| liar[at..at + 4] == stated).collect();
        assert_eq!(places.len(), 2);
        for at in places {
            liar[at..at + 4].copy_from_slice(&16u32.to_le_bytes());
        }
        assert_eq!(Archive::open(&liar, &limits).unwrap().read("a"), Err(too_large));
    }

    #[test]
    fn refuses_too_many_entries() {
        let names: Vec<String> = (0..20).map(|n| format!("entry{n}")).collect();
        let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let packed = pack(&entries);
        let limits = Limits { entries: 19, ..Limits::default() };
        assert!(matches!(Archive::open(&packed, &limits), Err(Error::TooLarge { limit: 19, .. })));
    }

    #[test]
    fn tells_protected_from_damaged() {
        let mut packed = pack(&[("a", b"some text")]);
        assert!(matches!(
            Archive::open(&packed[..packed.len() / 2], &Limits::default()),
            Err(Error::Damaged(_))
        ));
        assert!(matches!(Archive::open(b"%PDF-1.7", &Limits::default()), Err(Error::Damaged(_))));

        // Bit 0 of the flags, in the entry's own header and in the directory, says that it is encrypted.
        let directory = packed.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
        packed[6] |= 1;
        packed[directory + 8] |= 1;
        let mut archive = Archive::open(&packed, &Limits::default()).unwrap();
        assert_eq!(archive.read("a"), Err(Error::PasswordProtected));
    }
}
