//! Snapshots of all wire forms: a changed byte is a decision, not an accident. (`cargo insta` or INSTA_UPDATE=always
//! writes the snapshots again.)

#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

use schemas::{
    Answer, DocumentId, Fields, Metadata, Problem, ProjectId, Scope,
    chat::ChatFrame,
    document::{self, Document, FileLocation, GetDocument, Kind, Records, State},
    event::{self, DocumentEvent, EventKind, Stage},
    ingest::{DeleteDocument, IngestDocument, ObjectRef, Parent, Source},
    search::{Filters, MatchQuality, Mode, Search, SearchReply, SearchRow},
    upload::{AcceptedData, IndexedData, UploadAccepted, UploadIndexed},
};
use serde::{Serialize, de::DeserializeOwned};

fn project() -> ProjectId {
    "torre-norte".parse().unwrap()
}

fn document_id() -> DocumentId {
    "271341877001".parse().unwrap()
}

fn moment() -> chrono::DateTime<chrono::Utc> {
    schemas::metadata::parse_date("2026-11-24T12:30:00Z").unwrap()
}

fn fields() -> Fields {
    Fields {
        title: "Planta tipo".into(),
        number: "200076-CCC02-PL-AR-000400".into(),
        doc_type: "Plano".into(),
        revision: "B".into(),
        ..Fields::default()
    }
}

fn metadata() -> Metadata {
    Metadata {
        project_id: Some(project()),
        fields: Fields { doc_type: String::new(), ..fields() },
        date_modified: Some(moment()),
        extra: [("SelectList1".to_owned(), "Arquitectura".into())].into_iter().collect(),
    }
}

/// Takes a snapshot of a message and checks that its JSON can be read again.
fn wire<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, message: &T) {
    let json = serde_json::to_value(message).unwrap();
    assert_eq!(&serde_json::from_value::<T>(json.clone()).unwrap(), message);
    insta::assert_json_snapshot!(name, json);
}

#[test]
fn jobs() {
    let job = IngestDocument {
        source: Source::Object(ObjectRef { name: "0192".into(), size: 2_048, sha256: "ab".repeat(32) }),
        metadata: metadata(),
        filename: "plano.pdf".into(),
        media_type: "application/pdf".into(),
        parent: Some(Parent {
            project_id: project(),
            document_id: document_id(),
            index: 3,
            depth: 1,
            accepted_at: Some(moment()),
        }),
        record_scope: Some(Scope::All),
    };
    wire("job_object", &job);
    let text = IngestDocument {
        source: Source::Text("Acta de obra".into()),
        metadata: Metadata::default(),
        filename: String::new(),
        media_type: String::new(),
        parent: None,
        record_scope: None,
    };
    wire("job_text", &text);
    wire("job_delete", &DeleteDocument::default());
}

#[test]
fn published_examples_have_the_form_of_their_messages() {
    fn check<T: Serialize + DeserializeOwned>(message: &str) {
        let document = schemas::asyncapi::document();
        for example in document["components"]["messages"][message]["examples"].as_array().unwrap() {
            let read: T = serde_json::from_value(example["payload"].clone()).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), example["payload"].to_string());
        }
    }
    check::<IngestDocument>("IngestDocument");
    check::<DeleteDocument>("DeleteDocument");
    check::<DocumentEvent>("DocumentEvent");
    check::<ChatFrame>("ChatFrame");
}

#[test]
fn events() {
    for kind in EventKind::ALL {
        let facts = event::Facts {
            request_id: "0192f7".into(),
            title: "Planta tipo".into(),
            stage: (kind == EventKind::Processing).then_some(Stage::Embedding),
            chunks: (kind == EventKind::Indexed).then_some(12),
            superseded_by: (kind == EventKind::Superseded).then(document_id),
            ..DocumentEvent::new(kind, project(), document_id(), moment()).facts
        };
        let reason = (kind == EventKind::Failed).then(|| {
            schemas::Message { es: "El archivo está vacío.".into(), en: "The file is empty.".into() }
                .reason("empty")
        });
        let event = DocumentEvent { facts, reason };
        wire(&format!("event_{}", kind.name()), &event);
        assert_eq!(event.subject(), format!("acorag.v1.event.torre-norte.271341877001.{}", kind.name()));
    }
}

#[test]
fn searches() {
    let search = Search {
        scope: Scope::Projects(vec![project()]),
        query: "ancho de la escalera".into(),
        top_k: 10,
        mode: Mode::Hybrid,
        strict: false,
        filters: Filters {
            fields: Fields { doc_type: "Plano".into(), ..Fields::default() },
            date_from: Some(moment()),
            ..Filters::default()
        },
        document_id: None,
    };
    wire("search", &search);
    let row = SearchRow {
        document_id: document_id(),
        chunk_id: "17".into(),
        project_id: project(),
        fields: fields(),
        filename: "plano.pdf".into(),
        file_type: "pdf".into(),
        has_file: true,
        date_modified: None,
        page: Some(2),
        snippet: "El ancho libre es de 1,40 m.".into(),
        vector_score: 0.5,
        text_score: 0.25,
        score: 0.75,
        match_quality: MatchQuality::VeryGood,
    };
    let reply = SearchReply { rows: vec![row], degraded: vec!["keyword".into()] };
    wire("search_answer", &Answer::Ok(reply));
    wire("problem_answer", &Answer::<SearchReply>::Problem(Problem::overloaded()));
}

#[test]
fn documents() {
    let facts = document::Facts {
        document_id: document_id(),
        project_id: project(),
        kind: Kind::Import,
        state: State::Processing,
        percent: 40,
        fields: Fields { title: "Planos".into(), ..Fields::default() },
        filename: "planos.ndjson".into(),
        file_type: "ndjson".into(),
        date_modified: None,
        size: 2_048,
        sha256: "ab".repeat(32),
        pages: 0,
        chunks: 0,
        text_length: 0,
        records: Some(Records { total: 10, indexed: 4, failed: 0 }),
        parent_id: None,
        superseded_by: None,
        accepted_at: moment(),
        indexed_at: None,
        metadata: serde_json::Map::new(),
    };
    wire("document", &Document { facts, reason: None });
    wire("document_get", &GetDocument { scope: Scope::All, document_id: document_id() });
    let file = FileLocation {
        project_id: project(),
        object: "0192".into(),
        filename: "plano.pdf".into(),
        media_type: "application/pdf".into(),
        size: 2_048,
        sha256: "ab".repeat(32),
    };
    wire("document_file", &file);
}

#[test]
fn uploads() {
    let accepted = UploadAccepted {
        status: "accepted".into(),
        message: "Documento aceptado.".into(),
        data: AcceptedData {
            document_id: document_id(),
            filename: "plano.pdf".into(),
            project_id: project(),
            status_url: "/documents/271341877001".into(),
        },
    };
    wire("upload_accepted", &accepted);
    let indexed = UploadIndexed {
        status: "success".into(),
        message: "Documento indexado.".into(),
        data: IndexedData {
            document_id: document_id(),
            filename: "plano.pdf".into(),
            project_id: project(),
            title: "Planta tipo".into(),
            chunks_created: 12,
            text_length: 9_000,
        },
    };
    wire("upload_indexed", &indexed);
}
