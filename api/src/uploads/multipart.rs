//! The parts of a multipart request, with limits for their number, size and speed.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use platform::lock::lock;
use schemas::{Problem, ProblemKind, messages::http};
use tokio::time::{Instant, timeout};

use super::file;
use crate::linger;

/// Maximum size of a request without its file, in bytes.
pub const OVERHEAD: u64 = 1024 * 1024;
/// Maximum number of parts of an upload form.
const MAX_PARTS: usize = 16;
/// Maximum length of a text part (metadata, a question), in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Maximum number of bytes received before the next part begins: its headers, and the bytes that were read ahead.
const MAX_HEADERS: u64 = 1024 * 1024;
/// Maximum number of times that the parser looks for the next part: each time, it searches all that was received.
const MAX_LOOKS: usize = 1_000;

pub struct Multipart {
    multipart: multer::Multipart<'static>,
    source: Arc<Mutex<Source>>,
    max: u64,
    pace: Pace,
    count: usize,
}

/// How slow a client may be. Only the time in which the api waits for the client counts, not for the object store.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Maximum pause between two pieces; also how much longer than at `bytes_per_second` an upload may take.
    pub stall: Duration,
    pub bytes_per_second: u64,
    waited: Duration,
    received: u64,
}

pub struct Part<'a> {
    pub name: String,
    pub filename: Option<String>,
    pub media_type: Option<String>,
    field: multer::Field<'static>,
    /// Borrowed, so that the next part cannot be read before this one is dropped.
    pace: &'a mut Pace,
}

impl Multipart {
    pub fn new(headers: &HeaderMap, body: Body, max: u64, pace: Pace) -> Result<Self, Problem> {
        let boundary = || multer::parse_boundary(headers.get(header::CONTENT_TYPE)?.to_str().ok()?).ok();
        let Some(boundary) = boundary() else {
            linger::read_on(headers, body);
            return Err(http::not_multipart().problem(ProblemKind::UnsupportedMediaType));
        };
        let source = Source { body: body.into_data_stream(), left: max.saturating_add(OVERHEAD) };
        let source = Arc::new(Mutex::new(source));
        let metered = Metered { source: source.clone(), rest: false };
        Ok(Self { multipart: multer::Multipart::new(metered, boundary), source, max, pace, count: 0 })
    }

    pub async fn next(&mut self) -> Result<Option<Part<'_>>, Problem> {
        let left = lock(&self.source).left;
        lock(&self.source).left = left.min(MAX_HEADERS);
        let (parser, mut looks) = (&mut self.multipart, 0);
        let next = poll_fn(|context| {
            looks += 1;
            if looks > MAX_LOOKS {
                return Poll::Ready(Err(multer::Error::IncompleteHeaders));
            }
            parser.poll_next_field(context)
        });
        let Some(field) = self.pace.wait(next).await? else {
            return Ok(None);
        };
        self.count += 1;
        if self.count > MAX_PARTS {
            return Err(http::too_many_parts().about("body"));
        }
        // The content of the part may have what was held back from its headers.
        lock(&self.source).left += left.saturating_sub(MAX_HEADERS);
        let disposition = field.headers().get(header::CONTENT_DISPOSITION);
        let named = disposition.and_then(|value| match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => file::extended_name(value),
            // The parser finds no name here.
            Err(_) => file::quoted_name(&latin_1(value.as_bytes())),
        });
        Ok(Some(Part {
            name: field.name().unwrap_or_default().to_owned(),
            filename: named.or_else(|| field.file_name().map(ToOwned::to_owned)),
            media_type: field.content_type().map(|mime| mime.essence_str().to_owned()),
            field,
            pace: &mut self.pace,
        }))
    }

    /// Discards more of the body for a moment, so that a refused client hears why, unless it sends far too much. The parser
    /// gets nothing of it: it would keep in memory what it takes for the headers of a part.
    pub fn read_on(self) {
        let next = move |context: &mut Context<'_>| lock(&self.source).body.poll_next_unpin(context);
        linger::discard(futures::stream::poll_fn(next), self.max.saturating_mul(4).saturating_add(OVERHEAD));
    }
}

impl Pace {
    pub fn new(stall: Duration, bytes_per_second: u64) -> Self {
        Self { stall, bytes_per_second, waited: Duration::ZERO, received: 0 }
    }

    async fn wait<T>(&mut self, reading: impl Future<Output = multer::Result<T>>) -> Result<T, Problem> {
        let started = Instant::now();
        let read = timeout(self.left(), reading).await;
        self.waited += started.elapsed();
        read.map_err(|_| http::stalled().problem(ProblemKind::RequestTimeout))?.map_err(|error| {
            tracing::debug!(%error, "a multipart request");
            http::bad_multipart().problem(ProblemKind::BadRequest)
        })
    }

    /// Returns how long the client may take for the next piece.
    fn left(&self) -> Duration {
        let granted = self.stall + Duration::from_secs(self.received / self.bytes_per_second.max(1));
        granted.saturating_sub(self.waited).min(self.stall)
    }
}

impl Part<'_> {
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        let piece = self.pace.wait(self.field.chunk()).await?;
        self.pace.received += piece.as_ref().map_or(0, Bytes::len) as u64;
        Ok(piece)
    }

    /// Returns the whole part as text, or an error if the part is too long, after all of it was received.
    pub async fn text(&mut self) -> Result<Result<String, Problem>, Problem> {
        let (mut bytes, mut is_too_long) = (Vec::new(), false);
        while let Some(piece) = self.piece().await? {
            is_too_long |= bytes.len() + piece.len() > MAX_TEXT;
            if !is_too_long {
                bytes.extend_from_slice(&piece);
            }
        }
        if is_too_long {
            return Ok(Err(http::text_too_long(MAX_TEXT).about(&self.name)));
        }
        Ok(Ok(String::from_utf8(bytes).unwrap_or_else(|error| latin_1(error.as_bytes()))))
    }
}

/// Old programs on Windows send forms in their own encoding, of which the letters of Spanish are as in Latin-1.
fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The body of a request, and how many bytes of it the parser may still get.
struct Source {
    body: BodyDataStream,
    left: u64,
}

/// A body with a maximum number of bytes. The multipart parser (`multer`) reads at once everything that is
/// ready, so this stream also pauses after every piece: otherwise a fast client could fill the memory.
struct Metered {
    source: Arc<Mutex<Source>>,
    rest: bool,
}

impl Stream for Metered {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let metered = &mut *self;
        if std::mem::take(&mut metered.rest) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut source = lock(&metered.source);
        let Some(piece) = futures::ready!(source.body.poll_next_unpin(context)) else {
            return Poll::Ready(None);
        };
        let piece = piece.map_err(io::Error::other)?;
        metered.rest = true;
        let left = source.left.checked_sub(piece.len() as u64);
        source.left = left.ok_or(io::ErrorKind::QuotaExceeded)?;
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: Body) -> Multipart {
        let media_type = "multipart/form-data; boundary=b".parse().unwrap();
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type)]);
        let pace = Pace::new(Duration::from_secs(30), 16 * 1024);
        Multipart::new(&headers, body, 3_000_000, pace).unwrap()
    }

    #[tokio::test]
    async fn a_part_does_not_begin_after_very_many_pieces() {
        let head = "--b\r\nContent-Disposition: form-data; name=\"p\"\r\n\r\n";
        let body = format!("{}\r\n{head}x\r\n--b--\r\n", " ".repeat(5_000));
        let first = async |size| {
            let pieces = body.as_bytes().chunks(size).map(Bytes::copy_from_slice).map(Ok::<_, io::Error>);
            let mut form = form(Body::from_stream(futures::stream::iter(pieces.collect::<Vec<_>>())));
            form.next().await.map(|part| part.is_some()).map_err(|problem| problem.kind)
        };
        assert_eq!(first(100).await, Ok(true));
        assert_eq!(first(1).await, Err(ProblemKind::BadRequest));
    }

    #[tokio::test]
    async fn after_a_refusal_the_rest_is_read_whatever_it_is() {
        let read = Arc::new(Mutex::new(0));
        let count = read.clone();
        let pieces = std::iter::once("--bad").chain(std::iter::repeat_n("x", 99));
        let pieces = pieces.inspect(move |_| *lock(&count) += 1);
        let mut form = form(Body::from_stream(futures::stream::iter(pieces.map(Ok::<_, io::Error>))));
        assert!(form.next().await.is_err());
        form.read_on();
        let all = async {
            while *lock(&read) < 100 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(60), all).await.unwrap();
    }

    #[tokio::test]
    async fn all_parts_together_have_a_limit() {
        let content = "x".repeat(1_000_000);
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"p\"\r\n\r\n{content}\r\n");
        let parts = std::iter::repeat_n(part, 5).chain(["--b--\r\n".to_owned()]);
        let mut form = form(Body::from_stream(futures::stream::iter(parts.map(Ok::<_, io::Error>))));
        let read: Result<(), Problem> = async {
            while let Some(mut part) = form.next().await? {
                while part.piece().await?.is_some() {}
            }
            Ok(())
        }
        .await;
        assert_eq!(read.map_err(|problem| problem.kind), Err(ProblemKind::BadRequest));
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_too_slow_and_a_slow_link_is_not() {
        let slow = |piece: usize, every: u64| {
            let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
            let pieces = futures::stream::iter(
                std::iter::once(Bytes::from(head))
                    .chain(std::iter::repeat_with(move || Bytes::from(vec![b'x'; piece])).take(100)),
            );
            let slowly = pieces.then(move |piece| async move {
                tokio::time::sleep(Duration::from_secs(every)).await;
                Ok::<_, io::Error>(piece)
            });
            form(Body::from_stream(slowly))
        };
        let received = async |piece, every| {
            let mut form = slow(piece, every);
            let mut part = form.next().await.unwrap().unwrap();
            let mut received = 0;
            loop {
                match part.piece().await {
                    Ok(piece) => received += piece.unwrap().len(),
                    Err(problem) => return (received, problem.kind),
                }
            }
        };
        let (few, refusal) = received(1, 29).await;
        assert!(few <= 2 && refusal == ProblemKind::RequestTimeout, "{few} {refusal:?}");
        // The whole body was received in time; then the form is refused because its last boundary is missing.
        let (most, end) = received(20 * 1024, 1).await;
        assert!(most > 99 * 20 * 1024 && end == ProblemKind::BadRequest, "{most} {end:?}");
    }
}
