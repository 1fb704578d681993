//! Puts documents into the database as the ingest worker leaves them, with real vectors.

use std::collections::BTreeMap;

use analysis::{detect, terms};
use embedding::Embed;
use pgvector::HalfVector;
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
    pub number: Option<i32>,
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

struct Chunk {
    page: Option<i32>,
    heading: String,
    text: String,
}

pub async fn insert(pool: &PgPool, model: &dyn Embed, documents: &[Document]) {
    for document in documents {
        let chunks: Vec<Chunk> = document.pages.iter().flat_map(|page| chunks(page, model)).collect();
        let vectors = model
            .passages(chunks.iter().map(|chunk| format!("{}\n{}", chunk.heading, chunk.text)).collect())
            .await
            .unwrap();
        store(pool, document, &chunks, &vectors).await;
    }
}

/// One passage a section, more when it is long.
fn chunks(page: &Page, model: &dyn Embed) -> Vec<Chunk> {
    const TOKENS: usize = 220;
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut heading = String::new();
    let mut text = String::new();
    let mut close = |heading: &str, text: &mut String| {
        if !text.trim().is_empty() {
            chunks.push(Chunk {
                page: page.number,
                heading: heading.to_owned(),
                text: std::mem::take(text).trim().to_owned(),
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
    chunks
}

async fn store(pool: &PgPool, document: &Document, chunks: &[Chunk], vectors: &[Vec<f32>]) {
    let mut tx = pool.begin().await.unwrap();
    let project: i32 = sqlx::query_scalar(
        "INSERT INTO project (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING key",
    )
    .bind(&document.project)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    let key: i64 = sqlx::query_scalar(
        "INSERT INTO document (project_key, id, state, percent, accepted_at, indexed_at, title, number, number_norm,
                               revision, doc_type, category, filename, file_type, chunks)
         VALUES ($1, $2, 'indexed', 100, now(), now(), $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING key",
    )
    .bind(project)
    .bind(&document.id)
    .bind(&document.title)
    .bind(&document.number)
    .bind(analysis::codes::normalize(&document.number))
    .bind(&document.revision)
    .bind(&document.doc_type)
    .bind(&document.category)
    .bind(&document.filename)
    .bind(document.filename.rsplit('.').next())
    .bind(chunks.len() as i32)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    let mut all_terms = 0;
    for (ordinal, (chunk, vector)) in chunks.iter().zip(vectors).enumerate() {
        let language = detect(&chunk.text);
        let mut words = format!("{}\n{}", chunk.heading, chunk.text);
        if ordinal == 0 {
            words = format!("{}\n{}\n{words}", document.title, document.number);
        }
        let terms: BTreeMap<String, i16> = terms::index_terms(&words, language)
            .into_iter()
            .map(|term| (term.text, term.frequency as i16))
            .collect();
        let length: i32 = terms.values().map(|frequency| i32::from(*frequency)).sum();
        all_terms += i64::from(length);
        let chunk_key: i64 = sqlx::query_scalar(
            "INSERT INTO chunk (project_key, document_key, ordinal, page, page_last, heading, language, text, terms, embedding)
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9) RETURNING key",
        )
        .bind(project)
        .bind(key)
        .bind(ordinal as i32)
        .bind(chunk.page)
        .bind(&chunk.heading)
        .bind(language.code())
        .bind(&chunk.text)
        .bind(length)
        .bind(HalfVector::from_f32_slice(vector))
        .fetch_one(&mut *tx)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO posting (term, project_key, chunk_key, document_key, frequency, length)
             SELECT term, $1, $2, $3, frequency, $4 FROM unnest($5::text[], $6::smallint[]) AS t(term, frequency)",
        )
        .bind(project)
        .bind(chunk_key)
        .bind(key)
        .bind(length)
        .bind(terms.keys().collect::<Vec<_>>())
        .bind(terms.values().collect::<Vec<_>>())
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    sqlx::query("UPDATE project SET chunks = chunks + $2, terms = terms + $3 WHERE key = $1")
        .bind(project)
        .bind(chunks.len() as i64)
        .bind(all_terms)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
