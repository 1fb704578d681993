//! `POST /chat`.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response, sse::Event},
};
use futures::{Stream, StreamExt as _};
use platform::nats::request::{Frame, Reply, read};
use schemars::json_schema;
use schemas::{
    Problem,
    chat::{ChatFrame, ChatQuery, ChatReply, ChatRequest},
    problem::UiLanguage,
};
use serde_json::json;
use tokio::sync::mpsc::{self, error::SendError};
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument as _;

use crate::{
    App, Error,
    cache::{Cache, Key},
    config::Requests,
    error,
    extractors::{Caller, Json, RequestId, language},
    limits::admission::Admitted,
    middleware::{note_query, note_results},
    openapi::{ApiRouter, Describe as _, JSON_BODY, TransformOperation, media, post_with},
    streams::{self, Kind, Permit, Sent, Streams},
};

pub fn routes() -> ApiRouter<App> {
    ApiRouter::new().api_route("/chat", post_with(chat, document))
}

async fn chat(
    State(cache): State<Cache>,
    State(requests): State<Arc<Requests>>,
    State(streams): State<Streams>,
    caller: Caller,
    id: RequestId,
    headers: HeaderMap,
    Json(request): Json<ChatRequest>,
) -> Result<Response, Error> {
    note_query(&request.message);
    let stream = request.stream.unwrap_or_else(|| accepts_events(&headers));
    let mut query = ChatQuery::new(request, &caller.account, stream)?;
    let patience = requests.chat_timeout;
    let permit = stream.then(|| streams.open(Kind::Chat, &caller)).transpose()?;
    let key = cache.look_for_answer(&mut query).await;
    // A chat whose answer is known is not counted, because it costs the workers next to nothing.
    let admitted = query.known.is_none().then(|| cache.admission.chats.admit()).transpose()?;
    let reply = cache.requester.ask_streaming(&id.context(), &query, patience).await?;
    let mut answer = Answer { reply, cache, key, id, language: language(&headers), admitted };
    // An error before the first piece of the answer is an error of the whole call, with its own status.
    let first = answer.reply.next().await.unwrap_or_else(|| Err(Problem::timeout()))?;
    let Some(permit) = permit else {
        let reply = answer.whole(&first).await?;
        note_results(reply.sources.len());
        return Ok(axum::Json(reply).into_response());
    };
    if first.last {
        read::<ChatReply>(&first.payload)?;
    }
    Ok(streams::events(answer.events(first, patience, permit)))
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|item| {
        item.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
    })
}

/// An answer that a worker sends. Dropping it early cancels the worker's work.
struct Answer {
    reply: Reply,
    cache: Cache,
    key: Option<Key>,
    id: RequestId,
    language: UiLanguage,
    admitted: Option<Admitted>,
}

/// Events that wait for a client that reads slowly.
const EVENTS: usize = 64;

impl Answer {
    /// Reads the last frame, which has the whole answer, and caches the answer.
    async fn whole(&mut self, last: &Frame) -> Result<ChatReply, Problem> {
        if let Some(admitted) = self.admitted.take() {
            admitted.answered(last);
        }
        let mut reply = read::<ChatReply>(&last.payload)?;
        self.cache.keep_answer(self.key.as_ref(), &mut reply).await;
        Ok(reply)
    }

    /// Returns the events for the client. The task that receives the answer ends with the client's connection, and at the
    /// latest after `patience`: a client that stays connected and reads nothing must not count as a chat in progress.
    fn events(self, first: Frame, patience: Duration, permit: Permit) -> impl Stream<Item = Sent> {
        let (sender, events) = mpsc::channel(EVENTS);
        let streams = permit.streams.clone();
        let receive = async move {
            let unfinished = self.failure(&Problem::unavailable());
            tokio::select! {
                () = sender.closed() => {}
                _ = tokio::time::timeout(patience, self.send(first, &sender)) => {}
                () = streams.last_words.cancelled() => drop(sender.try_send(unfinished)),
            }
        };
        tokio::spawn(receive.in_current_span());
        // The stream counts as open until its last event is sent.
        ReceiverStream::new(events).inspect(move |_| _ = &permit)
    }

    async fn send(mut self, first: Frame, events: &mpsc::Sender<Sent>) -> Result<(), SendError<Sent>> {
        let mut frame = first;
        while !frame.last {
            match serde_json::from_slice::<ChatFrame>(&frame.payload) {
                Ok(token) => events.send(event("token", &token)).await?,
                Err(error) => tracing::error!(%error, "a piece of an answer does not have the expected form"),
            }
            frame = match self.reply.next().await {
                Some(Ok(next)) => next,
                Some(Err(problem)) => return events.send(self.failure(&problem)).await,
                None => return Ok(()),
            };
        }
        let last = match self.whole(&frame).await {
            Ok(reply) => event("done", &reply),
            Err(problem) => self.failure(&problem),
        };
        events.send(last).await
    }

    fn failure(&self, problem: &Problem) -> Sent {
        event("error", &error::body(problem, self.language, &self.id.0))
    }
}

fn event(name: &str, data: &impl serde::Serialize) -> Sent {
    Event::default().event(name).json_data(data)
}

fn document(operation: TransformOperation<'_>) -> TransformOperation<'_> {
    operation
        .describe("chat", "chat", "Answers a question from the documents, with citations.")
        .description(
            "`[n]` in the answer points at the source with that `citation`. When the documents do not answer, the answer \
             says so and cites nothing. With `Accept: text/event-stream` or `stream: true` the answer comes as it is \
             written: `token` events ({\"text\": …}; with `restart` what came before is void), then `done` with the whole \
             reply, or `error` with an Error.",
        )
        .replies::<200, axum::Json<ChatReply>>("The answer.")
        .also_answers(200, "text/event-stream", media(json_schema!({ "description": "Server-sent events." })))
        .example(json!({
            "message": "¿Qué espesor tiene la losa del segundo piso?",
            "conversation_id": "conv_7",
            "project_id": "torre-norte",
            "max_context_docs": 5,
        }))
        .refuses(&JSON_BODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_asked_for_by_its_media_type() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            accepts_events(&headers)
        };
        assert!(accepts("text/event-stream") && accepts("application/json, Text/Event-Stream;q=0.9"));
        assert!(!accepts("*/*") && !accepts("application/json"));
    }
}
