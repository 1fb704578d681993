//! Retrieves the passages from which a question may be answered.

use schemas::search::{MAX_TOP_K, Search};

use super::Asked;
pub use crate::search::{Found, Passage};
use crate::{error::Result, reply, search};

/// Maximum number of passages per document: the answer is often in the second-best one.
const PER_DOCUMENT: u8 = 3;
/// Maximum number of passages when only one document is searched.
const OF_ONE_DOCUMENT: u8 = 12;
/// At least this many of the best passages are considered, because those of further documents are then left out.
const FEWEST: u8 = 30;

/// Returns the passages nearest to a question, from at most as many documents as the query allows.
pub async fn retrieve(asked: &Asked<'_>, question: &str) -> Result<Found> {
    let (query, documents) = (asked.query, asked.query.max_context_docs);
    let per_document = if documents == 1 { OF_ONE_DOCUMENT } else { PER_DOCUMENT };
    let top_k = documents.saturating_mul(per_document).clamp(FEWEST, MAX_TOP_K);
    let search = search::hybrid(query.scope.clone(), question, top_k);
    let search = Search { document_id: query.document_id.clone(), ..search };
    let (per_document, documents) = (per_document.into(), documents.into());
    let mut found = search::passages(asked.app, asked.context, &search, per_document, documents).await?;
    // All of them may be cited. A reply also contains their titles (`context_used`), which are at most as large, and snippets.
    reply::keep_first(&mut found.passages, reply::BUDGET / 5 * 2, |passage| &passage.row);
    Ok(found)
}
