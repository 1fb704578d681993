//! Names of the headers that travel with a NATS message (and, where they are HTTP's too, with a request).

/// One id from HTTP to the database; made by the api when the client sends none.
pub const REQUEST_ID: &str = "X-Request-Id";
/// W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// Unix milliseconds after which nobody waits for the answer any more.
pub const DEADLINE: &str = "Acorag-Deadline";
/// Where the reply goes. JetStream keeps the message's own reply subject for its acknowledgements.
pub const REPLY_TO: &str = "Acorag-Reply-To";
/// Version of the message's form.
pub const VERSION: &str = "Acorag-Version";
/// On a frame of a streamed reply: `more` while others follow, `last` on the final one.
pub const FRAME: &str = "Acorag-Frame";
/// On a job whose `queued` event its publisher has announced itself.
pub const ANNOUNCED: &str = "Acorag-Announced";
/// On a job that the service itself publishes later than it was accepted, such as a record of an import or a job that
/// changes its lane (RFC 3339): the time that orders it among the jobs of its document.
pub const ORDERED_AT: &str = "Acorag-Ordered-At";
/// On an import that goes on: how many of its records are settled, from the first on.
pub const POSITION: &str = "Acorag-Position";
/// On a dead letter, and on the job that it becomes again: when the job was first accepted (RFC 3339). Nothing that came
/// later is undone by it.
pub const ACCEPTED: &str = "Acorag-Accepted";
/// On a dead letter: the subject it had, why it died, after how many attempts.
pub const DEAD_SUBJECT: &str = "Acorag-Dead-Subject";
pub const DEAD_REASON: &str = "Acorag-Dead-Reason";
pub const DEAD_ATTEMPTS: &str = "Acorag-Dead-Attempts";
/// JetStream's own: the id by which it drops a repeated publish inside its window.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

/// Whether a header may go with its message to another stream. A sender's other headers may not: some of them are commands
/// to JetStream, such as `Nats-Expected-Stream` and `Nats-Rollup`.
pub fn may_travel(name: &str) -> bool {
    [REQUEST_ID, TRACEPARENT, VERSION, DEADLINE, REPLY_TO, ACCEPTED]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}
