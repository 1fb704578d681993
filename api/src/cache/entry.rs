//! A cached answer, and its storage format.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use schemas::{
    ProjectId,
    search::{MatchQuality, drew_on},
};
use serde::{Deserialize, Serialize};

/// The body of an answer, ready to be sent, and its details for logs and statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub body: Bytes,
    pub results: usize,
    /// The projects that the answer drew on.
    pub projects: Vec<ProjectId>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    generations: Vec<String>,
    results: usize,
    projects: Vec<ProjectId>,
    /// Length of the uncompressed body, in bytes.
    length: usize,
    deflated: bool,
}

/// In bytes. Compressing a shorter body (ten rows have about 8 KiB) costs more than it saves: few are asked for again.
const COMPRESS_FROM: usize = 16 * 1024;
/// Maximum length of a body, in bytes. No answer is longer: it has at most fifty rows, and their fields are limited.
const MAX_BODY: usize = 16 * 1024 * 1024;

impl Entry {
    /// Makes an entry of rows ([`schemas::search::SearchRow`]) in JSON.
    pub fn new(body: Bytes) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Row {
            project_id: ProjectId,
            match_quality: MatchQuality,
        }
        let rows: Vec<Row> = serde_json::from_slice(&body)?;
        let projects = drew_on(rows.iter().map(|row| (&row.project_id, row.match_quality)));
        Ok(Self { body, results: rows.len(), projects })
    }

    /// Serializes the entry: one line of JSON (`Head`), then the body.
    pub fn write(&self, generations: &[String]) -> Option<Vec<u8>> {
        let deflated = self.body.len() >= COMPRESS_FROM;
        let head = Head {
            generations: generations.to_vec(),
            results: self.results,
            projects: self.projects.clone(),
            length: self.body.len(),
            deflated,
        };
        let mut written = serde_json::to_vec(&head).ok()?;
        written.push(b'\n');
        if !deflated {
            written.extend_from_slice(&self.body);
            return Some(written);
        }
        let mut encoder = DeflateEncoder::new(written, Compression::fast());
        encoder.write_all(&self.body).ok()?;
        encoder.finish().ok()
    }

    /// Returns a stored entry and its generations; `None` if it is unreadable.
    pub fn read(stored: &[u8]) -> Option<(Vec<String>, Self)> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let head: Head = serde_json::from_slice(&stored[..end]).ok()?;
        let rest = &stored[end + 1..];
        if head.length > MAX_BODY {
            return None;
        }
        let body = if head.deflated {
            let mut body = Vec::with_capacity(head.length);
            DeflateDecoder::new(rest).take(head.length as u64 + 1).read_to_end(&mut body).ok()?;
            body
        } else {
            rest.to_vec()
        };
        (body.len() == head.length).then_some(())?;
        Some((head.generations, Self { body: body.into(), results: head.results, projects: head.projects }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(length: usize) -> Entry {
        Entry { body: vec![b'x'; length].into(), results: 2, projects: vec!["p".parse().unwrap()] }
    }

    #[test]
    fn entries_come_back_as_they_were_and_long_ones_are_compressed() {
        let generations = vec!["g1".to_owned(), "g2".to_owned()];
        for length in [0, 10, 100_000] {
            let written = entry(length).write(&generations).unwrap();
            assert!(written.len() < 2_000, "{length} took {}", written.len());
            assert_eq!(Entry::read(&written), Some((generations.clone(), entry(length))));
        }
    }

    #[test]
    fn a_damaged_entry_is_none() {
        let written = entry(100_000).write(&[]).unwrap();
        assert_eq!(Entry::read(&written[..written.len() - 5]), None);
        assert_eq!(Entry::read(b""), None);
        assert_eq!(Entry::read(b"{}\nx"), None);
    }
}
