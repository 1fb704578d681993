//! Names of the headers of NATS messages; some are headers of HTTP requests too.

/// The id of a request in all services; the api creates it if the client sends none.
pub const REQUEST_ID: &str = "X-Request-Id";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// The deadline in Unix milliseconds; after it nobody waits for the answer.
pub const DEADLINE: &str = "Acorag-Deadline";
/// The subject for the reply. JetStream uses the message's own reply subject for acknowledgements.
pub const REPLY_TO: &str = "Acorag-Reply-To";
/// The version of the message's form.
pub const VERSION: &str = "Acorag-Version";
/// On a frame of a streamed reply: `more` if other frames follow, `last` on the last one.
pub const FRAME: &str = "Acorag-Frame";
/// On the last frame of a reply: how many microseconds the worker worked on the query.
pub const WORKED: &str = "Acorag-Worked";
/// On a job whose publisher has already sent the `queued` event.
pub const ANNOUNCED: &str = "Acorag-Announced";
/// On a job that the service itself publishes later than it was accepted, such as a record of an import or a job that
/// changes its lane (RFC 3339): the time that orders it among the jobs of its document.
pub const ORDERED_AT: &str = "Acorag-Ordered-At";
/// On the job of an import that is published again to continue: the number of its records that are settled,
/// counted from the first record.
pub const POSITION: &str = "Acorag-Position";
/// On a dead letter and on the job that is made from it, and on the job that indexes a superseded revision again: when the
/// job was first accepted (RFC 3339). With this time, the job cannot undo anything that was accepted later.
pub const ACCEPTED: &str = "Acorag-Accepted";
/// On a dead letter: the job's subject, why the job failed (a code and a sentence in English; the sentence in Spanish), and
/// after how many attempts.
pub const DEAD_SUBJECT: &str = "Acorag-Dead-Subject";
pub const DEAD_REASON: &str = "Acorag-Dead-Reason";
pub const DEAD_REASON_ES: &str = "Acorag-Dead-Reason-Es";
pub const DEAD_ATTEMPTS: &str = "Acorag-Dead-Attempts";
/// The id of a message. JetStream drops a message whose id it has already seen within the stream's duplicate
/// window.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The headers that may be copied with their message to another stream. All other headers of a sender are dropped,
/// because some are commands to JetStream, such as `Nats-Expected-Stream` and `Nats-Rollup`.
pub const TRAVELLING: [&str; 6] = [REQUEST_ID, TRACEPARENT, VERSION, DEADLINE, REPLY_TO, ACCEPTED];
