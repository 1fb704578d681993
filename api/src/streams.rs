//! Streamed responses: their number is limited and counted, and all of them end when the service stops.

use std::time::Duration;

use axum::response::{
    IntoResponse as _, Response, Sse,
    sse::{Event, KeepAlive},
};
use futures::Stream;
use platform::shares::{Share, Shares};
use prometheus::{IntGauge, IntGaugeVec};
use schemas::Problem;
use tokio_util::sync::CancellationToken;

use crate::{Config, extractors::Caller};

#[derive(Clone)]
pub struct Streams {
    events: Shares,
    chats: Shares,
    files: Shares,
    pub stopping: CancellationToken,
    /// Cancelled when clients must be told that their answers will not end in time.
    pub last_words: CancellationToken,
    open: IntGaugeVec,
}

/// Each kind has its own limit, so that clients that follow documents cannot prevent others from chatting.
pub enum Kind {
    Events,
    Chat,
    File,
}

/// One streamed response. It counts as open until this is dropped.
pub struct Permit {
    pub streams: Streams,
    open: IntGauge,
    _share: Share,
}

/// How long before the connections are closed the last words are sent. With a short SHUTDOWN_TIMEOUT, it is half of the
/// time that requests have after the stop: they must not be refused at the stop itself.
const BEFORE_THE_END: Duration = Duration::from_secs(2);

impl Streams {
    pub fn new(config: &Config, stopping: CancellationToken, open: IntGaugeVec) -> Self {
        let drain = config.drain();
        let last_words = CancellationToken::new();
        let (stop, due) = (stopping.clone(), last_words.clone());
        // The time counts from the stop, also for a request or an answer that begins later.
        tokio::spawn(async move {
            stop.cancelled().await;
            tokio::time::sleep(drain.saturating_sub(BEFORE_THE_END.min(drain / 2))).await;
            due.cancel();
        });
        Self {
            events: Shares::halved(config.requests.max_event_streams),
            chats: Shares::halved(config.requests.max_chat_streams),
            files: Shares::halved(config.requests.max_file_streams),
            stopping,
            last_words,
            open,
        }
    }

    pub fn open(&self, kind: Kind, caller: &Caller) -> Result<Permit, Problem> {
        let (shares, name) = match kind {
            Kind::Events => (&self.events, "events"),
            Kind::Chat => (&self.chats, "chat"),
            Kind::File => (&self.files, "file"),
        };
        let share = shares.take(&caller.account.id, 1).map_err(|problem| problem.retry_after(10))?;
        let open = self.open.with_label_values(&[name]);
        open.inc();
        Ok(Permit { streams: self.clone(), open, _share: share })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// A server-sent event. The stream breaks off at one whose data cannot be written as JSON.
pub type Sent = Result<Event, axum::Error>;

/// Returns server-sent events, with comments that keep the connection alive. nginx must pass on each at once.
pub fn events(events: impl Stream<Item = Sent> + Send + 'static) -> Response {
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10)));
    ([("x-accel-buffering", "no")], events).into_response()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn the_last_words_count_from_the_stop_also_for_a_request_that_begins_later() {
        let config = Config::try_parse_from(["acorag-api", "--shutdown-timeout=25"]).unwrap();
        let (stopping, open) = (CancellationToken::new(), Metrics::new().unwrap().streams);
        let streams = Streams::new(&config, stopping.clone(), open);
        stopping.cancel();
        let stopped = Instant::now();
        sleep(Duration::from_secs(20)).await;
        streams.last_words.cancelled().await;
        assert_eq!(stopped.elapsed().as_secs(), 22);
    }
}
