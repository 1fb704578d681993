use reader::Records;

use super::*;

async fn records(bytes: &[u8], limits: &Limits) -> Records {
    match found("a.ndjson", bytes, limits).await.unwrap() {
        Found::Records(records) => records,
        Found::Document(extracted) => panic!("not an import: {extracted:?}"),
    }
}

#[tokio::test]
async fn an_import_is_read_record_by_record() {
    let lines = "{\"DocumentId\":\"a\",\"full_text\":\"uno\\ndos\",\"metadata\":{\"Title\":\"T\",\"Number\":1.5}}\n\
                 {broken\n{\"DocumentId\":\"c\"}\n";
    let mut records = records(lines.as_bytes(), &Limits::default()).await;
    let first = records.next(2).await.unwrap();
    let [Ok(record), Err(error)] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((record.index, record.document_id.as_str()), (1, "a"));
    assert_eq!(record.full_text.as_deref(), Some("uno\ndos"));
    assert_eq!(record.metadata.extra["Number"], 1.5);
    assert_eq!((error.index, error.reason.code.as_str()), (2, "bad_record"));
    let last = records.next(2).await.unwrap();
    assert!(matches!(last.as_slice(), [Ok(record)] if record.document_id == "c"), "{last:?}");
    assert!(records.next(2).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_import_is_recognized_by_a_name_behind_a_long_text() {
    let line = format!("{{\"full_text\":\"{}\",\"DocumentId\":\"a\"}}\n", "hormigón ".repeat(10_000));
    let mut records = records(line.as_bytes(), &Limits::default()).await;
    assert_eq!(records.next(2).await.unwrap().len(), 1);
}

/// The import is larger than a pipe's buffer and than a document may be: the reader waits until records are
/// taken, and stays within its memory limit.
#[tokio::test]
async fn a_large_import_needs_the_memory_of_a_few_records() {
    let limits =
        Limits { memory_bytes: 64 << 20, text_bytes: 1 << 20, wall_seconds: 20, ..Limits::default() };
    let text = "hormigón ".repeat(100_000);
    let lines: String =
        (0..100).map(|n| format!("{{\"DocumentId\":\"{n}\",\"full_text\":\"{text}\"}}\n")).collect();
    assert!(lines.len() > 90 << 20);
    let mut records = records(lines.as_bytes(), &limits).await;
    let mut read = 0;
    loop {
        let batch = records.next(200).await.unwrap();
        if batch.is_empty() {
            break;
        }
        assert!(batch.len() < 12, "{} large records at once", batch.len());
        read += batch.iter().filter(|record| record.is_ok()).count();
    }
    assert_eq!(read, 100);
}

#[tokio::test]
async fn the_clock_is_stopped_while_no_record_is_requested() {
    let limits = Limits { import_seconds: 2, ..Limits::default() };
    let lines: String = (0..50_000).map(|n| format!("{{\"DocumentId\":\"{n}\"}}\n")).collect();
    let mut records = records(lines.as_bytes(), &limits).await;
    assert_eq!(records.next(1).await.unwrap().len(), 1);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(records.next(100).await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_reader_that_dies_in_the_middle_says_why() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let children = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/children");
    for (program, error) in
        [("dies-among-records", Error::OutOfMemory), ("takes-long-among-records", Error::TimedOut(1_800))]
    {
        let program = children.join(program);
        let reader = Reader { program, pdfium: PathBuf::new(), limits: Limits::default() };
        let Found::Records(mut records) = reader.read(file.path(), Hints::default()).await.unwrap() else {
            panic!("no records")
        };
        assert_eq!(records.next(1).await.unwrap().len(), 1);
        assert_eq!(records.next(1).await.unwrap_err(), error);
    }
}
