use super::*;

fn read(json: &str) -> Metadata {
    lenient::read("metadata", json.as_bytes()).unwrap()
}

#[test]
fn old_names_and_loose_types_are_read() {
    let metadata = read(
        r#"{"project": "Torre Norte", "type": "Plano", "document_number": 400, "revision": null,
            "date": "24/11/2026", "SelectList1": "x"}"#,
    );
    assert_eq!(metadata.project_id.unwrap().as_str(), "Torre Norte");
    let expected = Fields { doc_type: "Plano".into(), number: "400".into(), ..Fields::default() };
    assert_eq!(metadata.fields, expected);
    assert_eq!(metadata.date_modified.unwrap().to_rfc3339(), "2026-11-24T00:00:00+00:00");
    assert_eq!(metadata.extra, read(r#"{"SelectList1": "x"}"#).extra);
}

#[test]
fn the_new_name_of_a_field_counts_unless_its_value_is_empty() {
    let both = read(
        r#"{"project_id": "a", "project": "b", "type": "Acta", "doc_type": " ", "number": null,
            "document_number": "A-1", "date_modified": "2026-11-24", "date": "2020-01-01"}"#,
    );
    let expected = Metadata {
        project_id: Some("a".parse().unwrap()),
        fields: Fields { doc_type: "Acta".into(), number: "A-1".into(), ..Fields::default() },
        date_modified: parse_date("2026-11-24"),
        ..Metadata::default()
    };
    assert_eq!(both, expected);
}

#[test]
fn a_field_out_of_bounds_is_named() {
    for (metadata, field) in [
        (Fields { author: "x".repeat(1_001), ..Fields::default() }.into(), "metadata.author: "),
        (Fields { title: "\0".into(), ..Fields::default() }.into(), "metadata.title: "),
        (read(r#"{"a": "\u0000"}"#), "metadata: "),
        (read(&format!(r#"{{"a": "{}"}}"#, "x".repeat(MAX_EXTRA_BYTES))), "metadata: "),
    ] {
        assert!(metadata.out_of_bounds().unwrap().detail.es.starts_with(field), "{field}");
    }
}
