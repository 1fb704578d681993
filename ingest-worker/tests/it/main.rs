//! Tests of passages that are cut from a real file, read by the real `acorag-reader`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at what it did not expect"
)]

use std::path::Path;

use ingest_worker::chunk::{ChunkOptions, chunk};
use reader::{Found, Hints, Limits, Reader};

#[tokio::test]
async fn a_sentence_over_a_page_end_is_one_passage() {
    let stack = tokio::task::spawn_blocking(devstack::ensure).await.unwrap().expect("the development stack");
    let program = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("acorag-reader");
    assert!(program.is_file(), "run `cargo build --workspace --bins` (make test does) first");
    let reader = Reader { program, pdfium: stack.pdfium, limits: Limits::default() };
    let report = concat!(env!("CARGO_MANIFEST_DIR"), "/../reader/tests/fixtures/report.pdf");
    let Found::Document(report) = reader.read(Path::new(report), Hints::default()).await.unwrap() else {
        panic!("no document")
    };
    let words = |text: &str| text.split_whitespace().count();
    let chunks = chunk(&report, &words, &ChunkOptions::default()).unwrap();
    let of = |wanted: &str| chunks.iter().find(|chunk| chunk.text.contains(wanted)).unwrap();
    let over = of("el resultado de cada una se recoge en el anexo.");
    assert_eq!((over.page, over.page_last), (Some(2), Some(3)));
    let after = of("punzonamiento");
    assert_eq!((after.page, after.heading.as_str()), (Some(3), "Memoria de cálculo › 2 Acciones"));
    assert_eq!(of("recubrimiento").heading, "Memoria de cálculo › 1 Alcance");
    assert_eq!(of("The left column").language, analysis::Language::English);
    for chunk in &chunks {
        let last = chunk.page_last.unwrap() - chunk.page.unwrap();
        assert!(last == 0 || chunk.text == over.text, "{chunk:?}");
    }
}
