//! `GET /document/{id}/file`: the original bytes.

mod range;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use platform::nats::objects::{self, Objects, Stored};
use schemas::{
    Problem,
    ProblemKind::{BadRequest, Conflict, NotFound, RangeNotSatisfiable},
    Scope,
    document::{FileLocation, State::Failed},
    ingest::SentFile,
    messages,
};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use super::documents::Named;
use crate::{
    App, Error,
    openapi::{ApiRouter, Describe as _, TransformOperation, get_with},
    server::holding,
    streams::{Kind, Streams},
};
use range::Part;
pub use range::is_fresh;

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/document/{id}/file", get_with(file, document))
}

async fn file(
    State(objects): State<Objects>,
    State(streams): State<Streams>,
    method: Method,
    headers: HeaderMap,
    mut named: Named,
) -> Result<Response, Error> {
    let mut location = named.locate().await?;
    // From here on, only the document whose file was found is meant: another project may have one with the same id.
    named.scope = Scope::Projects(vec![location.project_id.clone()]);
    let stored = stored(&objects, &named, &location).await?;
    let etag = format!("\"{}\"", stored.sha256);
    if is_fresh(&headers, &etag) {
        let mut response = described(StatusCode::NOT_MODIFIED.into_response(), &location, &etag);
        // The client takes headers of this answer for those of its copy, whose media type may name a charset.
        response.headers_mut().remove(header::CONTENT_TYPE);
        return Ok(response);
    }
    // Only GET has ranges (RFC 9110).
    let part = if method == Method::GET { range::part(&headers, stored.size, &etag) } else { Part::Whole };
    let (status, start, length) = match part {
        Part::Whole => (StatusCode::OK, 0, stored.size),
        Part::Range { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Part::Unsatisfiable => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{}", stored.size))];
            let problem = messages::http::not_in_file(stored.size).problem(RangeNotSatisfiable);
            return Ok((range, Error(problem)).into_response());
        }
    };
    if let Some(charset) = charset(&objects, &stored, &location.media_type).await? {
        location.media_type += &format!("; charset={charset}");
    }
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let permit = streams.open(Kind::File, &named.lookup.caller)?;
        let chunks = ReaderStream::with_capacity(objects.read(&stored, start, length), 64 * 1024);
        // The file counts as open until its last byte is sent.
        holding(Body::from_stream(chunks), permit)
    };
    let range = (status == StatusCode::PARTIAL_CONTENT).then(|| {
        let last = start + length - 1;
        [(header::CONTENT_RANGE, format!("bytes {start}-{last}/{}", stored.size))]
    });
    let length = [(header::CONTENT_LENGTH, HeaderValue::from(length))];
    Ok((length, range, described((status, body).into_response(), &location, &etag)).into_response())
}

/// Returns the stored object: its size and hash in the location may be only announced. Fails if it is another file, or
/// if it is not stored.
async fn stored(objects: &Objects, named: &Named, location: &FileLocation) -> Result<Stored, Problem> {
    let stored = match objects.info(&location.object).await {
        Ok(stored) => stored,
        Err(objects::Error::NotFound) => return Err(not_stored(objects, named).await),
        Err(error) => {
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "reading a file");
            return Err(Problem::unavailable());
        }
    };
    if !location.sha256.is_empty() && !location.sha256.eq_ignore_ascii_case(&stored.sha256) {
        tracing::error!(object = location.object, "what is stored is not the document's file any more");
        return Err(Problem::not_found());
    }
    Ok(stored)
}

/// Returns why a file is not in the object store. The job of an event producer's file names the object before a worker
/// has stored it there.
async fn not_stored(objects: &Objects, named: &Named) -> Problem {
    let (state, object) = match (named.document().await, named.locate().await) {
        (Ok(document), Ok(location)) => (document.facts.state, location.object),
        // For example, the document was deleted meanwhile.
        (Err(problem), _) | (_, Err(problem)) => return problem,
    };
    // Meanwhile a worker may have stored the file or replaced it.
    let is_missing = matches!(objects.info(&object).await, Err(objects::Error::NotFound));
    if !state.is_final() || !is_missing {
        return messages::http::file_not_stored_yet().retry_after(5);
    }
    if state == Failed && object.starts_with(SentFile::OBJECTS) {
        // Its producer may never have sent it.
        return messages::answers::no_original().problem(NotFound);
    }
    tracing::error!(object, "a document's file is not in the object store");
    Problem::not_found()
}

fn described(response: Response, location: &FileLocation, etag: &str) -> Response {
    /// Encodes more than an extended parameter (RFC 8187) requires, and leaves drawing numbers readable.
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
    let (media_type, inert) = media_type(&location.media_type);
    // Both names: some clients (such as curl) do not read the extended name `filename*`, and all others prefer it.
    let (plain, name) = (ascii(&location.filename), utf8_percent_encode(&location.filename, ENCODED));
    let disposition = format!("inline; filename=\"{plain}\"; filename*=UTF-8''{name}");
    // An uploaded page must not act with the rights of acorag's origin. A PDF viewer cannot work in a sandbox.
    let policy = if inert {
        "default-src 'none'; img-src 'self'; media-src 'self'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    } else {
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
    };
    let headers = [
        (header::CONTENT_DISPOSITION, disposition.as_str()),
        (header::CONTENT_TYPE, media_type.as_str()),
        (header::ETAG, etag),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, response).into_response()
}

/// Media types that browsers show without running any code in them.
const INERT: [&str; 6] = [
    "application/pdf",
    "text/plain",
    "text/csv",
    "text/markdown",
    "application/json",
    "application/x-ndjson",
];

/// Returns the name without accents. Everything else that is not ASCII or would need quoting becomes `_`.
fn ascii(name: &str) -> String {
    let kept = |c: char| if matches!(c, ' '..='~') && !r#""\/%"#.contains(c) { c } else { '_' };
    name.nfkd().filter(|c| !is_combining_mark(*c)).map(kept).collect()
}

/// Number of bytes at the beginning of a text from which its charset is detected.
const SAMPLE: u64 = 64 * 1024;

/// Detects the charset of a text whose media type names none: a browser would read UTF-8 as Windows-1252.
async fn charset(
    objects: &Objects,
    stored: &Stored,
    media_type: &str,
) -> Result<Option<&'static str>, Problem> {
    let media_type = media_type.to_ascii_lowercase();
    if !media_type.starts_with("text/") || media_type.contains("charset=") {
        return Ok(None);
    }
    let mut sample = Vec::new();
    objects.read(stored, 0, SAMPLE).read_to_end(&mut sample).await.map_err(|error| {
        tracing::warn!(%error, "reading a file");
        Problem::unavailable()
    })?;
    let is_cut = sample.len() as u64 != stored.size;
    Ok(match std::str::from_utf8(&sample) {
        // A NUL byte means UTF-16, which browsers recognize by its byte order mark.
        _ if sample.contains(&0) => None,
        Ok(_) => Some("utf-8"),
        // The sample ends in the middle of a character.
        Err(error) if is_cut && error.error_len().is_none() => Some("utf-8"),
        // An HTML page declares its charset itself.
        Err(_) if media_type.starts_with("text/html") => None,
        Err(_) => Some("windows-1252"),
    })
}

/// Returns a media type that is safe to send, with the charset that `stored` names; and whether it is `INERT`.
fn media_type(stored: &str) -> (String, bool) {
    let charset = stored.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("charset") && token(value)).then(|| value.to_ascii_lowercase())
    });
    let essence = stored.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !essence.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype)) {
        return ("application/octet-stream".to_owned(), false);
    }
    let inert = INERT.contains(&essence.as_str());
    match charset {
        Some(charset) => (format!("{essence}; charset={charset}"), inert),
        None => (essence, inert),
    }
}

fn token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    // The media type is the one that came with the file.
    let bytes = ["*/*"];
    operation
        .describe("documentFile", "documents", "The original file.")
        .description("With `Range`, a part of it; with `If-None-Match`, nothing when the client has it already. HEAD works too.")
        .answers(200, "The bytes as they were uploaded.", &bytes)
        .answers(206, "The part asked for.", &bytes)
        .answers(304, "The client has this version.", &[])
        .header(200, "ETag", "SHA-256 of the file.")
        .refuses(&[BadRequest, NotFound, Conflict, RangeNotSatisfiable])
        .header(409, "Retry-After", "Seconds until trying again makes sense.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_clients_that_read_ascii_only() {
        assert_eq!(ascii("Acta día N.º 3.pdf"), "Acta dia N.o 3.pdf");
        assert_eq!(ascii("a\"b\\c%41\r\n/日.pdf"), "a_b_c_41____.pdf");
    }

    #[test]
    fn only_inert_types_are_shown_outside_the_sandbox_and_nonsense_is_bytes() {
        assert_eq!(media_type("application/pdf"), ("application/pdf".into(), true));
        assert_eq!(
            media_type("Text/HTML; Charset=\"UTF-8\"; x=y"),
            ("text/html; charset=utf-8".into(), false)
        );
        assert_eq!(media_type("text/plain; charset=\r\nX: y"), ("text/plain".into(), true));
        assert_eq!(media_type("image/svg+xml"), ("image/svg+xml".into(), false));
        for nonsense in ["", "pdf", "a/b\r\nX: y", "a/"] {
            assert_eq!(media_type(nonsense).0, "application/octet-stream", "{nonsense:?}");
        }
    }
}
