//! Compares the documents that the vector leg finds with those of an exact search.

use std::collections::HashSet;

use anyhow::Result;
use embedding::Embed as _;
use serde_json::json;

use crate::{bench::Bench, large};

/// The number of searches that are compared.
const COMPARED: usize = 60;
/// The number of passages or documents that a search returns.
pub const NEAREST: usize = 10;

/// Returns the share of the ten documents with the nearest passages that the vector leg finds.
pub async fn recall(bench: &mut Bench, project: Option<&str>) -> Result<f64> {
    let mut sum = 0.0;
    for _ in 0..COMPARED {
        let query = large::query(&mut bench.random);
        let body = json!({"query": query, "project_id": project, "top_k": NEAREST, "mode": "vector"});
        let found = bench.client.search_with(body).await?;
        let found: HashSet<&str> = found.iter().filter_map(|row| row["document_id"].as_str()).collect();
        let vector = bench.ceiling.model.query(&query).await?;
        // `+ 0` prevents the use of an index.
        let exact: Vec<String> = sqlx::query_scalar(
            "SELECT d.id FROM (
                 SELECT document_key, project_key, max(similarity) AS similarity FROM (
                     SELECT document_key, project_key, -(vector <#> $1::real[]::halfvec) AS similarity FROM embedding
                     WHERE $2::text IS NULL OR project_key = (SELECT key FROM project WHERE id = $2)
                     ORDER BY (vector <#> $1::real[]::halfvec) + 0 LIMIT 100) AS near
                 GROUP BY document_key, project_key ORDER BY similarity DESC LIMIT 10) AS nearest
             JOIN document d ON d.project_key = nearest.project_key AND d.key = nearest.document_key",
        )
        .bind(vector)
        .bind(project)
        .fetch_all(&bench.pool)
        .await?;
        let both = exact.iter().filter(|id| found.contains(id.as_str())).count();
        sum += both as f64 / exact.len().max(1) as f64;
    }
    Ok(sum / COMPARED as f64)
}
