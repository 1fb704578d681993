//! The SQL behind conversations.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use schemas::{
    ProjectId,
    chat::{ChatReply, Source},
    history::HistoryEntry,
};
use sqlx::{Postgres, Transaction, types::Json};

/// A turn, as the next one needs it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct StoredTurn {
    pub question: String,
    pub understood: String,
    pub answer: String,
    pub found: bool,
    pub projects: Vec<i32>,
}

/// The last turns of a conversation of the transaction's owner, oldest first.
pub async fn last_turns(
    transaction: &mut Transaction<'_, Postgres>,
    owner: &str,
    conversation: &str,
    limit: i64,
) -> sqlx::Result<Vec<StoredTurn>> {
    let mut turns: Vec<StoredTurn> = sqlx::query_as(
        "SELECT question, understood, answer, found, projects FROM turn
         WHERE owner = $1 AND conversation_id = $2
         ORDER BY key DESC LIMIT $3",
    )
    .bind(owner)
    .bind(conversation)
    .bind(limit)
    .fetch_all(&mut **transaction)
    .await?;
    turns.reverse();
    Ok(turns)
}

/// The keys of projects of the transaction's scope.
pub async fn project_keys(
    transaction: &mut Transaction<'_, Postgres>,
    projects: &BTreeSet<ProjectId>,
) -> sqlx::Result<Vec<i32>> {
    let ids: Vec<&str> = projects.iter().map(ProjectId::as_str).collect();
    sqlx::query_scalar("SELECT key FROM project WHERE id = ANY($1)")
        .bind(&ids)
        .fetch_all(&mut **transaction)
        .await
}

/// What is written down of a turn besides its reply.
pub struct NewTurn<'a> {
    pub owner: &'a str,
    pub user_id: Option<&'a str>,
    pub projects: &'a [i32],
    pub understood: &'a str,
    pub reply: &'a ChatReply,
}

pub async fn insert(transaction: &mut Transaction<'_, Postgres>, turn: NewTurn<'_>) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO turn
             (owner, conversation_id, user_id, projects, question, understood, answer, sources, found, answered_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(turn.owner)
    .bind(&turn.reply.conversation_id)
    .bind(turn.user_id)
    .bind(turn.projects)
    .bind(&turn.reply.question)
    .bind(turn.understood)
    .bind(&turn.reply.answer)
    .bind(Json(&turn.reply.sources))
    .bind(turn.reply.found)
    .bind(&turn.reply.answered_by)
    .execute(&mut **transaction)
    .await
    .map(|_| ())
}

#[derive(sqlx::FromRow)]
struct Entry {
    conversation_id: String,
    question: String,
    answer: String,
    sources: Json<Vec<Source>>,
    asked_at: DateTime<Utc>,
}

/// The newest turns of one conversation or of one user, oldest first.
pub async fn history(
    transaction: &mut Transaction<'_, Postgres>,
    owner: &str,
    conversation: Option<&str>,
    user: Option<&str>,
    limit: u8,
) -> sqlx::Result<Vec<HistoryEntry>> {
    let mut entries: Vec<Entry> = sqlx::query_as(
        "SELECT conversation_id, question, answer, sources, asked_at FROM turn
         WHERE owner = $1 AND ($2::text IS NULL OR conversation_id = $2) AND ($3::text IS NULL OR user_id = $3)
         ORDER BY key DESC LIMIT $4",
    )
    .bind(owner)
    .bind(conversation)
    .bind(user)
    .bind(i64::from(limit))
    .fetch_all(&mut **transaction)
    .await?;
    entries.reverse();
    let view = |entry: Entry| HistoryEntry {
        question: entry.question,
        answer: entry.answer,
        sources: entry.sources.0,
        timestamp: entry.asked_at,
        conversation_id: entry.conversation_id,
    };
    Ok(entries.into_iter().map(view).collect())
}

/// The projects that a conversation of the transaction's owner drew on.
pub async fn projects_of(
    transaction: &mut Transaction<'_, Postgres>,
    owner: &str,
    conversation: &str,
) -> sqlx::Result<Vec<i32>> {
    sqlx::query_scalar(
        "SELECT DISTINCT unnest(projects) FROM turn WHERE owner = $1 AND conversation_id = $2 ORDER BY 1",
    )
    .bind(owner)
    .bind(conversation)
    .fetch_all(&mut **transaction)
    .await
}
