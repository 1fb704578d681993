//! Reads the stored vectors of the passages' sentences.

use std::collections::HashMap;

use schemas::Scope;

use crate::{app::App, chat::passages::Passage, scope};

/// Returns the stored vectors ([`documents::sentences`]) of these passages, by the id of the passage.
pub async fn read(app: &App, scope: &Scope, passages: &[Passage]) -> sqlx::Result<HashMap<String, Vec<u8>>> {
    let projects: Vec<&str> = passages.iter().map(|passage| passage.row.project_id.as_str()).collect();
    let keys: Vec<i64> = passages.iter().filter_map(|passage| passage.row.chunk_id.parse().ok()).collect();
    let mut transaction = scope::begin_by_keys(&app.pool, scope).await?;
    let Some(own) = app.vectors.own(&mut transaction).await? else { return Ok(HashMap::new()) };
    let stored: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT chunk_key, data FROM sentence
         WHERE model = $3 AND project_key = ANY (ARRAY(SELECT key FROM project WHERE id = ANY($1)))
           AND chunk_key = ANY($2)",
    )
    .bind(&projects)
    .bind(&keys)
    .bind(own)
    .fetch_all(&mut *transaction)
    .await?;
    Ok(stored.into_iter().map(|(key, data)| (key.to_string(), data)).collect())
}
