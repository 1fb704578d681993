//! Feedback of users on answers.

use platform::nats::Context;
use schemas::{
    Scope,
    feedback::{FeedbackSaved, FeedbackStats, GetFeedbackStats, SaveFeedback},
};

use crate::{app::App, chat::store, error::Result, scope};

pub async fn save(app: App, _: Context, query: SaveFeedback) -> Result<FeedbackSaved> {
    let mut transaction = scope::begin_for(&app.pool, &query.scope, &query.caller).await?;
    // Feedback belongs to the projects of its conversation. The conversation may be missing or deleted, because old
    // clients also rate searches; then feedback belongs to the projects of the scope.
    let mut projects = store::projects_of(&mut transaction, &query.caller, &query.session_id).await?;
    if projects.is_empty() && query.scope != Scope::All {
        projects = scope::projects(&mut transaction).await?.keys;
    }
    sqlx::query(
        "INSERT INTO feedback (owner, conversation_id, projects, rating, comment) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&query.caller)
    .bind(&query.session_id)
    .bind(&projects)
    .bind(i16::from(query.rating))
    .bind(&query.comment)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(FeedbackSaved { status: "success".to_owned(), session_id: query.session_id, rating: query.rating })
}

pub async fn stats(app: App, _: Context, query: GetFeedbackStats) -> Result<FeedbackStats> {
    let mut transaction = scope::begin(&app.pool, &query.scope).await?;
    let counts: Vec<(i16, i64, i64)> = sqlx::query_as(
        "SELECT rating, count(*), count(*) FILTER (WHERE comment <> '') FROM feedback
         WHERE given_at > now() - make_interval(days => $1) GROUP BY rating",
    )
    .bind(i32::from(query.days))
    .fetch_all(&mut *transaction)
    .await?;
    let ratings = (1..=5).map(|rating| (rating.to_string(), 0)).collect();
    let mut stats = FeedbackStats { days: query.days, ratings, ..FeedbackStats::default() };
    let mut sum = 0;
    for (rating, count, commented) in counts {
        let count = u64::try_from(count).unwrap_or_default();
        sum += count * u64::try_from(rating).unwrap_or_default();
        stats.total_feedback += count;
        stats.with_comment += u64::try_from(commented).unwrap_or_default();
        stats.ratings.insert(rating.to_string(), count);
    }
    if stats.total_feedback > 0 {
        stats.average_rating = (sum as f64 / stats.total_feedback as f64 * 100.0).round() / 100.0;
    }
    Ok(stats)
}
