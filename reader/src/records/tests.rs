use proptest::{collection::vec, prelude::*};

use super::*;

fn all(json: &str) -> Vec<Result<Record, RecordError>> {
    read(json.as_bytes(), &Limits::default()).collect()
}

const RECORD: &str = r#"{"DocumentId": 271341, "project_id": null, "metadata": {"Title": "Planta de cimentación",
    "DocumentNumber": "200076-CCC02-PL-AR-000400", "Category": "Arquitectura", "DocumentType": "Plano",
    "DocumentStatus": "Aprobado", "ReviewStatus": "A", "Revision": 2, "Filename": "plano.pdf", "FileType": "pdf",
    "FileSize": 1024, "SelectList1": "Estructura", "SelectList2": "Torre Norte", "DateModified": "03/02/2026",
    "MilestoneDate": null, "Date1": "", "Tags": ["uno", "dos\u0000"]}}"#;

#[test]
fn the_fields_of_aconex_are_mapped() {
    let records = all(RECORD);
    let record = records[0].as_ref().unwrap();
    assert_eq!((records.len(), record.index, record.document_id.as_str()), (1, 1, "271341"));
    assert_eq!(record.project.as_deref(), Some("Torre Norte"));
    let metadata = &record.metadata;
    let fields = &metadata.fields;
    assert_eq!(fields.title, "Planta de cimentación");
    assert_eq!(fields.number, "200076-CCC02-PL-AR-000400");
    assert_eq!((fields.category.as_str(), fields.doc_type.as_str()), ("Arquitectura", "Plano"));
    assert_eq!((fields.status.as_str(), fields.revision.as_str()), ("Aprobado", "2"));
    assert_eq!(metadata.date_modified.unwrap().to_rfc3339(), "2026-02-03T00:00:00+00:00");
    assert_eq!(record.filename, "plano.pdf");
    assert_eq!(metadata.extra["ReviewStatus"], "A");
    assert_eq!(metadata.extra["FileSize"], 1024);
    assert_eq!(metadata.extra["SelectList2"], "Torre Norte");
    assert!(!metadata.extra.contains_key("Title") && !metadata.extra.contains_key("MilestoneDate"));
    assert_eq!(metadata.out_of_bounds(), None);
    assert_eq!(record.full_text, None);
    assert!(record.labelled.starts_with("Título: Planta de cimentación\nNúmero de documento: 200076-CCC02"));
    assert!(record.labelled.contains("SelectList1: Estructura\n") && !record.labelled.contains("Date1"));
}

#[test]
fn english_records_have_english_labels_and_their_own_text() {
    let json = r#"{"DocumentID": "a", "project_id": "P", "full_text": "The slab\n is cured.",
        "metadata": {"Title": "Minutes of the meeting", "DateModified": "soon", "SelectList2": "other"}}"#;
    let record = all(json).remove(0).unwrap();
    assert_eq!(record.full_text.as_deref(), Some("The slab\n is cured."));
    assert_eq!(record.project.as_deref(), Some("P"));
    assert!(record.labelled.starts_with("Title: Minutes of the meeting\n"));
    assert_eq!(record.metadata.date_modified, None);
    assert_eq!(record.metadata.extra["DateModified"], "soon");
}

#[test]
fn a_field_with_one_of_our_names_is_ours_or_is_kept_under_another_name() {
    let json = r#"{"DocumentId": 1, "DocumentStatus": "A", "status": "open", "number": "PL-1", "doc_type": {"a": 1},
        "type": "Plano", "disciplina": ["Estructura"], "especialidad": "Muros", "project": "Torre Norte",
        "date_modified": "soon", "date": "03/02/2026", "Fecha": "Monday", " title ": "Losa"}"#;
    let record = all(json).remove(0).unwrap();
    let sent = serde_json::to_string(&record.metadata).unwrap();
    // The same in a reader's answer and in a job.
    assert_eq!(serde_json::from_str::<schemas::Metadata>(&sent).unwrap(), record.metadata);
    assert_eq!(schemas::lenient::read::<schemas::Metadata>("", sent.as_bytes()).unwrap(), record.metadata);
    let fields = &record.metadata.fields;
    assert_eq!((fields.status.as_str(), fields.number.as_str()), ("A", "PL-1"));
    assert_eq!((fields.doc_type.as_str(), fields.discipline.as_str()), ("Plano", "Muros"));
    assert_eq!((fields.title.as_str(), &record.metadata.project_id), ("", &None));
    assert_eq!(record.metadata.date_modified.unwrap().to_rfc3339(), "2026-02-03T00:00:00+00:00");
    let extra = serde_json::json!({"record_status": "open", "record_doc_type": {"a": 1},
        "record_disciplina": ["Estructura"], "record_project": "Torre Norte", "record_date_modified": "soon",
        "Fecha": "Monday", "record_title": "Losa"});
    assert_eq!(serde_json::Value::Object(record.metadata.extra), extra);
}

#[test]
fn utf16_files_of_powershell_are_read() {
    let line = RECORD.replace('\n', " ");
    let lines = format!("\u{feff}{line}\r\n{line}\r\n");
    let bytes: Vec<u8> = lines.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(is_records(&bytes) && is_records(&bytes[2..]));
    let records: Vec<_> = read(bytes.as_slice(), &Limits::default()).map(Result::unwrap).collect();
    let found: Vec<_> = records.iter().map(|r| (r.index, r.metadata.fields.title.as_str())).collect();
    assert_eq!(found, [(1, "Planta de cimentación"), (2, "Planta de cimentación")]);
}

#[test]
fn an_invalid_record_does_not_affect_the_others() {
    let json = "\u{feff}{\"DocumentId\":\"a\"}\n{\"metadata\":{}}\n{broken\n[1]\n{\"DocumentId\":\"b\",\"metadata\":[]}\n\
                {\"DocumentId\":\"c\"}\n";
    let outcomes: Vec<_> = all(json)
        .into_iter()
        .map(|record| match record {
            Ok(record) => (record.index, record.document_id),
            Err(error) => (error.index, error.reason.code),
        })
        .collect();
    let expected =
        [(1, "a"), (2, "bad_record"), (3, "bad_record"), (4, "bad_record"), (5, "bad_record"), (6, "c")];
    assert_eq!(outcomes, expected.map(|(index, text)| (index, text.to_owned())));
}

#[test]
fn records_are_bounded() {
    let limits = Limits { record_bytes: 64, ..Limits::default() };
    let json = format!(
        "[{{\"DocumentId\":\"a\",\"full_text\":\"{}\"}},{{\"DocumentId\":\"b\"}}]",
        "x".repeat(1_000)
    );
    let outcomes: Vec<_> = read(json.as_bytes(), &limits).collect();
    assert_eq!(outcomes[0].as_ref().unwrap_err().reason.code, "too_large");
    assert_eq!(outcomes[1].as_ref().unwrap().document_id, "b");
    let deep = format!("{{\"DocumentId\":\"a\",\"metadata\":{}{}}}", "[".repeat(500), "]".repeat(500));
    assert!(all(&deep)[0].is_err());
}

/// Random sequences of pieces of imports: some are valid imports, most are broken.
fn any_import() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        "\r\n",
        " ",
        "null",
        "1e999",
        "-",
        "\u{feff}",
        "\0",
        "\"DocumentId\":",
        "\"metadata\":{",
        "\"full_text\":",
        "\"project_id\":",
        "\"a\"",
        "\\ud800",
        "{\"DocumentId\":\"a\"}",
        "{\"DocumentId\":1,\"metadata\":{\"Title\":[1]}}\n",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_records_in_order_or_say_why_not(bytes in any_import()) {
        let limits = Limits { record_bytes: 64, ..Limits::default() };
        let mut last = 0;
        // Each record takes at least one byte of the file.
        for (count, record) in read(bytes.as_slice(), &limits).enumerate() {
            prop_assert!(count <= bytes.len());
            let index = record.map_or_else(|error| error.index, |record| record.index);
            prop_assert!(index >= last);
            last = index;
        }
    }

    #[test]
    fn a_list_and_lines_hold_the_same_records(titles in vec(any::<String>(), 1..8)) {
        let records: Vec<String> = titles
            .iter()
            .enumerate()
            .map(|(n, title)| serde_json::json!({"DocumentId": n, "metadata": {"Title": title}}).to_string())
            .collect();
        let (list, lines) = (all(&format!("[{}]", records.join(","))), all(&records.join("\n")));
        prop_assert_eq!(lines.len(), titles.len());
        prop_assert!(lines.iter().all(Result::is_ok));
        prop_assert_eq!(list, lines);
    }
}
