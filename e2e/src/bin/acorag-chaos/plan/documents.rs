//! The documents of a plan: valid and invalid, single and in imports, over REST and NATS.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::{Random, Upload, prose};
use schemas::{DocumentId, ProjectId, event::EventKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Document, Submission};

/// How a submission is sent.
pub enum Content {
    /// A file, over REST.
    Upload(Upload),
    /// A job on NATS that contains the text. If the message has an id, JetStream drops repetitions itself.
    Message { job: Value, with_id: bool },
    /// A file, sent in parts over NATS, and a job that names it.
    Object(Upload),
}

/// Makes the submissions of one document, of its revisions or of an import.
type Make<'a> = fn(&mut Generator<'a>) -> Result<Vec<Submission>>;

pub fn generate(random: &mut Random, documents: usize) -> Result<Vec<Submission>> {
    let projects = ["caos-a", "caos-b", "Caos Ñandú / 2"];
    let projects =
        projects.into_iter().map(str::parse).collect::<Result<_, _>>().context("a project's id")?;
    let mut generator = Generator { random, projects, words: 0, count: 0, submissions: Vec::new() };
    // Shares of all documents, in percent; the rest are uploads of single texts.
    let shares: [(usize, Make<'_>); 7] = [
        (30, Generator::import),
        (15, Generator::revisions),
        (15, Generator::message),
        (6, Generator::object),
        (7, Generator::bad),
        (4, Generator::long),
        (3, Generator::deleted),
    ];
    for (percent, make) in shares {
        generator.until((documents * percent).div_ceil(100), make)?;
    }
    let rest = documents.saturating_sub(generator.count);
    generator.until(rest, Generator::text)?;
    Ok(generator.submissions)
}

struct Generator<'a> {
    random: &'a mut Random,
    projects: Vec<ProjectId>,
    /// The number of unique words that were used so far.
    words: usize,
    count: usize,
    submissions: Vec<Submission>,
}

impl<'a> Generator<'a> {
    fn until(&mut self, documents: usize, make: Make<'a>) -> Result<()> {
        let end = self.count + documents;
        while self.count < end {
            let made = make(self)?;
            self.count += made.iter().map(|submission| submission.documents.len()).sum::<usize>();
            self.submissions.extend(made);
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

    /// A text of one passage that contains the word.
    fn short(&mut self, word: &str) -> String {
        let [before, after] = [prose::paragraph(self.random, 2), prose::paragraph(self.random, 1)];
        format!("{before} Clave de control {word} del documento. {after}")
    }

    fn text(&mut self) -> Result<Vec<Submission>> {
        let (project, word) = (self.project(), self.word());
        let text = self.short(&word);
        let metadata = json!({"project_id": project, "title": format!("Nota {word}")});
        let file = Upload::new(&format!("nota-{word}.txt"), text, metadata);
        let mut submission = upload(project, file, vec![word]);
        self.repeated_or_given_up(&mut submission);
        Ok(vec![submission])
    }

    fn repeated_or_given_up(&mut self, submission: &mut Submission) {
        match self.random.below(100) {
            0..20 => self.repeated(submission),
            20..28 => submission.gives_up = true,
            _ => {}
        }
    }

    /// Sends the submission several times, at once or after a pause.
    fn repeated(&mut self, submission: &mut Submission) {
        submission.sends = 2 + self.random.below(2);
        if self.random.percent(60) {
            submission.pause = self.random.between(Duration::from_millis(50), Duration::from_secs(4));
        }
    }

    /// A document of several passages with a word in the first and in the last, to check that all of it is stored.
    fn long(&mut self) -> Result<Vec<Submission>> {
        let (project, words) = (self.project(), vec![self.word(), self.word()]);
        let mut paragraphs = vec![self.short(&words[0])];
        paragraphs.extend((0..6).map(|_| prose::paragraph(self.random, 5)));
        paragraphs.push(self.short(&words[1]));
        let metadata = json!({"project_id": project, "title": "Informe"});
        let file = Upload::new(&format!("informe-{}.txt", words[0]), paragraphs.join("\n\n"), metadata);
        let mut submission = upload(project, file, words);
        submission.documents[0].long = true;
        Ok(vec![submission])
    }

    /// Three revisions of a document, in any order.
    fn revisions(&mut self) -> Result<Vec<Submission>> {
        let project = self.project();
        let number = format!("300-PL-{:06}", self.count);
        let mut revisions = Vec::new();
        for (revision, end) in
            [("A", EventKind::Superseded), ("B", EventKind::Superseded), ("0", EventKind::Indexed)]
        {
            let word = self.word();
            let text = self.short(&word);
            let title = format!("Plano revisión {revision}");
            let mut metadata = json!({"title": title, "number": number, "revision": revision});
            let mut submission = if self.random.percent(30) {
                let job = json!({"text": text, "metadata": metadata});
                message(project.clone(), word, job, self.random.percent(50))?
            } else {
                metadata["project_id"] = json!(project);
                let file = Upload::new(&format!("plano-{word}.txt"), text, metadata);
                upload(project.clone(), file, vec![word])
            };
            submission.documents[0].end = end;
            if self.random.percent(15) {
                self.repeated(&mut submission);
            }
            revisions.push(submission);
        }
        Ok(revisions)
    }

    fn message(&mut self) -> Result<Vec<Submission>> {
        let (project, word) = (self.project(), self.word());
        let job = json!({"text": self.short(&word), "metadata": {"title": format!("Aviso {word}")}});
        let mut submission = message(project, word, job, self.random.percent(50))?;
        self.repeated_or_given_up(&mut submission);
        Ok(vec![submission])
    }

    fn object(&mut self) -> Result<Vec<Submission>> {
        let (project, word) = (self.project(), self.word());
        let file = Upload::new(&format!("objeto-{word}.md"), self.short(&word), json!({"title": "Objeto"}));
        let id = format!("obj.{word}").parse()?;
        Ok(vec![single(project, id, vec![word], Content::Object(file))])
    }

    fn deleted(&mut self) -> Result<Vec<Submission>> {
        let (project, word) = (self.project(), self.word());
        let job = json!({"text": self.short(&word), "metadata": {"title": "Para borrar"}});
        let mut submission = message(project, word, job, true)?;
        submission.documents[0].end = EventKind::Deleted;
        submission.deleted_after = Some(self.random.between(Duration::ZERO, Duration::from_secs(6)));
        Ok(vec![submission])
    }

    fn bad(&mut self) -> Result<Vec<Submission>> {
        let (project, word) = (self.project(), self.word());
        let id: DocumentId = format!("malo.{word}").parse()?;
        let file = |name: &str, bytes: Vec<u8>| {
            let file = Upload::new(name, bytes, json!({"project_id": project}));
            upload(project.clone(), file, vec![word.clone()])
        };
        let sent = |job: Value| {
            let content = Content::Message { job, with_id: true };
            single(project.clone(), id.clone(), vec![word.clone()], content)
        };
        let mut submission = match self.random.below(6) {
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
        submission.documents[0].end = EventKind::Failed;
        Ok(vec![submission])
    }

    /// A file of records: some are invalid, and two are revisions of the same drawing.
    fn import(&mut self) -> Result<Vec<Submission>> {
        let project = self.project();
        let import = self.word();
        let good = 8 + self.random.below(18);
        let (mut lines, mut documents, mut failed) = (Vec::new(), Vec::new(), 0);
        for number in 0..good {
            let word = self.word();
            let id = format!("reg-{word}");
            let (code, end) = match number {
                0 => ("A", EventKind::Superseded),
                1 => ("B", EventKind::Indexed),
                _ => ("0", EventKind::Indexed),
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
        let mut file = Upload::new(&format!("registros-{import}.ndjson"), lines.join("\n"), json!({}));
        let mut submission = if self.random.percent(30) {
            let id = format!("imp.{import}").parse()?;
            single(project, id, vec![], Content::Object(file))
        } else {
            file.metadata["project_id"] = json!(project);
            upload(project, file, vec![])
        };
        if self.random.percent(35) {
            self.repeated(&mut submission);
        }
        submission.documents = documents;
        submission.records = Some(((good + failed) as u64, failed as u64));
        Ok(vec![submission])
    }
}

fn document(project: ProjectId, id: DocumentId, words: Vec<String>, end: EventKind) -> Document {
    Document { project, id, end, words, long: false, sha256: None }
}

/// A submission of one document that is indexed.
fn single(project: ProjectId, id: DocumentId, words: Vec<String>, content: Content) -> Submission {
    Submission {
        at: Duration::ZERO,
        project: project.clone(),
        id: id.clone(),
        content,
        sends: 1,
        pause: Duration::ZERO,
        gives_up: false,
        deleted_after: None,
        documents: vec![document(project, id, words, EventKind::Indexed)],
        records: None,
    }
}

fn upload(project: ProjectId, file: Upload, words: Vec<String>) -> Submission {
    let sha256 = format!("{:x}", Sha256::digest(&file.bytes));
    let field = |name: &str| file.metadata[name].as_str().unwrap_or_default();
    let id = DocumentId::of_content(&project, &file.filename, field("number"), field("revision"), &sha256);
    let mut submission = single(project, id, words, Content::Upload(file));
    submission.documents[0].sha256 = Some(sha256);
    submission
}

fn message(project: ProjectId, word: String, job: Value, with_id: bool) -> Result<Submission> {
    // The id has a dot and a letter outside ASCII, which must be encoded in the subject.
    let id = format!("aviso.ñ.{word}").parse()?;
    Ok(single(project, id, vec![word], Content::Message { job, with_id }))
}
