//! A transaction that sees, besides the projects of its scope, what belongs to one caller.

use schemas::Scope;
use sqlx::{PgPool, Postgres, Transaction};

use crate::scope;

/// Opens it. Conversations are walled by their owner too (migrations/sql/0004_conversations.sql).
pub async fn begin(
    pool: &PgPool,
    scope: &Scope,
    caller: &str,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut transaction = scope::begin(pool, scope).await?;
    sqlx::query("SELECT set_config('acorag.caller', $1, true)")
        .bind(caller)
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}
