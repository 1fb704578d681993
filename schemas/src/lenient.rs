//! Reads what clients send. Old clients send numbers as texts and texts as numbers, null or an empty text for an absent
//! value, and either of two names for a field. An error names the field, in both languages.

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IntoDeserializer as _},
};
use serde_json::{Map, Value};

use crate::{Message, Problem, ProblemKind, ids, messages::fields, metadata};

/// Old names of fields, each with its current name.
pub type OldNames = &'static [(&'static str, &'static str)];

/// A JSON object that clients send.
pub trait Form: DeserializeOwned {
    const OLD_NAMES: OldNames = &[];
    /// The old names of fields of a flattened struct.
    const OLD_NAMES_OF_PARTS: OldNames = &[];
    /// Fields that hold an object, each with the old names in it.
    const OLD_NAMES_WITHIN: &'static [(&'static str, OldNames)] = &[];
}

/// Reads a JSON object. `place` is its field in the request; it is empty if the object is the whole body.
pub fn read<T: Form>(place: &str, json: &[u8]) -> Result<T, Problem> {
    // Some clients on Windows send a byte-order mark.
    let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
    let object: Map<String, Value> = serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match place {
            _ if error.is_data() => fields::json_object().about(or_body(place)),
            "" => fields::body_not_json(line, column).problem(ProblemKind::BadRequest),
            _ => fields::not_json(line, column).about(place),
        }
    })?;
    fit(place, renamed::<T>(object))
}

pub fn fit<T: DeserializeOwned>(place: &str, fields: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner().to_string();
        // For a flattened field, its name is in the error's text (see [`flat`]).
        let flattened = cause.rsplit_once(": expected ").map_or("", |(name, _)| name);
        let missing = cause.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let parts = [place, &path, flattened, missing.unwrap_or_default()];
        let field = parts.into_iter().filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join(".");
        match missing {
            Some(_) => fields::missing().about(&field),
            None => misfit(or_body(&field), &cause),
        }
    })
}

fn or_body(place: &str) -> &str {
    if place.is_empty() { "body" } else { place }
}

/// Renames fields that have their old names.
fn renamed<T: Form>(mut fields: Map<String, Value>) -> Map<String, Value> {
    rename(&mut fields, T::OLD_NAMES);
    rename(&mut fields, T::OLD_NAMES_OF_PARTS);
    for (field, names) in T::OLD_NAMES_WITHIN {
        if let Some(Value::Object(within)) = fields.get_mut(*field) {
            rename(within, names);
        }
    }
    fields
}

/// If a client sends both names, the new one counts unless it is empty.
pub fn rename(fields: &mut Map<String, Value>, names: OldNames) {
    for (old, new) in names {
        if let Some(value) = fields.remove(*old)
            && fields.get(*new).is_none_or(is_blank)
        {
            fields.insert((*new).to_owned(), value);
        }
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

const TEXT: &str = "a text";
const NUMBER: &str = "a whole number";
const FLAG: &str = "true or false";
const DATE: &str = "a date such as 2026-11-24, 24/11/2026 or RFC 3339";

type Sentence = fn() -> Message;

/// The values that fields can require: the words for it in serde's errors, and the sentence for users.
const EXPECTED: [(&str, Sentence); 8] = [
    (TEXT, fields::text),
    ("a string", fields::text),
    (NUMBER, fields::whole_number),
    (FLAG, fields::flag),
    (DATE, fields::date),
    ("a sequence", fields::list),
    ("a map", fields::object),
    ("struct ", fields::object),
];

/// The refusal of a field that has the wrong form. `cause` is serde's error, for programmers: clients see only what was
/// expected.
pub fn misfit(field: &str, cause: &str) -> Problem {
    if let Some(error) = ids::Error::ALL.into_iter().find(|error| cause.ends_with(&error.to_string())) {
        return error.problem(field);
    }
    let expected = cause.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    let choices = || expected.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(", ");
    let message = match EXPECTED.iter().find(|(phrase, _)| expected.starts_with(phrase)) {
        Some((_, message)) => message(),
        None if expected.contains('`') => fields::one_of(&choices()),
        None => fields::unexpected(),
    };
    message.about(field)
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

/// Reads an optional value that is written as a text. A blank text is None.
pub fn optional<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let text = text(deserializer)?;
    if text.is_empty() { Ok(None) } else { T::deserialize(text.into_deserializer()).map(Some) }
}

/// Reads a point in time. A day means its beginning.
pub fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    parsed(deserializer, DATE, metadata::parse_date)
}

/// Reads the end of a period. A day means its last moment.
pub fn end_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    parsed(deserializer, DATE, metadata::parse_end_date)
}

/// Reads a whole number, also from `5.0` or `"5"`.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    parsed(deserializer, NUMBER, |text| {
        text.parse().ok().or_else(|| {
            let float: f64 = text.parse().ok()?;
            // Whole numbers in requests are small; above 1e15 a float is not exact.
            (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
        })
    })
}

pub fn required_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    integer(deserializer)?.ok_or_else(|| expected(NUMBER))
}

/// Reads true or false, also from the words that the old system accepted.
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
    if text.is_empty() { Ok(None) } else { parse(&text).map(Some).ok_or_else(|| expected(what)) }
}

/// Reads a struct that is flattened into another one. Serde loses the name of the field that has an error, so this adds
/// the name to the error's text.
pub fn flat<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| D::Error::custom(format_args!("{}: {}", error.path(), error.inner())))
}

/// Reads a [`Form`] inside another value.
pub fn form<'de, D: Deserializer<'de>, T: Form>(deserializer: D) -> Result<T, D::Error> {
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    fit("", renamed::<T>(fields)).map_err(|problem| D::Error::custom(problem.detail.en))
}

#[cfg(test)]
mod tests;
