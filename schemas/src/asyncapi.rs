//! The AsyncAPI document: every subject, header and message on NATS, made from the types themselves.

use chrono::DateTime;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Answer, Lane, Request,
    chat::ChatFrame,
    event::{DocumentEvent, EventKind, Stage},
    headers,
    ids::{DocumentId, ProjectId},
    ingest::{DeleteDocument, IngestDocument, MAX_JOB_BYTES, ObjectRef, Source},
    query::{self, Visitor},
    subjects::{self, JobKind},
};

/// The whole document, as JSON.
pub fn document() -> Value {
    let mut document = Builder::new();
    for kind in JobKind::ALL {
        document.job(kind);
    }
    document.upload();
    document.events();
    query::visit(&mut document);
    document.frames();
    document.finish()
}

struct Builder {
    schemas: SchemaGenerator,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Builder {
    fn new() -> Self {
        let settings = SchemaSettings::draft07()
            .with(|settings| settings.definitions_path = "/components/schemas".into());
        Self {
            schemas: SchemaGenerator::new(settings),
            channels: Map::new(),
            operations: Map::new(),
            messages: Map::new(),
        }
    }

    fn job(&mut self, kind: JobKind) {
        let name = format!("ingest.{}", kind.name());
        let address = format!("acorag.v1.ingest.{}.{{project}}.{{document}}", kind.name());
        let (message, summary) = match kind {
            JobKind::Document => ("IngestDocument", "Index this document."),
            JobKind::Record => {
                ("IngestDocument", "Index this document; it is one of many and waits behind no upload.")
            }
            JobKind::Delete => {
                ("DeleteDocument", "Forget this document: what was asked of it before, and nothing after.")
            }
        };
        self.channel(&name, &address, &[message], summary, &["project", "document"]);
        self.operation(&name, "send", &name, summary, None);
        if kind == JobKind::Delete {
            self.message::<DeleteDocument>(message, summary, job_headers(), vec![json!({ "payload": {} })]);
        } else {
            self.message::<IngestDocument>(
                message,
                "A document, by text or by reference.",
                job_headers(),
                job_examples(),
            );
        }
    }

    fn upload(&mut self) {
        let summary = "Index this document, which came through the api: its message may name a parent and other projects.";
        let address = "acorag.v1.ingest.upload.{project}.{document}";
        self.channel("ingest.upload", address, &["IngestDocument"], summary, &["project", "document"]);
        self.operation("ingest.upload", "send", "ingest.upload", summary, None);
    }

    fn events(&mut self) {
        let summary = "What happened to a document.";
        let parameters = ["project", "document", "event"];
        self.channel(
            "event",
            "acorag.v1.event.{project}.{document}.{event}",
            &["DocumentEvent"],
            summary,
            &parameters,
        );
        self.operation("event", "receive", "event", summary, None);
        self.message::<DocumentEvent>("DocumentEvent", summary, common_headers(&[]), event_examples());
    }

    fn frames(&mut self) {
        let summary = "A piece of a chat's answer, before the last frame.";
        self.message::<ChatFrame>(
            "ChatFrame",
            summary,
            reply_headers(),
            vec![json!({ "payload": { "text": "La losa " } })],
        );
        let answers: Vec<String> = self
            .messages
            .keys()
            .filter(|name| name.starts_with("Answer") || *name == "ChatFrame")
            .cloned()
            .collect();
        let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
        let address = format!("{}.{{inbox}}.{{token}}", subjects::REPLIES);
        self.channel(
            "reply",
            &address,
            &answers,
            "Replies, each to the inbox that its query named.",
            &["inbox", "token"],
        );
    }

    fn channel(&mut self, name: &str, address: &str, messages: &[&str], summary: &str, parameters: &[&str]) {
        let messages: Map<String, Value> = messages
            .iter()
            .map(|message| {
                ((*message).to_owned(), json!({ "$ref": format!("#/components/messages/{message}") }))
            })
            .collect();
        let parameters: Map<String, Value> = parameters
            .iter()
            .map(|parameter| ((*parameter).to_owned(), json!({ "description": parameter_text(parameter) })))
            .collect();
        let mut channel = json!({ "address": address, "summary": summary, "messages": messages });
        if !parameters.is_empty() {
            channel["parameters"] = parameters.into();
        }
        self.channels.insert(name.to_owned(), channel);
    }

    fn operation(&mut self, name: &str, action: &str, channel: &str, summary: &str, answer: Option<&str>) {
        let mut operation = json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{channel}") },
            "summary": summary,
        });
        if let Some(answer) = answer {
            operation["reply"] = json!({
                "address": { "location": format!("$message.header#/{}", headers::REPLY_TO) },
                "channel": { "$ref": "#/channels/reply" },
                "messages": [{ "$ref": format!("#/channels/reply/messages/{answer}") }],
            });
        }
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
                     {MAX_JOB_BYTES} bytes; longer text goes into the object store `{}` first. In a subject, the project \
                     and the document stand as tokens: letters, digits, `-` and `_` as they are, every other byte of \
                     UTF-8 as `=XX`.",
                    subjects::FILES_BUCKET
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

impl Visitor for Builder {
    fn query<Q: Request<Reply: JsonSchema> + JsonSchema>(&mut self, lane: Lane) {
        let name = Q::schema_name().into_owned();
        let channel = format!("query.{}.{}", lane.name(), Q::NAME);
        let answer = <Answer<Q::Reply>>::schema_name().into_owned();
        let summary = format!("Asks {}; the answer comes to the inbox.", Q::NAME);
        self.channel(&channel, &Q::subject(), &[&name], &summary, &[]);
        self.message::<Q>(
            &name,
            &summary,
            common_headers(&[headers::DEADLINE, headers::REPLY_TO]),
            Vec::new(),
        );
        self.message::<Answer<Q::Reply>>(&answer, "The last frame of a reply.", reply_headers(), Vec::new());
        self.operation(&channel, "send", &channel, &summary, Some(&answer));
    }
}

fn parameter_text(name: &str) -> &'static str {
    match name {
        "project" => "The project, as a token: `Torre Norte` stands as `Torre=20Norte`.",
        "document" => "The document within its project, as a token.",
        "event" => "queued, processing, indexed, failed, superseded or deleted.",
        "inbox" => "The asker's own.",
        _ => "One question's own.",
    }
}

fn common_headers(required: &[&str]) -> Value {
    let mut properties = Map::new();
    let mut add = |name: &str, description: &str| {
        properties.insert(name.to_owned(), json!({ "type": "string", "description": description }));
    };
    add(headers::VERSION, "Version of the message's form; absent means 1.");
    add(headers::REQUEST_ID, "The one id under which all services know this; made when absent.");
    add(headers::TRACEPARENT, "W3C trace context.");
    if required.contains(&headers::DEADLINE) {
        add(headers::DEADLINE, "Unix milliseconds after which nobody waits for the answer any more.");
        add(headers::REPLY_TO, "Where the reply goes: JetStream keeps the reply subject for itself.");
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn job_headers() -> Value {
    let mut headers = common_headers(&[]);
    headers["properties"][headers::MESSAGE_ID] = json!({
        "type": "string",
        "description": "A new one for each job: JetStream drops a repetition within two minutes. The same id for a retry \
                        of the same publish makes it safe to send it twice.",
    });
    headers["properties"][headers::ANNOUNCED] = json!({
        "type": "string",
        "description": "When the publisher has sent the `queued` event itself; otherwise the worker sends it.",
    });
    headers
}

fn reply_headers() -> Value {
    json!({
        "type": "object",
        "properties": { (headers::FRAME): { "enum": ["more", "last"], "description": "`last` on the final frame." } },
        "required": [headers::FRAME],
    })
}

fn job_examples() -> Vec<Value> {
    let metadata = serde_json::from_value(json!({
        "title": "Acta de obra 12",
        "number": "TN-ACT-012",
        "revision": "A",
        "doc_type": "Acta",
    }))
    .unwrap_or_default();
    let job = |source| IngestDocument {
        source,
        metadata: crate::Metadata::clone(&metadata),
        filename: String::new(),
        media_type: String::new(),
        parent: None,
        record_scope: None,
    };
    let object = ObjectRef { name: "acta-12.pdf".to_owned(), size: 0, sha256: String::new() };
    vec![
        json!({ "name": "text", "payload": job(Source::Text("Acta de la reunión de obra del 24 de noviembre…".to_owned())) }),
        json!({ "name": "object", "payload": job(Source::Object(object)) }),
    ]
}

fn event_examples() -> Vec<Value> {
    let (Ok(project), Ok(document)) =
        ("torre-norte".parse::<ProjectId>(), "TN-ACT-012".parse::<DocumentId>())
    else {
        return Vec::new();
    };
    let event = |kind| {
        let at = DateTime::from_timestamp(1_795_500_000, 0).unwrap_or_default();
        DocumentEvent::new(kind, project.clone(), document.clone(), at)
    };
    let mut processing = event(EventKind::Processing);
    (processing.percent, processing.stage) = (40, Some(Stage::Embedding));
    let mut indexed = event(EventKind::Indexed);
    (indexed.chunks, indexed.text_length) = (Some(7), Some(5_312));
    [event(EventKind::Queued), processing, indexed]
        .into_iter()
        .map(|event| json!({ "name": event.event.name(), "payload": event }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A changed byte of a wire form is a decision: look at the difference, and accept it only when clients may meet it.
    #[test]
    fn the_wire_forms_are_as_published() {
        insta::assert_json_snapshot!(document());
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
