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
    body::Body,
    extract::Request,
    middleware::{AddExtension, Next},
    response::Response,
};
use axum_server::accept::Accept;
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, Join, ReadBuf, join},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Sleep, sleep},
};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower_layer::Layer as _;

use super::connection::{Connection, Connections};
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
    type Stream = Stream<OwnedReadHalf, OwnedWriteHalf>;
    type Service = AddExtension<S, Arc<Connection>>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accept = || {
            stream.set_nodelay(true)?;
            let connection = self.connections.open(network(stream.peer_addr()?.ip()))?;
            let (reader, writer) = stream.into_split();
            let stream = self.stream(reader, writer, connection.clone());
            Ok((stream, Extension(connection).layer(service)))
        };
        std::future::ready(accept())
    }
}

impl Bounded {
    fn stream<R: AsyncRead + Unpin, W: AsyncWrite>(
        &self,
        reader: R,
        writer: W,
        connection: Arc<Connection>,
    ) -> Stream<R, W> {
        let mut writer = TimeoutWriter::new(writer);
        writer.set_timeout(Some(self.stall));
        let reader = Reader {
            inner: reader,
            closed: Box::pin(connection.closed.clone().cancelled_owned()),
            connection,
            first_head: Some(Box::pin(sleep(self.head))),
        };
        join(reader, Box::pin(writer))
    }
}

/// A connection with timeouts. Writing fails when the client receives nothing for too long: one that requests a file and
/// does not read it occupies a connection and a reader of the object store.
type Stream<R, W> = Join<Reader<R>, Pin<Box<TimeoutWriter<W>>>>;

/// The half that is read. Reading fails when the connection is closed to make room, and when no first request arrives in
/// time: hyper's own timeout, which later requests have, starts only after the bytes that tell HTTP/1 from HTTP/2. Bodies
/// have the timeouts of [`crate::arrival`] and [`crate::uploads`].
pub struct Reader<R> {
    inner: R,
    connection: Arc<Connection>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    first_head: Option<Pin<Box<Sleep>>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Reader<R> {
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
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

/// Middleware: counts a request as in progress until its response is sent.
pub async fn occupy(request: Request, next: Next) -> Response {
    let busy = request.extensions().get::<Arc<Connection>>().map(Connection::begin);
    next.run(request).await.map(|body| holding(body, busy))
}

/// Returns a body that holds `held` until its last byte is sent, or the client is gone.
pub fn holding(body: Body, held: impl Send + 'static) -> Body {
    Body::new(body.map_err(move |error| {
        _ = &held;
        error
    }))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, split},
        time::Instant,
    };

    use super::*;

    fn stream() -> (Stream<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(10);
        let (stall, head) = (Duration::from_secs(30), Duration::from_secs(15));
        let bounded = Bounded { connections: Connections::new(1, 1), stall, head };
        let connection = bounded.connections.open("a".to_owned()).unwrap();
        let (reader, writer) = split(ours);
        (bounded.stream(reader, writer, connection), theirs)
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
