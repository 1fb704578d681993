//! The headers of NATS messages; some are headers of HTTP requests too.

/// Declares the names of headers, each with the description that the AsyncAPI document publishes.
macro_rules! headers {
    ($($constant:ident = $name:literal, $description:literal;)*) => {
        $(
            #[doc = $description]
            pub const $constant: &str = $name;
        )*

        pub const DESCRIPTIONS: [(&str, &str); [$($name),*].len()] = [$(($name, $description)),*];
    };
}

headers! {
    VERSION = "Acorag-Version", "Version of the message's form; absent means 1.";
    REQUEST_ID = "X-Request-Id", "The id of the request in the logs of all services; created when absent.";
    TRACEPARENT = "traceparent", "W3C trace context.";
    DEADLINE = "Acorag-Deadline", "The deadline in Unix milliseconds; after it nobody waits for the answer.";
    REPLY_TO = "Acorag-Reply-To",
        "The subject for the reply: JetStream uses the message's own reply subject.";
    FRAME = "Acorag-Frame", "`last` on the final frame.";
    WORKED = "Acorag-Worked",
        "On the final frame: how many microseconds the worker worked on the query.";
    MESSAGE_ID = "Nats-Msg-Id",
        "A new one for each job: JetStream drops a repetition within two minutes. The same id for a retry of the \
         same publish makes it safe to send it twice.";
    ORDERED_AT = "Acorag-Ordered-At",
        "The service's own: the time that orders this job among the jobs of its document, when the service publishes \
         it later than it was accepted (RFC 3339). Ignored on `….document.…`.";
    POSITION = "Acorag-Position",
        "The service's own, on `….import.…`: how many records are settled, from the first on.";
    ACCEPTED = "Acorag-Accepted",
        "On a dead letter and on a job that is queued again: when the job was first accepted (RFC 3339), so that it \
         undoes nothing that was accepted later.";
    DEAD_SUBJECT = "Acorag-Dead-Subject", "The subject of the message that failed.";
    DEAD_REASON = "Acorag-Dead-Reason", "Why it failed: a code, a colon, and a sentence in English.";
    DEAD_REASON_ES = "Acorag-Dead-Reason-Es", "The sentence in Spanish.";
    DEAD_ATTEMPTS = "Acorag-Dead-Attempts", "After how many attempts.";
}

/// The headers that may be copied with their message to another stream. All other headers of a sender are dropped,
/// because some are commands to JetStream, such as `Nats-Expected-Stream` and `Nats-Rollup`.
pub const TRAVELLING: [&str; 6] = [REQUEST_ID, TRACEPARENT, VERSION, DEADLINE, REPLY_TO, ACCEPTED];
