//! Reading what clients send. Those of the old system are generous: numbers for texts and texts for numbers, null and
//! empty for absent, two names for one field. What still does not fit is told in both languages, and the field named.

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IntoDeserializer as _},
};
use serde_json::{Map, Value};

use crate::{Problem, ProblemKind, ids, metadata};

/// What clients send as a JSON object.
pub trait Form: DeserializeOwned {
    /// Old names of its fields, each with the one that stands for it now.
    const OLD_NAMES: &'static [(&'static str, &'static str)] = &[];
}

/// Reads a JSON object. `place` is where it stands in the request, nothing for the body itself.
pub fn read<T: Form>(place: &str, json: &[u8]) -> Result<T, Problem> {
    let fields: Map<String, Value> = serde_json::from_slice(json).map_err(|error| {
        if error.is_data() {
            return Problem::field(or_body(place), "debe ser un objeto JSON.", "must be a JSON object.");
        }
        let (line, column) = (error.line(), error.column());
        let es = format!("no es JSON válido (línea {line}, columna {column}).");
        let en = format!("is not valid JSON (line {line}, column {column}).");
        match place {
            "" => Problem::new(ProblemKind::BadRequest, format!("El cuerpo {es}"), format!("The body {en}")),
            _ => Problem::field(place, &es, &en),
        }
    })?;
    fit(place, renamed::<T>(fields))
}

/// Makes a type of an object's fields.
pub fn fit<T: DeserializeOwned>(place: &str, fields: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner().to_string();
        let missing = cause.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let parts = [place, &path, missing.unwrap_or_default()];
        let field = parts.into_iter().filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join(".");
        match missing {
            Some(_) => Problem::field(&field, "falta.", "is missing."),
            None => misfit(or_body(&field), &cause),
        }
    })
}

fn or_body(place: &str) -> &str {
    if place.is_empty() { "body" } else { place }
}

/// Gives fields the names that they have now. Where a client sends both, the new one counts, unless it says nothing.
fn renamed<T: Form>(mut fields: Map<String, Value>) -> Map<String, Value> {
    for (old, new) in T::OLD_NAMES {
        if let Some(value) = fields.remove(*old)
            && fields.get(*new).is_none_or(says_nothing)
        {
            fields.insert((*new).to_owned(), value);
        }
    }
    fields
}

fn says_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

const TEXT: &str = "a text";
const NUMBER: &str = "a whole number";
const FLAG: &str = "true or false";
const DATE: &str = "a date such as 2026-11-24, 24/11/2026 or RFC 3339";

/// What may be expected of a field: as errors of serde put it, and as people are told.
const EXPECTED: [(&str, &str, &str); 8] = [
    (TEXT, "debe ser un texto.", "must be a text."),
    ("a string", "debe ser un texto.", "must be a text."),
    (NUMBER, "debe ser un número entero.", "must be a whole number."),
    (FLAG, "debe ser true o false.", "must be true or false."),
    (
        DATE,
        "debe ser una fecha como 2026-11-24, 24/11/2026 o RFC 3339.",
        "must be a date such as 2026-11-24, 24/11/2026 or RFC 3339.",
    ),
    ("a sequence", "debe ser una lista.", "must be a list."),
    ("a map", "debe ser un objeto.", "must be an object."),
    ("struct ", "debe ser un objeto.", "must be an object."),
];

/// A field that is there but not of the expected form. `cause` is serde's, for programmers: it is not passed on, only
/// what it expected.
pub fn misfit(field: &str, cause: &str) -> Problem {
    if let Some(error) = ids::Error::ALL.into_iter().find(|error| cause.ends_with(&error.to_string())) {
        return error.problem(field);
    }
    let expected = cause.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    if let Some((_, es, en)) = EXPECTED.iter().find(|(phrase, ..)| expected.starts_with(phrase)) {
        return Problem::field(field, es, en);
    }
    let choices: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    if choices.is_empty() {
        return Problem::field(field, "no tiene la forma esperada.", "does not have the expected form.");
    }
    let choices = choices.join(", ");
    Problem::field(field, &format!("debe ser uno de: {choices}."), &format!("must be one of: {choices}."))
}

fn expected<E: Error>(what: &str) -> E {
    E::custom(format_args!("expected {what}"))
}

pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Array(_) | Value::Object(_) => Err(expected(TEXT)),
    }
}

/// Something written as a text: an id, a choice, a text itself. Blank is none.
pub fn optional<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = text(deserializer)?;
    if text.is_empty() { Ok(None) } else { T::deserialize(text.into_deserializer()).map(Some) }
}

/// A moment; of a day, its beginning.
pub fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    parsed(deserializer, DATE, metadata::parse_date)
}

/// The same as the end of a period: of a day, its last moment.
pub fn end_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    parsed(deserializer, DATE, metadata::parse_end_date)
}

/// A whole number, also written as `5.0` or `"5"`.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    parsed(deserializer, NUMBER, |text| {
        text.parse().ok().or_else(|| {
            let float: f64 = text.parse().ok()?;
            // Every whole number of a request is small: beyond this, a float is not exact any more.
            (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
        })
    })
}

/// The same where there must be one.
pub fn required_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    integer(deserializer)?.ok_or_else(|| expected(NUMBER))
}

/// Yes or no, in the words that the old system took.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    parsed(deserializer, FLAG, |text| match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "1.0" | "yes" | "y" | "on" | "t" => Some(true),
        "false" | "0" | "0.0" | "no" | "n" | "off" | "f" => Some(false),
        _ => None,
    })
}

fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    what: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, D::Error> {
    let text = text(deserializer).map_err(|_| expected(what))?;
    if text.is_empty() {
        return Ok(None);
    }
    parse(&text).map(Some).ok_or_else(|| expected(what))
}

/// A [`Form`] within something else.
pub fn form<'de, D: Deserializer<'de>, T: Form>(deserializer: D) -> Result<T, D::Error> {
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    fit("", renamed::<T>(fields)).map_err(|problem| D::Error::custom(problem.detail.en))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metadata, chat::ChatRequest, search::SearchRequest};

    #[test]
    fn a_misfit_is_told_in_both_languages_and_without_the_words_of_programmers() {
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
            (
                r#"{"query": "a", "filters": 1}"#,
                "filters: debe ser un objeto.",
                "filters: must be an object.",
            ),
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
    fn a_part_of_a_form_is_named_too() {
        let metadata = |json: &str| read::<Metadata>("metadata", json.as_bytes()).unwrap_err().detail.en;
        assert_eq!(metadata("[]"), "metadata: must be a JSON object.");
        assert_eq!(metadata("{"), "metadata: is not valid JSON (line 1, column 1).");
        assert_eq!(metadata(r#"{"type": ["a"]}"#), "metadata.doc_type: must be a text.");
    }

    #[test]
    fn what_nobody_foresaw_is_told_without_its_cause() {
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
}
