//! The commit point: a document's passages, its metadata and the revisions it replaces, in one transaction.

use chrono::{DateTime, Utc};
use pgvector::HalfVector;
use schemas::DocumentId;
use sqlx::{PgPool, types::Json};

use super::{Job, Revived, Row, Tx, add_to_sums, clear, lock, project, revive, settle_record};
use crate::revision::Revision;

/// What was found in a document.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub title: String,
    pub author: String,
    pub date: Option<DateTime<Utc>>,
    pub media_type: String,
    pub file_type: String,
    pub object: String,
    pub size: u64,
    pub sha256: String,
    pub pages: u32,
    pub text_length: u64,
    pub passages: Vec<Passage>,
}

/// One passage with everything it is found by.
#[derive(Debug, Clone)]
pub struct Passage {
    pub page: Option<u32>,
    pub page_last: Option<u32>,
    pub heading: String,
    pub language: &'static str,
    pub text: String,
    pub terms: Vec<(String, u32)>,
    pub vector: Vec<f32>,
}

/// What the commit changed.
#[derive(Debug, Default)]
pub struct Committed {
    /// The newer revision that answers in this document's place.
    pub superseded_by: Option<DocumentId>,
    /// Older revisions that no longer answer.
    pub superseded: Vec<DocumentId>,
    /// A file that nothing refers to any more.
    pub unused_object: Option<String>,
    /// A revision that this document no longer stands in front of: it has another number now.
    pub revived: Option<Revived>,
}

/// `None`: a later job or a deletion came in between, and nothing was changed.
pub async fn commit(pool: &PgPool, job: &Job, content: &Content) -> sqlx::Result<Option<Committed>> {
    let mut tx = job.begin(pool).await?;
    let project_key = project(&mut tx, &job.project).await?;
    let number_norm = analysis::codes::normalize(&job.body.metadata.number);
    let identity = analysis::codes::identity(&job.body.metadata.number);
    if identity.is_some() {
        // Revisions of one document commit one after the other, so that each sees what the others did.
        sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
            .bind(project_key)
            .bind(&number_norm)
            .execute(&mut *tx)
            .await?;
    }
    let row = lock(&mut tx, project_key, &job.document).await?;
    let Some(row) = row.filter(|row| row.accepted_at == job.accepted_at && row.state != "deleted") else {
        settle_record(&mut tx, job.body.parent.as_ref(), &job.project, &job.document, "superseded", None)
            .await?;
        tx.commit().await?;
        return Ok(None);
    };
    clear(&mut tx, project_key, row.key, row.chunks, row.terms).await?;
    let ours = Revision {
        code: job.body.metadata.revision.clone(),
        date_modified: job.body.metadata.date_modified,
        accepted_at: job.accepted_at,
    };
    let mut committed = Committed {
        unused_object: Some(row.object.clone())
            .filter(|object| !object.is_empty() && *object != content.object),
        ..Committed::default()
    };
    if let Some(identity) = &identity {
        let number = Number { identity, norm: &number_norm };
        settle_revisions(&mut tx, project_key, &number, &row, job, &ours, &mut committed).await?;
    }
    // Only what has answered so far can stand in front of others.
    if row.chunks > 0 {
        committed.revived = revive(&mut tx, project_key, &job.document, identity.as_deref()).await?;
    }
    let current = committed.superseded_by.is_none();
    let terms =
        if current { insert_passages(&mut tx, project_key, row.key, &content.passages).await? } else { 0 };
    let chunks = if current { content.passages.len() } else { 0 };
    update(&mut tx, &row, job, content, &number_norm, chunks, terms, committed.superseded_by.as_ref())
        .await?;
    add_to_sums(&mut tx, project_key, i64::try_from(chunks).unwrap_or_default(), i64::from(terms)).await?;
    let outcome = if current { "indexed" } else { "superseded" };
    settle_record(&mut tx, job.body.parent.as_ref(), &job.project, &job.document, outcome, None).await?;
    tx.commit().await?;
    Ok(Some(committed))
}

/// What revisions of one document share: exactly, and as far as the database can look for it.
struct Number<'a> {
    identity: &'a str,
    norm: &'a str,
}

impl Number<'_> {
    fn is(&self, number: &str) -> bool {
        analysis::codes::identity(number).as_deref() == Some(self.identity)
    }
}

#[derive(sqlx::FromRow)]
struct Other {
    key: i64,
    id: String,
    number: String,
    state: String,
    revision: String,
    date_modified: Option<DateTime<Utc>>,
    accepted_at: DateTime<Utc>,
    chunks: i32,
    terms: i32,
}

/// Finds out whether this revision is the current one and, if so, takes the place of the others.
async fn settle_revisions(
    tx: &mut Tx,
    project_key: i32,
    number: &Number<'_>,
    row: &Row,
    job: &Job,
    ours: &Revision,
    committed: &mut Committed,
) -> sqlx::Result<()> {
    let others: Vec<Other> = sqlx::query_as(
        "SELECT key, id, number, state, revision, date_modified, accepted_at, chunks, terms FROM document
         WHERE project_key = $1 AND number_norm = $2 AND key <> $3
           AND (state IN ('indexed', 'superseded') OR chunks > 0)
         FOR UPDATE",
    )
    .bind(project_key)
    .bind(number.norm)
    .bind(row.key)
    .fetch_all(&mut **tx)
    .await?;
    let (superseded, answering): (Vec<Other>, Vec<Other>) = others
        .into_iter()
        .filter(|other| number.is(&other.number))
        .partition(|other| other.state == "superseded");
    let mut older = Vec::new();
    for other in answering {
        let theirs = Revision {
            code: other.revision.clone(),
            date_modified: other.date_modified,
            accepted_at: other.accepted_at,
        };
        if ours.replaces(&theirs) {
            older.push(other);
        } else {
            committed.superseded_by = other.id.parse().ok();
        }
    }
    if committed.superseded_by.is_some() {
        return Ok(());
    }
    for other in older {
        clear(tx, project_key, other.key, other.chunks, other.terms).await?;
        // One that is being processed anew decides for itself when it commits; it just stops answering now.
        sqlx::query(
            "UPDATE document SET chunks = 0, terms = 0,
                    state = CASE state WHEN 'indexed' THEN 'superseded' ELSE state END,
                    superseded_by = CASE state WHEN 'indexed' THEN $2 ELSE superseded_by END
             WHERE key = $1",
        )
        .bind(other.key)
        .bind(job.document.as_str())
        .execute(&mut **tx)
        .await?;
        if other.state == "indexed" {
            committed.superseded.extend(other.id.parse().ok());
        }
    }
    // Revisions that were superseded before now point at the one that answers.
    sqlx::query("UPDATE document SET superseded_by = $2 WHERE key = ANY($1)")
        .bind(superseded.iter().map(|other| other.key).collect::<Vec<_>>())
        .bind(job.document.as_str())
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Passages that one statement stores: none may run into the time that a statement has, or a long document would be taken
/// for an outage of the database, and waited for without end.
const SLICE: usize = 128;

/// Stores passages and their words; returns the sum of their lengths in terms.
async fn insert_passages(
    tx: &mut Tx,
    project_key: i32,
    document: i64,
    passages: &[Passage],
) -> sqlx::Result<i32> {
    let mut terms = 0;
    for (at, slice) in passages.chunks(SLICE).enumerate() {
        terms += insert_slice(tx, project_key, document, at * SLICE, slice).await?;
    }
    Ok(terms)
}

async fn insert_slice(
    tx: &mut Tx,
    project_key: i32,
    document: i64,
    first: usize,
    passages: &[Passage],
) -> sqlx::Result<i32> {
    let lengths: Vec<i32> = passages.iter().map(Passage::length).collect();
    let column = |page: fn(&Passage) -> Option<u32>| -> Vec<Option<i32>> {
        passages.iter().map(|passage| page(passage).and_then(|page| i32::try_from(page).ok())).collect()
    };
    let keys: Vec<(i64, i32)> = sqlx::query_as(
        "INSERT INTO chunk (project_key, document_key, ordinal, page, page_last, heading, language, text, terms, embedding)
         SELECT $1, $2, $10::int + ordinal - 1, page, page_last, heading, language, text, terms, embedding
         FROM unnest($3::int[], $4::int[], $5::text[], $6::text[], $7::text[], $8::int[], $9::halfvec[])
              WITH ORDINALITY AS p(page, page_last, heading, language, text, terms, embedding, ordinal)
         RETURNING key, ordinal - $10::int",
    )
    .bind(project_key)
    .bind(document)
    .bind(column(|passage| passage.page))
    .bind(column(|passage| passage.page_last))
    .bind(passages.iter().map(|passage| passage.heading.as_str()).collect::<Vec<_>>())
    .bind(passages.iter().map(|passage| passage.language).collect::<Vec<_>>())
    .bind(passages.iter().map(|passage| passage.text.as_str()).collect::<Vec<_>>())
    .bind(&lengths)
    .bind(passages.iter().map(|passage| HalfVector::from_f32_slice(&passage.vector)).collect::<Vec<_>>())
    .bind(i32::try_from(first).unwrap_or(i32::MAX))
    .fetch_all(&mut **tx)
    .await?;

    let (mut terms, mut chunk_keys, mut frequencies, mut chunk_lengths) = (vec![], vec![], vec![], vec![]);
    for (key, ordinal) in keys {
        let Some(index) = usize::try_from(ordinal).ok().filter(|index| *index < passages.len()) else {
            continue;
        };
        for (term, frequency) in &passages[index].terms {
            terms.push(term.as_str());
            chunk_keys.push(key);
            frequencies.push(i16::try_from(*frequency).unwrap_or(i16::MAX));
            chunk_lengths.push(lengths[index]);
        }
    }
    sqlx::query(
        "INSERT INTO posting (term, project_key, chunk_key, document_key, frequency, length)
         SELECT term, $1, chunk_key, $2, frequency, length
         FROM unnest($3::text[], $4::bigint[], $5::smallint[], $6::int[]) AS t(term, chunk_key, frequency, length)",
    )
    .bind(project_key)
    .bind(document)
    .bind(&terms)
    .bind(&chunk_keys)
    .bind(&frequencies)
    .bind(&chunk_lengths)
    .execute(&mut **tx)
    .await?;
    Ok(lengths.iter().sum())
}

impl Passage {
    /// In terms: BM25's length.
    fn length(&self) -> i32 {
        self.terms.iter().map(|(_, frequency)| i32::try_from(*frequency).unwrap_or(i32::MAX)).sum()
    }
}

#[expect(clippy::too_many_arguments, reason = "one row's columns, from where each is known")]
async fn update(
    tx: &mut Tx,
    row: &Row,
    job: &Job,
    content: &Content,
    number_norm: &str,
    chunks: usize,
    terms: i32,
    superseded_by: Option<&DocumentId>,
) -> sqlx::Result<()> {
    let metadata = &job.body.metadata;
    let author = if metadata.author.is_empty() { &content.author } else { &metadata.author };
    sqlx::query(
        "UPDATE document SET kind = 'document', state = $2, percent = 100, reason = NULL, starts = 0, indexed_at = now(),
                job = $3, object = $4, filename = $5, file_type = $6, media_type = $7, size = $8, sha256 = $9,
                title = $10, number = $11, number_norm = $12, revision = $13, category = $14, doc_type = $15,
                status = $16, author = $17, date_modified = $18, metadata = $19, pages = $20, chunks = $21,
                terms = $22, text_length = $23, superseded_by = $24
         WHERE key = $1",
    )
    .bind(row.key)
    .bind(if superseded_by.is_some() { "superseded" } else { "indexed" })
    .bind(Json(&job.body))
    .bind(&content.object)
    .bind(&job.body.filename)
    .bind(&content.file_type)
    .bind(&content.media_type)
    .bind(i64::try_from(content.size).unwrap_or(i64::MAX))
    .bind(&content.sha256)
    .bind(if metadata.title.is_empty() { &content.title } else { &metadata.title })
    .bind(&metadata.number)
    .bind(number_norm)
    .bind(&metadata.revision)
    .bind(&metadata.category)
    .bind(&metadata.doc_type)
    .bind(&metadata.status)
    .bind(author)
    .bind(metadata.date_modified.or(content.date))
    .bind(Json(&metadata.extra))
    .bind(i32::try_from(content.pages).unwrap_or(i32::MAX))
    .bind(i32::try_from(chunks).unwrap_or(i32::MAX))
    .bind(terms)
    .bind(i64::try_from(content.text_length).unwrap_or(i64::MAX))
    .bind(superseded_by.map(DocumentId::as_str))
    .execute(&mut **tx)
    .await
    .map(drop)
}
