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
        (read(&format!(r#"{{"author": "{}"}}"#, "x".repeat(1_001))), "metadata.author: "),
        (read(r#"{"title": "\u0000"}"#), "metadata.title: "),
        (read(r#"{"a": "\u0000"}"#), "metadata: "),
        (read(r#"{"a": "\\\u0000"}"#), "metadata: "),
        (read(&format!(r#"{{"a": "{}"}}"#, "x".repeat(MAX_EXTRA_BYTES))), "metadata: "),
        (nested(MAX_EXTRA_LEVELS + 1), "metadata: "),
    ] {
        assert!(metadata.out_of_bounds().unwrap().detail.es.starts_with(field), "{field}");
    }
    assert_eq!(nested(MAX_EXTRA_LEVELS).out_of_bounds(), None);
    assert_eq!(read(r#"{"a": "C:\\u0000"}"#).out_of_bounds(), None, "a text with a backslash");
}

fn nested(levels: usize) -> Metadata {
    read(&format!(r#"{{"a": {}{}}}"#, "[".repeat(levels), "]".repeat(levels)))
}

#[test]
fn only_dates_whose_year_has_four_digits_are_read() {
    for text in [
        "+10000-01-01",
        "10000-01-01",
        "-0044-03-15",
        "24-11--2026",
        "24/11/26",
        "24.11.26",
        "24-11-26",
        "24/11/26 10:30",
        "0000-06-01",
        "9999-12-31T23:30:00-01:00",
        "0001-01-01T00:30:00+01:00",
        "9999-12-31T23:59:60Z",
        "-0044-03-15T00:00:00",
    ] {
        assert_eq!((parse_date(text), parse_end_date(text)), (None, None), "{text}");
    }
    for text in ["0001-01-01", "31/12/9999", "9999-12-31T23:59:59.999999Z"] {
        assert!(parse_date(text).is_some() && parse_end_date(text).is_some(), "{text}");
    }
}

#[test]
fn times_are_read_with_and_without_seconds_and_zones() {
    for (text, expected) in [
        ("2026-11-24T10:30", "2026-11-24T10:30:00Z"),
        ("2026-11-24 10:30", "2026-11-24T10:30:00Z"),
        ("2026-11-24T10:30Z", "2026-11-24T10:30:00Z"),
        ("2026-11-24T10:30:00-0300", "2026-11-24T13:30:00Z"),
        ("2026-11-24T10:30:00.5-03", "2026-11-24T13:30:00.500Z"),
        ("24/11/2026 10:30", "2026-11-24T10:30:00Z"),
    ] {
        assert_eq!(parse_date(text), Some(expected.parse().unwrap()), "{text}");
    }
}
