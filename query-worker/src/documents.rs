//! Queries for one document, for a list of documents and for a file.

mod cursor;
mod queued;

use std::collections::HashSet;

use platform::nats::Context;
use schemas::{
    Fields, Problem, ProblemKind, Scope,
    document::{
        Document, DocumentList, FileLocation, GetDocument, ListDocuments, ListFilter, LocateFile, State,
    },
    messages::answers,
};

use analysis::codes::normalize;
use documents::read::{self, After};

use self::cursor::Cursor;
use crate::{
    app::App,
    error::Result,
    reply,
    scope::{self, Projects, Tx},
};

/// Returns a document from the database or, before a worker has begun to process it, from its job in the queue.
pub async fn get(app: App, _: Context, query: GetDocument) -> Result<Document> {
    // A document in neither may just have moved from the queue to the database, so the database is asked again.
    if let Some(document) = stored(&app, &query).await? {
        return if document.facts.state.is_final() { sent_again(&app, document).await } else { Ok(document) };
    }
    if let Some(job) = queued::job(&app, &query.scope, &query.document_id).await? {
        return Ok(queued::view(job));
    }
    Ok(stored(&app, &query).await?.ok_or_else(Problem::not_found)?)
}

/// Returns the finished document or, if it was sent again in the meantime, the queued one.
async fn sent_again(app: &App, document: Document) -> Result<Document> {
    let its_project = Scope::Projects(vec![document.facts.project_id.clone()]);
    let waiting = queued::job(app, &its_project, &document.facts.document_id).await?.map(queued::view);
    Ok(waiting.filter(|waiting| waiting.facts.accepted_at > document.facts.accepted_at).unwrap_or(document))
}

async fn stored(app: &App, query: &GetDocument) -> sqlx::Result<Option<Document>> {
    let mut transaction = scope::begin(&app.pool, &query.scope).await?;
    read::get(&mut transaction, &query.document_id).await
}

/// Returns a page: first the head of the queue, then the stored documents, newest first. Stored documents begin on the
/// first page, however long the queue is; `state=queued` lists the whole queue. A page ends earlier than asked for if it
/// would be too large for a reply.
pub async fn list(app: App, context: Context, query: ListDocuments) -> Result<DocumentList> {
    let filter = &query.filter;
    let limit = usize::try_from(filter.limit.unwrap_or(50).clamp(1, 200)).unwrap_or(50);
    let cursor = filter.cursor.as_deref().map_or(Ok(Cursor::START), Cursor::parse)?;
    if !filter.fields.number.is_empty() && normalize(&filter.fields.number).is_empty() {
        // A number such as "—" would match all documents that have none.
        return Ok(DocumentList { documents: Vec::new(), next_cursor: None });
    }
    let (mut documents, mut next_queued) = (Vec::new(), None);
    let (mut after, mut listed) = (None, Vec::new());
    match cursor {
        Cursor::Queued(from) if filter.state.is_none_or(|state| state == State::Queued) => {
            (documents, next_queued) =
                queued::page(&app, &query.scope, from, limit, |document| accepts(filter, document)).await?;
        }
        Cursor::Queued(_) => {}
        Cursor::Stored(place, before) => (after, listed) = (place, before),
    }
    // With one snapshot, a queued document that a worker takes in the meantime is not listed as stored, too.
    let mut transaction = scope::begin_reading_for(&app.pool, &query.scope, &context).await?;
    // A job stays in the queue until it is done, so those that a worker has taken are left out, and duplicates.
    let known = read::known(&mut transaction, &documents).await?;
    let (taken, again): (Vec<_>, Vec<_>) = known.into_iter().partition(|known| known.taken);
    let mut seen: HashSet<_> = taken.into_iter().map(|known| (known.project, known.id)).collect();
    documents.retain(|document| seen.insert(identity(document)));
    if filter.state == Some(State::Queued) {
        let next_cursor = next_queued.map(|next| Cursor::Queued(next).encode());
        return Ok(DocumentList { documents, next_cursor });
    }
    // A document that was sent again is listed once, as queued. The next pages know it by its key in the cursor, because
    // its job may have left the queue by then.
    listed.extend(again.into_iter().map(|known| known.key));
    let room = limit - documents.len();
    if room == 0 {
        return Ok(DocumentList { documents, next_cursor: Some(Cursor::Stored(None, listed).encode()) });
    }
    let bytes = reply::BUDGET.saturating_sub(documents.iter().map(reply::size).sum());
    let projects = scope::projects(&mut transaction).await?;
    if projects.keys.is_empty() {
        // Otherwise the documents of all projects would be read, to find that none is in the scope.
        return Ok(DocumentList { documents, next_cursor: None });
    }
    let takes_turns = may_take_long(filter, &projects);
    let page = stored_page(transaction, projects, query.filter, after, listed, room, bytes);
    let (stored, next) = if takes_turns { app.turns.run(page).await } else { page.await }?;
    documents.extend(stored);
    Ok(DocumentList { documents, next_cursor: next.map(Cursor::encode) })
}

/// Number of passages of a scope from which a list takes a turn if it may read all documents: so many are read in some
/// hundredths of a second.
const MANY: i64 = 20_000;

/// Whether the list may read all documents of a large scope. Indexes find a number, what came with an import or mail, and in one
/// project a state that few documents are in; with any other filter, or one more, all documents may be read until enough match.
fn may_take_long(filter: &ListFilter, projects: &Projects) -> bool {
    let ListFilter { project_id: _, state, fields, parent_id, limit: _, cursor: _ } = filter;
    let is_found = *fields == Fields::default()
        && state
            .is_none_or(|state| state != State::Indexed && parent_id.is_none() && projects.keys.len() == 1);
    projects.chunks >= MANY && !is_found && normalize(&fields.number).is_empty()
}

/// Returns at most `room` stored documents of at most `bytes` together, and where the next page begins if there are more.
/// Documents whose key is in `listed` are left out.
async fn stored_page(
    mut transaction: Tx,
    projects: Projects,
    filter: ListFilter,
    after: Option<After>,
    listed: Vec<i64>,
    room: usize,
    bytes: usize,
) -> Result<(Vec<Document>, Option<Cursor>)> {
    let (mut left, mut is_full) = (bytes, false);
    let fits = |document: &Document| {
        let size = reply::size(document);
        // A document that is too large for any page has one of its own.
        is_full = size > left && left < reply::BUDGET;
        left = left.saturating_sub(size);
        !is_full
    };
    let (stored, last) = read::list(&mut transaction, &projects, &filter, after, &listed, room, fits).await?;
    if is_full && stored.is_empty() {
        // Queued documents fill this page.
        return Ok((Vec::new(), Some(Cursor::Stored(after, listed))));
    }
    Ok((stored, last.map(|last| Cursor::Stored(Some(last), listed))))
}

fn identity(document: &Document) -> (String, String) {
    (document.facts.project_id.to_string(), document.facts.document_id.to_string())
}

/// Whether a queued document matches the filter apart from its state, as in the SQL for stored documents.
fn accepts(filter: &ListFilter, document: &Document) -> bool {
    let (wanted, fields) = (&filter.fields, &document.facts.fields);
    fields.contain(&Fields { number: String::new(), ..wanted.clone() })
        && (wanted.number.is_empty() || normalize(&wanted.number) == normalize(&fields.number))
        && filter.parent_id.as_ref().is_none_or(|parent| document.facts.parent_id.as_ref() == Some(parent))
}

pub async fn locate_file(app: App, context: Context, query: LocateFile) -> Result<FileLocation> {
    if let Some(file) = stored_file(&app, &query).await? {
        return Ok(file);
    }
    if let Some(file) = queued::job(&app, &query.scope, &query.document_id).await?.and_then(queued::file) {
        return Ok(file);
    }
    // As in `get`, the document may just have moved from the queue to the database.
    if let Some(file) = stored_file(&app, &query).await? {
        return Ok(file);
    }
    let LocateFile { scope, document_id } = query;
    get(app, context, GetDocument { scope, document_id }).await?;
    Err(answers::no_original().problem(ProblemKind::NotFound).into())
}

async fn stored_file(app: &App, query: &LocateFile) -> sqlx::Result<Option<FileLocation>> {
    let mut transaction = scope::begin(&app.pool, &query.scope).await?;
    read::file(&mut transaction, &query.document_id).await
}
