//! `POST /upload-and-query`: a document and a question to it alone.

use std::sync::Arc;

use aide::{
    axum::{ApiRouter, routing::post_with},
    openapi::ReferenceOr,
    transform::TransformOperation,
};
use axum::{body::Body, extract::State, http::HeaderMap};
use platform::nats::{Nats, request::Requester};
use schemas::{
    Problem, ProblemKind,
    ProblemKind::{BadRequest, Conflict, NoText, RequestTimeout, TooLarge, UnsupportedMediaType},
    chat::{ChatQuery, UploadAndQuery},
    search::check_text,
};
use tokio_util::sync::CancellationToken;

use super::upload;
use crate::{
    App, Error,
    caller::Caller,
    config::Requests,
    docs, edge,
    extract::{Language, RequestId},
    intake::Intake,
    metrics::Metrics,
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/upload-and-query", post_with(ask, document))
}

#[expect(clippy::too_many_arguments, reason = "each is one thing that the handler takes from the request")]
async fn ask(
    State(intake): State<Intake>,
    State(nats): State<Nats>,
    State(requester): State<Requester>,
    State(requests): State<Arc<Requests>>,
    State(metrics): State<Arc<Metrics>>,
    State(stopping): State<CancellationToken>,
    caller: Caller,
    id: RequestId,
    Language(language): Language,
    headers: HeaderMap,
    body: Body,
) -> Result<axum::Json<UploadAndQuery>, Error> {
    let received =
        upload::receive(&intake, &caller, &metrics, &headers, body, &["question", "message"]).await?;
    let question = ["question", "message"].iter().find_map(|name| received.texts.get(*name)).cloned();
    let question = question.ok_or_else(|| Problem::field("question", "falta.", "is missing."))?;
    check_text("question", question.trim())?;
    edge::note_query(&question);
    let mut accepted = upload::accept(&nats, &metrics, &id, upload::job(received, &caller)).await?;
    let patience = requests.upload_query_patience();
    let uploaded = match upload::wait::for_end(&mut accepted, patience, language, &stopping).await {
        Some(outcome) => outcome?,
        None => return Err(later(&upload::status_url(&accepted.job)).into()),
    };
    let (project, document) = (&accepted.job.project, &accepted.job.document);
    let query = ChatQuery::about(&question, project, document, caller.account())?;
    let reply = requester.ask(&id.context(), &query, requests.chat_patience()).await?;
    edge::note_results(reply.sources.len());
    Ok(axum::Json(UploadAndQuery {
        status: "success".to_owned(),
        upload_result: uploaded.data,
        query_result: reply.into(),
    }))
}

/// The document is safe, only the answer is not there yet.
fn later(status_url: &str) -> Problem {
    Problem::new(
        ProblemKind::Timeout,
        format!(
            "El documento se recibió y se está procesando ({status_url}); pregunte por él cuando esté indexado."
        ),
        format!(
            "The document was accepted and is being processed ({status_url}); ask about it when it is indexed."
        ),
    )
}

fn document(mut operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let form = upload::form(&[("question", "What to ask the document: 1 to 2,000 characters.")]);
    operation.inner_mut().request_body = Some(ReferenceOr::Item(form));
    let operation = operation
        .id("uploadAndQuery")
        .tag("chat")
        .summary("Uploads a document and answers a question from it alone.")
        .response_with::<200, axum::Json<UploadAndQuery>, _>(|response| response.description("The answer."));
    docs::refuses(operation, &[BadRequest, RequestTimeout, Conflict, TooLarge, UnsupportedMediaType, NoText])
}
