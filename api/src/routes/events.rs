//! `GET /documents/{id}/events`: a document's progress as server-sent events.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{Response, sse::Event},
};
use chrono::Utc;
use platform::nats::Nats;
use schemas::{
    Problem,
    ProblemKind::{BadRequest, NotFound},
    Scope,
    event::{DocumentEvent, EventKind},
    problem::UiLanguage,
    view::EventView,
};
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at, sleep},
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument as _;

use super::documents::Named;
use crate::{
    App, Error,
    authentication::Authenticator,
    config::Requests,
    events::{self, Events},
    openapi::{ApiRouter, Describe as _, TransformOperation, get_with},
    streams::{self, Kind, Sent, Streams},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/documents/{id}/events", get_with(events, document))
}

/// Interval at which the document's state is looked up again: a lost NATS connection may have lost an event.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

async fn events(
    State(nats): State<Nats>,
    State(streams): State<Streams>,
    State(requests): State<Arc<Requests>>,
    State(authenticator): State<Authenticator>,
    headers: HeaderMap,
    mut named: Named,
) -> Result<Response, Error> {
    let permit = streams.open(Kind::Events, &named.lookup.caller)?;
    // The document is read once to get its project, and again after subscribing, to include what happened in between.
    let document = named.document().await?.facts;
    let project = document.project_id;
    named.scope = Scope::Projects(vec![project.clone()]);
    let events = events::subscribe(&nats, &project, &document.document_id).await?;
    let address = named.lookup.caller.address.clone();
    let revoked = authenticator.revoked(named.lookup.id.clone(), headers, address, project);
    let mut follower = Follower { language: named.lookup.language, named, events };
    let first = follower.state().await?;
    let (sender, receiver) = mpsc::channel(1);
    // In a task of its own, which holds the permit: nobody polls the stream of a client that does not read, but it must end.
    let following = async move {
        tokio::select! {
            // The current state is sent in any case.
            biased;
            () = follower.follow(first, &sender) => {}
            () = permit.streams.stopping.cancelled() => {}
            // The caller may no longer read the project.
            () = revoked => {}
            () = sleep(requests.event_stream_seconds) => {}
            () = sender.closed() => {}
        }
    };
    tokio::spawn(following.in_current_span());
    Ok(streams::events(ReceiverStream::new(receiver)))
}

/// One client that follows one document.
struct Follower {
    named: Named,
    language: UiLanguage,
    events: Events,
}

impl Follower {
    async fn state(&self) -> Result<EventView, Problem> {
        Ok(EventView::new(DocumentEvent::of_state(self.named.document().await?, Utc::now()), self.language))
    }

    /// Returns the event of a document that is gone, whose last event was this one.
    fn deleted(&self, last: &EventView) -> EventView {
        let (project, document) = (last.facts.project_id.clone(), last.facts.document_id.clone());
        EventView::new(DocumentEvent::new(EventKind::Deleted, project, document, Utc::now()), self.language)
    }

    /// Sends the current state and then each event, until a final event.
    async fn follow(&mut self, first: EventView, client: &mpsc::Sender<Sent>) {
        let mut last = first;
        let mut again = interval_at(Instant::now() + LOOK_AGAIN, LOOK_AGAIN);
        while client.send(event(&last)).await.is_ok() && !last.facts.event.is_final() {
            last = loop {
                let next = tokio::select! {
                    event = self.events.next() => match event {
                        Some(event) => EventView::new(event, self.language),
                        None => return,
                    },
                    _ = again.tick() => match self.state().await {
                        Ok(state) if state.facts.event.is_final() => state,
                        Err(problem) if problem.kind == NotFound => self.deleted(&last),
                        _ => continue,
                    },
                };
                // `queued` is published apart from the job: when a fast worker's event came first, it is not shown.
                if next.facts.event != EventKind::Queued || last.facts.event == EventKind::Queued {
                    break next;
                }
            };
        }
    }
}

/// Returns a server-sent event: its data is the document's event as JSON, its name the event's kind, its id the time.
fn event(view: &EventView) -> Sent {
    Event::default().event(view.facts.event.name()).id(view.facts.at.to_rfc3339()).json_data(view)
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("followDocument", "documents", "Follows a document's progress as server-sent events.")
        .description(
            "The first event says where it stands, the others what happens; after `indexed`, `failed`, `superseded` or \
             `deleted` the answer ends. `data` is a DocumentEvent in JSON. Comments in between keep the connection alive.",
        )
        .sends::<EventView>(200, "Events, each with a DocumentEvent as its data.")
        .refuses(&[BadRequest, NotFound])
}
