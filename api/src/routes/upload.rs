//! `POST /upload`.

pub mod wait;

use std::sync::Arc;

use aide::{
    axum::{ApiRouter, routing::post_with},
    openapi::{MediaType, ReferenceOr, RequestBody, SchemaObject},
    transform::TransformOperation,
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use chrono::Utc;
use platform::nats::{Nats, publish};
use schemas::{
    DocumentId, Problem, ProblemKind,
    ProblemKind::{
        BadRequest, Conflict, NoText, RequestTimeout, TooLarge, Unavailable, UnsupportedMediaType,
    },
    event::{DocumentEvent, EventKind},
    headers,
    ingest::{IngestDocument, MAX_JOB_BYTES, ObjectRef, Source},
    problem::UiLanguage,
    upload::{AcceptedData, UploadAccepted, UploadIndexed},
};
use tokio_util::sync::CancellationToken;

use crate::{
    App, Error,
    caller::Caller,
    docs,
    extract::{Language, Query, RequestId},
    follow::{self, Own},
    intake::{Draft, Intake, Received},
    metrics::Metrics,
};
use wait::Wait;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/upload", post_with(upload, document))
}

/// A document that was accepted: its bytes are safe and its job is in the stream.
pub struct Accepted {
    pub job: Job,
    pub own: Own,
    pub events: follow::Events,
}

/// What is asked of the ingest workers.
pub struct Job {
    pub project: schemas::ProjectId,
    pub document: DocumentId,
    pub ingest: IngestDocument,
}

#[expect(clippy::too_many_arguments, reason = "each is one thing that the handler takes from the request")]
async fn upload(
    State(intake): State<Intake>,
    State(nats): State<Nats>,
    State(metrics): State<Arc<Metrics>>,
    State(stopping): State<CancellationToken>,
    caller: Caller,
    id: RequestId,
    Language(language): Language,
    Query(wait): Query<Wait>,
    request_headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let wait = wait.or_preferred(&request_headers)?;
    let received = receive(&intake, &caller, &metrics, &request_headers, body, &[]).await?;
    let mut accepted = accept(&nats, &metrics, &id, job(received, &caller)).await?;
    let Some(wait) = wait else {
        return Ok(accepted_response(&accepted.job, language));
    };
    let mut response = match wait::for_end(&mut accepted, wait, language, &stopping).await {
        Some(indexed) => axum::Json(indexed?).into_response(),
        None => accepted_response(&accepted.job, language),
    };
    if let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs())) {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}

/// Reads the request and makes sure that this caller may put it where it says.
pub async fn receive(
    intake: &Intake,
    caller: &Caller,
    metrics: &Metrics,
    request_headers: &HeaderMap,
    body: Body,
    wanted: &[&str],
) -> Result<Received, Problem> {
    let received = intake
        .receive(request_headers, body, wanted, |metadata| {
            caller.may_write(metadata.project_id.as_ref().unwrap_or(&caller.default_project()))
        })
        .await
        .inspect_err(|_| metrics.upload("refused"))?;
    metrics.upload_bytes.with_label_values::<&str>(&[]).inc_by(received.file.stored.size);
    Ok(received)
}

/// The same file, name, number and revision in the same project is the same document, however often it is sent.
pub fn job(received: Received, caller: &Caller) -> (Job, Draft) {
    let Received { file, mut metadata, .. } = received;
    // Records of an import say themselves where they belong, unless the upload says it for all of them.
    let record_scope = metadata.project_id.is_none().then(|| caller.scope().clone());
    let project = metadata.project_id.take().unwrap_or_else(|| caller.default_project());
    let document = DocumentId::of_content(
        &project,
        &file.filename,
        &metadata.number,
        &metadata.revision,
        &file.stored.sha256,
    );
    let object =
        ObjectRef { name: file.draft.name().to_owned(), size: file.stored.size, sha256: file.stored.sha256 };
    let ingest = IngestDocument {
        source: Source::Object(object),
        metadata,
        filename: file.filename,
        media_type: file.media_type,
        parent: None,
        record_scope,
    };
    (Job { project, document, ingest }, file.draft)
}

/// Puts the job into the stream. From the acknowledgement on, the document is not lost any more.
pub async fn accept(
    nats: &Nats,
    metrics: &Metrics,
    id: &RequestId,
    (job, draft): (Job, Draft),
) -> Result<Accepted, Problem> {
    publish(nats, id, job, draft)
        .await
        .inspect(|_| metrics.upload("accepted"))
        .inspect_err(|_| metrics.upload("refused"))
}

async fn publish(nats: &Nats, id: &RequestId, job: Job, draft: Draft) -> Result<Accepted, Problem> {
    let payload = serde_json::to_vec(&job.ingest).map_err(|error| {
        tracing::error!(%error, "serializing a job");
        Problem::internal()
    })?;
    if payload.len() > MAX_JOB_BYTES {
        return Err(Problem::field("metadata", "es demasiado grande.", "is too large."));
    }
    // Subscribed first, so that no event of this job can be missed.
    let events = follow::events(nats, &job.project, &job.document).await?;
    let own = Own { request_id: id.0.clone(), since: Utc::now() };
    let context = id.context();
    let mut map = context.headers();
    map.insert(headers::MESSAGE_ID, uuid::Uuid::now_v7().to_string().as_str());
    map.insert(headers::ANNOUNCED, "1");
    let subject = job.ingest.subject(&job.project, &job.document);
    match nats.publish_raw(subject, map, Bytes::from(payload)).await {
        Ok(()) => draft.keep(),
        Err(publish::Error::Full) => return Err(Problem::overloaded()),
        Err(error) => {
            // Perhaps the stream has the job and only its answer was lost. Then the job must find its bytes: an object
            // nobody needs costs space, a missing one would fail a document.
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), object = draft.name(), "publishing a job");
            draft.keep();
            return Err(Problem::unavailable());
        }
    }
    let mut queued =
        DocumentEvent::new(EventKind::Queued, job.project.clone(), job.document.clone(), own.since);
    queued.request_id.clone_from(&own.request_id);
    queued.title.clone_from(&job.ingest.metadata.title);
    queued.revision.clone_from(&job.ingest.metadata.revision);
    if let Err(error) = nats.publish(queued.subject(), &context, None, &queued).await {
        tracing::warn!(%error, "announcing a queued document");
    }
    Ok(Accepted { job, own, events })
}

fn accepted_response(job: &Job, language: UiLanguage) -> Response {
    let status_url = status_url(job);
    let message = match language {
        UiLanguage::Spanish => "Documento recibido; se está procesando.",
        UiLanguage::English => "Document accepted; it is being processed.",
    };
    let body = UploadAccepted {
        status: "accepted".to_owned(),
        message: message.to_owned(),
        data: AcceptedData {
            document_id: job.document.clone(),
            filename: job.ingest.filename.clone(),
            project_id: job.project.clone(),
            status_url: status_url.clone(),
        },
    };
    let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&status_url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// With the project, because two projects may hold documents of the same id.
pub fn status_url(job: &Job) -> String {
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let document = job.document.as_str();
    let id = if document.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        document.to_owned()
    } else {
        encoded(document)
    };
    format!("/documents/{id}?project_id={}", encoded(job.project.as_str()))
}

/// The multipart body of an upload.
pub fn form(extra: &[(&str, &str)]) -> RequestBody {
    let mut properties = serde_json::json!({
        "file": {
            "type": "string",
            "format": "binary",
            "description": "PDF, DOCX, TXT, Markdown, HTML, XLSX, CSV, PPTX, EML, MSG, JSON or NDJSON.",
        },
        "metadata": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "A JSON object: project_id (old name: project), title, doc_type (type), number \
                            (document_number), category, revision, status, author, date_modified (date); anything else \
                            is kept.",
            "examples": [r#"{"project_id": "torre-norte", "title": "Planta primer piso", "number": "200076-CCC02-PL-AR-000400", "revision": "B"}"#],
        },
    });
    let mut required = vec!["file"];
    for (name, description) in extra {
        properties[*name] = serde_json::json!({ "type": "string", "description": description });
        required.push(name);
    }
    let schema = SchemaObject {
        json_schema: schemars::json_schema!({ "type": "object", "properties": properties, "required": required }),
        external_docs: None,
        example: None,
    };
    let mut body = RequestBody { required: true, ..RequestBody::default() };
    body.content
        .insert("multipart/form-data".to_owned(), MediaType { schema: Some(schema), ..MediaType::default() });
    body
}

fn document(mut operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation.inner_mut().request_body = Some(ReferenceOr::Item(form(&[])));
    let operation = operation
        .id("upload")
        .tag("documents")
        .summary("Uploads a document, or a file of Aconex records.")
        .description(
            "202 means that the file is safe and will be indexed; `status_url` tells how far it is. With `wait`, the \
             answer comes when the document is searchable, or as 202 when the time is over.",
        )
        .response_with::<200, axum::Json<UploadIndexed>, _>(|response| response.description("It is searchable now."))
        .response_with::<202, axum::Json<UploadAccepted>, _>(|response| response.description("Accepted and safe."));
    let operation = docs::header(operation, 202, "Location", "Where to ask how far it is.");
    docs::refuses(
        operation,
        &[BadRequest, RequestTimeout, Conflict, TooLarge, UnsupportedMediaType, NoText, Unavailable],
    )
}

/// A document that ended as failed, told to whoever waited for it.
pub fn failed(reason: Option<schemas::document::Reason>) -> Problem {
    let detail = reason.map_or_else(
        || schemas::Message::new("El documento no se pudo procesar.", "The document could not be processed."),
        |reason| reason.message,
    );
    Problem { kind: ProblemKind::NoText, detail, retry_after: None }
}
