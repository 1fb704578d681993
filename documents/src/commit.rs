//! Commits a document: its passages, its metadata and the replacement of older revisions, in one transaction.

use analysis::Language;
use chrono::{DateTime, Utc};
use pgvector::HalfVector;
use schemas::{DocumentId, Fields, ingest::ObjectRef};
use sqlx::{PgConnection, PgPool};

use crate::{
    Job, Revived,
    index::{self, Word},
    row::{Description, Row, add_to_sums, find, lock, project},
};

/// What was extracted from a document.
#[derive(Debug, Clone)]
pub struct Content {
    pub fields: Fields,
    pub date: Option<DateTime<Utc>>,
    pub media_type: String,
    pub file_type: String,
    /// The file that the document was read from; its name is empty if the document was sent as text.
    pub object: ObjectRef,
    pub pages: u32,
    pub text_length: u64,
    /// The number of the model that made the passages' vectors ([`crate::model`]).
    pub model: i16,
    pub passages: Vec<Passage>,
}

/// One passage with the data by which searches find it.
#[derive(Debug, Clone)]
pub struct Passage {
    pub page: Option<u32>,
    pub page_last: Option<u32>,
    pub heading: String,
    pub language: Language,
    pub text: String,
    pub vector: Vec<f32>,
    /// The vectors of its sentences ([`crate::sentences::encode`]); empty if it has none.
    pub sentences: Vec<u8>,
}

impl Passage {
    /// Returns the text that is indexed and embedded: the heading, then the passage.
    pub fn under_heading(heading: &str, text: &str) -> String {
        if heading.is_empty() { text.to_owned() } else { format!("{heading}\n{text}") }
    }
}

/// What the commit changed.
#[derive(Debug, Default)]
pub struct Committed {
    /// The newer revision that searches find instead of this document.
    pub superseded_by: Option<DocumentId>,
    /// Older revisions that searches no longer find.
    pub superseded: Vec<DocumentId>,
    /// The document's previous file, if nothing refers to it any more.
    pub unused_object: Option<String>,
    /// A revision that this document no longer supersedes, because its number has changed.
    pub revived: Option<Revived>,
}

/// Returns `None` and leaves the document unchanged if a later job or a deletion was faster.
pub async fn commit(pool: &PgPool, job: &Job, content: &Content) -> sqlx::Result<Option<Committed>> {
    let words = words(&content.fields, &content.passages);
    let number_norm = analysis::codes::normalize(&content.fields.number);
    let identity = analysis::codes::identity(&content.fields.number);
    let mut tx = job.begin(pool).await?;
    let project_key = project(&mut tx, &job.project).await?;
    if identity.is_some() {
        // Revisions of one document commit one after the other, so that each sees what the others did.
        sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
            .bind(project_key)
            .bind(&number_norm)
            .execute(&mut *tx)
            .await?;
    }
    let row = find(&mut tx, project_key, &job.document).await?;
    let Some(row) = row.filter(|row| row.accepted_at == job.accepted_at && row.state != "deleted") else {
        job.settle(&mut tx, "superseded", None).await?;
        tx.commit().await?;
        return Ok(None);
    };
    row.clear(&mut tx).await?;
    let mut committed = Committed {
        unused_object: Some(row.object.clone())
            .filter(|object| !object.is_empty() && *object != content.object.name),
        ..Committed::default()
    };
    if let Some(identity) = &identity {
        let others = others(&mut tx, &row, &number_norm, identity).await?;
        settle_revisions(&mut tx, job, project_key, others, &mut committed).await?;
    }
    // Only a document that was searchable until now can have superseded others.
    if row.chunks > 0 {
        committed.revived = row.revive(&mut tx, identity.as_deref()).await?;
    }
    let current = committed.superseded_by.is_none();
    let mut sums = (0, 0);
    if current {
        sums.1 = insert(&mut tx, content.model, (project_key, row.key), &content.passages, &words).await?;
        sums.0 = i32::try_from(content.passages.len()).unwrap_or(i32::MAX);
        add_to_sums(&mut tx, project_key, sums.0.into(), sums.1.into()).await?;
    }
    let outcome = if current { "indexed" } else { "superseded" };
    sqlx::query(
        "UPDATE document SET kind = 'document', state = $2, percent = 100, reason = NULL, starts = 0, indexed_at = now(),
                number_norm = $3, pages = $4, chunks = $5, terms = $6, text_length = $7, superseded_by = $8
         WHERE project_key = $9 AND key = $1",
    )
    .bind(row.key)
    .bind(outcome)
    .bind(&number_norm)
    .bind(i32::try_from(content.pages).unwrap_or(i32::MAX))
    .bind(sums.0)
    .bind(sums.1)
    .bind(i64::try_from(content.text_length).unwrap_or(i64::MAX))
    .bind(committed.superseded_by.as_ref().map(DocumentId::as_str))
    .bind(project_key)
    .execute(&mut *tx)
    .await?;
    let description = Description {
        fields: &content.fields,
        date_modified: job.body.metadata.date_modified.or(content.date),
        object: &content.object,
        media_type: &content.media_type,
        file_type: Some(&content.file_type),
    };
    description.write(&mut tx, &row, job).await?;
    job.settle(&mut tx, outcome, None).await?;
    platform::crash::point("inside-commit", job.project.as_str());
    tx.commit().await?;
    Ok(Some(committed))
}

/// Locks and returns the other revisions of the document: those whose number has the same identity. The database can
/// compare only `number_norm`, which is less exact.
async fn others(
    tx: &mut PgConnection,
    row: &Row,
    number_norm: &str,
    identity: &str,
) -> sqlx::Result<Vec<Row>> {
    let keys: Vec<i64> = sqlx::query_scalar(
        "SELECT key FROM document
         WHERE project_key = $1 AND number_norm = $2 AND key <> $3
           AND (state IN ('indexed', 'superseded') OR chunks > 0)",
    )
    .bind(row.project_key)
    .bind(number_norm)
    .bind(row.key)
    .fetch_all(&mut *tx)
    .await?;
    let mut others = lock(tx, row.project_key, &keys).await?;
    others.retain(|other| {
        (matches!(other.state.as_str(), "indexed" | "superseded") || other.chunks > 0)
            && analysis::codes::identity(&other.fields.number).as_deref() == Some(identity)
    });
    Ok(others)
}

/// Decides whether this revision is the current one and, if so, marks the others as superseded.
async fn settle_revisions(
    tx: &mut PgConnection,
    job: &Job,
    project_key: i32,
    others: Vec<Row>,
    committed: &mut Committed,
) -> sqlx::Result<()> {
    let ours = job.revision();
    let (superseded, answering): (Vec<Row>, Vec<Row>) =
        others.into_iter().partition(|other| other.state == "superseded");
    let newer = answering.iter().rfind(|other| !ours.replaces(&other.revision()));
    committed.superseded_by = newer.and_then(Row::document);
    if newer.is_some() {
        return Ok(());
    }
    for other in answering {
        other.clear(tx).await?;
        // A revision that is being processed again is decided when it commits; here it only loses its passages.
        sqlx::query(
            "UPDATE document SET chunks = 0, terms = 0,
                    state = CASE state WHEN 'indexed' THEN 'superseded' ELSE state END,
                    superseded_by = CASE state WHEN 'indexed' THEN $2 ELSE superseded_by END
             WHERE project_key = $3 AND key = $1",
        )
        .bind(other.key)
        .bind(job.document.as_str())
        .bind(other.project_key)
        .execute(&mut *tx)
        .await?;
        if other.state == "indexed" {
            committed.superseded.extend(other.document());
        }
    }
    // Revisions that were already superseded now refer to the current one.
    sqlx::query("UPDATE document SET superseded_by = $2 WHERE project_key = $3 AND key = ANY($1)")
        .bind(superseded.iter().map(|other| other.key).collect::<Vec<_>>())
        .bind(job.document.as_str())
        .bind(project_key)
        .execute(tx)
        .await
        .map(drop)
}

/// Maximum number of passages that one statement stores. A statement must not reach its time limit: a long document
/// would look like an outage of the database, and its job would wait without end.
pub(crate) const SLICE: usize = 128;

/// Returns the words of each passage and how often each occurs. The words of a document's title and number are added to
/// its first passage.
pub fn words(fields: &Fields, passages: &[Passage]) -> Vec<Vec<Word>> {
    let of = |(ordinal, passage): (usize, &Passage)| {
        let mut searched = Passage::under_heading(&passage.heading, &passage.text);
        if ordinal == 0 {
            searched = format!("{}\n{}\n{searched}", fields.title, fields.number);
        }
        let terms = analysis::terms::index_terms(&searched, passage.language);
        terms.into_iter().map(|term| (term.text, term.frequency)).collect()
    };
    passages.iter().enumerate().map(of).collect()
}

/// Stores a document's passages, their vectors of one model, and their words; returns the sum of their lengths in
/// terms. The document is given by the keys of its project and its own.
pub async fn insert(
    tx: &mut PgConnection,
    model: i16,
    document: (i32, i64),
    passages: &[Passage],
    words: &[Vec<Word>],
) -> sqlx::Result<i32> {
    let mut length = 0;
    for (at, (passages, words)) in passages.chunks(SLICE).zip(words.chunks(SLICE)).enumerate() {
        length += insert_slice(tx, model, document, at * SLICE, passages, words).await?;
    }
    Ok(length)
}

async fn insert_slice(
    tx: &mut PgConnection,
    model: i16,
    (project_key, document_key): (i32, i64),
    first: usize,
    passages: &[Passage],
    words: &[Vec<Word>],
) -> sqlx::Result<i32> {
    // The length of a passage in BM25: its number of terms.
    let length = |words: &Vec<Word>| words.iter().map(|(_, frequency)| frequency).sum::<u32>();
    let lengths: Vec<i32> =
        words.iter().map(|words| i32::try_from(length(words)).unwrap_or(i32::MAX)).collect();
    let first = i32::try_from(first).unwrap_or(i32::MAX);
    let column = |page: fn(&Passage) -> Option<u32>| -> Vec<Option<i32>> {
        passages.iter().map(|passage| page(passage).and_then(|page| i32::try_from(page).ok())).collect()
    };
    let keys: Vec<(i64, i32)> = sqlx::query_as(
        "WITH passage AS (
             SELECT $10::int + ordinal::int - 1 AS ordinal, page, page_last, heading, language, text, terms, vector, sentences
             FROM unnest($3::int[], $4::int[], $5::text[], $6::text[], $7::text[], $8::int[], $9::halfvec[], $12::bytea[])
                  WITH ORDINALITY AS p(page, page_last, heading, language, text, terms, vector, sentences, ordinal)),
         new AS (
             INSERT INTO chunk (project_key, document_key, ordinal, page, page_last, heading, language, text, terms)
             SELECT $1, $2, ordinal, page, page_last, heading, language, text, terms FROM passage
             RETURNING key, ordinal),
         embedded AS (
             INSERT INTO embedding (project_key, model, chunk_key, document_key, vector)
             SELECT $1, $11, key, $2, vector FROM new JOIN passage USING (ordinal)),
         quotable AS (
             INSERT INTO sentence (project_key, model, chunk_key, data)
             SELECT $1, $11, key, sentences FROM new JOIN passage USING (ordinal) WHERE sentences <> '')
         SELECT key, ordinal - $10::int FROM new ORDER BY key",
    )
    .bind(project_key)
    .bind(document_key)
    .bind(column(|passage| passage.page))
    .bind(column(|passage| passage.page_last))
    .bind(passages.iter().map(|passage| passage.heading.as_str()).collect::<Vec<_>>())
    .bind(passages.iter().map(|passage| passage.language.code()).collect::<Vec<_>>())
    .bind(passages.iter().map(|passage| passage.text.as_str()).collect::<Vec<_>>())
    .bind(&lengths)
    .bind(passages.iter().map(|passage| HalfVector::from_f32_slice(&passage.vector)).collect::<Vec<_>>())
    .bind(first)
    .bind(model)
    .bind(passages.iter().map(|passage| passage.sentences.as_slice()).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    let words: Vec<(i64, &[Word])> = keys
        .into_iter()
        .filter_map(|(key, ordinal)| Some((key, words.get(usize::try_from(ordinal).ok()?)?.as_slice())))
        .collect();
    index::insert(tx, project_key, document_key, first, &words).await?;
    Ok(lengths.iter().sum())
}
