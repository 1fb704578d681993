//! Receiving an upload: a multipart request whose file goes piece by piece into the object store.

mod draft;
mod filename;
mod formats;
mod parts;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use platform::nats::objects::{Objects, Stored};
use schemas::{Metadata, Problem, ProblemKind, lenient};
use tokio::sync::Semaphore;

use self::parts::{Part, Parts};
pub use draft::Draft;

/// Longest text part: metadata, a question.
const MAX_TEXT: usize = 64 * 1024;

#[derive(Clone)]
pub struct Intake {
    pub objects: Objects,
    pub max_file_mb: u64,
    pub stall: Duration,
    /// Uploads being received.
    pub slots: Arc<Semaphore>,
}

/// A request that was read whole.
pub struct Received {
    pub file: ReceivedFile,
    pub metadata: Metadata,
    /// The text parts that the route asked for, by name.
    pub texts: HashMap<String, String>,
}

pub struct ReceivedFile {
    pub filename: String,
    pub media_type: String,
    pub stored: Stored,
    /// Deletes the stored bytes when dropped; the caller keeps them once they belong to a document.
    pub draft: Draft,
}

impl Intake {
    /// Reads the request. `metadata` may come before or after `file`; `check` sees it as soon as it is there, so that a
    /// refusal need not wait for the file. Further text parts are kept when `wanted`, and skipped otherwise.
    pub async fn receive(
        &self,
        headers: &HeaderMap,
        body: Body,
        wanted: &[&str],
        check: impl Fn(&Metadata) -> Result<(), Problem>,
    ) -> Result<Received, Problem> {
        let Ok(_slot) = self.slots.try_acquire() else {
            return Err(Problem::overloaded());
        };
        let max = self.max_file_mb.saturating_mul(1024 * 1024);
        let mut parts = Parts::new(headers, body, max, self.stall)?;
        if content_length(headers).is_some_and(|length| length > max.saturating_add(parts::OVERHEAD)) {
            parts.drain().await;
            return Err(self.too_large());
        }
        let result = self.read(&mut parts, wanted, &check).await;
        if result.is_err() {
            // A client that is still sending would see a broken connection instead of the answer.
            parts.drain().await;
        }
        result
    }

    async fn read(
        &self,
        parts: &mut Parts,
        wanted: &[&str],
        check: &impl Fn(&Metadata) -> Result<(), Problem>,
    ) -> Result<Received, Problem> {
        let (mut file, mut metadata, mut texts) = (None, None, HashMap::new());
        while let Some(mut part) = parts.next().await? {
            match part.name.clone().as_str() {
                "file" if file.is_some() => {
                    return Err(Problem::field(
                        "file",
                        "hay más de un archivo.",
                        "there is more than one file.",
                    ));
                }
                "file" => file = Some(self.store(&mut part).await?),
                "metadata" if metadata.is_some() => {
                    return Err(Problem::field(
                        "metadata",
                        "aparece más de una vez.",
                        "is there more than once.",
                    ));
                }
                "metadata" => {
                    let read = read_metadata(&part.text("metadata", MAX_TEXT).await?)?;
                    check(&read)?;
                    metadata = Some(read);
                }
                name if wanted.contains(&name) => {
                    let text = part.text(name, MAX_TEXT).await?;
                    texts.insert(name.to_owned(), text);
                }
                _ => drop(part.text("body", MAX_TEXT).await?),
            }
        }
        let file = file.ok_or_else(|| Problem::field("file", "falta el archivo.", "the file is missing."))?;
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => {
                let none = Metadata::default();
                check(&none)?;
                none
            }
        };
        Ok(Received { file, metadata, texts })
    }

    async fn store(&self, part: &mut Part<'_>) -> Result<ReceivedFile, Problem> {
        let filename =
            part.filename.as_deref().and_then(filename::tidy).ok_or_else(|| {
                Problem::field("file", "el archivo no tiene nombre.", "the file has no name.")
            })?;
        let media_type = formats::media_type(&filename, part.media_type.as_deref());
        formats::check(&filename, &media_type)?;
        let max = self.max_file_mb.saturating_mul(1024 * 1024);
        let (mut writer, mut size) = (draft::write(self.objects.clone()), 0_u64);
        while let Some(piece) = part.piece().await? {
            size = size.saturating_add(piece.len() as u64);
            if size > max {
                return Err(self.too_large());
            }
            if !writer.push(piece).await {
                break;
            }
        }
        if size == 0 {
            return Err(Problem::new(
                ProblemKind::NoText,
                "El archivo está vacío (0 bytes).",
                "The file is empty (0 bytes).",
            ));
        }
        let (draft, stored) = writer.finish().await.map_err(|error| {
            tracing::error!(error = format!("{error:#}"), "storing an upload");
            Problem::unavailable()
        })?;
        Ok(ReceivedFile { filename, media_type, stored, draft })
    }

    fn too_large(&self) -> Problem {
        crate::extract::too_large(&format!("{} MiB", self.max_file_mb))
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The `metadata` part: a JSON object, or nothing.
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
