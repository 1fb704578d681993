//! What an answer may be made of: the passages that a search brings.

use std::collections::HashSet;

use schemas::search::{MAX_TOP_K, Search};

use super::Asked;
pub use crate::search::Passage;
use crate::{error::Result, search};

/// Passages of one document that may answer: the answer is often in the second-best one.
const PER_DOCUMENT: usize = 3;
/// The same when there is one document only.
const OF_ONE_DOCUMENT: usize = 12;

/// So many of the best passages give the background: how similar a passage is that merely speaks of something similar.
const BACKGROUND: usize = 30;
/// With fewer passages than this there is no background.
const LEAST_BACKGROUND: usize = 8;

pub struct Retrieved {
    /// The best first.
    pub passages: Vec<Passage>,
    /// How similar a passage is that was retrieved but is none of the best; none when there are too few to tell.
    pub background: Option<f32>,
}

/// The passages nearest to a question, of at most as many documents as the query wants.
pub async fn retrieve(asked: &Asked<'_>, question: &str) -> Result<Retrieved> {
    let (query, documents) = (asked.query, asked.query.max_context_docs);
    let per_document = if documents == 1 { OF_ONE_DOCUMENT } else { PER_DOCUMENT };
    let wanted = usize::from(documents).saturating_mul(per_document).min(usize::from(MAX_TOP_K));
    let top_k = u8::try_from(wanted.max(BACKGROUND)).unwrap_or(MAX_TOP_K).min(MAX_TOP_K);
    let search = search::hybrid(query.scope.clone(), question, top_k);
    let search = Search { document_id: query.document_id.clone(), ..search };
    let mut passages = search::passages(asked.app, asked.context, &search, per_document).await?.passages;
    // Within one document everything is near; that says nothing.
    let background = if query.document_id.is_none() { background(&passages) } else { None };
    let mut seen = HashSet::new();
    passages.retain(|Passage { row, .. }| {
        let id = (row.project_id.clone(), row.document_id.clone());
        seen.contains(&id) || (seen.len() < usize::from(documents) && seen.insert(id))
    });
    passages.truncate(wanted);
    Ok(Retrieved { passages, background })
}

fn background(passages: &[Passage]) -> Option<f32> {
    let mut similarities: Vec<f32> =
        passages.iter().take(BACKGROUND).map(|passage| passage.row.vector_score).collect();
    similarities.sort_by(f32::total_cmp);
    (similarities.len() >= LEAST_BACKGROUND).then(|| similarities[similarities.len() / 2])
}
