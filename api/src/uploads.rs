//! Receives an upload: a multipart request whose file is streamed to the object store.

mod file;
mod multipart;
mod object;

use anyhow::Context as _;
use axum::{body::Body, http::HeaderMap};
use platform::{
    nats::objects::{Objects, Stored},
    shares::Shares,
};
use schemas::{Metadata, Problem, ProblemKind, account::Role, lenient, messages::http};

use self::multipart::{Multipart, Part};
use crate::{arrival, extractors::Caller, linger, streams::Streams};
pub use multipart::Pace;
pub use object::Object;

#[derive(Clone)]
pub struct Uploads {
    pub objects: Objects,
    /// Maximum size of a file, in bytes.
    pub max_file: u64,
    pub pace: Pace,
    /// Limits how many uploads are received at the same time.
    pub slots: Shares,
    /// Tells when an upload must end because the process stops.
    pub streams: Streams,
}

/// An upload that was received completely.
pub struct Received {
    pub filename: String,
    pub media_type: String,
    pub stored: Stored,
    /// The stored bytes. They are deleted when this is dropped, unless they are kept for a document.
    pub object: Object,
    pub metadata: Metadata,
    /// What to ask the document (`/upload-and-query`). For an upload that asks nothing, it may be too long.
    pub question: Option<Result<String, Problem>>,
}

impl Uploads {
    /// Receives the request. The caller's right to write to the project is checked as soon as the part `metadata` is
    /// read, before or after the part `file`.
    pub async fn receive(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Received, Problem> {
        let slot = caller.require(Role::Write).and_then(|()| self.slots.take(&caller.account.id, 1));
        let _slot = match slot {
            Ok(slot) => slot,
            Err(problem) => {
                linger::read_on(headers, body);
                return Err(problem);
            }
        };
        let mut multipart = Multipart::new(headers, body, self.max_file, self.pace)?;
        let max = self.max_file.saturating_add(multipart::OVERHEAD);
        let result = if arrival::length(headers).is_some_and(|length: u64| length > max) {
            Err(self.too_large())
        } else {
            tokio::select! {
                biased;
                // `end_in_time` would end the request too, but without `read_on` below: a client that is still
                // sending would see a broken connection and not the response.
                () = self.streams.last_words.cancelled() => Err(Problem::unavailable()),
                received = self.read(caller, &mut multipart) => received,
            }
        };
        if result.is_err() {
            multipart.read_on();
        }
        result
    }

    async fn read(&self, caller: &Caller, multipart: &mut Multipart) -> Result<Received, Problem> {
        let (mut file, mut metadata, mut question, mut message) = (None, None, None, None);
        while let Some(mut part) = multipart.next().await? {
            match part.name.clone().as_str() {
                "file" if file.is_some() => return Err(http::several_files().about("file")),
                "file" => file = Some(self.store(&mut part).await?),
                "metadata" if metadata.is_some() => return Err(http::repeated().about("metadata")),
                "metadata" => {
                    let read = read_metadata(&part.text().await??)?;
                    caller.may_write(&caller.project_of(&read)?)?;
                    metadata = Some(read);
                }
                "question" => question = Some(part.text().await?),
                // The name that `/chat` has for a question.
                "message" => message = Some(part.text().await?),
                // What nobody asks for is not read.
                _ => while part.piece().await?.is_some() {},
            }
        }
        let (filename, media_type, stored, object) = file.ok_or_else(|| http::no_file().about("file"))?;
        let metadata = metadata.unwrap_or_default();
        // Again, because an upload without the part `metadata` was not checked above.
        caller.may_write(&caller.project_of(&metadata)?)?;
        Ok(Received { filename, media_type, stored, object, metadata, question: question.or(message) })
    }

    async fn store(&self, part: &mut Part<'_>) -> Result<(String, String, Stored, Object), Problem> {
        let filename = part.filename.as_deref().and_then(file::tidy_name);
        let filename = filename.ok_or_else(|| http::no_file_name().about("file"))?;
        let media_type = file::media_type(&filename, part.media_type.as_deref());
        file::check(&filename, &media_type)?;
        let (pieces, storing) = object::write(self.objects.clone());
        let mut size = 0_u64;
        while let Some(piece) = part.piece().await? {
            size = size.saturating_add(piece.len() as u64);
            if size > self.max_file {
                return Err(self.too_large());
            }
            if pieces.send(piece).await.is_err() {
                break;
            }
        }
        if size == 0 {
            return Err(http::empty_file().problem(ProblemKind::NoText));
        }
        drop(pieces);
        let stored = storing.await.context("the storing task").flatten();
        let (object, stored) = stored.map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "storing an upload");
            Problem::unavailable()
        })?;
        Ok((filename, media_type, stored, object))
    }

    fn too_large(&self) -> Problem {
        http::too_large(&format!("{} MiB", self.max_file / (1024 * 1024))).problem(ProblemKind::TooLarge)
    }
}

/// Parses the `metadata` part: a JSON object, or an empty text.
fn read_metadata(text: &str) -> Result<Metadata, Problem> {
    if text.trim().is_empty() {
        return Ok(Metadata::default());
    }
    let metadata: Metadata = lenient::read("metadata", text.as_bytes())?;
    metadata.out_of_bounds().map_or(Ok(metadata), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_metadata_names_its_field() {
        for (text, field) in [
            ("[]", "metadata: "),
            ("{", "metadata: "),
            ("\"x\"", "metadata: "),
            (r#"{"title": ["a"]}"#, "metadata.title: "),
            (r#"{"date": "mañana"}"#, "metadata.date_modified: "),
            (r#"{"author": "a\u0000"}"#, "metadata.author: "),
            (r#"{"x": 1, "x": 1"#, "metadata: "),
        ] {
            let problem = read_metadata(text).unwrap_err();
            assert!(problem.detail.en.starts_with(field), "{text}: {}", problem.detail.en);
            assert_eq!(problem.kind, ProblemKind::BadRequest);
        }
        assert_eq!(read_metadata("  ").unwrap(), Metadata::default());
    }
}
