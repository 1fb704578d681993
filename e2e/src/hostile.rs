//! Hostile files: some written by hand for the weaknesses of each format, the others mutations of good files. The same
//! seed gives the same files.

mod archives;
mod mails;
mod mutations;
mod pdfs;
mod run;
mod texts;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::Random;
pub use run::{Outcome, send};

/// A file, with the name under which it is uploaded.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl File {
    fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// Returns at least `count` files: all files written by hand, every quick sample with every other file extension, and
/// then mutations, each of which is created only when it is needed.
pub fn files(seed: u64, count: usize) -> Result<impl Iterator<Item = File>> {
    let good = good()?;
    let by_hand = [archives::files(), mails::files(), pdfs::files(), texts::files()].concat();
    let renamed: Vec<File> = good.iter().filter(|file| is_quick(file)).flat_map(renamed).collect();
    let named: Vec<File> = NAMES.iter().map(|name| File::new(*name, format!("Acta de {name}."))).collect();
    let first = [by_hand, renamed, named].concat();
    let rest = count.saturating_sub(first.len());
    let mut random = Random::new(seed);
    Ok(first.into_iter().chain((0..rest).map(move |_| mutations::mutated(&good, &mut random))))
}

/// Returns the sample files and the files of the reader's tests.
fn good() -> Result<Vec<File>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["samples/files", "reader/tests/fixtures"] {
        let folder = root.join(folder);
        let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        // The order of directory entries differs between machines.
        paths.sort();
        let known = |path: &&PathBuf| ENDINGS.iter().any(|ending| path.extension() == Some(ending.as_ref()));
        for path in paths.iter().filter(known) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push(File::new(name, std::fs::read(path)?));
        }
    }
    Ok(files)
}

/// Whether a file is suitable for many mutations: a long document takes long to embed, and a bomb uses all memory that
/// is allowed. One copy of such a file is enough.
fn is_quick(file: &File) -> bool {
    !file.name.ends_with(".pdf") || file.bytes.len() < 12_000 && file.name != "bomb.pdf"
}

const ENDINGS: [&str; 12] =
    ["pdf", "docx", "pptx", "xlsx", "xls", "csv", "txt", "md", "html", "eml", "msg", "ndjson"];

/// Returns copies of the file with every file extension except its own.
fn renamed(file: &File) -> Vec<File> {
    let others = ENDINGS.iter().filter(|ending| !file.name.ends_with(**ending));
    others.map(|ending| File::new(format!("{}.{ending}", file.name), file.bytes.clone())).collect()
}

const NAMES: [&str; 16] = [
    "",
    " ",
    ".",
    "..",
    "../../../../etc/passwd",
    "/dev/stdin",
    "C:\\Windows\\win.ini",
    "nul\0byte.txt",
    "\u{202e}txt.exe.pdf",
    "\u{200b}\u{feff}\u{2066}acta\u{2069}.txt",
    "line\r\nX-Injected: yes.txt",
    "'; DROP TABLE document; --.txt",
    "<script>alert(1)</script>.html",
    "%2e%2e%2f%00.txt",
    "a.txt\u{1b}[2J",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}.txt",
];
