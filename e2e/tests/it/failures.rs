//! A document that cannot be indexed fails with a reason that a person understands, and affects no other
//! document.

use async_nats::jetstream;
use e2e::{System, Upload};
use reqwest::StatusCode;
use schemas::{
    ingest::SentFile,
    subjects::{self, JobKind},
    text::hex,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{guarded, producers::publish, sample, shared, turns::until, unique};

#[tokio::test]
async fn each_bad_file_fails_with_its_reason() {
    let (client, _) = shared().await;
    let project = unique("fallos");
    let whole = sample("geotechnical-report.pdf");
    let fixture = |name: &str| {
        let path = format!("{}/../reader/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    for (name, bytes, code) in [
        ("truncado.pdf", whole[..whole.len() / 3].to_vec(), "damaged"),
        ("clave.pdf", fixture("password.pdf"), "password_protected"),
        ("escaneo.pdf", fixture("scan.pdf"), "scan_without_text"),
        ("vacio.txt", b"   \n \n".to_vec(), "empty"),
        ("basura.docx", vec![0x50, 0x4b, 3, 4, 0, 0, 1, 2, 3], "damaged"),
    ] {
        let id = client.upload(Upload::new(name, bytes, json!({"project_id": project}))).await.unwrap();
        let document = client.settled(&id, &project).await.unwrap();
        assert_eq!(document["state"], "failed", "{name}: {document}");
        assert_eq!(document["reason_code"], code, "{name}: {document}");
        let reason = document["reason"].as_str().unwrap();
        assert!(reason.len() > 15 && !reason.contains("Error("), "{name}: {reason}");
    }
    // The next document is indexed normally.
    client.index(Upload::new("bien.txt", "Todo en orden.", json!({"project_id": project}))).await.unwrap();
}

#[tokio::test]
async fn an_empty_file_is_refused_at_once() {
    let (client, _) = shared().await;
    let answer = client.try_upload(Upload::new("nada.pdf", "", json!({})), "").await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let body = answer.json::<Value>().await.unwrap();
    assert!(body["detail"].is_string() && body["request_id"].is_string(), "{body}");
}

#[tokio::test]
async fn waiting_for_a_bad_file_hears_the_reason_in_the_callers_language() {
    let (client, _) = shared().await;
    let whole = sample("geotechnical-report.pdf");
    for (language, expected) in [("es", "dañado"), ("en", "damaged")] {
        let form = reqwest::multipart::Form::new().part(
            "file",
            reqwest::multipart::Part::bytes(whole[..9_000].to_vec()).file_name(format!("{language}.pdf")),
        );
        let request =
            client.http.post(format!("{}/upload?wait=60", client.url)).header("accept-language", language);
        let answer = request.multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let body = answer.json::<Value>().await.unwrap();
        assert!(body["detail"].as_str().unwrap().contains(expected), "{body}");
    }
}

#[tokio::test]
async fn a_bad_record_does_not_stop_an_import() {
    let (client, _) = shared().await;
    let project = unique("importacion");
    let lines = [
        json!({"DocumentId": "r1", "metadata": {"Title": "Plano de fundaciones", "DateModified": "15/03/2026"}}).to_string(),
        "{esto no es JSON".to_owned(),
        json!({"DocumentId": "r2", "metadata": {"Title": "Plano de losas"}, "full_text": "Losa de 18 cm."}).to_string(),
    ];
    let upload = Upload::new("registros.ndjson", lines.join("\n"), json!({"project_id": project}));
    let id = client.index(upload).await.unwrap();
    let document = client.document(&id, &project).await.unwrap();
    assert_eq!(document["records"], json!({"total": 3, "indexed": 2, "failed": 1}), "{document}");
    let rows = client.search(&project, "plano de fundaciones").await.unwrap();
    assert_eq!(rows[0]["document_id"], "r1");
    assert!(rows[0]["date_modified"].as_str().unwrap().starts_with("2026-03-15"));
}

#[tokio::test]
async fn a_bad_record_hides_no_good_one_with_its_id() {
    let project = unique("tapado");
    let (_, client) = guarded().await.client_with_key(&["--role", "write", "--project", &project]).unwrap();
    let lines = ["ajeno", &project].map(|of| {
        json!({"DocumentId": "1", "project_id": of, "full_text": "El muro tiene 20 cm."}).to_string()
    });
    let id = client.index(Upload::new("registros.ndjson", lines.join("\n"), json!({}))).await.unwrap();
    let document = client.document(&id, &project).await.unwrap();
    assert_eq!(document["records"], json!({"total": 2, "indexed": 1, "failed": 1}), "{document}");
    assert_eq!(client.search(&project, "muro").await.unwrap()[0]["document_id"], "1");
}

#[tokio::test]
async fn bad_requests_name_the_field() {
    let (client, _) = shared().await;
    for (body, field) in [
        (json!({"query": ""}), "query"),
        (json!({"query": "x", "top_k": 51}), "top_k"),
        (json!({"query": "x", "top_k": "muchos"}), "top_k"),
        (json!({"query": "x", "filters": {"date_from": "ayer"}}), "date"),
        (json!({"top_k": 5}), "query"),
        (json!({"query": "x", "project_id": "a\u{7}b"}), "project_id"),
    ] {
        let answer = client.post("/search", &body).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let error = answer.json::<Value>().await.unwrap();
        assert!(error["detail"].as_str().unwrap().contains(field), "{body}: {error}");
    }
    let metadata = Upload::new("a.txt", "texto", json!({"date": "mañana"}));
    let answer = client.try_upload(metadata, "").await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await.unwrap().contains("date"));
}

/// The file with this text, which is not sent yet.
fn late(text: &str) -> SentFile {
    SentFile { id: unique("tarde"), size: text.len() as u64, sha256: hex(Sha256::digest(text)) }
}

/// Returns the number of the dead letter of a job whose file is missing.
async fn letter(system: &System, subject: &str) -> String {
    let list = || system.command("acorag-ingest-worker", &["dead-letters", "list"]).unwrap();
    // The document is in state `failed` shortly before its dead letter is in the list.
    until("the dead letter is in the list", async || list().contains(subject)).await;
    let list = list();
    let line = list.lines().find(|line| line.contains(subject)).unwrap();
    assert!(line.contains("The file is missing: it was not sent"), "{line}");
    line.split_whitespace().next().unwrap().to_owned()
}

/// An import is given up because its file is missing. Before it is queued again, one of its records gets newer content, and
/// another one is deleted.
#[tokio::test]
async fn an_import_that_is_queued_again_undoes_nothing_that_came_after_it() {
    let (client, system) = shared().await;
    let project = unique("repetida");
    let jetstream = jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap());
    let records = ["nuevo", "borrado", "propio"]
        .map(|id| json!({"DocumentId": id, "full_text": "El muro pantalla mide 20 cm."}).to_string());
    let lines = records.join("\n");
    let file = late(&lines);
    publish(&jetstream, &project, "lote", &json!({"file": file, "filename": "muros.ndjson"})).await;
    assert_eq!(client.settled("lote", &project).await.unwrap()["state"], "failed");
    let (of, lote) = (project.parse().unwrap(), "lote".parse().unwrap());
    let number = letter(system, &subjects::job(JobKind::Document, &of, &lote)).await;
    for document in ["nuevo", "borrado"] {
        publish(&jetstream, &project, document, &json!({"text": "El muro pantalla mide 30 cm."})).await;
        assert_eq!(client.settled(document, &project).await.unwrap()["state"], "indexed");
    }
    let deleted = client.delete(&format!("/documents/borrado?project_id={project}")).await.unwrap();
    assert_eq!(deleted.status(), StatusCode::OK);

    jetstream.publish(subjects::parts(&of, &file), lines.into()).await.unwrap().await.unwrap();
    system.command("acorag-ingest-worker", &["dead-letters", "requeue", &number]).unwrap();
    let lote = client.settled("lote", &project).await.unwrap();
    assert_eq!(lote["records"], json!({"total": 3, "indexed": 3, "failed": 0}), "{lote}");
    let rows = client.search(&project, "muro pantalla").await.unwrap();
    let thick = |id: &str| {
        let row = rows.iter().find(|row| row["document_id"] == id)?;
        Some(row["snippet"].as_str().unwrap().contains("30 cm"))
    };
    assert_eq!([thick("nuevo"), thick("borrado"), thick("propio")], [Some(true), None, Some(false)]);
}

/// A producer publishes a job before it sends the file. The operator sees the dead letter, and requeues the
/// job when the file is there.
#[tokio::test]
async fn a_dead_letter_is_listed_and_tried_again_or_discarded() {
    let (client, system) = shared().await;
    let project = unique("muertas");
    let jetstream = jetstream::new(async_nats::connect(system.stack.nats_url()).await.unwrap());
    let subject = |document: &str| {
        subjects::job(JobKind::Document, &project.parse().unwrap(), &document.parse().unwrap())
    };
    let text = "El acta llega tarde.";
    let file = late(text);
    let job = json!({"file": file, "filename": "acta.txt", "metadata": {"title": "Tardía"}});
    let letters =
        |arguments: &[&str]| system.command("acorag-ingest-worker", &[&["dead-letters"], arguments].concat());
    let mut numbers = Vec::new();
    for document in ["tardia", "perdida"] {
        jetstream.publish(subject(document), job.to_string().into()).await.unwrap().await.unwrap();
        assert_eq!(client.settled(document, &project).await.unwrap()["state"], "failed");
        numbers.push(letter(system, &subject(document)).await);
    }

    let nobody = letters(&["requeue", &numbers[0], "999999"]).unwrap_err().to_string();
    assert!(nobody.contains("there is no dead letter 999999"), "{nobody}");
    assert_eq!(client.document("tardia", &project).await.unwrap()["state"], "failed");

    let parts = subjects::parts(&project.parse().unwrap(), &file);
    jetstream.publish(parts, text.into()).await.unwrap().await.unwrap();
    assert_eq!(letters(&["requeue", &numbers[0]]).unwrap(), "1 requeued\n");
    assert_eq!(letters(&["discard", &numbers[1]]).unwrap(), "1 discarded\n");
    until("the document is found", async || {
        !client.search(&project, "el acta llega tarde").await.unwrap().is_empty()
    })
    .await;
    assert_eq!(client.document("tardia", &project).await.unwrap()["state"], "indexed");
    assert_eq!(client.document("perdida", &project).await.unwrap()["state"], "failed");
    let list = letters(&["list"]).unwrap();
    assert!(!list.contains(&subject("tardia")) && !list.contains(&subject("perdida")), "{list}");
}
