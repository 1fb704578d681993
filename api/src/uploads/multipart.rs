//! The parts of a multipart request, bounded in every direction.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use schemas::{Problem, ProblemKind, messages::http};
use tokio::time::timeout;

use super::file;

/// The most bytes of a request besides its file.
pub const OVERHEAD: u64 = 1024 * 1024;
/// More parts than this are not an upload form.
const MAX_PARTS: usize = 16;
/// Bytes that may arrive before the next part begins: its headers, and what was read ahead.
const MAX_HEADERS: u64 = 1024 * 1024;
/// How long, at most, the rest of a refused request is read.
const DRAIN: Duration = Duration::from_secs(10);

pub struct Multipart {
    multipart: multer::Multipart<'static>,
    budget: Arc<AtomicU64>,
    max: u64,
    stall: Duration,
    count: usize,
}

pub struct Part<'a> {
    pub name: String,
    pub filename: Option<String>,
    pub media_type: Option<String>,
    field: multer::Field<'static>,
    stall: Duration,
    /// Borrowed so that no second part is read before this one is done.
    _parts: std::marker::PhantomData<&'a mut Multipart>,
}

impl Multipart {
    pub fn new(headers: &HeaderMap, body: Body, max: u64, stall: Duration) -> Result<Self, Problem> {
        let boundary = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| multer::parse_boundary(value).ok())
            .ok_or_else(|| http::not_multipart().problem(ProblemKind::UnsupportedMediaType))?;
        let budget = Arc::new(AtomicU64::new(MAX_HEADERS));
        let body = Metered { body: body.into_data_stream(), budget: budget.clone(), rest: false };
        Ok(Self { multipart: multer::Multipart::new(body, boundary), budget, max, stall, count: 0 })
    }

    pub async fn next(&mut self) -> Result<Option<Part<'_>>, Problem> {
        self.budget.store(MAX_HEADERS, Ordering::Relaxed);
        let Some(field) = in_time(self.stall, self.multipart.next_field()).await? else {
            return Ok(None);
        };
        self.count += 1;
        if self.count > MAX_PARTS {
            return Err(http::too_many_parts().about("body"));
        }
        self.budget.store(self.max.saturating_add(OVERHEAD), Ordering::Relaxed);
        let disposition = field.headers().get(header::CONTENT_DISPOSITION);
        let extended = disposition
            .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
            .and_then(file::extended_name);
        Ok(Some(Part {
            name: field.name().unwrap_or_default().to_owned(),
            filename: extended.or_else(|| field.file_name().map(ToOwned::to_owned)),
            media_type: field.content_type().map(|mime| mime.essence_str().to_owned()),
            field,
            stall: self.stall,
            _parts: std::marker::PhantomData,
        }))
    }

    /// Reads on without keeping anything, so that a refused client hears why. A client that sends far too much sees a
    /// broken connection instead.
    pub async fn drain(&mut self) {
        self.budget.store(self.max.saturating_mul(4).saturating_add(OVERHEAD), Ordering::Relaxed);
        let rest = async {
            while let Ok(Some(mut field)) = self.multipart.next_field().await {
                while let Ok(Some(_)) = field.chunk().await {}
            }
        };
        drop(timeout(DRAIN, rest).await);
    }
}

impl Part<'_> {
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        in_time(self.stall, self.field.chunk()).await
    }

    /// The whole part as text; `field` names it when it is too long or not UTF-8.
    pub async fn text(&mut self, field: &str, max: usize) -> Result<String, Problem> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            if bytes.len() + piece.len() > max {
                return Err(http::text_too_long(max).about(field));
            }
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes).map_err(|_| http::not_utf8().about(field))
    }
}

async fn in_time<T>(stall: Duration, reading: impl Future<Output = multer::Result<T>>) -> Result<T, Problem> {
    let read = timeout(stall, reading).await;
    read.map_err(|_| http::stalled().problem(ProblemKind::RequestTimeout))?.map_err(|error| {
        tracing::debug!(%error, "a multipart request");
        http::bad_multipart().problem(ProblemKind::BadRequest)
    })
}

/// The body under a budget. The parser takes whatever is ready in one go, so this also makes it come back for every
/// piece: otherwise a fast client could fill the memory.
struct Metered {
    body: BodyDataStream,
    budget: Arc<AtomicU64>,
    rest: bool,
}

impl Stream for Metered {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rest) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.body.poll_next_unpin(context);
        Poll::Ready(match futures::ready!(next) {
            None => None,
            Some(Err(error)) => Some(Err(io::Error::other(error))),
            Some(Ok(piece)) => {
                self.rest = true;
                let length = piece.len() as u64;
                let left = self.budget.load(Ordering::Relaxed);
                if length > left {
                    Some(Err(io::Error::from(io::ErrorKind::QuotaExceeded)))
                } else {
                    self.budget.store(left - length, Ordering::Relaxed);
                    Some(Ok(piece))
                }
            }
        })
    }
}
