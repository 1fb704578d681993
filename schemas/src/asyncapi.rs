//! The AsyncAPI document: every subject, header and message on NATS, generated from the types.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Answer, Request,
    chat::ChatFrame,
    event::DocumentEvent,
    headers,
    ingest::{DeleteDocument, IngestDocument, MAX_JOB_BYTES, MAX_PART_BYTES},
    query, subjects,
};

pub fn document() -> Value {
    let settings =
        SchemaSettings::draft07().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut document = Builder { schemas: settings.into_generator(), ..Builder::default() };
    document.jobs();
    document.events();
    query::describe_all(&mut document);
    document.frames();
    document.cancellations();
    document.dead_letters();
    document.finish()
}

#[derive(Default)]
pub(crate) struct Builder {
    schemas: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Builder {
    fn jobs(&mut self) {
        let forget = "Delete this document. Jobs that were accepted earlier have no effect any more.";
        for (kind, summary) in [
            ("document", "Index this document."),
            (
                "record",
                "Index this document, a record of a bulk import; uploads and records do not wait for each other.",
            ),
            ("delete", forget),
            ("batch", "Index this document, one of several of its project; the workers move it here."),
            ("bulk", "Index this document, one of very many of its project; the workers move it here."),
            ("import", "Index the records of this file; the workers move it here."),
            (
                "upload",
                "Index this document, which came through the api: its message may name a parent and other projects.",
            ),
        ] {
            let message = if kind == "delete" { "DeleteDocument" } else { "IngestDocument" };
            let name = format!("ingest.{kind}");
            let address = format!("acorag.v1.ingest.{kind}.{{project}}.{{document}}");
            self.operation(&name, &address, "send", message, summary);
        }
        let part = "A part of a file that a job names afterwards as `file`: bytes, published in their order.";
        self.operation("file", "acorag.v1.file.{project}.{file}", "send", "FilePart", part);
        let message = json!({
            "name": "FilePart",
            "summary": part,
            "contentType": "application/octet-stream",
            "headers": with_common(&OF_JOBS[..1], &[]),
            "payload": { "type": "string", "format": "binary", "maxLength": MAX_PART_BYTES },
        });
        self.messages.insert("FilePart".to_owned(), message);
        let by = "A document, by text or by reference.";
        self.message::<IngestDocument>("IngestDocument", by, with_common(&OF_JOBS, &[]), job_examples());
        let nothing = vec![json!({ "payload": {} })];
        self.message::<DeleteDocument>("DeleteDocument", forget, with_common(&OF_JOBS, &[]), nothing);
    }

    fn events(&mut self) {
        let summary = "What happened to a document.";
        let address = "acorag.v1.event.{project}.{document}.{event}";
        self.operation("event", address, "receive", "DocumentEvent", summary);
        self.message::<DocumentEvent>("DocumentEvent", summary, with_common(&[], &[]), event_examples());
    }

    pub fn query<Q: Request<Reply: JsonSchema> + JsonSchema>(&mut self) {
        let name = Q::schema_name().into_owned();
        let subject = Q::subject();
        let channel = subject.trim_start_matches("acorag.v1.").to_owned();
        let answer = <Answer<Q::Reply>>::schema_name().into_owned();
        let way = if Q::LANE.is_none() { ". It is kept in no stream" } else { "" };
        let summary = format!("Asks {}; the answer comes to the inbox{way}.", Q::NAME);
        self.operation(&channel, &subject, "send", &name, &summary);
        self.operations[&channel]["reply"] = json!({
            "address": { "location": format!("$message.header#/{}", headers::REPLY_TO) },
            "channel": { "$ref": "#/channels/reply" },
            "messages": [{ "$ref": format!("#/channels/reply/messages/{answer}") }],
        });
        let headers = with_common(&OF_QUERIES, &OF_QUERIES);
        self.message::<Q>(&name, &summary, headers, Vec::new());
        self.message::<Answer<Q::Reply>>(&answer, "The last frame of a reply.", of_replies(), Vec::new());
    }

    fn frames(&mut self) {
        let summary = "A piece of the answer to a chat; the last frame follows later.";
        let example = vec![json!({ "payload": { "text": "La losa " } })];
        self.message::<ChatFrame>("ChatFrame", summary, of_replies(), example);
        let names = self.messages.keys().filter(|name| name.starts_with("Answer") || *name == "ChatFrame");
        let names: Vec<String> = names.cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let address = format!("{}.{{inbox}}.{{token}}", subjects::REPLIES);
        self.channel("reply", &address, &names, "Replies, each to the inbox that its query named.");
    }

    fn cancellations(&mut self) {
        let summary = "Nobody waits for the answer to this query any more: an empty message to all workers.";
        let address = format!("{}.{{inbox}}.{{token}}.cancel", subjects::REPLIES);
        self.operation("reply.cancel", &address, "send", "Cancel", summary);
        let message = json!({
            "name": "Cancel",
            "summary": summary,
            "contentType": "application/octet-stream",
            "payload": { "type": "string", "maxLength": 0 },
        });
        self.messages.insert("Cancel".to_owned(), message);
    }

    fn dead_letters(&mut self) {
        let summary =
            "A message that failed for good, with its own payload, until it is queued again or discarded.";
        self.operation("dlq", &subjects::dead_letter("{consumer}"), "receive", "DeadMessage", summary);
        let required = [headers::DEAD_SUBJECT, headers::DEAD_REASON, headers::DEAD_ATTEMPTS];
        let headers = with_common(&OF_DEAD_LETTERS, &required);
        let message = json!({ "name": "DeadMessage", "summary": summary, "headers": headers, "payload": {} });
        self.messages.insert("DeadMessage".to_owned(), message);
    }

    /// Adds a channel. Its parameters are the names in braces in `address`.
    fn channel(&mut self, name: &str, address: &str, messages: &[&str], summary: &str) {
        let reference = |message: &&str| {
            (message.to_string(), json!({ "$ref": format!("#/components/messages/{message}") }))
        };
        let messages: Map<String, Value> = messages.iter().map(reference).collect();
        let parameters: Map<String, Value> = address
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| (name.to_owned(), json!({ "description": parameter_text(name) })))
            .collect();
        let mut channel = json!({ "address": address, "summary": summary, "messages": messages });
        if !parameters.is_empty() {
            channel["parameters"] = parameters.into();
        }
        self.channels.insert(name.to_owned(), channel);
    }

    /// Adds a channel and the operation on it.
    fn operation(&mut self, name: &str, address: &str, action: &str, message: &str, summary: &str) {
        self.channel(name, address, &[message], summary);
        let operation = json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{name}") },
            "summary": summary,
        });
        self.operations.insert(name.to_owned(), operation);
    }

    fn message<T: JsonSchema>(&mut self, name: &str, summary: &str, headers: Value, examples: Vec<Value>) {
        let payload = self.schemas.subschema_for::<T>();
        let mut message = json!({
            "name": name,
            "summary": summary,
            "contentType": "application/json",
            "headers": headers,
            "payload": payload,
        });
        if !examples.is_empty() {
            message["examples"] = examples.into();
        }
        self.messages.insert(name.to_owned(), message);
    }

    fn finish(mut self) -> Value {
        let schemas = self.schemas.take_definitions(true);
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "acorag on NATS",
                "version": "1",
                "description": format!(
                    "Jobs for the ingest workers, what happens to documents, and queries. A document published to \
                     `acorag.v1.ingest.document.…` gets the same treatment as an upload. Messages are JSON of at most \
                     {MAX_JOB_BYTES} bytes; a file, or longer text, is sent first, in parts of at most {MAX_PART_BYTES} \
                     bytes on `acorag.v1.file.…`. In a subject, the project and the document stand as tokens: letters, \
                     digits, `-` and `_` as they are, every other byte of UTF-8 as `=XX`.",
                ),
                "license": { "name": "Apache-2.0" },
            },
            "defaultContentType": "application/json",
            "channels": self.channels,
            "operations": self.operations,
            "components": { "messages": self.messages, "schemas": schemas },
        })
    }
}

fn parameter_text(name: &str) -> &'static str {
    match name {
        "project" => "The project, as a token: `Torre Norte` stands as `Torre=20Norte`.",
        "document" => "The document within its project, as a token.",
        "file" => "The file's id: 1 to 64 letters, digits, `-` or `_`, new for each file and hard to guess.",
        "consumer" => "The consumer that could not process the message, such as `ingest-document`.",
        "event" => "queued, processing, indexed, failed, superseded or deleted.",
        "inbox" => "The inbox of the process that sent the query.",
        _ => "The id of the query, unique in the inbox.",
    }
}

const COMMON: [&str; 3] = [headers::VERSION, headers::REQUEST_ID, headers::TRACEPARENT];
const OF_QUERIES: [&str; 2] = [headers::DEADLINE, headers::REPLY_TO];
const OF_JOBS: [&str; 4] = [headers::MESSAGE_ID, headers::ORDERED_AT, headers::POSITION, headers::ACCEPTED];
const OF_DEAD_LETTERS: [&str; 5] = [
    headers::DEAD_SUBJECT,
    headers::DEAD_REASON,
    headers::DEAD_REASON_ES,
    headers::DEAD_ATTEMPTS,
    headers::ACCEPTED,
];

fn description(header: &str) -> Option<&'static str> {
    headers::DESCRIPTIONS.into_iter().find(|(name, _)| *name == header).map(|(_, description)| description)
}

fn with_common(others: &[&str], required: &[&str]) -> Value {
    let header =
        |name: &&str| ((*name).to_owned(), json!({ "type": "string", "description": description(name) }));
    let properties: Map<String, Value> = COMMON.iter().chain(others).map(header).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn of_replies() -> Value {
    json!({
        "type": "object",
        "properties": {
            (headers::FRAME): { "enum": ["more", "last"], "description": description(headers::FRAME) },
            (headers::WORKED): { "type": "string", "description": description(headers::WORKED) },
        },
        "required": [headers::FRAME],
    })
}

fn job_examples() -> Vec<Value> {
    let metadata =
        json!({ "title": "Acta de obra 12", "number": "TN-ACT-012", "doc_type": "Acta", "revision": "A" });
    let text = "Acta de la reunión de obra del 24 de noviembre…";
    let file = json!({
        "id": "9f1c1a52-6f0e-4d8e-9a51-0c6c2f1b7a35",
        "size": 48_213,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    });
    vec![
        json!({ "name": "text", "payload": { "text": text, "metadata": metadata } }),
        json!({ "name": "file", "payload": { "file": file, "metadata": metadata } }),
    ]
}

fn event_examples() -> Vec<Value> {
    let event = |kind: &str, percent: u8| {
        json!({
            "event": kind,
            "document_id": "TN-ACT-012",
            "project_id": "torre-norte",
            "at": "2026-11-24T06:00:00Z",
            "percent": percent,
        })
    };
    let (mut processing, mut indexed) = (event("processing", 40), event("indexed", 100));
    processing["stage"] = json!("embedding");
    indexed["chunks"] = json!(7);
    indexed["text_length"] = json!(5_312);
    [event("queued", 0), processing, indexed]
        .map(|event| json!({ "name": event["event"], "payload": event }))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A changed byte of a wire form is a decision: read the diff, and accept it only if clients can handle it.
    #[test]
    fn the_wire_forms_are_as_published() {
        insta::assert_json_snapshot!(document());
    }

    #[test]
    fn every_header_is_published() {
        let document = document().to_string();
        for (name, _) in headers::DESCRIPTIONS {
            assert!(document.contains(&format!("\"{name}\":{{")), "{name}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str));
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(list) => list.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
