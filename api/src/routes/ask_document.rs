//! `POST /upload-and-query`: uploads a document and answers a question from this document alone.

use std::sync::Arc;

use axum::{body::Body, extract::State};
use platform::nats::request::Requester;
use schemas::{
    ProblemKind::{BadRequest, Conflict, NoText, RequestTimeout, Timeout, TooLarge, UnsupportedMediaType},
    chat::{ChatQuery, QueryResult, UploadAndQuery},
    messages,
    search::check_text,
};

use super::upload::{self, Uploader};
use crate::{
    App, JsonResult,
    config::Requests,
    middleware::{note_query, note_results},
    openapi::{ApiRouter, Describe as _, TransformOperation, post_with},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/upload-and-query", post_with(ask, document))
}

async fn ask(
    uploader: Uploader,
    State(requester): State<Requester>,
    State(requests): State<Arc<Requests>>,
    body: Body,
) -> JsonResult<UploadAndQuery> {
    let mut received = uploader.receive(body).await?;
    let question =
        received.question.take().ok_or_else(|| messages::fields::missing().about("question"))??;
    check_text("question", question.trim())?;
    note_query(&question);
    let mut accepted = uploader.accept(received).await?;
    let outcome = uploader.wait(&mut accepted, requests.upload_query_timeout).await;
    let too_late = || messages::http::not_indexed_yet(&accepted.data.status_url).problem(Timeout);
    let uploaded = outcome.ok_or_else(too_late)??;
    let query = ChatQuery::about(&question, &accepted.data.document_id, &uploader.caller.account)?;
    let reply = requester.ask(&uploader.id.context(), &query, requests.chat_timeout).await?;
    note_results(reply.sources.len());
    let mut query_result = QueryResult::from(reply);
    if accepted.superseded {
        // A superseded document answers nothing. This says why.
        query_result.notice = uploaded.message;
    }
    let status = "success".to_owned();
    Ok(axum::Json(UploadAndQuery { status, upload_result: uploaded.data, query_result }))
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    upload::document_form(operation, &[("question", "What to ask the document: 1 to 2,000 characters.")])
        .describe("uploadAndQuery", "chat", "Uploads a document and answers a question from it alone.")
        .replies::<200, axum::Json<UploadAndQuery>>("The answer.")
        .refuses(&[BadRequest, RequestTimeout, Conflict, TooLarge, UnsupportedMediaType, NoText])
}
