//! Indexes one document: reads it, cuts it into passages, embeds and commits them.

use std::path::Path;

use documents::{Committed, Content, Job, Passage, WithWords, sentences, start::Start};
use embedding::Embedded;
use platform::{crash, nats::consume::Failure};
use reader::{Extracted, ExtractedMetadata, Found, Hints};
use schemas::{
    Fields,
    event::Stage,
    fields::MAX_FIELD_CHARS,
    ingest::{IngestDocument, ObjectRef, Source},
    metadata::plausible,
    subjects::JobKind,
    text::clip,
};

use super::{
    Attempt, Outcome, attachments, files,
    import::{self, Import},
    stops,
};
use crate::{app::App, chunk::chunk, model::to_embed};

/// Number of passages embedded between two reports of progress.
const SLICE: usize = 16;

/// Processes the job and returns its outcome. [`Attempt::settle`] does what follows from it.
pub async fn index(attempt: &Attempt<'_>) -> Result<Outcome, Failure> {
    let Attempt { jobs, job, progress, .. } = attempt;
    let app = &jobs.app;
    if let Some(ended) = started(documents::start::start(&app.pool, job).await?) {
        return ended;
    }
    // A record of an import takes milliseconds, so its progress is not published.
    let is_record = jobs.kind == JobKind::Record;
    if !is_record && import::position(attempt).is_none() {
        progress.at(Stage::Reading, 5).await;
    }
    let (mut extracted, object) = match &job.body.source {
        Source::Text(text) => (Extracted::from_text(text), job.object()),
        Source::File(_) | Source::Object(_) => {
            let fetching = files::fetch(app, job);
            let (file, stored) = jobs.stopping.run_until_cancelled(fetching).await.ok_or_else(stops)??;
            if import::is_text_of_a_record(job, &stored) {
                let text = tokio::fs::read_to_string(file.path()).await.map_err(files::disk)?;
                (Extracted::from_text(&text), stored)
            } else {
                match read(attempt, file.path()).await? {
                    Found::Document(extracted) => (extracted, stored),
                    Found::Records(records) if jobs.kind == JobKind::Import => {
                        let import = Import { attempt, path: file.path(), file: &stored };
                        return import.split(records).await;
                    }
                    // An import would occupy this slot for as long as its records take.
                    Found::Records(_) => {
                        attempt.move_to(JobKind::Import, None).await?;
                        return Ok(Outcome::Moved);
                    }
                }
            }
        }
    };
    let attached = std::mem::take(&mut extracted.attachments);
    let content = content(attempt, extracted, object).await?;
    attachments::publish_all(attempt, attached).await?;
    if !is_record {
        progress.at(Stage::Storing, 95).await;
    }
    Ok(stored(store(app, &[(job, &content)]).await?.pop().flatten()))
}

/// Returns how a job ends that need not be processed; `None` if it must be.
pub fn started(start: Start) -> Option<Result<Outcome, Failure>> {
    Some(match start {
        Start::Go | Start::GoAfterMail => return None,
        Start::Void => Ok(Outcome::Void),
        Start::Failed(reason) => Err(Failure::Dead(reason)),
        Start::Closed => Ok(Outcome::Split),
        Start::Done(committed) => Ok(Outcome::Indexed { committed, now: false }),
    })
}

/// Commits documents of one project together.
pub async fn store(app: &App, documents: &[(&Job, &WithWords)]) -> Result<Vec<Option<Committed>>, Failure> {
    let Some((first, _)) = documents.first() else { return Ok(Vec::new()) };
    crash::point("before-commit", first.project.as_str());
    let _timer = app.metrics.stage_seconds.with_label_values(&["store"]).start_timer();
    // The change has the name of the first job. If the worker dies, this job ends the change when it comes again.
    let committing = documents::commit::commit_all(&app.pool, documents);
    let committed = app.generations.changing(*first, committing).await;
    committed.map_err(|error| match documents::model::is_dropped(&error) {
        true => Failure::Wait("this worker's model was dropped".to_owned()),
        false => error.into(),
    })
}

/// Returns the outcome of a document after its commit.
pub fn stored(committed: Option<Committed>) -> Outcome {
    committed.map_or(Outcome::Void, |committed| Outcome::Indexed { committed, now: true })
}

/// Reads a document, or opens an import. The records of an import are read later, when the queue has room for
/// them. Meanwhile the import uses no slot for reading, so that other files do not wait.
pub async fn read(attempt: &Attempt<'_>, path: &Path) -> Result<Found, Failure> {
    let Attempt { jobs, job, .. } = attempt;
    let app = &jobs.app;
    let reading = async {
        let _turn = app.readers.turn(jobs.kind).await;
        let _timer = app.metrics.stage_seconds.with_label_values(&["extract"]).start_timer();
        let hints = Hints { filename: job.body.filename.clone(), media_type: job.body.media_type.clone() };
        let (found, ()) = tokio::join!(app.reader.read(path, hints), async {
            // The first step of reading has started the child process.
            crash::point("child-running", job.project.as_str());
        });
        found
    };
    // The child process ends with this future.
    jobs.stopping.run_until_cancelled(reading).await.ok_or_else(stops)?.map_err(unreadable)
}

pub fn unreadable(error: reader::Error) -> Failure {
    tracing::info!(%error, "the file could not be read");
    if error.is_transient() { Failure::Wait(error.to_string()) } else { Failure::Dead(error.reason()) }
}

/// Cuts the text into passages, embeds them, and returns what the commit writes.
pub async fn content(
    attempt: &Attempt<'_>,
    mut extracted: Extracted,
    object: ObjectRef,
) -> Result<WithWords, Failure> {
    let Attempt { jobs, job, .. } = attempt;
    let app = &jobs.app;
    let (model, options) = (app.model.clone(), app.chunking.clone());
    let (found, text_length) = (std::mem::take(&mut extracted.metadata), extracted.text_length());
    // The text is given away, not shared: a long one must not stay in memory while its passages are embedded.
    let cutting =
        tokio::task::spawn_blocking(move || chunk(&extracted, &|text| model.count_tokens(text), &options));
    let cut = jobs.stopping.run_until_cancelled(cutting).await.ok_or_else(stops)?;
    let cut = cut.map_err(|error| {
        tracing::error!(%error, "cutting a document into passages");
        Failure::internal()
    })?;
    let mut passages = cut.map_err(|error| Failure::Dead(error.reason()))?;
    if passages.is_empty() {
        return Err(Failure::Dead(reader::Error::NoText.reason()));
    }
    embed(attempt, &mut passages).await?;
    let content = Content {
        fields: fields(&job.body, &found),
        date: found.date.and_then(plausible),
        media_type: found.media_type,
        file_type: found.file_type,
        object,
        pages: found.pages,
        text_length,
        model: app.model_number,
        passages,
    };
    let counting = tokio::task::spawn_blocking(move || WithWords::from(content));
    counting.await.map_err(|error| {
        tracing::error!(%error, "counting the words of a document");
        Failure::internal()
    })
}

/// Returns the fields of a document: what its sender said, else what its file says. A file may say it at any length, and
/// the fields are sent in events and in search results, so they are clipped.
fn fields(sent: &IngestDocument, found: &ExtractedMetadata) -> Fields {
    let mut fields = sent.metadata.fields.clone();
    let title = [&found.title, &sent.filename].into_iter().find(|title| !title.trim().is_empty());
    for (field, found) in [(&mut fields.title, title), (&mut fields.author, Some(&found.author))] {
        if let Some(found) = found
            && field.is_empty()
        {
            clip(found, MAX_FIELD_CHARS).clone_into(field);
        }
    }
    fields
}

/// Gives each passage its vector, and the vectors of its sentences as they are stored: of a long table, the vectors
/// themselves would take gigabytes.
async fn embed(attempt: &Attempt<'_>, passages: &mut [Passage]) -> Result<(), Failure> {
    let Attempt { jobs, job, progress, .. } = attempt;
    let app = &jobs.app;
    let _timer = app.metrics.stage_seconds.with_label_values(&["embed"]).start_timer();
    let (mut done, all) = (0, passages.len());
    for slice in passages.chunks_mut(SLICE) {
        if done > 0 {
            let percent = u8::try_from(10 + done * 80 / all).unwrap_or(90);
            progress.at(Stage::Embedding, percent).await;
            documents::start::percent(&app.pool, job, percent).await?;
        }
        done += slice.len();
        let texts = slice.iter().map(|passage| to_embed(&passage.heading, &passage.text)).collect();
        let embedded = match jobs.kind.is_urgent() {
            true => app.model.passages(texts),
            false => app.model.bulk_passages(texts),
        };
        // These texts may take longer than the worker has to stop. Another worker begins the document again.
        let embedded = jobs.stopping.run_until_cancelled(embedded).await.ok_or_else(stops)?;
        let embedded = embedded.map_err(|error| {
            tracing::warn!(%error, "embedding");
            if error.is_transient() { Failure::Wait(error.to_string()) } else { Failure::internal() }
        })?;
        for (passage, Embedded { vector, sentences }) in slice.iter_mut().zip(embedded) {
            passage.sentences = sentences::encode(&passage.text, &vector, &sentences);
            passage.vector = vector;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_clipped() {
        let found = |title: &str, author: &str| ExtractedMetadata {
            title: title.to_owned(),
            author: author.to_owned(),
            ..ExtractedMetadata::default()
        };
        let mut sent = IngestDocument { filename: "plano.pdf".to_owned(), ..IngestDocument::default() };
        let long = "ñ".repeat(1_000_000);
        let clipped = fields(&sent, &found(&long, &long));
        assert!(clipped.check("metadata").is_ok(), "{}", clipped.title.len());
        assert_eq!(clipped.title.chars().count(), MAX_FIELD_CHARS);
        assert_eq!(fields(&sent, &found(" ", "")).title, "plano.pdf");
        sent.metadata.fields.title = "Planta".to_owned();
        assert_eq!(fields(&sent, &found(&long, "Ana")).title, "Planta");
    }
}
