//! `GET /dead-letters`, `POST /dead-letters/requeue`, `POST /dead-letters/{id}/requeue`, `DELETE /dead-letters/{id}`:
//! only for administrators, and limited to the projects of their key.

use aide::OperationInput;
use axum::{extract::FromRequestParts, http::request::Parts};
use schemars::JsonSchema;
use schemas::{
    ProblemKind::{BadRequest, Conflict, NotFound},
    ProjectId,
    account::Role,
    dead_letter::{
        DiscardDeadLetter, ListDeadLetters, ListView, RequeueDeadLetter, RequeueDeadLetters, Requeued,
        Settled,
    },
    lenient,
    search::in_range,
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    App, Error, JsonResult,
    extractors::{Lookup, Path, Query},
    middleware::note_results,
    openapi::{ApiRouter, Describe as _, TransformOperation, delete_with, get_with, post_with},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/dead-letters", get_with(list, document_list))
        .api_route("/dead-letters/requeue", post_with(requeue_all, document_requeue_all))
        .api_route("/dead-letters/{id}", delete_with(discard, document_discard))
        .api_route("/dead-letters/{id}/requeue", post_with(requeue, document_requeue))
}

/// The lookups of an administrator, who may list, requeue and discard the dead letters of their projects.
struct Admin(Lookup);

impl FromRequestParts<App> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let lookup = Lookup::from_request_parts(parts, app).await?;
        lookup.caller.require(Role::Admin)?;
        Ok(Self(lookup))
    }
}

impl OperationInput for Admin {}

#[derive(Debug, Deserialize, JsonSchema)]
struct Which {
    /// The letter's number, as the list shows it.
    id: u64,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Page {
    /// Only this project.
    project_id: Option<ProjectId>,
    /// 1 to 200, 50 when absent.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(with = "Option<u16>", range(min = 1, max = 200))]
    limit: Option<i64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Batch {
    /// Only this project.
    project_id: Option<ProjectId>,
    /// `next_cursor` of the answer before.
    cursor: Option<String>,
}

async fn list(Admin(lookup): Admin, Query(page): Query<Page>) -> JsonResult<ListView> {
    let limit = in_range("limit", page.limit, 1, 200)?.unwrap_or(50);
    let scope = lookup.scope(page.project_id.as_ref());
    let letters = lookup.ask(&ListDeadLetters { scope, limit, cursor: page.cursor }).await?;
    note_results(letters.dead_letters.len());
    Ok(axum::Json(ListView::new(letters, lookup.language)))
}

async fn requeue_all(Admin(lookup): Admin, Query(batch): Query<Batch>) -> JsonResult<Requeued> {
    let scope = lookup.scope(batch.project_id.as_ref());
    Ok(axum::Json(lookup.ask(&RequeueDeadLetters { scope, cursor: batch.cursor }).await?))
}

async fn requeue(Admin(lookup): Admin, Path(Which { id }): Path<Which>) -> JsonResult<Settled> {
    Ok(axum::Json(lookup.ask(&RequeueDeadLetter { scope: lookup.scope(None), id }).await?))
}

async fn discard(Admin(lookup): Admin, Path(Which { id }): Path<Which>) -> JsonResult<Settled> {
    Ok(axum::Json(lookup.ask(&DiscardDeadLetter { scope: lookup.scope(None), id }).await?))
}

fn document_list(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("listDeadLetters", "service", "Lists what failed for good, oldest first. For administrators.")
        .description(
            "A dead letter is a job that cannot succeed, or that failed five times. It is kept for 90 days. A key for some \
             projects sees the letters of those projects only.",
        )
        .replies::<200, axum::Json<ListView>>("One page.")
        .reply_example(200, json!({
            "dead_letters": [{
                "id": 17,
                "died_at": "2026-11-24T12:30:00Z",
                "attempts": 1,
                "cause": "message",
                "project_id": "torre-norte",
                "document_id": "acta-12",
                "subject": "acorag.v1.ingest.document.torre-norte.acta-12",
                "reason": "El archivo no está: no se envió, o ya pertenece a otro documento.",
                "reason_code": "file_missing",
            }],
            "next_cursor": null,
        }))
        .refuses(&[BadRequest])
}

fn document_requeue_all(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("requeueDeadLetters", "service", "Queues failed jobs again, the oldest first. For administrators.")
        .description(
            "At most 100 at once: `next_cursor` of the answer, sent back as `cursor`, goes on with the next. A message that \
             is no job is left where it is.",
        )
        .replies::<200, axum::Json<Requeued>>("How many are queued again.")
        .reply_example(200, json!({ "requeued": 12, "next_cursor": null }))
        .refuses(&[BadRequest])
}

fn document_requeue(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let summary = "Queues a failed job again, as if it was accepted now. For administrators.";
    operation
        .describe("requeueDeadLetter", "service", summary)
        .replies::<200, axum::Json<Settled>>("It is queued, and no longer a dead letter.")
        .reply_example(200, json!({ "status": "requeued", "id": 17 }))
        .refuses(&[BadRequest, NotFound, Conflict])
}

fn document_discard(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let summary = "Removes a dead letter; its document stays failed. For administrators.";
    operation
        .describe("discardDeadLetter", "service", summary)
        .replies::<200, axum::Json<Settled>>("It is gone.")
        .reply_example(200, json!({ "status": "discarded", "id": 17 }))
        .refuses(&[BadRequest, NotFound])
}
