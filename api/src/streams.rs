//! Streamed responses: their number is limited and counted, and all of them end when the service stops.

use prometheus::{IntGauge, IntGaugeVec};
use schemas::Problem;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Requests,
    extractors::Caller,
    shares::{Share, Shares},
};

#[derive(Clone)]
pub struct Streams {
    events: Shares,
    chats: Shares,
    files: Shares,
    stopping: CancellationToken,
    open: IntGaugeVec,
}

/// Each kind has its own limit, so that clients that follow documents cannot prevent others from chatting.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Events,
    Chat,
    File,
}

/// One streamed response. It counts as open until this is dropped.
pub struct Permit {
    pub stopping: CancellationToken,
    open: IntGauge,
    _share: Share,
}

impl Streams {
    pub fn new(requests: &Requests, stopping: CancellationToken, open: IntGaugeVec) -> Self {
        Self {
            events: Shares::halved(requests.max_event_streams),
            chats: Shares::halved(requests.max_chat_streams),
            files: Shares::halved(requests.max_file_streams),
            stopping,
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
        Ok(Permit { stopping: self.stopping.clone(), open, _share: share })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.dec();
    }
}
