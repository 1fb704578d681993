//! Stores passages, with their vectors and words.

use analysis::Language;
use pgvector::HalfVector;
use schemas::Fields;

use crate::{
    index::{self, Word},
    scope::ProjectTx,
};

/// One passage with the data by which searches find it.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    pub page: Option<u32>,
    pub page_last: Option<u32>,
    /// The headings above the text, outermost first: "Memoria › Materiales".
    pub heading: String,
    pub language: Language,
    /// The text without its heading. A heading without text below it is treated as text.
    pub text: String,
    pub vector: Vec<f32>,
    /// The vectors of its sentences ([`crate::sentences::encode`]); empty if it has none.
    pub sentences: Vec<u8>,
}

impl Passage {
    /// Returns the text that is indexed and embedded: the heading, then the passage.
    pub fn under_heading(heading: &str, text: &str) -> String {
        if heading.is_empty() { text.to_owned() } else { format!("{heading}\n{text}") }
    }
}

/// Maximum number of passages that one statement stores. A statement must not reach its time limit: a long document
/// would look like an outage of the database, and its job would wait without end.
pub(crate) const SLICE: usize = 128;

/// The passages of a new document, with their words ([`words`]).
#[derive(Clone, Copy)]
pub struct New<'a> {
    pub document_key: i64,
    pub passages: &'a [Passage],
    pub words: &'a [Vec<Word>],
}

/// Returns the words of each passage and how often each occurs. The words of a document's title and number are added to
/// its first passage.
pub fn words(fields: &Fields, passages: &[Passage]) -> Vec<Vec<Word>> {
    let of = |(ordinal, passage): (usize, &Passage)| {
        let mut searched = Passage::under_heading(&passage.heading, &passage.text);
        if ordinal == 0 {
            searched = format!("{}\n{}\n{searched}", fields.title, fields.number);
        }
        let terms = analysis::terms::index_terms(&searched, passage.language);
        terms.into_iter().map(|term| (term.text, term.frequency)).collect()
    };
    passages.iter().enumerate().map(of).collect()
}

/// Returns the sum of the passages' lengths in terms.
pub fn length(words: &[Vec<Word>]) -> i32 {
    words.iter().map(|words| length_of(words)).fold(0, i32::saturating_add)
}

/// The length of a passage in BM25: its number of terms.
fn length_of(words: &[Word]) -> i32 {
    i32::try_from(words.iter().map(|(_, frequency)| frequency).sum::<u32>()).unwrap_or(i32::MAX)
}

/// Stores the passages of documents of one project, their vectors of one model, and their words. Short documents share a
/// statement.
pub async fn insert(tx: &mut ProjectTx, model: i16, documents: &[New<'_>]) -> sqlx::Result<()> {
    let mut together: Vec<(i32, New)> = Vec::new();
    let mut count = 0;
    for document in documents {
        let parts = document.passages.chunks(SLICE).zip(document.words.chunks(SLICE));
        for (at, (passages, words)) in parts.enumerate() {
            if count + passages.len() > SLICE {
                insert_slices(tx, model, &std::mem::take(&mut together)).await?;
                count = 0;
            }
            count += passages.len();
            let first = i32::try_from(at * SLICE).unwrap_or(i32::MAX);
            together.push((first, New { passages, words, ..*document }));
        }
    }
    insert_slices(tx, model, &together).await
}

/// Stores consecutive passages of each document; they are given with the ordinal of the first one.
async fn insert_slices(tx: &mut ProjectTx, model: i16, slices: &[(i32, New<'_>)]) -> sqlx::Result<()> {
    let rows = slices.iter().flat_map(|(first, new)| {
        let passages = (*first..).zip(new.passages).zip(new.words);
        passages.map(|((ordinal, passage), words)| (new.document_key, ordinal, passage, words))
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    let page = |page: Option<u32>| page.and_then(|page| i32::try_from(page).ok());
    let passages = || rows.iter().map(|(_, _, passage, _)| *passage);
    let keys: Vec<i64> = sqlx::query_scalar(
        "WITH passage AS (
             SELECT * FROM unnest($2::bigint[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::text[], $9::int[],
                                  $10::halfvec[], $11::bytea[])
                  AS p(document_key, ordinal, page, page_last, heading, language, text, terms, vector, sentences)),
         new AS (
             INSERT INTO chunk (project_key, document_key, ordinal, page, page_last, heading, language, text, terms)
             SELECT $1, document_key, ordinal, page, page_last, heading, language, text, terms FROM passage
             RETURNING key, document_key, ordinal),
         embedded AS (
             INSERT INTO embedding (project_key, model, chunk_key, document_key, vector)
             SELECT $1, $12, key, document_key, vector FROM new JOIN passage USING (document_key, ordinal)),
         quotable AS (
             INSERT INTO sentence (project_key, model, chunk_key, data)
             SELECT $1, $12, key, sentences FROM new JOIN passage USING (document_key, ordinal) WHERE sentences <> '')
         SELECT key FROM unnest($2::bigint[], $3::int[]) WITH ORDINALITY AS given(document_key, ordinal, place)
         JOIN new USING (document_key, ordinal) ORDER BY place",
    )
    .bind(tx.project)
    .bind(rows.iter().map(|(document_key, ..)| *document_key).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, ordinal, ..)| *ordinal).collect::<Vec<_>>())
    .bind(passages().map(|passage| page(passage.page)).collect::<Vec<_>>())
    .bind(passages().map(|passage| page(passage.page_last)).collect::<Vec<_>>())
    .bind(passages().map(|passage| passage.heading.as_str()).collect::<Vec<_>>())
    .bind(passages().map(|passage| passage.language.code()).collect::<Vec<_>>())
    .bind(passages().map(|passage| passage.text.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|(.., words)| length_of(words)).collect::<Vec<_>>())
    .bind(passages().map(|passage| HalfVector::from_f32_slice(&passage.vector)).collect::<Vec<_>>())
    .bind(passages().map(|passage| passage.sentences.as_slice()).collect::<Vec<_>>())
    .bind(model)
    .fetch_all(&mut **tx)
    .await?;
    let mut keys = keys.into_iter();
    let waiting: Vec<_> = slices
        .iter()
        .map(|(first, new)| {
            let keys = keys.by_ref().take(new.words.len());
            let words = keys.zip(new.words).map(|(key, words)| (key, words.as_slice())).collect();
            index::New { document_key: new.document_key, first: *first, passages: words }
        })
        .collect();
    index::insert(tx, &waiting).await
}
