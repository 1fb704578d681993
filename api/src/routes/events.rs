//! `GET /documents/{id}/events`: a document's progress as server-sent events.

use std::{pin::pin, sync::Arc, time::Duration};

use aide::{
    axum::{ApiRouter, routing::get_with},
    transform::TransformOperation,
};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use chrono::Utc;
use futures::Stream;
use platform::nats::Nats;
use schemas::{
    Problem,
    ProblemKind::{BadRequest, NotFound, Unavailable},
    event::EventKind,
    problem::UiLanguage,
    view::EventView,
};
use tokio::time::{Instant, interval_at, sleep_until};

use super::documents::{InProject, Lookup, Which};
use crate::{
    App, Error,
    caller::{Caller, Gate},
    config::Requests,
    docs,
    extract::{Language, Path, Query, RequestId},
    follow::{self, Events},
    streams::{Seat, Streams},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/documents/{id}/events", get_with(events, document))
}

/// How often the state is looked up again, in case an event was lost with a connection.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

#[expect(clippy::too_many_arguments, reason = "each is one thing that the handler takes from the request")]
async fn events(
    State(lookup): State<Lookup>,
    State(nats): State<Nats>,
    State(streams): State<Streams>,
    State(requests): State<Arc<Requests>>,
    State(gate): State<Gate>,
    headers: HeaderMap,
    caller: Caller,
    id: RequestId,
    Language(language): Language,
    Path(which): Path<Which>,
    Query(within): Query<InProject>,
) -> Result<Response, Error> {
    let seat = streams.take("events")?;
    // Once to learn the project, and again after subscribing: what happens in between is in the second answer.
    let document = lookup.document(&id, &caller, which.id, within.project_id.as_ref()).await?;
    let (project, document) = (document.project_id, document.document_id);
    let events = follow::events(&nats, &project, &document).await?;
    let revoked = gate.revoked(id.clone(), headers, caller.address().to_owned(), project.clone());
    let follower = Follower {
        state: Standing { lookup, id, caller, project, document, language },
        events,
        until: Instant::now() + Duration::from_secs(requests.event_stream_seconds),
        seat,
    };
    let first = follower.state.now().await?;
    let body = Sse::new(follower.stream(first, revoked))
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(10)));
    Ok(body.into_response())
}

/// One client that follows one document.
struct Follower {
    state: Standing,
    events: Events,
    until: Instant,
    seat: Seat,
}

/// How to learn where the document stands.
struct Standing {
    lookup: Lookup,
    id: RequestId,
    caller: Caller,
    project: schemas::ProjectId,
    document: schemas::DocumentId,
    language: UiLanguage,
}

impl Standing {
    async fn now(&self) -> Result<EventView, Problem> {
        let document =
            self.lookup.document(&self.id, &self.caller, self.document.clone(), Some(&self.project)).await?;
        Ok(EventView::of_state(document, Utc::now(), self.language))
    }
}

impl Follower {
    /// The state, then what happens, until nothing more will, or the caller may not know it any more.
    fn stream(
        mut self,
        first: EventView,
        revoked: impl Future<Output = ()>,
    ) -> impl Stream<Item = Result<Event, axum::Error>> {
        async_stream::stream! {
            let mut revoked = pin!(revoked);
            let mut last = first;
            yield event(&last);
            let mut again = interval_at(Instant::now() + LOOK_AGAIN, LOOK_AGAIN);
            while !last.event.is_final() {
                let next = tokio::select! {
                    event = self.events.next() => match event {
                        Some(event) => EventView::new(event, self.state.language),
                        None => break,
                    },
                    _ = again.tick() => match self.state.now().await {
                        Ok(state) if state.event.is_final() => state,
                        _ => continue,
                    },
                    () = self.seat.stopping.cancelled() => break,
                    () = &mut revoked => break,
                    () = sleep_until(self.until) => break,
                };
                // `queued` is announced beside the job, so that a fast worker's first event may come before it.
                if next.event == EventKind::Queued && last.event != EventKind::Queued {
                    continue;
                }
                yield event(&next);
                last = next;
            }
        }
    }
}

/// The data are the event as JSON; its name is the event's own, its id the time: a client can tell them apart.
fn event(view: &EventView) -> Result<Event, axum::Error> {
    Event::default().event(view.event.name()).id(view.at.to_rfc3339()).json_data(view)
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    let operation = operation
        .id("followDocument")
        .tag("documents")
        .summary("Follows a document's progress as server-sent events.")
        .description(
            "The first event says where it stands, the others what happens; after `indexed`, `failed`, `superseded` or \
             `deleted` the answer ends. `data` is a DocumentEvent in JSON. Comments in between keep the connection alive.",
        );
    let operation = docs::answers(
        operation,
        200,
        "Events, each with a DocumentEvent as its data.",
        &["text/event-stream"],
    );
    docs::refuses(operation, &[BadRequest, NotFound, Unavailable])
}
