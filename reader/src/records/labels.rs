//! The metadata of a record as text, for records without text of their own.

use analysis::Language;

/// A field of Aconex with its label in Spanish and English.
const LABELS: &[(&str, &str, &str)] = &[
    ("Title", "Título", "Title"),
    ("DocumentNumber", "Número de documento", "Document number"),
    ("Revision", "Revisión", "Revision"),
    ("DocumentType", "Tipo de documento", "Document type"),
    ("Category", "Categoría", "Category"),
    ("DocumentStatus", "Estado", "Status"),
    ("ReviewStatus", "Estado de revisión", "Review status"),
    ("Discipline", "Disciplina", "Discipline"),
    ("Author", "Autor", "Author"),
    ("Filename", "Archivo", "File"),
    ("FileType", "Tipo de archivo", "File type"),
    ("FileSize", "Tamaño de archivo", "File size"),
    ("DateModified", "Fecha de modificación", "Date modified"),
    ("MilestoneDate", "Fecha de hito", "Milestone date"),
    ("Comments", "Comentarios", "Comments"),
];

/// Returns one line per field, in the language of the record: known fields first, with labels, then the others by name.
pub(super) fn labelled(fields: &[(String, String)]) -> String {
    const SPOKEN: [&str; 4] = ["title", "category", "documenttype", "comments"];
    let spoken = fields.iter().filter(|(name, _)| SPOKEN.contains(&name.to_lowercase().as_str()));
    let spoken: Vec<&str> = spoken.map(|(_, value)| value.as_str()).collect();
    let english = analysis::detect(&spoken.join(". ")) == Language::English;
    let known = LABELS.iter().filter_map(|(name, spanish, in_english)| {
        let (_, value) = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some((if english { *in_english } else { *spanish }, value))
    });
    let others = fields
        .iter()
        .filter(|(field, _)| !LABELS.iter().any(|(name, ..)| field.eq_ignore_ascii_case(name)))
        .map(|(field, value)| (field.as_str(), value));
    known.chain(others).map(|(label, value)| format!("{label}: {value}\n")).collect()
}
