//! The archive of the write-ahead log. PostgreSQL runs `archive` for each finished segment, `fetch-wal` in recovery.

use std::{fmt, fs::File, io, ops::RangeInclusive, path::Path};

use age::x25519::{Identity, Recipient};
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    repository::{Repository, Set},
    seal::{self, Sealed},
};

/// A segment of the log, parsed from its file name: `TTTTTTTTXXXXXXXXYYYYYYYY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Segment {
    pub timeline: u32,
    /// The two last parts of the name, unchanged; the first of them is in the upper 32 bits.
    pub number: u64,
}

impl Segment {
    pub fn parse(name: &str) -> Option<Self> {
        let is_name = name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u128::from_str_radix(name, 16).ok().filter(|_| is_name)?;
        Some(Self { timeline: (bits >> 64) as u32, number: bits as u64 })
    }

    /// The position in the log (LSN) at which this segment ends.
    pub fn end(self, segment_bytes: u64) -> u64 {
        let (high, low) = (self.number >> 32, self.number & 0xFFFF_FFFF);
        (high << 32) + (low + 1) * segment_bytes
    }

    /// Returns the number after `number`. Its lower 32 bits count the segments within 4 GiB of log, its upper
    /// 32 bits count these 4 GiB.
    fn next(number: u64, segment_bytes: u64) -> u64 {
        let last = ((1_u64 << 32) / segment_bytes.max(1)).saturating_sub(1);
        if number & 0xFFFF_FFFF >= last { ((number >> 32) + 1) << 32 } else { number + 1 }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}{:016X}", self.timeline, self.number)
    }
}

/// Stores a finished file of the log. PostgreSQL repeats a call if it did not receive the result.
pub fn archive(repository: &Repository, recipient: &Recipient, file: &Path, name: &str) -> Result<()> {
    let open = || File::open(file).with_context(|| format!("cannot read {}", file.display()));
    let (_, hash) = seal::copy_hashed(&mut open()?, &mut io::sink())?;
    let (sealed, hash_file) =
        (repository.wal(&format!("{name}.age")), repository.wal(&format!("{name}.sha256")));
    if sealed.exists() {
        let known = std::fs::read_to_string(&hash_file)?;
        ensure!(
            known == hash,
            "{name} is archived with other content: another database archives into this folder"
        );
        return Ok(());
    }
    repository.ensure_same_recipient(&recipient.to_string())?;
    seal::plain(&hash_file, hash.as_bytes())?;
    let mut target = Sealed::create(sealed, recipient)?;
    io::copy(&mut open()?, &mut target)?;
    target.finish()?;
    Ok(())
}

/// Fetches a file of the log; returns false if there is no file with that name.
pub fn fetch(repository: &Repository, identity: &Identity, name: &str, to: &Path) -> Result<bool> {
    if !repository.wal(&format!("{name}.age")).exists() {
        return Ok(false);
    }
    let to = std::path::absolute(to)?;
    let mut file = seal::part(&to)?;
    read(repository, identity, name, &mut file)?;
    seal::keep(file, &to)?;
    Ok(true)
}

/// Decrypts and verifies a file of the log; returns its size in bytes.
pub fn read(
    repository: &Repository,
    identity: &Identity,
    name: &str,
    to: &mut impl io::Write,
) -> Result<u64> {
    let path = repository.wal(&format!("{name}.age"));
    let (size, hash) = seal::copy_hashed(&mut seal::open(&path, identity)?, to)
        .with_context(|| format!("{} is damaged", path.display()))?;
    let known = std::fs::read_to_string(path.with_extension("sha256"))
        .with_context(|| format!("the hash of {name} is missing"))?;
    ensure!(hash == known, "{} is not what was archived under this name", path.display());
    Ok(size)
}

/// Returns the archived segments from `start` on, oldest first. A segment counts only if it is of the `timelines` from which
/// recovery takes its number. A missing segment is an error, and so is an end before that of `set`: recovery would stop there
/// without reporting it.
pub fn chain(
    repository: &Repository,
    start: Segment,
    set: &Set,
    timelines: impl Fn(u64) -> RangeInclusive<u32>,
) -> Result<Vec<Segment>> {
    let folder = repository.wal_folder();
    let entries = std::fs::read_dir(&folder).with_context(|| {
        format!("cannot read {}: does PostgreSQL's archive_command use acorag-backup?", folder.display())
    })?;
    let mut segments: Vec<Segment> = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let segment = name.to_str().and_then(|name| Segment::parse(name.strip_suffix(".age")?));
        segments.extend(segment.filter(|segment| {
            segment.number >= start.number && timelines(segment.number).contains(&segment.timeline)
        }));
    }
    segments.sort_by_key(|segment| (segment.number, segment.timeline));
    let last = segments.last().map_or(0, |segment| segment.number).max(set.wal_end.number);
    let mut number = start.number;
    while number <= last {
        let found = segments.binary_search_by_key(&number, |segment| segment.number);
        let segment = Segment { timeline: *timelines(number).start(), number };
        ensure!(found.is_ok(), "the log's segment {segment} is missing in the archive");
        number = Segment::next(number, set.wal_segment_bytes);
    }
    Ok(segments)
}

#[cfg(test)]
mod tests;
