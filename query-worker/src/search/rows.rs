//! Makes result rows of the passages that were found, in the form that old clients read.

use std::collections::HashMap;

use analysis::{Language, sentences, terms::Sought};
use chrono::{DateTime, Utc};
use schemas::{Fields, search::SearchRow, text};
use sqlx::{AssertSqlSafe, PgConnection, types::Json};

use super::{
    fuse::{Scored, quality},
    keys,
};
use crate::scope::{Projects, for_projects};

/// Maximum length of a snippet, in characters.
const SNIPPET_CHARS: usize = 320;

/// A passage with its text, of which a result row shows a part.
#[derive(Debug, Clone)]
pub struct Passage {
    /// The row without its snippet: an answer cites few of its passages.
    pub row: SearchRow,
    pub text: String,
    pub heading: String,
    pub language: Language,
    /// The stored vectors of its sentences ([`documents::sentences`]); empty if there are none or nobody asked for them.
    pub sentences: Vec<u8>,
}

impl Passage {
    /// Returns the whole row; its snippet shows the words that were `wanted`.
    pub fn shown(mut self, wanted: &Sought) -> SearchRow {
        self.row.snippet = snippet(&self.text, self.language, wanted);
        self.row
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    chunk_key: i64,
    project_key: i32,
    document_id: String,
    fields: Json<Fields>,
    filename: String,
    file_type: String,
    has_file: bool,
    date_modified: Option<DateTime<Utc>>,
    page: Option<i32>,
    text: String,
    heading: String,
    language: String,
}

/// Of a passage that is too long but stored nevertheless, only the beginning may get into the worker's memory. PostgreSQL counts
/// characters only where the number of bytes, which it knows, may be too many.
const ROWS: &str = "
    SELECT c.key AS chunk_key, c.project_key, d.id AS document_id, d.fields, d.filename, d.file_type,
           d.object <> '' AS has_file, d.date_modified, c.page, c.heading, c.language,
           CASE WHEN octet_length(c.text) > 20000 THEN left(c.text, 20000) ELSE c.text END AS text
    FROM chunk c CROSS JOIN LATERAL (
        SELECT id, fields, filename, file_type, object, date_modified FROM document
        WHERE project_key = c.project_key AND key = c.document_key OFFSET 0) AS d
    WHERE c.project_key = ANY($1) AND c.key = ANY($2)";

const SENTENCES: &str =
    "SELECT chunk_key, data FROM sentence WHERE model = $3 AND project_key = ANY($1) AND chunk_key = ANY($2)";

/// Fetches the chosen passages, in their order, with the vectors that the model `sentences_of` made of their sentences.
pub async fn fetch(
    tx: &mut PgConnection,
    projects: &Projects,
    chosen: &[Scored],
    sentences_of: Option<i16>,
) -> sqlx::Result<Vec<Passage>> {
    let places = chosen.iter().map(|scored| (scored.candidate.project_key, scored.candidate.chunk_key));
    let (in_projects, passages) = keys(places);
    let found: Vec<Row> = sqlx::query_as(AssertSqlSafe(for_projects(ROWS, &in_projects)))
        .bind(&in_projects)
        .bind(&passages)
        .fetch_all(&mut *tx)
        .await?;
    let mut found: HashMap<i64, Row> = found.into_iter().map(|row| (row.chunk_key, row)).collect();
    let mut sentences = HashMap::new();
    if let Some(model) = sentences_of {
        let stored: Vec<(i64, Vec<u8>)> =
            sqlx::query_as(AssertSqlSafe(for_projects(SENTENCES, &in_projects)))
                .bind(&in_projects)
                .bind(&passages)
                .bind(model)
                .fetch_all(tx)
                .await?;
        sentences.extend(stored);
    }
    // A passage may have been removed since the legs ran, because its document was replaced or deleted. It is left out.
    let passage = |scored: &Scored| {
        let row = found.remove(&scored.candidate.chunk_key)?;
        let view = SearchRow {
            // Ids were checked when the document was accepted.
            document_id: row.document_id.parse().ok()?,
            chunk_id: row.chunk_key.to_string(),
            project_id: projects.id(row.project_key)?.parse().ok()?,
            fields: row.fields.0,
            filename: row.filename,
            file_type: row.file_type,
            has_file: row.has_file,
            date_modified: row.date_modified,
            page: row.page.and_then(|page| u32::try_from(page).ok()),
            snippet: String::new(),
            vector_score: scored.candidate.vector.unwrap_or_default().clamp(0.0, 1.0),
            text_score: scored.candidate.text.unwrap_or_default(),
            score: scored.score,
            match_quality: quality(scored.score),
        };
        let language = Language::from_code(&row.language);
        let sentences = sentences.remove(&row.chunk_key).unwrap_or_default();
        Some(Passage { row: view, text: row.text, heading: row.heading, language, sentences })
    };
    Ok(chosen.iter().filter_map(passage).collect())
}

/// Returns the part of a passage that shows why it was found: the consecutive sentences with most of the wanted words.
fn snippet(text: &str, language: Language, wanted: &Sought) -> String {
    if !text::is_longer(text, SNIPPET_CHARS) {
        return text.trim().to_owned();
    }
    let places = sentences::spans(text);
    let counted = |sentence| (sentence, wanted.words(sentence, language).count_ones());
    let sentences: Vec<(&str, u32)> = places.iter().map(|place| counted(&text[place.clone()])).collect();
    let best = (0..sentences.len()).rev().max_by_key(|&start| window(&sentences[start..]).1).unwrap_or(0);
    let (length, _) = window(&sentences[best..]);
    let (Some(first), Some(last)) = (places.get(best), places.get(best + length.saturating_sub(1))) else {
        return String::new();
    };
    text::shorten(&text[first.start..last.end], SNIPPET_CHARS)
}

/// Returns how many sentences, from the first on, fit into a snippet, and how many of the query's words they contain.
fn window(sentences: &[(&str, u32)]) -> (usize, u32) {
    let (mut length, mut chars, mut words) = (0, 0, 0);
    for (sentence, found) in sentences {
        chars += sentence.chars().count() + 1;
        if length > 0 && chars > SNIPPET_CHARS {
            break;
        }
        length += 1;
        words += found;
    }
    (length, words)
}

#[cfg(test)]
mod tests {
    use analysis::terms;

    use super::*;

    fn snippet(text: &str, query: &str) -> String {
        super::snippet(text, Language::Spanish, &Sought::of(&terms::query_terms(query)))
    }

    #[test]
    fn the_snippet_holds_what_was_asked_for() {
        let filler = "La obra se ejecuta según el plan de trabajo aprobado por la dirección. ".repeat(8);
        let text = format!("{filler}El hormigón de los muros será HA-30. {filler}");
        let snippet = snippet(&text, "hormigón de los muros");
        assert!(snippet.contains("HA-30"), "{snippet}");
        assert!(snippet.chars().count() <= SNIPPET_CHARS + 1);
    }

    #[test]
    fn table_rows_keep_their_lines() {
        let rows: String = (1..=40).map(|n| format!("Sala: {n}; Área: 20 m2\n")).collect();
        let snippet = snippet(&rows, "sala 17");
        assert!(snippet.contains("Sala: 16; Área: 20 m2\nSala: 17; Área: 20 m2"), "{snippet}");
    }

    #[test]
    fn one_endless_sentence_is_cut_between_words() {
        let snippet = snippet(&"ñandú ".repeat(500), "nada");
        assert!(snippet.ends_with("ñandú…") && snippet.chars().count() <= SNIPPET_CHARS + 1);
    }
}
