//! `GET /documents`, `GET /documents/{id}`, `DELETE /documents/{id}`, and the old names of the last two's reading.

use std::{sync::Arc, time::Duration};

use aide::{
    axum::{
        ApiRouter,
        routing::{ApiMethodRouter, get_with},
    },
    transform::TransformOperation,
};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use chrono::Utc;
use platform::nats::{Nats, publish, request::Requester};
use schemars::JsonSchema;
use schemas::{
    DocumentId, Problem,
    ProblemKind::{self, BadRequest, NotFound, Unavailable},
    ProjectId,
    account::Role,
    document::{Deleted, Document, Exists, GetDocument, ListDocuments, ListFilter},
    event::EventKind,
    ingest::DeleteDocument,
    search::in_range,
    subjects::{self, JobKind},
    view::{DocumentListView, DocumentView},
};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    App, Error,
    caller::Caller,
    config::Requests,
    docs, edge,
    extract::{Language, Path, Query, RequestId},
    follow::{self, Own},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/documents", get_with(list, document_list))
        .api_route("/documents/{id}", one().delete_with(delete, document_delete))
        .api_route(
            "/document/{id}/preview",
            get_with(get, |operation| document_get(operation, "previewDocument")),
        )
        .api_route("/document/{id}/exists", get_with(exists, document_exists))
}

fn one() -> ApiMethodRouter<App> {
    get_with(get, |operation| document_get(operation, "getDocument"))
}

/// Which document.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Which {
    /// The document's id.
    pub id: DocumentId,
}

/// Narrows to one project: ids are unique within a project only. Without it, the newest document of that id is meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct InProject {
    /// The document's project; without it, the newest document of this id among all that the caller may read.
    pub project_id: Option<ProjectId>,
}

/// Asks for one document of those the caller may see.
#[derive(Clone)]
pub struct Lookup {
    requester: Requester,
    requests: Arc<Requests>,
}

impl axum::extract::FromRef<App> for Lookup {
    fn from_ref(app: &App) -> Self {
        Self { requester: Requester::from_ref(app), requests: Arc::from_ref(app) }
    }
}

impl Lookup {
    pub async fn ask<Q: schemas::Request>(&self, id: &RequestId, query: &Q) -> Result<Q::Reply, Problem> {
        self.requester.ask(&id.context(), query, self.requests.lookup_patience()).await
    }

    pub async fn document(
        &self,
        id: &RequestId,
        caller: &Caller,
        document: DocumentId,
        project: Option<&ProjectId>,
    ) -> Result<Document, Problem> {
        let query = GetDocument { scope: caller.scope().narrowed(project), document_id: document };
        self.ask(id, &query).await
    }
}

async fn list(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Language(language): Language,
    Query(filter): Query<ListFilter>,
) -> Result<axum::Json<DocumentListView>, Error> {
    in_range("limit", filter.limit, 1, 200)?;
    let scope = caller.scope().narrowed(filter.project_id.as_ref());
    let query = ListDocuments { scope, filter };
    let list = lookup.ask(&id, &query).await?;
    edge::note_results(list.documents.len());
    Ok(axum::Json(DocumentListView::new(list, language)))
}

async fn get(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Language(language): Language,
    Path(which): Path<Which>,
    Query(within): Query<InProject>,
) -> Result<axum::Json<DocumentView>, Error> {
    let document = lookup.document(&id, &caller, which.id, within.project_id.as_ref()).await?;
    Ok(axum::Json(DocumentView::new(document, language)))
}

async fn exists(
    State(lookup): State<Lookup>,
    caller: Caller,
    id: RequestId,
    Path(which): Path<Which>,
    Query(within): Query<InProject>,
) -> Result<axum::Json<Exists>, Error> {
    match lookup.document(&id, &caller, which.id, within.project_id.as_ref()).await {
        Ok(_) => Ok(axum::Json(Exists { exists: true })),
        Err(problem) if problem.kind == ProblemKind::NotFound => Ok(axum::Json(Exists { exists: false })),
        Err(problem) => Err(problem.into()),
    }
}

/// A deletion is done in a moment; when the workers are busy, the client need not wait for it.
const DELETION: Duration = Duration::from_secs(10);

async fn delete(
    State(lookup): State<Lookup>,
    State(nats): State<Nats>,
    caller: Caller,
    id: RequestId,
    Path(which): Path<Which>,
    Query(within): Query<InProject>,
) -> Result<Response, Error> {
    caller.require(Role::Write)?;
    let document = lookup.document(&id, &caller, which.id, within.project_id.as_ref()).await?;
    let (project, document) = (document.project_id, document.document_id);
    let mut events = follow::events(&nats, &project, &document).await?;
    let own = Own { request_id: id.0.clone(), since: Utc::now() };
    let subject = subjects::job(JobKind::Delete, &project, &document);
    let message_id = uuid::Uuid::now_v7().to_string();
    nats.publish(subject, &id.context(), Some(&message_id), &DeleteDocument {}).await.map_err(|error| {
        match error {
            publish::Error::Full => Problem::overloaded(),
            error => {
                tracing::warn!(%error, "publishing a deletion");
                Problem::unavailable()
            }
        }
    })?;
    let deleted = async {
        while let Some(event) = events.end(&own).await {
            if event.event == EventKind::Deleted {
                return true;
            }
        }
        false
    };
    let (code, status) = match timeout(DELETION, deleted).await {
        Ok(true) => (StatusCode::OK, "deleted"),
        _ => (StatusCode::ACCEPTED, "accepted"),
    };
    let body = Deleted { status: status.to_owned(), document_id: document, project_id: project };
    Ok((code, axum::Json(body)).into_response())
}

fn document_list(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation
        .id("listDocuments")
        .tag("documents")
        .summary("Lists documents: the head of the queue, then what is stored, newest first.")
        .description("An import stands for its records. With `state=queued`, the whole queue.")
        .response_with::<200, axum::Json<DocumentListView>, _>(|response| response.description("One page."));
    docs::refuses(operation, &[BadRequest])
}

fn document_get<'t>(operation: TransformOperation<'t>, name: &str) -> TransformOperation<'t> {
    let operation = operation
        .id(name)
        .tag("documents")
        .summary("One document and where it stands.")
        .response_with::<200, axum::Json<DocumentView>, _>(|response| {
        response.description("The document.")
    });
    docs::refuses(operation, &[BadRequest, NotFound])
}

fn document_exists(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation
        .id("documentExists")
        .tag("documents")
        .summary("Whether there is such a document that the caller may read.")
        .response_with::<200, axum::Json<Exists>, _>(|response| response.description("Yes or no."));
    docs::refuses(operation, &[BadRequest])
}

fn document_delete(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation
        .id("deleteDocument")
        .tag("documents")
        .summary("Deletes a document, its passages and its file.")
        .response_with::<200, axum::Json<Deleted>, _>(|response| response.description("It is gone."))
        .response_with::<202, axum::Json<Deleted>, _>(|response| {
            response.description("It will be gone soon.")
        });
    docs::refuses(operation, &[BadRequest, NotFound, Unavailable])
}
