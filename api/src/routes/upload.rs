//! `POST /upload`.

use std::{sync::Arc, time::Duration};

use aide::{
    OperationInput,
    openapi::{ReferenceOr, RequestBody},
};
use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use platform::{
    crash,
    nats::{Nats, publish},
};
use schemars::{JsonSchema, json_schema};
use schemas::{
    DocumentId, Problem,
    ProblemKind::{self, BadRequest, Conflict, NoText, RequestTimeout, TooLarge, UnsupportedMediaType},
    dead_letter::Cause,
    document::GetDocument,
    event::{DocumentEvent, EventKind},
    headers,
    ingest::{IngestDocument, MAX_JOB_BYTES, ObjectRef, Source},
    lenient, messages,
    problem::{Reason, UiLanguage},
    search::in_range,
    upload::{AcceptedData, IndexedData, UploadAccepted, UploadIndexed},
};
use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    App, Error, events,
    extractors::{Caller, Lookup, Query, RequestId, language},
    linger,
    metrics::Metrics,
    openapi::{ApiRouter, Describe as _, TransformOperation, media, post_with},
    uploads::{Received, Uploads},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/upload", post_with(upload, document))
}

async fn upload(uploader: Uploader, wait: Result<Query<Wait>, Error>, body: Body) -> Result<Response, Error> {
    let wait = match wait.and_then(|Query(wait)| Ok(wait.or_preferred(&uploader.headers)?)) {
        Ok(wait) => wait,
        Err(error) => {
            linger::read_on(&uploader.headers, body);
            return Err(error);
        }
    };
    let received = uploader.receive(body).await?;
    let mut accepted = uploader.accept(received).await?;
    let Some(wait) = wait else {
        return Ok(uploader.accepted(&accepted));
    };
    let response = match uploader.wait(&mut accepted, wait).await {
        Some(indexed) => axum::Json(indexed?).into_response(),
        None => uploader.accepted(&accepted),
    };
    let applied = [("preference-applied", format!("wait={}", wait.as_secs()))];
    Ok((applied, response).into_response())
}

/// How long a client wants to wait.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Wait {
    /// Answer when the document is searchable, at the latest after this many seconds: 1 to 300. The header
    /// `Prefer: wait=SECONDS` says the same.
    #[serde(default, deserialize_with = "lenient::integer")]
    #[schemars(range(min = 1, max = 300))]
    wait: Option<i64>,
}

const MAX_WAIT: i64 = 300;
/// How often a waiting upload asks for its document after a deletion, which may be that of an earlier request.
const AGAIN: Duration = Duration::from_secs(2);

impl Wait {
    /// Returns the parameter or, without it, the preference. Above the maximum, the
    /// parameter is an error, and the preference is shortened.
    fn or_preferred(self, headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
        in_range("wait", self.wait, 1, MAX_WAIT)?;
        let seconds = self.wait.or_else(|| preferred(headers).map(|seconds| seconds.min(MAX_WAIT)));
        Ok(seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs))
    }
}

fn preferred(headers: &HeaderMap) -> Option<i64> {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split([',', ';'])).find_map(|preference| {
        let (name, seconds) = preference.split_once('=')?;
        let seconds: i64 = seconds.trim().parse().ok()?;
        (name.trim().eq_ignore_ascii_case("wait") && seconds > 0).then_some(seconds)
    })
}

/// Receives an upload and publishes its job.
pub struct Uploader {
    uploads: Uploads,
    nats: Nats,
    metrics: Arc<Metrics>,
    stopping: CancellationToken,
    headers: HeaderMap,
    language: UiLanguage,
    lookup: Lookup,
    pub caller: Caller,
    pub id: RequestId,
}

impl FromRequestParts<App> for Uploader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Ok(Self {
            uploads: app.uploads.clone(),
            nats: app.nats.clone(),
            metrics: app.metrics.clone(),
            stopping: app.stopping.clone(),
            headers: parts.headers.clone(),
            language: language(&parts.headers),
            lookup: Lookup::from_request_parts(parts, app).await?,
            caller: Caller::from_request_parts(parts, app).await?,
            id: RequestId::from_request_parts(parts, app).await?,
        })
    }
}

/// A document that was accepted: its bytes are stored and its job is in the stream.
pub struct Accepted {
    pub data: AcceptedData,
    title: String,
    /// Whether [`Uploader::wait`] found that there is a newer revision already.
    pub superseded: bool,
    events: events::Events,
}

impl Uploader {
    /// Receives the request and checks that the caller may write to the project that the request names.
    pub async fn receive(&self, body: Body) -> Result<Received, Problem> {
        let received = self.uploads.receive(&self.caller, &self.headers, body).await;
        let received =
            received.inspect_err(|_| self.metrics.uploads.with_label_values(&["refused"]).inc())?;
        self.metrics.upload_bytes.with_label_values::<&str>(&[]).inc_by(received.stored.size);
        Ok(received)
    }

    /// Publishes the job to the stream. After the stream's acknowledgement, the document cannot be lost.
    pub async fn accept(&self, received: Received) -> Result<Accepted, Problem> {
        let accepted = self.publish(received).await;
        let outcome = if accepted.is_ok() { "accepted" } else { "refused" };
        self.metrics.uploads.with_label_values(&[outcome]).inc();
        accepted
    }

    async fn publish(&self, received: Received) -> Result<Accepted, Problem> {
        let Received { filename, media_type, stored, mut object, mut metadata, .. } = received;
        // Without a project of the upload, the records of an import name their own, within the scope of this caller.
        let record_scope = metadata.project_id.is_none().then(|| self.caller.account.scope.clone());
        let project = self.caller.project_of(&metadata)?;
        metadata.project_id = None;
        // The same file, name, number and revision in the same project is the same document, however often it is sent.
        let (number, revision) = (&metadata.fields.number, &metadata.fields.revision);
        let document = DocumentId::of_content(&project, &filename, number, revision, &stored.sha256);
        let file = ObjectRef { name: object.name.clone(), size: stored.size, sha256: stored.sha256 };
        let job = IngestDocument {
            source: Source::Object(file),
            metadata,
            filename: filename.clone(),
            media_type,
            parent: None,
            record_scope,
        };
        let payload = serde_json::to_vec(&job).map_err(|error| {
            tracing::error!(%error, "serializing a job");
            Problem::internal()
        })?;
        if payload.len() > MAX_JOB_BYTES {
            return Err(messages::http::metadata_too_large().about("metadata"));
        }
        // Subscribes before the job is published, so that none of the job's events can be missed.
        let events = events::subscribe(&self.nats, &project, &document).await?;
        let context = self.id.context();
        let mut map = context.headers();
        map.insert(headers::MESSAGE_ID, uuid::Uuid::now_v7().to_string().as_str());
        crash::point("object-stored", project.as_str());
        // From here on, the stream may have stored the job although nobody hears of it: its answer may be lost, or the
        // client disconnects and this future is dropped. So the object is kept: an object that no job needs only costs
        // space, but a missing one would make a document fail.
        object.keep();
        match self.nats.publish_raw(job.subject(&project, &document), map, payload.into()).await {
            Ok(()) => crash::point("job-published", project.as_str()),
            Err(publish::Error::Full) => {
                object.delete();
                return Err(Problem::overloaded());
            }
            Err(error) => {
                tracing::warn!(%error, cause = ?std::error::Error::source(&error), object = object.name, "publishing a job");
                return Err(Problem::unavailable());
            }
        }
        let mut queued =
            DocumentEvent::new(EventKind::Queued, project.clone(), document.clone(), events.since);
        queued.facts.request_id.clone_from(&self.id.0);
        queued.facts.title.clone_from(&job.metadata.fields.title);
        queued.facts.revision.clone_from(&job.metadata.fields.revision);
        if let Err(error) = self.nats.publish(queued.subject(), &context, None, &queued).await {
            tracing::warn!(%error, "announcing a queued document");
        }
        // With the project, because two projects may have documents with the same id. The id needs no encoding: it is a
        // UUID, made from the content.
        let encoded = utf8_percent_encode(project.as_str(), NON_ALPHANUMERIC);
        let status_url = format!("/documents/{document}?project_id={encoded}");
        let data = AcceptedData { document_id: document, filename, project_id: project, status_url };
        Ok(Accepted { data, title: job.metadata.fields.title, superseded: false, events })
    }

    /// Returns the result of the upload; `None` if it is still in progress after `patience`, or if this process has to
    /// stop: the document is safe, and its client can ask another process.
    pub async fn wait(
        &self,
        accepted: &mut Accepted,
        patience: Duration,
    ) -> Option<Result<UploadIndexed, Problem>> {
        let end = timeout(patience, self.end(accepted));
        let event = self.stopping.run_until_cancelled(end).await?.ok()??;
        accepted.superseded = event.facts.event == EventKind::Superseded;
        Some(match event.facts.event {
            EventKind::Failed => Err(match event.reason {
                Some(Reason { code, message }) => message.problem(kind_of(&code)),
                None => messages::http::not_processed().problem(NoText),
            }),
            EventKind::Deleted => Err(messages::http::deleted_meanwhile().problem(ProblemKind::Conflict)),
            _ => Ok(self.indexed(accepted, event)),
        })
    }

    /// Waits for the event that ends the upload. An earlier deletion of the same document may still be in the queue: it does not
    /// end an upload whose job is there after it. One that a later deletion makes void has no event of its own.
    async fn end(&self, accepted: &mut Accepted) -> Option<DocumentEvent> {
        let mut event = accepted.events.end(&self.id).await?;
        while event.facts.event == EventKind::Deleted && !self.is_gone(&accepted.data).await {
            if let Ok(next) = timeout(AGAIN, accepted.events.end(&self.id)).await {
                event = next?;
            }
        }
        Some(event)
    }

    async fn is_gone(&self, data: &AcceptedData) -> bool {
        let (scope, document_id) = (self.lookup.scope(Some(&data.project_id)), data.document_id.clone());
        let document = self.lookup.ask(&GetDocument { scope, document_id }).await;
        document.is_err_and(|problem| problem.kind == ProblemKind::NotFound)
    }

    fn indexed(&self, accepted: &Accepted, event: DocumentEvent) -> UploadIndexed {
        let superseded = accepted.superseded;
        let message = if superseded { messages::http::superseded() } else { messages::http::indexed() };
        let titles = [&event.facts.title, &accepted.title, &accepted.data.filename];
        UploadIndexed {
            status: "success".to_owned(),
            message: message.in_language(self.language).to_owned(),
            data: IndexedData {
                document_id: accepted.data.document_id.clone(),
                filename: accepted.data.filename.clone(),
                project_id: accepted.data.project_id.clone(),
                title: titles.into_iter().find(|title| !title.is_empty()).cloned().unwrap_or_default(),
                chunks_created: if superseded { 0 } else { event.facts.chunks.unwrap_or_default() },
                text_length: event.facts.text_length.unwrap_or_default(),
            },
        }
    }

    fn accepted(&self, accepted: &Accepted) -> Response {
        let location = [(header::LOCATION, accepted.data.status_url.clone())];
        let body = UploadAccepted {
            status: "accepted".to_owned(),
            message: messages::http::accepted().in_language(self.language).to_owned(),
            data: accepted.data.clone(),
        };
        (StatusCode::ACCEPTED, location, axum::Json(body)).into_response()
    }
}

/// Returns how an upload is refused whose document failed for the reason with this code.
fn kind_of(code: &str) -> ProblemKind {
    match code {
        "too_large" => TooLarge,
        "unsupported" => UnsupportedMediaType,
        _ if Cause::of(code) == Cause::System => ProblemKind::Internal,
        _ => NoText,
    }
}

impl OperationInput for Uploader {}

/// Documents the multipart body of an upload.
pub fn document_form<'t>(
    mut operation: TransformOperation<'t>,
    extra: &[(&str, &str)],
) -> TransformOperation<'t> {
    let mut properties = serde_json::json!({
        "file": {
            "type": "string",
            "format": "binary",
            "description": "PDF, DOCX, TXT, Markdown, HTML, XLSX, XLS, CSV, PPTX, EML, MSG, JSON or NDJSON.",
        },
        "metadata": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "A JSON object: project_id (old name: project), title, doc_type (type), number \
                            (document_number), category, discipline, revision, status, author, date_modified (date); \
                            anything else is kept.",
            "examples": [r#"{"project_id": "torre-norte", "title": "Planta primer piso", "number": "200076-CCC02-PL-AR-000400", "revision": "B"}"#],
        },
    });
    let mut required = vec!["file"];
    for (name, description) in extra {
        properties[*name] = serde_json::json!({ "type": "string", "description": description });
        required.push(name);
    }
    let form = json_schema!({ "type": "object", "properties": properties, "required": required });
    let mut body = RequestBody { required: true, ..RequestBody::default() };
    body.content.insert("multipart/form-data".to_owned(), media(form));
    operation.inner_mut().request_body = Some(ReferenceOr::Item(body));
    operation
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    document_form(operation, &[])
        .describe("upload", "documents", "Uploads a document, or a file of Aconex records.")
        .description(
            "202 means that the file is safe and will be indexed; `status_url` tells how far it is. With `wait`, the \
             answer comes when the document is searchable, or as 202 when the time is over.",
        )
        .replies::<200, axum::Json<UploadIndexed>>("It is searchable now.")
        .replies::<202, axum::Json<UploadAccepted>>("Accepted and safe.")
        .header(202, "Location", "Where to ask how far it is.")
        .refuses(&[BadRequest, RequestTimeout, Conflict, TooLarge, UnsupportedMediaType, NoText])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_failed_is_refused_for_what_is_wrong_with_it() {
        let kinds = ["no_text", "damaged", "too_large", "unsupported", "internal"].map(kind_of);
        assert_eq!(kinds, [NoText, NoText, TooLarge, UnsupportedMediaType, ProblemKind::Internal]);
    }

    #[test]
    fn a_wait_is_a_parameter_or_a_preference() {
        let wait = |parameter, prefer: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", prefer.parse().unwrap());
            Wait { wait: parameter }.or_preferred(&headers).map(|wait| wait.map(|wait| wait.as_secs()))
        };
        assert_eq!(wait(Some(5), "wait=9"), Ok(Some(5)));
        assert_eq!(wait(None, "respond-async, wait=9"), Ok(Some(9)));
        assert_eq!(wait(None, "Wait = 9000"), Ok(Some(300)));
        for ignored in ["", "wait=x", "wait=0", "handling=strict"] {
            assert_eq!(wait(None, ignored), Ok(None), "{ignored}");
        }
        for refused in [0, 301] {
            assert!(wait(Some(refused), "").unwrap_err().detail.en.starts_with("wait: "));
        }
    }
}
