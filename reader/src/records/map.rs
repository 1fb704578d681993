//! Maps the fields of Aconex to acorag's.

use std::collections::HashSet;

use schemas::{
    Fields, Message, Metadata,
    fields::{ACONEX_NAMES, OLD_NAMES},
    lenient::Form as _,
    messages::reading,
    metadata::parse_date,
};
use serde_json::{Map, Value};

use super::{
    super::blocks::{clean, one_line},
    Record, labels,
};

/// Fields that are mapped besides the text fields. All others are kept in `extra`.
const MAPPED: [&str; 4] = ["DateModified", "Filename", "DocumentId", "project_id"];

/// The prefix of a record's field that has one of acorag's own names. `extra` and acorag's fields are one JSON object in a
/// job, so such a field would be read as acorag's own, or be there twice.
const OF_RECORD: &str = "record_";

pub(super) fn record(index: u64, value: Value) -> Result<Record, Message> {
    let Value::Object(mut outer) = value else { return Err(reading::record_not_an_object()) };
    let document_id = take(&mut outer, "DocumentId").map(|id| text(&id)).filter(|id| !id.is_empty());
    let document_id = document_id.ok_or_else(reading::record_without_id)?;
    let full_text =
        take(&mut outer, "full_text").map(|value| full_text(&value)).filter(|text| !text.trim().is_empty());
    let mut inner = match take(&mut outer, "metadata") {
        Some(Value::Object(inner)) => inner,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(reading::record_metadata_not_an_object()),
    };
    // Fields next to `metadata` belong to the record too; those inside `metadata` have priority.
    let mut names: HashSet<String> = inner.keys().map(|name| name.to_ascii_lowercase()).collect();
    inner.extend(outer.into_iter().filter(|(name, _)| names.insert(name.to_ascii_lowercase())));
    let field = |name: &str| get(&inner, name).map(text).unwrap_or_default();
    let project = ["project_id", "SelectList2"].map(field).into_iter().find(|project| !project.is_empty());
    let date = field("DateModified");
    let ours = || OUR_DATES.iter().find_map(|name| parse_date(&text(inner.get(*name)?)));
    let date_modified = parse_date(&date).or_else(ours);
    let filename = field("Filename");
    let mut metadata = Metadata { fields: fields(&inner), date_modified, ..Metadata::default() };
    let said: Vec<(String, String)> = inner
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("project_id"))
        .map(|(name, value)| (clean(name), text(value)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let labelled = labels::labelled(&said);
    for (name, value) in inner {
        let mut mapped = MAPPED.into_iter().chain(ACONEX_NAMES.iter().map(|(theirs, _)| *theirs));
        let kept = !mapped.any(|mapped| name.eq_ignore_ascii_case(mapped));
        // An invalid date is kept unchanged.
        let bad_date =
            name.eq_ignore_ascii_case("DateModified") && parse_date(&date).is_none() && !date.is_empty();
        if (kept || bad_date) && !value.is_null() {
            let name = clean(&name);
            match our_name(&name) {
                None => _ = metadata.extra.insert(name, without_nul(value)),
                // The document has this value already.
                Some(ours) if is_said(&metadata, ours, &value) => {}
                Some(_) => _ = metadata.extra.insert(format!("{OF_RECORD}{name}"), without_nul(value)),
            }
        }
    }
    Ok(Record { index, document_id, project, metadata, filename, full_text, labelled })
}

/// Acorag's own names of the date, the current one first.
const OUR_DATES: [&str; 2] = ["date_modified", "date"];

/// Returns the current name of one of acorag's own fields from its current or old name.
fn our_name(name: &str) -> Option<&'static str> {
    let current = ACONEX_NAMES.iter().map(|(_, ours)| (*ours, *ours)).chain([("project_id", "project_id")]);
    let dates = OUR_DATES.map(|date| (date, OUR_DATES[0]));
    let mut all = current.chain(dates).chain(OLD_NAMES.iter().chain(Metadata::OLD_NAMES).copied());
    all.find(|(known, _)| *known == name).map(|(_, ours)| ours)
}

/// Whether this value is that of one of acorag's own fields, by its current name.
fn is_said(metadata: &Metadata, name: &str, value: &Value) -> bool {
    let said = text(value);
    match name {
        "date_modified" => metadata.date_modified.is_some() && parse_date(&said) == metadata.date_modified,
        _ => metadata.fields.given().get(name).is_some_and(|ours| ours.as_str() == Some(&said)),
    }
}

/// Maps the text fields. A record may also use acorag's own names, exactly; those of Aconex have priority. A missing title
/// is replaced by the file name, a missing status by the review status.
fn fields(record: &Map<String, Value>) -> Fields {
    let aconex = ACONEX_NAMES.iter().map(|(theirs, ours)| (get(record, theirs), *ours));
    let current = ACONEX_NAMES.iter().map(|(_, ours)| (record.get(*ours), *ours));
    let old = OLD_NAMES.iter().map(|(old, ours)| (record.get(*old), *ours));
    let stand_ins = [("Filename", "title"), ("ReviewStatus", "status")];
    let stand_ins = stand_ins.into_iter().map(|(theirs, ours)| (get(record, theirs), ours));
    let mut fields = Map::new();
    for (value, ours) in aconex.chain(current).chain(old).chain(stand_ins) {
        let said = value.map(text).unwrap_or_default();
        if !said.is_empty() && !fields.contains_key(ours) {
            fields.insert(ours.to_owned(), said.into());
        }
    }
    // All values are texts, which every field accepts.
    serde_json::from_value(fields.into()).unwrap_or_default()
}

/// Returns a field by name, in any case, because exports of Aconex differ ("DocumentID").
fn get<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields
        .get(name)
        .or_else(|| fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn take(fields: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let name = fields.keys().find(|field| field.eq_ignore_ascii_case(name))?.clone();
    fields.shift_remove(&name)
}

/// Returns the record's text unchanged: its empty lines separate paragraphs.
fn full_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('\0', ""),
        other => text(other),
    }
}

/// Returns a value as text on one line. A list becomes its items; an object becomes an empty text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(items) => {
            items.iter().map(text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Object(_) => String::new(),
    }
}

/// Removes NUL, which PostgreSQL cannot store.
fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "")),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nul).collect()),
        Value::Object(fields) => Value::Object(
            fields.into_iter().map(|(name, value)| (name.replace('\0', ""), without_nul(value))).collect(),
        ),
        other => other,
    }
}
