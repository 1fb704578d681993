//! Retrieves the passages from which a question may be answered.

use std::collections::HashSet;

use schemas::search::{MAX_TOP_K, Search};

use super::Asked;
pub use crate::search::Passage;
use crate::{error::Result, search};

/// Maximum number of passages per document: the answer is often in the second-best one.
const PER_DOCUMENT: usize = 3;
/// Maximum number of passages when only one document is searched.
const OF_ONE_DOCUMENT: usize = 12;

/// The background is computed from at most this many of the best passages: it is the usual similarity of a topic.
const BACKGROUND: usize = 30;
/// Minimum number of passages from which the background is computed.
const LEAST_BACKGROUND: usize = 8;

pub struct Retrieved {
    /// The passages, the best first.
    pub passages: Vec<Passage>,
    /// The median similarity of the retrieved passages; None if there are too few.
    pub background: Option<f32>,
}

/// Returns the passages nearest to a question, from at most as many documents as the query allows.
pub async fn retrieve(asked: &Asked<'_>, question: &str) -> Result<Retrieved> {
    let (query, documents) = (asked.query, asked.query.max_context_docs);
    let per_document = if documents == 1 { OF_ONE_DOCUMENT } else { PER_DOCUMENT };
    let wanted = usize::from(documents).saturating_mul(per_document).min(usize::from(MAX_TOP_K));
    let top_k = u8::try_from(wanted.max(BACKGROUND)).unwrap_or(MAX_TOP_K).min(MAX_TOP_K);
    let search = search::hybrid(query.scope.clone(), question, top_k);
    let search = Search { document_id: query.document_id.clone(), ..search };
    let mut passages = search::passages(asked.app, asked.context, &search, per_document).await?.passages;
    // Within one document all passages are similar, so there is no background.
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
