//! `GET /api/analytics/popular-searches`, `/api/analytics/feedback-stats`, `/api/suggestions`, `/api/stats/documents`.

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

use super::documents::InProject;
use crate::{
    App, JsonResult,
    extractors::{Lookup, Query},
    middleware::note_results,
    openapi::{ApiRouter, Describe as _, TransformOperation, get_with},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/api/analytics/popular-searches",
            get_with(popular, |op| document(op, "popularSearches", "What is searched most.")),
        )
        .api_route(
            "/api/analytics/feedback-stats",
            get_with(ratings, |op| document(op, "feedbackStats", "What users thought of their answers.")),
        )
        .api_route(
            "/api/suggestions",
            get_with(suggestions, |op| {
                document(op, "suggestions", "How a search that begins like this may go on.")
            }),
        )
        .api_route(
            "/api/stats/documents",
            get_with(documents, |op| {
                document(op, "documentStats", "How many documents there are, by state, kind and project.")
            }),
        )
}

fn document<'t>(operation: TransformOperation<'t>, id: &str, summary: &str) -> TransformOperation<'t> {
    operation.describe(id, "analytics", summary).refuses(&[BadRequest])
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

async fn popular(lookup: Lookup, Query(asked): Query<Popular>) -> JsonResult<PopularSearches> {
    let scope = lookup.scope(asked.project_id.as_ref());
    let reply = lookup.ask(&GetPopularSearches::new(asked.days, asked.limit, &scope)?).await?;
    note_results(reply.searches.len());
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

async fn ratings(lookup: Lookup, Query(asked): Query<Ratings>) -> JsonResult<FeedbackStats> {
    let scope = lookup.scope(asked.project_id.as_ref());
    Ok(axum::Json(lookup.ask(&GetFeedbackStats::new(asked.days, &scope)?).await?))
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

async fn suggestions(lookup: Lookup, Query(asked): Query<Beginning>) -> JsonResult<Suggestions> {
    let scope = lookup.scope(asked.project_id.as_ref());
    let reply = lookup.ask(&GetSuggestions::new(&asked.q, asked.limit, &scope)?).await?;
    note_results(reply.suggestions.len());
    Ok(axum::Json(reply))
}

async fn documents(lookup: Lookup, Query(within): Query<InProject>) -> JsonResult<DocumentStats> {
    let scope = lookup.scope(within.project_id.as_ref());
    Ok(axum::Json(lookup.ask(&GetDocumentStats { scope }).await?))
}
