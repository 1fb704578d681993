//! Connections: a bounded number, and none that stands still for ever.

use std::{future::Ready, io, pin::Pin, sync::Arc, time::Duration};

use axum::{Extension, middleware::AddExtension};
use axum_server::accept::Accept;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tower_layer::Layer as _;

/// Takes connections while there is room. Beyond that they are closed at once, which a load balancer understands.
#[derive(Debug, Clone)]
pub struct Bounded {
    permits: Arc<Semaphore>,
    stall: Duration,
}

impl Bounded {
    pub fn new(most: usize, stall: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(most)), stall }
    }
}

/// Writing fails when the other side takes nothing for too long: a client that asks for a file and does not read it
/// holds a connection and a reader of the object store. Reading is bounded where it is known what is awaited: by hyper
/// for heads, by the handlers for bodies.
fn unstalled<S: tokio::io::AsyncRead + tokio::io::AsyncWrite>(
    stream: S,
    stall: Duration,
) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(stall));
    Box::pin(stream)
}

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = Pin<Box<TimeoutStream<TcpStream>>>;
    /// The service lives as long as its connection, and holds the permit.
    type Service = AddExtension<S, Arc<OwnedSemaphorePermit>>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let permit = self.permits.clone().try_acquire_owned().map_err(io::Error::other);
        std::future::ready(permit.and_then(|permit| {
            stream.set_nodelay(true)?;
            Ok((unstalled(stream, self.stall), Extension(Arc::new(permit)).layer(service)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, time::Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writing_to_somebody_who_does_not_read_ends() {
        let (ours, _theirs) = tokio::io::duplex(10);
        let mut stream = unstalled(ours, Duration::from_secs(30));
        let started = Instant::now();
        let error = stream.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed().as_secs(), 30);
    }
}
