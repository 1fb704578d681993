//! The documents: good and bad, single and in bulk, through REST and straight to NATS.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::{Random, prose};
use schemas::{DocumentId, ProjectId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Document, End, Passages, Records, Shipment};

/// How something is sent.
pub enum Cargo {
    /// A file, through REST.
    Upload { filename: String, bytes: Vec<u8>, metadata: Value },
    /// A message straight to NATS; with an id it may be dropped as a repetition by the stream itself.
    Message { payload: Vec<u8>, with_id: bool },
    /// A file in the object store and a message that points at it.
    Object { filename: String, bytes: Vec<u8>, metadata: Value },
}

/// Shares of all documents, in percent; uploads of single texts are the rest.
const RECORDS: usize = 30;
const REVISIONS: usize = 15;
const MESSAGES: usize = 15;
const OBJECTS: usize = 6;
const BAD: usize = 7;
const LONG: usize = 4;
const DELETED: usize = 3;

pub fn load(random: &mut Random, documents: usize) -> Result<Vec<Shipment>> {
    let projects = ["caos-a", "caos-b", "Caos Ñandú / 2"];
    let projects =
        projects.into_iter().map(str::parse).collect::<Result<_, _>>().context("a project's id")?;
    let mut loader = Loader { random, projects, words: 0, count: 0, shipments: Vec::new() };
    let share = |percent: usize| (documents * percent).div_ceil(100);
    loader.until(share(RECORDS), Loader::import)?;
    loader.until(share(REVISIONS), Loader::revisions)?;
    loader.until(share(MESSAGES), Loader::message)?;
    loader.until(share(OBJECTS), Loader::object)?;
    loader.until(share(BAD), Loader::bad)?;
    loader.until(share(LONG), Loader::long)?;
    loader.until(share(DELETED), Loader::deleted)?;
    let rest = documents.saturating_sub(loader.count);
    loader.until(rest, Loader::text)?;
    Ok(loader.shipments)
}

struct Loader<'a> {
    random: &'a mut Random,
    projects: Vec<ProjectId>,
    /// Words given out.
    words: usize,
    count: usize,
    shipments: Vec<Shipment>,
}

impl Loader<'_> {
    fn until(&mut self, documents: usize, one: fn(&mut Self) -> Result<()>) -> Result<()> {
        let end = self.count + documents;
        while self.count < end {
            one(self)?;
        }
        Ok(())
    }

    fn word(&mut self) -> String {
        self.words += 1;
        prose::word(self.words)
    }

    fn project(&mut self) -> ProjectId {
        self.random.pick(&self.projects).clone()
    }

    /// A text of one passage that holds the word.
    fn short(&mut self, word: &str) -> String {
        let [before, after] = [prose::paragraph(self.random, 2), prose::paragraph(self.random, 1)];
        format!("{before} Clave de control {word} del documento. {after}")
    }

    fn text(&mut self) -> Result<()> {
        let (project, word) = (self.project(), self.word());
        let text = self.short(&word);
        let filename = format!("nota-{word}.txt");
        let metadata = json!({"project_id": project, "title": format!("Nota {word}")});
        let mut shipment = upload(project, filename, text.into_bytes(), metadata, vec![word], End::Indexed);
        match self.random.below(100) {
            0..20 => self.repeated(&mut shipment),
            20..28 => shipment.gives_up = true,
            _ => {}
        }
        self.push(shipment);
        Ok(())
    }

    /// The same again, at once or a little later.
    fn repeated(&mut self, shipment: &mut Shipment) {
        shipment.sends = 2 + self.random.below(2);
        if self.random.percent(60) {
            shipment.pause = self.random.between(Duration::from_millis(50), Duration::from_secs(4));
        }
    }

    /// Several passages, with a word in the first and one in the last: all of it must be there.
    fn long(&mut self) -> Result<()> {
        let (project, words) = (self.project(), vec![self.word(), self.word()]);
        let mut paragraphs = vec![self.short(&words[0])];
        paragraphs.extend((0..6).map(|_| prose::paragraph(self.random, 5)));
        paragraphs.push(self.short(&words[1]));
        let filename = format!("informe-{}.txt", words[0]);
        let metadata = json!({"project_id": project, "title": "Informe"});
        let bytes = paragraphs.join("\n\n").into_bytes();
        let mut shipment = upload(project, filename, bytes, metadata, words, End::Indexed);
        shipment.documents[0].passages = Passages::AsInCalm;
        self.push(shipment);
        Ok(())
    }

    /// Three revisions of one document, in any order.
    fn revisions(&mut self) -> Result<()> {
        let project = self.project();
        let number = format!("300-PL-{:06}", self.count);
        for (revision, end) in [("A", End::Superseded), ("B", End::Superseded), ("0", End::Indexed)] {
            let word = self.word();
            let text = self.short(&word);
            let title = format!("Plano revisión {revision}");
            let metadata = json!({"title": title, "number": number, "revision": revision});
            let mut shipment = if self.random.percent(30) {
                message(project.clone(), text, metadata, word, end, self.random.percent(50))?
            } else {
                let mut metadata = metadata;
                metadata["project_id"] = json!(project);
                let filename = format!("plano-{word}.txt");
                upload(project.clone(), filename, text.into_bytes(), metadata, vec![word], end)
            };
            if self.random.percent(15) {
                self.repeated(&mut shipment);
            }
            self.push(shipment);
        }
        Ok(())
    }

    fn message(&mut self) -> Result<()> {
        let (project, word) = (self.project(), self.word());
        let text = self.short(&word);
        let metadata = json!({"title": format!("Aviso {word}")});
        let with_id = self.random.percent(50);
        let mut shipment = message(project, text, metadata, word, End::Indexed, with_id)?;
        match self.random.below(100) {
            0..20 => self.repeated(&mut shipment),
            20..28 => shipment.gives_up = true,
            _ => {}
        }
        self.push(shipment);
        Ok(())
    }

    fn object(&mut self) -> Result<()> {
        let (project, word) = (self.project(), self.word());
        let bytes = self.short(&word).into_bytes();
        let (filename, metadata) = (format!("objeto-{word}.md"), json!({"title": "Objeto"}));
        let mut shipment = bare(project, format!("obj.{word}").parse()?, vec![word], End::Indexed);
        shipment.cargo = Cargo::Object { filename, bytes, metadata };
        self.push(shipment);
        Ok(())
    }

    fn deleted(&mut self) -> Result<()> {
        let (project, word) = (self.project(), self.word());
        let text = self.short(&word);
        let metadata = json!({"title": "Para borrar"});
        let mut shipment = message(project, text, metadata, word, End::Deleted, true)?;
        shipment.deleted_after = Some(self.random.between(Duration::ZERO, Duration::from_secs(6)));
        self.push(shipment);
        Ok(())
    }

    fn bad(&mut self) -> Result<()> {
        let (project, word) = (self.project(), self.word());
        let id: DocumentId = format!("malo.{word}").parse()?;
        let file = |name: &str, bytes: Vec<u8>| {
            let metadata = json!({"project_id": project});
            upload(project.clone(), name.to_owned(), bytes, metadata, vec![word.clone()], End::Fails)
        };
        let sent = |payload: Value| {
            let mut shipment = bare(project.clone(), id.clone(), vec![word.clone()], End::Fails);
            shipment.cargo = Cargo::Message { payload: payload.to_string().into_bytes(), with_id: true };
            shipment
        };
        let shipment = match self.random.below(6) {
            0 => {
                let whole = include_bytes!("../../../../../samples/files/geotechnical-report.pdf");
                let mut part = whole[..whole.len() / 3].to_vec();
                part.extend_from_slice(word.as_bytes());
                file(&format!("truncado-{word}.pdf"), part)
            }
            1 => file(&format!("vacio-{word}.txt"), b"   \n \n".to_vec()),
            2 => {
                let junk = [b"PK\x03\x04\0\0\x01\x02\x03".as_slice(), word.as_bytes()].concat();
                file(&format!("basura-{word}.docx"), junk)
            }
            3 => sent(json!({"object": {"name": format!("no-existe-{word}")}})),
            4 => sent(json!({"text": "Contrabando.", "metadata": {"project_id": "otro"}})),
            _ => sent(json!("esto no es un trabajo")),
        };
        self.push(shipment);
        Ok(())
    }

    /// A file of records, some of them bad, two of them revisions of one drawing.
    fn import(&mut self) -> Result<()> {
        let project = self.project();
        let import = self.word();
        let good = 8 + self.random.below(18);
        let (mut lines, mut documents, mut failed) = (Vec::new(), Vec::new(), 0);
        for number in 0..good {
            let word = self.word();
            let id = format!("reg-{word}");
            let (code, end) = match number {
                0 => ("A", End::Superseded),
                1 => ("B", End::Indexed),
                _ => ("0", End::Indexed),
            };
            let number = format!("500-{}-{:03}", import.to_uppercase(), number.max(1));
            let record = json!({
                "DocumentId": id,
                "metadata": {"Title": "Registro", "DocumentNumber": number, "Revision": code},
                "full_text": self.short(&word),
            });
            lines.push(record.to_string());
            documents.push(document(project.clone(), id.parse()?, vec![word], end));
            if self.random.percent(5) {
                lines.push("{esto no es JSON".to_owned());
                failed += 1;
            }
        }
        let records = Records { total: (good + failed) as u64, failed: failed as u64 };
        let (filename, bytes) = (format!("registros-{import}.ndjson"), lines.join("\n").into_bytes());
        let mut shipment = if self.random.percent(30) {
            let mut shipment = bare(project, format!("imp.{import}").parse()?, vec![], End::Indexed);
            shipment.cargo = Cargo::Object { filename, bytes, metadata: json!({}) };
            shipment
        } else {
            let metadata = json!({"project_id": project});
            upload(project, filename, bytes, metadata, vec![], End::Indexed)
        };
        if self.random.percent(35) {
            self.repeated(&mut shipment);
        }
        shipment.documents = documents;
        shipment.records = Some(records);
        self.push(shipment);
        Ok(())
    }

    fn push(&mut self, shipment: Shipment) {
        self.count += shipment.documents.len();
        self.shipments.push(shipment);
    }
}

fn document(project: ProjectId, id: DocumentId, words: Vec<String>, end: End) -> Document {
    Document { project, id, end, words, passages: Passages::One, sha256: None }
}

/// What brings one document and has no cargo yet.
fn bare(project: ProjectId, id: DocumentId, words: Vec<String>, end: End) -> Shipment {
    Shipment {
        at: Duration::ZERO,
        project: project.clone(),
        id: id.clone(),
        cargo: Cargo::Message { payload: Vec::new(), with_id: false },
        sends: 1,
        pause: Duration::ZERO,
        gives_up: false,
        deleted_after: None,
        documents: vec![document(project, id, words, end)],
        records: None,
    }
}

fn upload(
    project: ProjectId,
    filename: String,
    bytes: Vec<u8>,
    metadata: Value,
    words: Vec<String>,
    end: End,
) -> Shipment {
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    let field = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
    let id = DocumentId::of_content(&project, &filename, &field("number"), &field("revision"), &sha256);
    let mut shipment = bare(project, id, words, end);
    shipment.cargo = Cargo::Upload { filename, bytes, metadata };
    shipment.documents[0].sha256 = Some(sha256);
    shipment
}

fn message(
    project: ProjectId,
    text: String,
    metadata: Value,
    word: String,
    end: End,
    with_id: bool,
) -> Result<Shipment> {
    // A dot and a letter outside ASCII must not confuse a subject.
    let mut shipment = bare(project, format!("aviso.ñ.{word}").parse()?, vec![word], end);
    let payload = json!({"text": text, "metadata": metadata}).to_string().into_bytes();
    shipment.cargo = Cargo::Message { payload, with_id };
    Ok(shipment)
}
