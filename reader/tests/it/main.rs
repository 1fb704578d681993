//! Documents read as the worker reads them: by the real program, in a child process, with the real PDFium.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it did not expect"
)]

mod child;
mod formats;
mod hostile;
mod pdf;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use reader::{BlockKind, Error, Extracted, Hints, Limits};

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
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let hints = Hints { filename: filename.to_owned(), media_type: String::new() };
    let pdfium = tokio::task::spawn_blocking(|| PDFIUM.clone()).await.unwrap();
    reader::run(Path::new(PROGRAM), &pdfium, file.path(), hints, limits).await
}

/// Kind, page and text of each block.
fn blocks(extracted: &Extracted) -> Vec<(BlockKind, u32, &str)> {
    extracted.blocks.iter().map(|block| (block.kind, block.page.unwrap_or(0), block.text.as_str())).collect()
}
