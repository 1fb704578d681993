use super::*;
use crate::{Metadata, chat::ChatRequest, search::SearchRequest};

#[test]
fn a_wrong_value_is_refused_in_both_languages_without_the_text_of_serde() {
    for (body, es, en) in [
        (r#"{"query": 1}"#, "query: debe ser un texto.", "query: must be a text."),
        (r#"{"top_k": 1}"#, "query: falta.", "query: is missing."),
        (
            r#"{"query": "a", "top_k": "many"}"#,
            "top_k: debe ser un número entero.",
            "top_k: must be a whole number.",
        ),
        (
            r#"{"query": "a", "top_k": 1.5}"#,
            "top_k: debe ser un número entero.",
            "top_k: must be a whole number.",
        ),
        (
            r#"{"query": "a", "strict_mode": []}"#,
            "strict_mode: debe ser true o false.",
            "strict_mode: must be true or false.",
        ),
        (
            r#"{"query": "a", "mode": "magic"}"#,
            "mode: debe ser uno de: hybrid, vector, keyword.",
            "mode: must be one of: hybrid, vector, keyword.",
        ),
        (
            r#"{"query": "a", "project_id": "a\nb"}"#,
            "project_id: no puede contener caracteres de control.",
            "project_id: must not contain control characters.",
        ),
        (
            r#"{"query": "a", "filters": {"date_from": "x"}}"#,
            "filters.date_from: debe ser una fecha como 2026-11-24, 24/11/2026 o RFC 3339.",
            "filters.date_from: must be a date such as 2026-11-24, 24/11/2026 or RFC 3339.",
        ),
        (r#"{"query": "a", "filters": 1}"#, "filters: debe ser un objeto.", "filters: must be an object."),
        (r#" ["a"]"#, "body: debe ser un objeto JSON.", "body: must be a JSON object."),
        (
            "{\n\"query\": \"a\"",
            "El cuerpo no es JSON válido (línea 2, columna 12).",
            "The body is not valid JSON (line 2, column 12).",
        ),
        (
            r#"{"query": "a"} x"#,
            "El cuerpo no es JSON válido (línea 1, columna 16).",
            "The body is not valid JSON (line 1, column 16).",
        ),
        (
            "",
            "El cuerpo no es JSON válido (línea 1, columna 0).",
            "The body is not valid JSON (line 1, column 0).",
        ),
    ] {
        let problem = read::<SearchRequest>("", body.as_bytes()).unwrap_err();
        assert_eq!((problem.detail.es.as_str(), problem.detail.en.as_str()), (es, en), "{body}");
        assert_eq!(problem.kind, ProblemKind::BadRequest);
    }
    let chat = |body: &str| read::<ChatRequest>("", body.as_bytes()).unwrap_err().detail.es;
    assert_eq!(chat(r#"{"message": "a", "history": {}}"#), "history: debe ser una lista.");
    assert_eq!(
        chat(r#"{"message": "a", "history": [{"role": "user", "content": []}]}"#),
        "history[0].content: debe ser un texto."
    );
    assert_eq!(chat(r#"{"message": "a", "history": [{"content": "a"}]}"#), "history[0].role: falta.");
}

#[test]
fn a_wrong_value_inside_a_form_is_named_with_its_path() {
    let metadata = |json: &str| read::<Metadata>("metadata", json.as_bytes()).unwrap_err().detail.en;
    assert_eq!(metadata("[]"), "metadata: must be a JSON object.");
    assert_eq!(metadata("{"), "metadata: is not valid JSON (line 1, column 1).");
    assert_eq!(metadata(r#"{"type": ["a"]}"#), "metadata.doc_type: must be a text.");
}

#[test]
fn an_unknown_error_is_reported_without_its_cause() {
    assert_eq!(misfit("x", "unknown thing in Struct").detail.en, "x: does not have the expected form.");
}

#[test]
fn deep_json_is_refused_and_does_not_overflow_the_stack() {
    let deep = format!("{}1{}", r#"{"query":"#.repeat(100_000), "}".repeat(100_000));
    let problem = read::<SearchRequest>("", deep.as_bytes()).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::BadRequest);
}

#[test]
fn flags_and_numbers_are_read_as_the_old_system_did() {
    for yes in ["true", "True", "1", "on", "yes"] {
        assert_eq!(flag(Value::from(yes)).unwrap(), Some(true), "{yes}");
    }
    for no in [Value::from(0), Value::from(0.0), Value::from("FALSE"), Value::from(false)] {
        assert_eq!(flag(no.clone()).unwrap(), Some(false), "{no}");
    }
    assert_eq!((flag(Value::from("")).unwrap(), flag(Value::Null).unwrap()), (None, None));
    for ten in [Value::from(10), Value::from(10.0), Value::from("10"), Value::from(" 10.0 ")] {
        assert_eq!(integer(ten.clone()).unwrap(), Some(10), "{ten}");
    }
    assert_eq!((integer(Value::from(" ")).unwrap(), integer(Value::Null).unwrap()), (None, None));
    for none in [Value::from(true), Value::from("1e20"), Value::from("NaN"), Value::from(1.5)] {
        assert!(integer(none.clone()).is_err(), "{none}");
    }
}

#[test]
fn old_names_within_the_filters_and_a_byte_order_mark_are_read() {
    let body =
        "\u{feff}{\"query\": \"losa\", \"filters\": {\"type\": \"Plano\", \"document_number\": \"A-1\"}}";
    let filters = read::<SearchRequest>("", body.as_bytes()).unwrap().filters.unwrap();
    assert_eq!((filters.fields.doc_type.as_str(), filters.fields.number.as_str()), ("Plano", "A-1"));
}
