//! The SQL of conversations.

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use schemas::{
    ProjectId,
    chat::{ChatQuery, ChatReply, Source},
    history::HistoryEntry,
};
use sqlx::{PgConnection, types::Json};

use crate::reply;

/// A stored turn, with what the next turn needs.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredTurn {
    pub question: String,
    pub understood: String,
    pub answer: String,
    pub found: bool,
    pub projects: Vec<i32>,
}

/// Returns the last turns of a conversation of this owner, oldest first, without that of the query with this id.
pub async fn last_turns(
    tx: &mut PgConnection,
    owner: &str,
    conversation: &str,
    id: &str,
    limit: i64,
) -> sqlx::Result<Vec<StoredTurn>> {
    let mut turns: Vec<StoredTurn> = sqlx::query_as(
        "SELECT question, understood, answer, found, projects FROM turn
         WHERE owner = $1 AND conversation_id = $2 AND query_id IS DISTINCT FROM $3
         ORDER BY key DESC LIMIT $4",
    )
    .bind(owner)
    .bind(conversation)
    .bind(id)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    turns.reverse();
    Ok(turns)
}

/// Stores the turn of the query with this id, unless it is stored already. It belongs to the projects that its answer
/// used, as far as the scope of the transaction allows them, and to those of the earlier turns.
pub async fn insert(
    tx: &mut PgConnection,
    id: &str,
    query: &ChatQuery,
    used: &[ProjectId],
    earlier: &[i32],
    understood: &str,
    reply: &ChatReply,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO turn
             (owner, conversation_id, user_id, projects, question, understood, answer, sources, found,
              answered_by, query_id)
         VALUES ($1, $2, $3,
                 ARRAY(SELECT key FROM project WHERE id = ANY($4) UNION SELECT unnest($11::int[]) ORDER BY 1),
                 $5, $6, $7, $8, $9, $10, $12)
         ON CONFLICT DO NOTHING",
    )
    .bind(&query.caller)
    .bind(&reply.conversation_id)
    .bind(&query.user_id)
    .bind(used.iter().map(ProjectId::as_str).collect::<Vec<_>>())
    .bind(&reply.question)
    .bind(understood)
    .bind(&reply.answer)
    .bind(Json(&reply.sources))
    .bind(reply.found)
    .bind(&reply.answered_by)
    .bind(earlier)
    .bind(id)
    .execute(tx)
    .await
    .map(|_| ())
}

/// Returns the newest turns of a conversation or of a user, oldest first, as many as fit into one reply.
pub async fn history(
    tx: &mut PgConnection,
    owner: &str,
    conversation: Option<&str>,
    user: Option<&str>,
    limit: u8,
) -> sqlx::Result<Vec<HistoryEntry>> {
    let mut rows = sqlx::query_as::<_, (String, String, String, Json<Vec<Source>>, DateTime<Utc>)>(
        "SELECT conversation_id, question, answer, sources, asked_at FROM turn
         WHERE owner = $1 AND ($2::text IS NULL OR conversation_id = $2) AND ($3::text IS NULL OR user_id = $3)
         ORDER BY key DESC LIMIT $4",
    )
    .bind(owner)
    .bind(conversation)
    .bind(user)
    .bind(i64::from(limit))
    .fetch(tx);
    // One by one, because all of them together may be many times larger than a reply.
    let (mut turns, mut room) = (Vec::new(), reply::BUDGET);
    while let Some((conversation_id, question, answer, Json(sources), timestamp)) = rows.try_next().await? {
        let turn = HistoryEntry { question, answer, sources, timestamp, conversation_id };
        let Some(left) = room.checked_sub(reply::size(&turn)) else {
            tracing::warn!(kept = turns.len(), "a reply would be too large; older turns are left out");
            break;
        };
        room = left;
        turns.push(turn);
    }
    turns.reverse();
    Ok(turns)
}

/// Returns the projects that a conversation of this owner used.
pub async fn projects_of(tx: &mut PgConnection, owner: &str, conversation: &str) -> sqlx::Result<Vec<i32>> {
    sqlx::query_scalar(
        "SELECT DISTINCT unnest(projects) FROM turn WHERE owner = $1 AND conversation_id = $2 ORDER BY 1",
    )
    .bind(owner)
    .bind(conversation)
    .fetch_all(tx)
    .await
}
