//! Retrieves the passages from which a question may be answered.

use std::collections::HashSet;

use schemas::search::{MAX_TOP_K, Search};

use super::Asked;
pub use crate::search::{Found, Passage};
use crate::{error::Result, reply, search};

/// Maximum number of passages per document: the answer is often in the second-best one.
const PER_DOCUMENT: usize = 3;
/// Maximum number of passages when only one document is searched.
const OF_ONE_DOCUMENT: usize = 12;
/// Minimum number of passages that are searched, because those of further documents are left out.
const FEWEST: usize = 30;

/// Returns the passages nearest to a question, from at most as many documents as the query allows.
pub async fn retrieve(asked: &Asked<'_>, question: &str) -> Result<Found> {
    let (query, documents) = (asked.query, asked.query.max_context_docs);
    let per_document = if documents == 1 { OF_ONE_DOCUMENT } else { PER_DOCUMENT };
    let wanted = usize::from(documents).saturating_mul(per_document).min(usize::from(MAX_TOP_K));
    let top_k = u8::try_from(wanted.max(FEWEST)).unwrap_or(MAX_TOP_K);
    let search = search::hybrid(query.scope.clone(), question, top_k);
    let search = Search { document_id: query.document_id.clone(), ..search };
    let mut found = search::passages(asked.app, asked.context, &search, per_document).await?;
    let mut seen = HashSet::new();
    found.passages.retain(|Passage { row, .. }| {
        let id = (row.project_id.clone(), row.document_id.clone());
        seen.contains(&id) || (seen.len() < usize::from(documents) && seen.insert(id))
    });
    found.passages.truncate(wanted);
    // All of them may be cited. A reply also contains their titles (`context_used`), which are at most as large, and snippets.
    reply::keep_first(&mut found.passages, reply::BUDGET / 5 * 2, |passage| &passage.row);
    Ok(found)
}
