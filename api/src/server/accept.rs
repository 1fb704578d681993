//! The layer between a socket and HTTP: connection limits and timeouts.

use std::{
    future::Ready,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::Request,
    middleware::{AddExtension, Next},
    response::Response,
};
use axum_server::accept::Accept;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower_layer::Layer as _;

use super::connection::{Busy, Connection, Connections};
use crate::throttle::network;

#[derive(Clone)]
pub struct Bounded {
    pub connections: Connections,
    /// Maximum time that a write may wait while the client receives nothing.
    pub stall: Duration,
    /// Maximum time until the head of the first request is received.
    pub head: Duration,
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = Stream<TcpStream>;
    type Service = AddExtension<S, Arc<Connection>>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accept = || {
            stream.set_nodelay(true)?;
            let connection = self.connections.open(network(stream.peer_addr()?.ip()))?;
            let stream = Stream::new(stream, connection.clone(), self.stall, self.head);
            Ok((stream, Extension(connection).layer(service)))
        };
        std::future::ready(accept())
    }
}

/// A connection with timeouts. Writing fails when the client receives nothing for too long: one that requests a file and
/// does not read it occupies a connection and a reader of the object store. Reading fails when the connection is closed
/// to make room, and when no first request arrives in time: hyper's own timeout, which later requests have, starts only
/// after the bytes that tell HTTP/1 from HTTP/2. Bodies have the timeouts of [`crate::arrival`] and [`crate::uploads`].
pub struct Stream<S> {
    inner: Pin<Box<TimeoutStream<S>>>,
    connection: Arc<Connection>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    first_head: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite> Stream<S> {
    fn new(stream: S, connection: Arc<Connection>, stall: Duration, head: Duration) -> Self {
        let mut inner = TimeoutStream::new(stream);
        inner.set_write_timeout(Some(stall));
        Self {
            inner: Box::pin(inner),
            closed: Box::pin(connection.closed.clone().cancelled_owned()),
            connection,
            first_head: Some(Box::pin(sleep(head))),
        }
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.closed.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if self.connection.has_asked() {
            self.first_head = None;
        }
        if let Some(time) = &mut self.first_head
            && time.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.inner.as_mut().poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner.as_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner.as_mut().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.as_mut().poll_shutdown(context)
    }
}

/// Middleware: counts a request as in progress until its response is sent.
pub async fn occupy(request: Request, next: Next) -> Response {
    let busy = request.extensions().get::<Arc<Connection>>().map(Connection::begin);
    next.run(request).await.map(|body| Body::new(Answer { body, _busy: busy }))
}

/// The body of a response; its connection counts as busy until this is dropped.
struct Answer {
    body: Body,
    _busy: Option<Busy>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
        time::Instant,
    };

    use super::*;

    fn stream() -> (Stream<DuplexStream>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(10);
        let connection = Connections::new(1, 1).open("a".to_owned()).unwrap();
        (Stream::new(ours, connection, Duration::from_secs(30), Duration::from_secs(15)), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn writing_to_somebody_who_does_not_read_ends() {
        let (mut stream, _theirs) = stream();
        let started = Instant::now();
        let error = stream.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_first_request_ends() {
        let (mut stream, _theirs) = stream();
        let started = Instant::now();
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), 15);
    }
}
