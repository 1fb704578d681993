//! `GET /api/analytics/popular-searches`, `/api/analytics/feedback-stats`, `/api/suggestions`, `/api/stats/documents`.

use aide::{
    axum::{ApiRouter, routing::get_with},
    transform::TransformOperation,
};
use axum::extract::State;
use schemars::JsonSchema;
use schemas::{
    ProblemKind::BadRequest,
    ProjectId,
    analytics::{
        DocumentStats, GetDocumentStats, GetPopularSearches, GetSuggestions, PopularSearches, Suggestions,
    },
    feedback::{FeedbackStats, GetFeedbackStats},
    lenient,
};
use serde::Deserialize;

use super::documents::{InProject, Lookup};
use crate::{
    App, Error,
    caller::Caller,
    docs, edge,
    extract::{Query, RequestId},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/analytics/popular-searches",
            get_with(popular, |operation| document(operation, "popularSearches", "What is searched most.")),
        )
        .api_route(
            "/api/analytics/feedback-stats",
            get_with(ratings, |operation| {
                document(operation, "feedbackStats", "What users thought of their answers.")
            }),
        )
        .api_route(
            "/api/suggestions",
            get_with(suggestions, |operation| {
                document(operation, "suggestions", "How a search that begins like this may go on.")
            }),
        )
        .api_route(
            "/api/stats/documents",
            get_with(documents, |operation| {
                document(
                    operation,
                    "documentStats",
                    "How many documents there are, by state, kind and project.",
                )
            }),
        )
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Popular {
    /// How many days to look back: 1 to 90, 30 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 90))]
    days: Option<i64>,
    /// 1 to 100, 10 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<i64>,
    /// Only this project.
    project_id: Option<ProjectId>,
}

async fn popular(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Query(asked): Query<Popular>,
) -> Result<axum::Json<PopularSearches>, Error> {
    let scope = caller.scope().narrowed(asked.project_id.as_ref());
    let reply = lookup.ask(&id, &GetPopularSearches::new(asked.days, asked.limit, &scope)?).await?;
    edge::note_results(reply.searches.len());
    Ok(axum::Json(reply))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Ratings {
    /// How many days to look back: 1 to 90, 30 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 90))]
    days: Option<i64>,
    /// Only this project.
    project_id: Option<ProjectId>,
}

async fn ratings(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Query(asked): Query<Ratings>,
) -> Result<axum::Json<FeedbackStats>, Error> {
    let scope = caller.scope().narrowed(asked.project_id.as_ref());
    Ok(axum::Json(lookup.ask(&id, &GetFeedbackStats::new(asked.days, &scope)?).await?))
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Beginning {
    /// What was typed so far: up to 200 characters; empty for what is popular.
    #[serde(default)]
    #[schemars(length(max = 200))]
    q: String,
    /// 1 to 50, 10 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 50))]
    limit: Option<i64>,
    /// Only this project.
    project_id: Option<ProjectId>,
}

async fn suggestions(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Query(asked): Query<Beginning>,
) -> Result<axum::Json<Suggestions>, Error> {
    let scope = caller.scope().narrowed(asked.project_id.as_ref());
    let reply = lookup.ask(&id, &GetSuggestions::new(&asked.q, asked.limit, &scope)?).await?;
    edge::note_results(reply.suggestions.len());
    Ok(axum::Json(reply))
}

async fn documents(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Query(within): Query<InProject>,
) -> Result<axum::Json<DocumentStats>, Error> {
    let scope = caller.scope().narrowed(within.project_id.as_ref());
    Ok(axum::Json(lookup.ask(&id, &GetDocumentStats { scope }).await?))
}

fn document<'t>(operation: TransformOperation<'t>, name: &str, summary: &str) -> TransformOperation<'t> {
    docs::refuses(operation.id(name).tag("analytics").summary(summary), &[BadRequest])
}
