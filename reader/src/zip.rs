//! Zip containers: bytes are counted while they are unpacked, because the sizes in the file may be wrong.

use std::{
    collections::HashMap,
    io::{self, Cursor, Read, Write},
};

use zip::{ZipArchive, result::ZipError};

use super::{Error, Limits};

pub struct Archive<'a> {
    inner: ZipArchive<Cursor<&'a [u8]>>,
    /// The index of each entry by its normalized name: programs write names with different case and slashes.
    entries: HashMap<String, usize>,
    /// Bytes that may still be unpacked.
    left: u64,
    limit: u64,
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let inner = ZipArchive::new(Cursor::new(bytes)).map_err(refusal)?;
        Error::if_over("entries", inner.len(), limits.entries)?;
        let entries = (0..inner.len())
            .filter_map(|index| Some((comparable(inner.name_for_index(index)?), index)))
            .collect();
        Ok(Self { inner, entries, left: limits.unpacked_bytes, limit: limits.unpacked_bytes })
    }

    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(&comparable(name))
    }

    /// Returns the bytes of an entry; None if there is no such entry.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(&index) = self.entries.get(&comparable(name)) else { return Ok(None) };
        let mut bytes = Vec::new();
        self.unpack(index, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Unpacks the entries that `wanted` accepts and drops them, so that a library can then open the file safely.
    pub fn check(&mut self, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
        // Not only the entries that are found by name: two names may differ in case only.
        for index in 0..self.inner.len() {
            if self.inner.name_for_index(index).is_some_and(|name| wanted(&comparable(name))) {
                self.unpack(index, &mut io::sink())?;
            }
        }
        Ok(())
    }

    fn unpack(&mut self, index: usize, to: &mut impl Write) -> Result<(), Error> {
        // An entry is held in memory while it is parsed, so one entry may only take half of the limit.
        let most = self.left.min(self.limit / 2);
        let too_large = || Error::TooLarge { what: "unpacked bytes".to_owned(), limit: self.limit };
        let mut file = self.inner.by_index(index).map_err(refusal)?;
        if file.size() > most {
            return Err(too_large());
        }
        let count = io::copy(&mut file.by_ref().take(most + 1), to)
            .map_err(|error| Error::of_part(&printable(file.name()), &error))?;
        if count > most {
            return Err(too_large());
        }
        self.left -= count;
        Ok(())
    }
}

fn comparable(name: &str) -> String {
    name.trim_start_matches(['/', '\\']).replace('\\', "/").to_lowercase()
}

/// Returns a name from the file without control characters, for a message.
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
pub mod tests;
