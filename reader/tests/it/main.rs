//! Reads documents as the worker does: with the real program in a child process and the real PDFium.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it did not expect"
)]

mod child;
mod formats;
mod limits;
mod locked;
mod pdf;
mod records;
mod xls;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use reader::{BlockKind, Error, Extracted, Found, Hints, Limits, Reader};

const PROGRAM: &str = env!("CARGO_BIN_EXE_acorag-reader");

static PDFIUM: LazyLock<PathBuf> =
    LazyLock::new(|| devstack::ensure().expect("the development stack").pdfium);

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/files").join(name)).unwrap()
}

async fn read(filename: &str, bytes: &[u8]) -> Result<Extracted, Error> {
    read_within(filename, bytes, &Limits::default()).await
}

async fn read_within(filename: &str, bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    match found(filename, bytes, limits).await? {
        Found::Document(extracted) => Ok(extracted),
        Found::Records(_) => panic!("{filename} is an import"),
    }
}

async fn found(filename: &str, bytes: &[u8], limits: &Limits) -> Result<Found, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let hints = Hints { filename: filename.to_owned(), media_type: String::new() };
    let pdfium = tokio::task::spawn_blocking(|| PDFIUM.clone()).await.unwrap();
    let reader = Reader { program: PathBuf::from(PROGRAM), pdfium, limits: limits.clone() };
    reader.read(file.path(), hints).await
}

/// Returns kind, page and text of each block.
fn blocks(extracted: &Extracted) -> Vec<(BlockKind, u32, &str)> {
    extracted.blocks.iter().map(|block| (block.kind, block.page.unwrap_or(0), block.text.as_str())).collect()
}
