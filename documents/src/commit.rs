//! Commits a document: its passages, its metadata and the replacement of older revisions, in one transaction.

use chrono::{DateTime, Utc};
use schemas::{DocumentId, Fields, ingest::ObjectRef, problem::Reason};
use sqlx::PgPool;

use crate::{
    Job, Revived,
    index::Word,
    job::settle,
    parents::{attachment, attachments, came_with},
    passages::{self, Passage},
    revision::Revision,
    revive::answering,
    row::{Row, Sums, Written, clear, find_all, in_project, write},
    scope::ProjectTx,
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

/// Content with the words of its passages and its number in two forms.
#[derive(Debug)]
pub struct WithWords {
    content: Content,
    words: Vec<Vec<Word>>,
    number_norm: String,
    identity: Option<String>,
}

impl From<Content> for WithWords {
    /// For a very long text this takes seconds, so it does not belong on a thread that others need.
    fn from(content: Content) -> Self {
        Self {
            words: passages::words(&content.fields, &content.passages),
            number_norm: analysis::codes::normalize(&content.fields.number),
            identity: analysis::codes::identity(&content.fields.number),
            content,
        }
    }
}

/// A committed document, and what its commit changed.
#[derive(Debug, Default, PartialEq)]
pub struct Committed {
    pub title: String,
    /// Number of passages that searches find.
    pub chunks: u32,
    pub text_length: u64,
    /// The newer revision that searches find instead of this document, or instead of the mail whose attachment it is.
    pub superseded_by: Option<DocumentId>,
    /// Older revisions that searches no longer find, and attachments: theirs, or those of this document if it is superseded.
    pub superseded: Vec<DocumentId>,
    /// The document's previous file, if nothing refers to it any more.
    pub unused_object: Option<String>,
    /// Revisions that this document no longer supersedes, because its number has changed or a correction made it older.
    pub revived: Vec<Revived>,
    /// Whether other revisions of the document answered.
    pub(crate) has_revisions: bool,
}

/// Returns `None` and leaves the document unchanged if a later job or a deletion was faster.
pub async fn commit(pool: &PgPool, job: &Job, content: &Content) -> sqlx::Result<Option<Committed>> {
    let content = WithWords::from(content.clone());
    commit_all(pool, &[(job, &content)]).await?.pop().ok_or(sqlx::Error::RowNotFound)
}

/// Commits different documents of one project that came with the same parent, in one transaction: all of them, or none. The
/// same model has made all their vectors.
pub async fn commit_all(
    pool: &PgPool,
    documents: &[(&Job, &WithWords)],
) -> sqlx::Result<Vec<Option<Committed>>> {
    let Some((first, WithWords { content, .. })) = documents.first() else { return Ok(Vec::new()) };
    let mut tx = in_project(first.begin(pool).await?, &first.project).await?;
    // Revisions of one document commit one after the other, so that each sees what the others did.
    let numbers = documents.iter().filter(|(_, content)| content.identity.is_some());
    let numbers: Vec<&str> = numbers.map(|(_, content)| content.number_norm.as_str()).collect();
    if !numbers.is_empty() {
        // In a fixed order, so that transactions cannot deadlock.
        sqlx::query(
            "SELECT pg_advisory_xact_lock($1, hash)
             FROM (SELECT DISTINCT hashtext(number) AS hash FROM unnest($2::text[]) AS number ORDER BY hash) AS numbers",
        )
        .bind(tx.project)
        .bind(numbers)
        .execute(&mut *tx)
        .await?;
    }
    let mail = match attachment(&first.body) {
        Some(_) => came_with(&mut tx, &first.body).await?,
        None => None,
    };
    let mail_superseded_by: Option<DocumentId> = mail.and_then(|mail| mail.superseded_by?.parse().ok());
    let ids: Vec<&str> = documents.iter().map(|(job, _)| job.document.as_str()).collect();
    let mut rows = find_all(&mut tx, &ids).await?;
    let mut changes = Changes { model: content.model, ..Changes::default() };
    let mut committed = Vec::with_capacity(documents.len());
    for (job, content) in documents {
        let row = rows.remove(job.document.as_str());
        let changed = content.commit(job, &mut tx, &mut changes, row, mail_superseded_by.clone()).await?;
        // Another revision may be one of the documents that follow.
        if changed.as_ref().is_some_and(|changed| changed.has_revisions) {
            rows = find_all(&mut tx, &ids[committed.len() + 1..]).await?;
        }
        committed.push(changed);
    }
    changes.write(&mut tx).await?;
    settle(&mut tx, &changes.outcomes).await?;
    // The row of the project comes last: whoever has it waits for nothing.
    changes.sums.add(&mut tx).await?;
    platform::crash::point("inside-commit", first.project.as_str());
    tx.commit().await?;
    Ok(committed)
}

/// Changes that the documents of a transaction share. They are written together.
#[derive(Default)]
struct Changes<'a> {
    model: i16,
    /// Documents and passages that are not written yet.
    rows: Vec<Written<'a>>,
    passages: Vec<passages::New<'a>>,
    /// The outcomes of the records of an import.
    outcomes: Vec<(&'a Job, &'static str, Option<&'a Reason>)>,
    sums: Sums,
}

impl Changes<'_> {
    /// Writes the documents so far, because what follows reads them.
    async fn write(&mut self, tx: &mut ProjectTx) -> sqlx::Result<()> {
        if !self.rows.is_empty() {
            write(tx, &std::mem::take(&mut self.rows)).await?;
            passages::insert(tx, self.model, &std::mem::take(&mut self.passages)).await?;
        }
        Ok(())
    }
}

impl WithWords {
    /// Commits the document of this job, whose row this is, except for what is written together ([`Changes`]). If it is the
    /// attachment of a superseded mail, it is superseded with it.
    async fn commit<'a>(
        &'a self,
        job: &'a Job,
        tx: &mut ProjectTx,
        changes: &mut Changes<'a>,
        row: Option<Row>,
        mail_superseded_by: Option<DocumentId>,
    ) -> sqlx::Result<Option<Committed>> {
        let Self { content, words, number_norm, identity } = self;
        let date_modified = job.body.metadata.date_modified.or(content.date);
        let ours = Revision { date_modified, ..job.revision() };
        let Some(row) = row.filter(|row| row.accepted_at == job.accepted_at && row.state != "deleted") else {
            changes.outcomes.push((job, "superseded", None));
            return Ok(None);
        };
        changes.sums += row.clear(tx).await?;
        let mut committed = Committed {
            title: content.fields.title.clone(),
            text_length: content.text_length,
            superseded_by: mail_superseded_by,
            unused_object: Some(row.object.clone())
                .filter(|object| !object.is_empty() && *object != content.object.name),
            ..Committed::default()
        };
        if let Some(identity) = identity {
            if changes.rows.iter().any(|other| other.number_norm == number_norm) {
                changes.write(tx).await?;
            }
            let mut others = answering(tx, number_norm, identity).await?;
            others.retain(|other| other.key != row.key);
            committed.has_revisions = !others.is_empty();
            if committed.has_revisions {
                // Attachments that are superseded with them may be documents of this transaction.
                changes.write(tx).await?;
            }
            let newer = others.iter().rfind(|other| !ours.replaces(&other.revision()));
            committed.superseded_by = newer.and_then(|row| row.id.parse().ok());
            if newer.is_none() {
                changes.sums += supersede(tx, others, &job.document, &mut committed.superseded).await?;
            }
        }
        if let Some(newer) = &committed.superseded_by {
            // Attachments are queued before their mail is committed, so they may be indexed already.
            let attached = attachments(tx, &[row.key]).await?;
            changes.sums += supersede(tx, attached, newer, &mut committed.superseded).await?;
        }
        let current = committed.superseded_by.is_none();
        let (mut chunks, mut terms) = (0, 0);
        if current {
            (chunks, terms) =
                (i32::try_from(content.passages.len()).unwrap_or(i32::MAX), passages::length(words));
            changes.sums += Sums { chunks: chunks.into(), terms: terms.into() };
            changes.passages.push(passages::New {
                document_key: row.key,
                passages: &content.passages,
                words,
            });
            committed.chunks = chunks.unsigned_abs();
        }
        let outcome = if current { "indexed" } else { "superseded" };
        changes.rows.push(Written {
            key: row.key,
            job,
            state: outcome,
            reason: None,
            number_norm,
            pages: i32::try_from(content.pages).unwrap_or(i32::MAX),
            chunks,
            terms,
            text_length: i64::try_from(content.text_length).unwrap_or(i64::MAX),
            superseded_by: committed.superseded_by.clone(),
            fields: &content.fields,
            date_modified,
            object: &content.object,
            media_type: &content.media_type,
            file_type: Some(&content.file_type),
        });
        changes.outcomes.push((job, outcome, None));
        // Only a document that was committed before can have superseded others, or still answers with a former number: the
        // documents that follow must not see that.
        if row.job.is_some() {
            changes.write(tx).await?;
            committed.revived = row.revive(tx, identity.as_deref().map(|identity| (identity, &ours))).await?;
        }
        Ok(Some(committed))
    }
}

/// Supersedes documents, the attachments of mails among them, and the attachments of mails among these. Adds their ids to
/// `superseded`, and returns how the sums change.
async fn supersede(
    tx: &mut ProjectTx,
    mut rows: Vec<Row>,
    by: &DocumentId,
    superseded: &mut Vec<DocumentId>,
) -> sqlx::Result<Sums> {
    let mut sums = Sums::default();
    while !rows.is_empty() {
        let passages: Vec<_> = rows.iter().map(|row| (row.key, row.chunks, row.terms)).collect();
        sums += clear(tx, &passages).await?;
        // A document that is being processed again is decided when it commits, with its attachments; here it only loses its
        // passages.
        sqlx::query(
            "UPDATE document SET chunks = 0, terms = 0,
                    state = CASE state WHEN 'indexed' THEN 'superseded' ELSE state END,
                    superseded_by = CASE state WHEN 'indexed' THEN $2 ELSE superseded_by END
             WHERE project_key = $3 AND key = ANY($1)",
        )
        .bind(rows.iter().map(|row| row.key).collect::<Vec<_>>())
        .bind(by.as_str())
        .bind(tx.project)
        .execute(&mut **tx)
        .await?;
        let indexed = rows.iter().filter(|row| row.state == "indexed");
        superseded.extend(indexed.filter_map(|row| row.id.parse::<DocumentId>().ok()));
        let decided = rows.iter().filter(|row| row.state != "processing");
        let decided: Vec<i64> = decided.map(|row| row.key).collect();
        rows = attachments(tx, &decided).await?;
    }
    Ok(sums)
}
