//! What an answer may be made of: the passages that retrieval brings, whole.

use std::collections::{HashMap, HashSet};

use analysis::Language;
use platform::nats::Context;
use schemas::{
    DocumentId, Problem, Scope,
    search::{Filters, MAX_TOP_K, Mode, Search, SearchRow},
};

use crate::{app::App, scope, search};

/// Passages of one document that may answer: the answer is often in the second-best one.
const PER_DOCUMENT: usize = 3;
/// The same when there is one document only.
const OF_ONE_DOCUMENT: usize = 12;

/// A passage, with the text that a search row only shows a part of.
#[derive(Debug, Clone)]
pub struct Passage {
    pub row: SearchRow,
    pub text: String,
    pub heading: String,
    pub language: Language,
}

/// Rows that tell how near passages lie that merely speak of something similar.
const BACKGROUND: usize = 30;
/// With fewer rows than this there is no background.
const LEAST_BACKGROUND: usize = 8;

pub struct Retrieved {
    /// The best first.
    pub passages: Vec<Passage>,
    /// How similar a passage is that was retrieved but is none of the best; none when there are too few to tell.
    pub background: Option<f32>,
}

/// The passages nearest to a question, of at most `documents` documents.
pub async fn retrieve(
    app: &App,
    context: &Context,
    scope: &Scope,
    document: Option<&DocumentId>,
    question: &str,
    documents: u8,
) -> Result<Retrieved, Problem> {
    let per_document = if documents == 1 { OF_ONE_DOCUMENT } else { PER_DOCUMENT };
    let wanted = usize::from(documents).saturating_mul(per_document).min(usize::from(MAX_TOP_K));
    let query = Search {
        scope: scope.clone(),
        query: question.to_owned(),
        top_k: u8::try_from(wanted.max(BACKGROUND)).unwrap_or(MAX_TOP_K).min(MAX_TOP_K),
        mode: Mode::Hybrid,
        strict: false,
        filters: Filters::default(),
        document_id: document.cloned(),
    };
    let mut rows = search::passages(app, context, &query, per_document).await?.rows;
    // Within one document everything is near; that says nothing.
    let background = if document.is_none() { background(&rows) } else { None };
    let mut seen = HashSet::new();
    rows.retain(|row| {
        let id = (row.project_id.clone(), row.document_id.clone());
        seen.contains(&id) || (seen.len() < usize::from(documents) && seen.insert(id))
    });
    rows.truncate(wanted);
    let passages = with_text(app, scope, rows).await.map_err(|error| scope::problem(&error))?;
    Ok(Retrieved { passages, background })
}

fn background(rows: &[SearchRow]) -> Option<f32> {
    let mut similarities: Vec<f32> = rows.iter().take(BACKGROUND).map(|row| row.vector_score).collect();
    similarities.sort_by(f32::total_cmp);
    (similarities.len() >= LEAST_BACKGROUND).then(|| similarities[similarities.len() / 2])
}

/// Reads the passages whole. One that has gone since the search is left out: its document was replaced or deleted.
async fn with_text(app: &App, scope: &Scope, rows: Vec<SearchRow>) -> sqlx::Result<Vec<Passage>> {
    let keys: Vec<i64> = rows.iter().filter_map(|row| row.chunk_id.parse().ok()).collect();
    let mut transaction = scope::begin(&app.pool, scope).await?;
    let found: Vec<(i64, String, String, String)> =
        sqlx::query_as("SELECT key, text, heading, language FROM chunk WHERE key = ANY($1)")
            .bind(&keys)
            .fetch_all(&mut *transaction)
            .await?;
    let mut found: HashMap<String, _> = found
        .into_iter()
        .map(|(key, text, heading, language)| {
            (key.to_string(), (text, heading, Language::from_code(&language)))
        })
        .collect();
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let (text, heading, language) = found.remove(&row.chunk_id)?;
            Some(Passage { row, text, heading, language })
        })
        .collect())
}
