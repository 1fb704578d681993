//! Puts documents into the database in the same way as the ingest worker (start and commit of a job), with
//! real vectors.

use analysis::detect;
use chrono::Utc;
use documents::{
    Content, Job, Passage,
    commit::commit,
    sentences,
    start::{Start, start},
};
use embedding::{Embed, Identity};
use schemas::{
    Fields, Metadata,
    ingest::{IngestDocument, Source},
};
use sqlx::PgPool;

pub struct Document {
    pub project: String,
    pub id: String,
    pub title: String,
    pub number: String,
    pub revision: String,
    pub doc_type: String,
    pub category: String,
    pub filename: String,
    pub pages: Vec<Page>,
}

pub struct Page {
    pub number: Option<u32>,
    pub text: String,
}

impl Document {
    /// A document of one paragraph.
    pub fn text(project: &str, id: &str, title: &str, text: &str) -> Self {
        Self {
            project: project.to_owned(),
            id: id.to_owned(),
            title: title.to_owned(),
            number: String::new(),
            revision: String::new(),
            doc_type: "Acta".to_owned(),
            category: String::new(),
            filename: format!("{id}.txt"),
            pages: vec![Page { number: None, text: text.to_owned() }],
        }
    }
}

pub async fn insert(pool: &PgPool, model: &dyn Embed, documents: &[Document]) {
    let Identity { name, digest, dimension } = model.identity();
    let number = ::documents::model::add(pool, name, digest, *dimension).await.unwrap();
    for document in documents {
        let mut passages: Vec<Passage> =
            document.pages.iter().flat_map(|page| passages(page, model)).collect();
        let to_embed = |passage: &Passage| {
            let (text, sentences) = sentences::to_embed(&passage.heading, &passage.text);
            embedding::Passage { text, sentences }
        };
        let embedded = model.passages(passages.iter().map(to_embed).collect()).await.unwrap();
        for (passage, embedded) in passages.iter_mut().zip(embedded) {
            passage.sentences = sentences::encode(&passage.text, &embedded.vector, &embedded.sentences);
            passage.vector = embedded.vector;
        }
        store(pool, number, document, passages).await;
    }
}

/// Cuts a page into passages: one for each section, and more for a long section.
fn passages(page: &Page, model: &dyn Embed) -> Vec<Passage> {
    const TOKENS: usize = 220;
    let mut passages: Vec<Passage> = Vec::new();
    let mut heading = String::new();
    let mut text = String::new();
    let mut close = |heading: &str, text: &mut String| {
        if !text.trim().is_empty() {
            let text = std::mem::take(text).trim().to_owned();
            passages.push(Passage {
                page: page.number,
                page_last: page.number,
                heading: heading.to_owned(),
                language: detect(&text),
                text,
                vector: Vec::new(),
                sentences: Vec::new(),
            });
        }
    };
    for line in page.text.trim_start_matches('\u{feff}').lines() {
        if let Some(title) = line.strip_prefix('#') {
            close(&heading, &mut text);
            heading = title.trim_start_matches('#').trim().to_owned();
        } else {
            if model.count_tokens(&text) + model.count_tokens(line) > TOKENS {
                close(&heading, &mut text);
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    close(&heading, &mut text);
    passages
}

async fn store(pool: &PgPool, model: i16, document: &Document, passages: Vec<Passage>) {
    let fields = Fields {
        title: document.title.clone(),
        number: document.number.clone(),
        revision: document.revision.clone(),
        doc_type: document.doc_type.clone(),
        category: document.category.clone(),
        ..Fields::default()
    };
    let body = IngestDocument {
        source: Source::Text(String::new()),
        metadata: Metadata { fields: fields.clone(), ..Metadata::default() },
        filename: document.filename.clone(),
        media_type: String::new(),
        parent: None,
        record_scope: None,
    };
    let job = Job::new(document.project.parse().unwrap(), document.id.parse().unwrap(), Utc::now(), body);
    assert_eq!(start(pool, &job).await.unwrap(), Start::Go);
    let content = Content {
        fields,
        date: None,
        media_type: String::new(),
        file_type: document.filename.rsplit('.').next().unwrap().to_owned(),
        object: job.object(),
        pages: 0,
        text_length: 0,
        model,
        passages,
    };
    commit(pool, &job, &content).await.unwrap().unwrap();
}
