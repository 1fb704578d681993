//! The short text fields of a document. Each field is defined only here: uploads and records provide it, search rows
//! and documents show it, and filters compare it, all under the name that it has here.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{
    Problem,
    lenient::{self, OldNames},
    text,
};

/// The text fields of a document. An unknown text is empty, never null.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Fields {
    #[serde(deserialize_with = "lenient::text")]
    pub title: String,
    /// Document number, such as `200076-CCC02-PL-AR-000400` (old name: `document_number`). Documents of one project
    /// with the same number are revisions of each other.
    #[serde(deserialize_with = "lenient::text")]
    pub number: String,
    #[serde(deserialize_with = "lenient::text")]
    pub category: String,
    /// Kind of document, such as "Plano" or "Specification" (old name: `type`).
    #[serde(deserialize_with = "lenient::text")]
    pub doc_type: String,
    #[serde(deserialize_with = "lenient::text")]
    pub revision: String,
    #[serde(deserialize_with = "lenient::text")]
    pub status: String,
    #[serde(deserialize_with = "lenient::text")]
    pub author: String,
    /// The discipline of the work, such as "Arquitectura" (other accepted names: `especialidad`, `disciplina`).
    #[serde(deserialize_with = "lenient::text")]
    pub discipline: String,
}

/// The names that clients of the old system use for the fields.
pub const OLD_NAMES: OldNames = &[
    ("type", "doc_type"),
    ("document_number", "number"),
    ("especialidad", "discipline"),
    ("disciplina", "discipline"),
];

/// The names that records from Aconex use for the fields.
pub const ACONEX_NAMES: OldNames = &[
    ("Title", "title"),
    ("DocumentNumber", "number"),
    ("Category", "category"),
    ("DocumentType", "doc_type"),
    ("Revision", "revision"),
    ("DocumentStatus", "status"),
    ("Author", "author"),
    ("Discipline", "discipline"),
];

/// Maximum number of characters of one field.
pub const MAX_FIELD_CHARS: usize = 1_000;

/// Serializes only the fields that are not empty, because clients and producers need not send the others.
pub fn given<S: Serializer>(fields: &Fields, serializer: S) -> Result<S::Ok, S::Error> {
    fields.given().serialize(serializer)
}

/// For the schema of a type that clients read: marks every field as required.
pub fn always_there(schema: &mut Schema) {
    let names = Fields::default().by_name().into_iter().map(|(name, _)| Value::from(name));
    if let Some(Value::Array(required)) = schema.ensure_object().get_mut("required") {
        required.extend(names);
    }
}

impl Fields {
    fn by_name(&self) -> Map<String, Value> {
        let fields = serde_json::to_value(self).ok().and_then(|fields| fields.as_object().cloned());
        fields.unwrap_or_default()
    }

    /// Returns the fields that are not empty, by name, as they are stored and compared.
    pub fn given(&self) -> Map<String, Value> {
        let mut fields = self.by_name();
        fields.retain(|_, text| text.as_str().is_some_and(|text| !text.is_empty()));
        fields
    }

    /// Whether these fields match a filter: each field that is not empty in `wanted` has the same text here,
    /// without regard to case. The filter in SQL compares in the same way.
    pub fn contain(&self, wanted: &Self) -> bool {
        let (ours, wanted) = (self.given(), wanted.given());
        let lower = |text: &Value| text.as_str().map(str::to_lowercase);
        wanted.iter().all(|(name, text)| ours.get(name).is_some_and(|ours| lower(ours) == lower(text)))
    }

    /// Refuses a text that is too long or that PostgreSQL cannot store. `within` is the fields' path in the request.
    pub fn check(&self, within: &str) -> Result<(), Problem> {
        self.given().iter().try_for_each(|(name, value)| {
            text::check(&format!("{within}.{name}"), value.as_str().unwrap_or_default(), MAX_FIELD_CHARS)
        })
    }
}
