//! Look-ups: one document, a list of them, a file.

mod queued;
mod store;

use platform::nats::Context;
use schemas::{
    Problem,
    document::{Document, DocumentList, FileLocation, GetDocument, ListDocuments, LocateFile, State},
};

use crate::{app::App, scope};

/// One document: what the database says of it or, before a worker has taken it, what its job in the queue says.
pub async fn get(app: App, _: Context, query: GetDocument) -> Result<Document, Problem> {
    // A job leaves the queue after its document is stored, so what is in neither now may have moved in between: ask
    // the database once more.
    if let Some(document) = stored(&app, &query).await? {
        return Ok(document);
    }
    if let Some(document) = queued::find(&app, &query.scope, &query.document_id).await? {
        return Ok(document);
    }
    stored(&app, &query).await?.ok_or_else(Problem::not_found)
}

async fn stored(app: &App, query: &GetDocument) -> Result<Option<Document>, Problem> {
    let found = async {
        let mut transaction = scope::begin(&app.pool, &query.scope).await?;
        store::get(&mut transaction, &query.document_id).await
    };
    found.await.map_err(|error| scope::problem(&error))
}

pub async fn list(app: App, _: Context, query: ListDocuments) -> Result<DocumentList, Problem> {
    let filter = query.filter;
    let limit = i64::from(filter.limit.unwrap_or(50).clamp(1, 200));
    let after = filter.cursor.as_deref().map(store::Cursor::parse).transpose()?;
    // What is queued lives in the queue, and only there.
    if filter.state == Some(State::Queued) {
        let documents = queued::list(&app, &query.scope, usize::try_from(limit).unwrap_or(50)).await?;
        return Ok(DocumentList { documents, next_cursor: None });
    }
    let listed = async {
        let mut transaction = scope::begin(&app.pool, &query.scope).await?;
        store::list(&mut transaction, &filter, after, limit).await
    };
    listed.await.map_err(|error| scope::problem(&error))
}

pub async fn locate_file(app: App, _: Context, query: LocateFile) -> Result<FileLocation, Problem> {
    let located = async {
        let mut transaction = scope::begin(&app.pool, &query.scope).await?;
        store::file(&mut transaction, &query.document_id).await
    };
    if let Some(file) = located.await.map_err(|error| scope::problem(&error))? {
        return Ok(file);
    }
    queued::file(&app, &query.scope, &query.document_id).await?.ok_or_else(Problem::not_found)
}
