//! Crash points that a job passes in the ingest worker.

use e2e::{Upload, producer::send_file};
use schemas::{
    ProjectId,
    ingest::SentFile,
    subjects::{self, JobKind},
};
use serde_json::{Value, json};

use super::{Crashes, indexed, note};
use crate::sample;

/// Crash points of an upload.
const OF_UPLOADS: [&str; 4] = ["child-running", "before-commit", "inside-commit", "before-event"];
/// Crash points of an import of three records; `before-event` ends the worker at the event of a record.
const OF_IMPORTS: [&str; 4] = ["records-noted", "records-published", "import-closed", "before-event"];
/// Crash points of every kind of job.
const OF_MESSAGES: [&str; 2] = ["job-taken", "before-ack"];
/// Crash points of a job that is given up.
const OF_FAILURES: [&str; 3] = ["failure-noted", "before-dead-letter", "before-term"];
/// Crash points while the worker stores a file that a producer sent in parts.
const OF_SENT_FILES: [&str; 3] = ["parts-read", "sent-file-stored", "before-commit"];

/// A job whose worker ends at a crash point, and the state that its document must have afterwards.
pub struct Case {
    project: String,
    document: String,
    expected: Expected,
}

enum Expected {
    Indexed { documents: usize },
    Failed,
    Deleted,
}

impl Crashes {
    /// Arms each crash point for a separate project, and sends one job of that project.
    pub async fn begin_jobs(&self) -> Vec<Case> {
        let mut cases = Vec::from(self.deletions().await);
        cases.push(self.mail().await);
        for point in OF_UPLOADS {
            let project = format!("upload-{point}");
            self.arm(point, &project);
            let id = self.client.upload(note(&project, &format!("El hito {point} está en el eje."))).await;
            cases.push(case(project, id.unwrap(), Expected::Indexed { documents: 1 }));
        }
        for point in OF_IMPORTS {
            let project = format!("import-{point}");
            self.arm(point, &project);
            let id = self.client.upload(import(&project, "")).await.unwrap();
            cases.push(case(project, id, Expected::Indexed { documents: 4 }));
        }
        for point in OF_MESSAGES {
            let project = format!("message-{point}");
            self.arm(point, &job(&project, "acta"));
            self.publish(&project, json!({"text": format!("El hito {point} está en el acta.")})).await;
            cases.push(case(project, "acta".to_owned(), Expected::Indexed { documents: 1 }));
        }
        for point in OF_FAILURES {
            let project = format!("failure-{point}");
            let subject = if point == "failure-noted" { project.clone() } else { job(&project, "acta") };
            self.arm(point, &subject);
            let missing = SentFile { id: "never-sent".into(), size: 1, sha256: "ab".repeat(32) };
            self.publish(&project, json!({"file": missing})).await;
            cases.push(case(project, "acta".to_owned(), Expected::Failed));
        }
        for point in OF_SENT_FILES {
            let project: ProjectId = format!("sent-{point}").parse().unwrap();
            self.arm(point, project.as_str());
            let text = format!("El hito {point} está en el archivo.");
            let file = send_file(&self.jetstream, &project, text.as_bytes()).await.unwrap();
            self.publish(project.as_str(), json!({"file": file, "filename": "acta.txt"})).await;
            cases.push(case(project.to_string(), "acta".to_owned(), Expected::Indexed { documents: 1 }));
        }
        cases
    }

    /// A mail whose worker ends before the commit. The mail's attachment is a separate document, whose job is
    /// already published by then.
    async fn mail(&self) -> Case {
        self.arm("before-commit", "mail");
        let mail = Upload::new("oferta.eml", sample("oferta-ascensores.eml"), json!({"project_id": "mail"}));
        let id = self.client.upload(mail).await.unwrap();
        case("mail".to_owned(), id, Expected::Indexed { documents: 2 })
    }

    /// Two deletions: of a document whose file is being removed when the worker ends, and of an import with a
    /// record that had superseded a revision, which must be found again afterwards.
    async fn deletions(&self) -> [Case; 2] {
        let [single, whole] = ["deletion", "import-deleted"];
        let metadata = json!({"project_id": whole, "number": "900-PL-00001", "revision": "A"});
        self.client.index(Upload::new("plano.txt", "El muro tiene 20 cm.", metadata)).await.unwrap();
        let imported = self.client.index(import(whole, "900-PL-0000")).await.unwrap();
        assert_eq!(indexed(&self.client, whole).await.len(), 4, "the revision is superseded");
        let note = self.client.index(note(single, "La zanja se tapa el lunes.")).await.unwrap();
        let object: String = sqlx::query_scalar("SELECT object FROM document WHERE id = $1")
            .bind(&note)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        self.arm("description-removed", &object);
        self.arm("deletion-committed", whole);
        self.delete(single, &note).await;
        self.delete(whole, &imported).await;
        [
            case(single.to_owned(), note, Expected::Deleted),
            case(whole.to_owned(), imported, Expected::Deleted),
        ]
    }

    /// The worker of a record ends in the commit, and the import is deleted before the record's job comes again. That job is
    /// void then, but the mark of the commit goes, so that answers are cached again.
    pub async fn a_record_that_is_deleted_leaves_no_mark(&mut self) {
        let project = "void";
        self.arm("inside-commit", project);
        let imported = self.client.upload(import(project, "")).await.unwrap();
        self.all_are_reached().await;
        self.delete(project, &imported).await;
        self.restart_workers(1).await;
        self.queue_is_empty().await;
        let search = json!({"query": "muro", "project_id": project});
        for cached in ["miss", "hit"] {
            let answer = self.client.post("/search", &search).await.unwrap();
            assert_eq!(answer.headers()["x-cache"], cached);
            assert_eq!(answer.json::<Value>().await.unwrap(), json!([]));
        }
    }

    async fn publish(&self, project: &str, body: Value) {
        self.jetstream.publish(job(project, "acta"), body.to_string().into()).await.unwrap().await.unwrap();
    }

    async fn delete(&self, project: &str, document: &str) {
        let subject = subjects::job(JobKind::Delete, &project.parse().unwrap(), &document.parse().unwrap());
        self.jetstream.publish(subject, "{}".into()).await.unwrap().await.unwrap();
    }

    /// Waits until no job is queued, and checks that each job's document has the expected state.
    pub async fn jobs_are_done(&self, cases: Vec<Case>) {
        self.queue_is_empty().await;
        for Case { project, document, expected } in cases {
            let path = format!("/documents/{document}?project_id={project}");
            let answer = self.client.get(&path).await.unwrap();
            let (status, found) = (answer.status(), answer.json::<Value>().await.unwrap());
            let events = self.events(&project, &document).await;
            match expected {
                Expected::Indexed { documents } => {
                    assert_eq!(found["state"], "indexed", "{project}: {found}");
                    let all = indexed(&self.client, &project).await;
                    assert_eq!(all.len(), documents, "{project}: {all:?}");
                    assert!(events.contains(&"indexed".to_owned()), "{project}: {events:?}");
                    assert!(!events.contains(&"failed".to_owned()), "{project}: {events:?}");
                    if documents == 4 {
                        let records = json!({"total": 3, "indexed": 3, "failed": 0});
                        assert_eq!(found["records"], records, "{project}");
                    }
                    let rows = self.client.search(&project, "hito eje acta archivo plano").await.unwrap();
                    assert!(!rows.is_empty(), "{project}");
                }
                Expected::Failed => {
                    assert_eq!(found["reason_code"], "file_missing", "{project}: {found}");
                    assert!(events.contains(&"failed".to_owned()), "{project}: {events:?}");
                    let letters = self.system.command("acorag-ingest-worker", &["dead-letters", "list"]);
                    let letters = letters.unwrap().matches(&job(&project, &document)).count();
                    assert_eq!(letters, 1, "{project}: one message is one dead letter");
                }
                Expected::Deleted => {
                    assert_eq!(status, 404, "{project}: {found}");
                    assert!(events.contains(&"deleted".to_owned()), "{project}: {events:?}");
                }
            }
        }
        let again = indexed(&self.client, "import-deleted").await;
        assert_eq!(again.len(), 1, "the revision answers again: {again:?}");
        assert_eq!(again[0]["revision"], "A");
        for record in 1..=3 {
            let events = self.events("import-deleted", &format!("plano-{record}")).await;
            assert!(events.contains(&"deleted".to_owned()), "{record}: {events:?}");
        }
    }
}

fn case(project: String, document: String, expected: Expected) -> Case {
    Case { project, document, expected }
}

/// The subject of a job that a producer publishes.
fn job(project: &str, document: &str) -> String {
    subjects::job(JobKind::Document, &project.parse().unwrap(), &document.parse().unwrap())
}

/// An import of three records. With a prefix, the records have document numbers.
fn import(project: &str, prefix: &str) -> Upload {
    let records = [1, 2, 3].map(|record| {
        let number = if prefix.is_empty() { String::new() } else { format!("{prefix}{record}") };
        json!({
            "DocumentId": format!("plano-{record}"),
            "metadata": {"Title": format!("Plano {record}"), "DocumentNumber": number, "Revision": "B"},
            "full_text": format!("El plano {record} muestra el muro."),
        })
        .to_string()
    });
    Upload::new("planos.ndjson", records.join("\n"), json!({"project_id": project}))
}
