//! `GET /documents`, `GET /documents/{id}`, `DELETE /documents/{id}`, and the old paths for reading a document.

use std::time::Duration;

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};
use platform::{crash, nats::Nats};
use schemars::JsonSchema;
use schemas::{
    DocumentId, Problem,
    ProblemKind::{self, BadRequest, NotFound},
    ProjectId, Scope,
    account::Role,
    document::{
        Deleted, Document, Exists, Facts, FileLocation, GetDocument, ListDocuments, ListFilter, LocateFile,
    },
    event::EventKind,
    ingest::DeleteDocument,
    search::in_range,
    subjects::{self, JobKind},
    view::{DocumentListView, DocumentView},
};
use serde::Deserialize;
use tokio::time::timeout;

use crate::{
    App, Error, JsonResult, events,
    extractors::{Lookup, Path, Query},
    middleware::note_results,
    openapi::{ApiRouter, Describe as _, TransformOperation, get_with},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/documents", get_with(list, document_list))
        .api_route(
            "/documents/{id}",
            get_with(get, |op| document_get(op, "getDocument")).delete_with(delete, document_delete),
        )
        .api_route("/document/{id}/preview", get_with(get, |op| document_get(op, "previewDocument")))
        .api_route("/document/{id}/exists", get_with(exists, document_exists))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Which {
    /// The document's id.
    id: DocumentId,
}

/// Narrows to one project: ids are unique within a project only. Without it, the newest document of that id is meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct InProject {
    /// The document's project; without it, the newest document of this id among all that the caller may read.
    pub project_id: Option<ProjectId>,
}

/// The document that a path names, among those that the caller may read.
pub struct Named {
    pub lookup: Lookup,
    pub id: DocumentId,
    pub scope: Scope,
}

impl Named {
    pub async fn document(&self) -> Result<Document, Problem> {
        self.lookup.ask(&GetDocument { scope: self.scope.clone(), document_id: self.id.clone() }).await
    }

    pub async fn locate(&self) -> Result<FileLocation, Problem> {
        self.lookup.ask(&LocateFile { scope: self.scope.clone(), document_id: self.id.clone() }).await
    }
}

impl FromRequestParts<App> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let lookup = Lookup::from_request_parts(parts, app).await?;
        let Path(Which { id }) = Path::from_request_parts(parts, app).await?;
        let Query(InProject { project_id }) = Query::from_request_parts(parts, app).await?;
        let scope = lookup.scope(project_id.as_ref());
        Ok(Self { lookup, id, scope })
    }
}

impl OperationInput for Named {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Path::<Which>::operation_input(ctx, operation);
        Query::<InProject>::operation_input(ctx, operation);
    }
}

async fn list(lookup: Lookup, Query(filter): Query<ListFilter>) -> JsonResult<DocumentListView> {
    in_range("limit", filter.limit, 1, 200)?;
    let scope = lookup.scope(filter.project_id.as_ref());
    let list = lookup.ask(&ListDocuments { scope, filter }).await?;
    note_results(list.documents.len());
    Ok(axum::Json(DocumentListView::new(list, lookup.language)))
}

async fn get(named: Named) -> JsonResult<DocumentView> {
    Ok(axum::Json(DocumentView::new(named.document().await?, named.lookup.language)))
}

async fn exists(named: Named) -> JsonResult<Exists> {
    match named.document().await {
        Ok(_) => Ok(axum::Json(Exists { exists: true })),
        Err(problem) if problem.kind == ProblemKind::NotFound => Ok(axum::Json(Exists { exists: false })),
        Err(problem) => Err(problem.into()),
    }
}

/// Maximum time that a request waits until its document is deleted: the workers may be busy.
const DELETION: Duration = Duration::from_secs(10);

async fn delete(State(nats): State<Nats>, named: Named) -> Result<(StatusCode, axum::Json<Deleted>), Error> {
    named.lookup.caller.require(Role::Write)?;
    let Facts { project_id, document_id, .. } = named.document().await?.facts;
    let mut events = events::subscribe(&nats, &project_id, &document_id).await?;
    let id = named.lookup.id;
    let context = id.context();
    let subject = subjects::job(JobKind::Delete, &project_id, &document_id);
    let message_id = uuid::Uuid::now_v7().to_string();
    let published = nats.publish(subject, &context, Some(&message_id), &DeleteDocument {}).await;
    published.map_err(|error| error.problem("publishing a deletion"))?;
    crash::point("deletion-published", project_id.as_str());
    let deleted = async {
        while let Some(event) = events.end(&id).await {
            if event.facts.event == EventKind::Deleted {
                return true;
            }
        }
        false
    };
    let (code, status) = match timeout(DELETION, deleted).await {
        Ok(true) => (StatusCode::OK, "deleted"),
        _ => (StatusCode::ACCEPTED, "accepted"),
    };
    Ok((code, axum::Json(Deleted { status: status.to_owned(), document_id, project_id })))
}

fn document_list(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let summary = "Lists documents: the head of the queue, then what is stored, newest first.";
    operation
        .describe("listDocuments", "documents", summary)
        .description("An import stands for its records. With `state=queued`, the whole queue.")
        .replies::<200, axum::Json<DocumentListView>>("One page.")
        .refuses(&[BadRequest])
}

fn document_get<'t>(operation: TransformOperation<'t>, id: &str) -> TransformOperation<'t> {
    operation
        .describe(id, "documents", "One document and where it stands.")
        .replies::<200, axum::Json<DocumentView>>("The document.")
        .refuses(&[BadRequest, NotFound])
}

fn document_exists(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let summary = "Whether there is such a document that the caller may read.";
    operation
        .describe("documentExists", "documents", summary)
        .replies::<200, axum::Json<Exists>>("Yes or no.")
        .refuses(&[BadRequest])
}

fn document_delete(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("deleteDocument", "documents", "Deletes a document, its passages and its file.")
        .replies::<200, axum::Json<Deleted>>("It is gone.")
        .replies::<202, axum::Json<Deleted>>("It will be gone soon.")
        .refuses(&[BadRequest, NotFound])
}
