use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use reader::wire;

use super::*;

#[tokio::test]
async fn empty_and_almost_empty_files_are_refused() {
    assert_eq!(read("a.pdf", b"").await, Err(Error::Empty));
    assert_eq!(read("a.txt", b" \r\n\t").await, Err(Error::Empty));
    assert_eq!(read("a.txt", "... — ...".as_bytes()).await, Err(Error::NoText));
}

#[tokio::test]
async fn garbage_is_refused_by_the_format_that_its_name_claims() {
    let garbage: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for name in ["a.pdf", "a.docx", "a.xlsx", "a.msg"] {
        let error = read(name, &garbage).await.unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{name}: {error:?}");
    }
    for name in ["a.txt", "a.bin", ""] {
        let error = read(name, &garbage).await.unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{name}: {error:?}");
    }
    for (head, name) in [
        (&b"%PDF-1.7\n"[..], "a.pdf"),
        (b"PK\x03\x04", "a.docx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.msg"),
    ] {
        let error = read(name, &[head, &garbage].concat()).await.unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_truncated_docx_is_damaged() {
    let whole = sample("acta-reunion-de-obra-41.docx");
    for part in [2, 3] {
        let error = read("acta.docx", &whole[..whole.len() * (part - 1) / part]).await.unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error:?}");
    }
}

/// Returns a small Word file with this many megabytes of text.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
    archive.start_file("[Content_Types].xml", options).unwrap();
    write!(archive, "<Types><Override PartName=\"/word/document.xml\" ContentType=\"{kind}\"/></Types>")
        .unwrap();
    archive.start_file("word/document.xml", options).unwrap();
    archive.write_all(b"<w:document><w:body><w:p><w:r><w:t>").unwrap();
    for _ in 0..megabytes {
        archive.write_all(&[b'a'; 1024 * 1024]).unwrap();
    }
    let bomb = archive.finish().unwrap().into_inner();
    assert!(bomb.len() < 1024 * 1024, "it looks small");
    bomb
}

#[tokio::test]
async fn a_zip_bomb_is_not_unpacked() {
    let error = read("bomb.docx", &bomb(600)).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_part_that_does_not_fit_into_memory_is_not_called_damaged() {
    let limits = Limits { memory_bytes: 128 * 1024 * 1024, ..Limits::default() };
    assert_eq!(read_within("bomb.docx", &bomb(200), &limits).await, Err(Error::OutOfMemory));
}

#[tokio::test]
async fn unbounded_nesting_is_refused() {
    let start = Instant::now();
    let html = read("a.html", format!("<html>{}", "<div>".repeat(1_000_000)).as_bytes()).await;
    assert!(matches!(html, Err(Error::TooLarge { .. })), "{html:?}");
    let json = read("a.json", "[".repeat(1_000_000).as_bytes()).await;
    assert!(matches!(json, Err(Error::Damaged(_))), "{json:?}");
    assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_million_columns_are_refused() {
    let row = "x,".repeat(1_000_000);
    let error = read("a.csv", format!("{row}\n{row}\n").as_bytes()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn too_much_text_is_refused() {
    let limits = Limits { text_bytes: 1_000, ..Limits::default() };
    let error = read_within("a.txt", "palabra ".repeat(1_000).as_bytes(), &limits).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 1_000, .. }), "{error:?}");
}

#[tokio::test]
async fn very_many_short_paragraphs_are_refused() {
    let error = read("a.txt", "a\n\n".repeat(1_100_001).as_bytes()).await.unwrap_err();
    assert_eq!(error, Error::TooLarge { what: "blocks".to_owned(), limit: 1_100_000 });
}

#[tokio::test]
async fn memory_is_bounded() {
    let limits = Limits { memory_bytes: 128 * 1024 * 1024, ..Limits::default() };
    let text = "El muro se hormigona. ".repeat(10_000_000);
    assert_eq!(read_within("a.txt", text.as_bytes(), &limits).await, Err(Error::OutOfMemory));
}

#[tokio::test]
async fn processor_time_is_bounded() {
    let limits = Limits {
        cpu_seconds: 1,
        text_bytes: usize::MAX,
        blocks: usize::MAX,
        unpacked_bytes: u64::MAX,
        ..Limits::default()
    };
    let text = "El muro; y otro\n\n".repeat(8_000_000);
    let start = Instant::now();
    assert_eq!(read_within("a.txt", text.as_bytes(), &limits).await, Err(Error::TimedOut(1)));
    assert!(start.elapsed().as_secs() < 20);
}

#[tokio::test]
async fn a_missing_library_is_an_error_of_the_service() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), fixture("report.pdf")).unwrap();
    let nowhere = Path::new("/nowhere/libpdfium.so");
    for program in [Path::new(PROGRAM), nowhere] {
        let (program, pdfium) = (program.to_owned(), nowhere.to_owned());
        let reader = Reader { program, pdfium, limits: Limits::default() };
        assert!(reader.read(file.path(), Hints::default()).await.unwrap_err().is_transient());
    }
}

#[tokio::test]
async fn a_missing_program_is_named_at_the_start() {
    let nowhere = Path::new("/nowhere/acorag-reader");
    let error = Reader::find(Some(nowhere), nowhere, Limits::default()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/acorag-reader is missing"), "{error}");
    assert!(Reader::find(Some(Path::new(PROGRAM)), nowhere, Limits::default()).is_ok());
}

#[test]
fn a_worker_of_another_release_is_refused() {
    let request = wire::Request {
        protocol: wire::PROTOCOL + 1,
        input: PathBuf::new(),
        pdfium: PathBuf::new(),
        filename: String::new(),
        media_type: String::new(),
        limits: Limits::default(),
    };
    let mut child = Command::new(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &request).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("unavailable") && said.contains("protocol"), "{said}");
}
