//! Properties that must hold for everything that a client may send.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use proptest::{collection::vec, prelude::*, sample::select};
use schemas::{
    Metadata, Problem, Scope,
    chat::ChatRequest,
    feedback::FeedbackRequest,
    lenient,
    problem::ProblemKind,
    search::{MAX_QUERY_CHARS, MAX_TOP_K, Search, SearchRequest},
};
use serde_json::{Map, Value, json};

/// Fields of all forms, under their old and their new names.
const NAMES: [&str; 26] = [
    "query",
    "project_id",
    "top_k",
    "probes",
    "strict_mode",
    "filters",
    "mode",
    "message",
    "question",
    "session_id",
    "conversation_id",
    "history",
    "role",
    "content",
    "user_id",
    "stream",
    "title",
    "doc_type",
    "type",
    "number",
    "date",
    "date_from",
    "date_to",
    "rating",
    "comment",
    "max_context_docs",
];

fn any_json() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        " ",
        "hormigón",
        "true",
        "5",
        "1e400",
        "NaN",
        "2026-11-24",
        "24/11/2026",
        "31/02/2026",
        "+999999-01-01T00:00:00Z",
        "-262144-01-01",
        "a\0b",
        "a\nb",
        "\u{202e}",
        "hybrid",
        "user",
        "*",
        ">",
        "..",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // serde_json may read a long fraction with another last bit; eighths are read exactly.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        select(texts.to_vec()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 40, 8, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), object_of(inner).prop_map(Value::Object)]
    })
}

fn object_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![8 => select(NAMES.to_vec()).prop_map(str::to_owned), 1 => any::<String>()];
    vec((name, value), 0..8).prop_map(|fields| fields.into_iter().collect())
}

/// Whether a refusal is a sentence for users: it ends with a dot and contains no names from the
/// implementation.
fn is_plain(problem: &Problem) -> bool {
    let detail = [&problem.detail.es, &problem.detail.en];
    let plain = |text: &&String| text.ends_with('.') && !text.contains("struct ") && !text.contains("serde");
    problem.kind == ProblemKind::BadRequest && detail.iter().all(plain)
}

proptest! {
    #[test]
    fn a_form_is_read_or_refused_in_plain_words(fields in object_of(any_json())) {
        let body = serde_json::to_vec(&fields).unwrap();
        let refusals = [
            lenient::read::<SearchRequest>("", &body).err(),
            lenient::read::<ChatRequest>("", &body).err(),
            lenient::read::<Metadata>("metadata", &body).err(),
            lenient::read::<FeedbackRequest>("", &body).err(),
        ];
        for problem in refusals.into_iter().flatten() {
            prop_assert!(is_plain(&problem), "{:?}", problem);
        }
    }

    #[test]
    fn any_bytes_are_refused_as_no_json(body in vec(any::<u8>(), 0..60)) {
        let problem = lenient::read::<SearchRequest>("", &body).unwrap_err();
        prop_assert!(is_plain(&problem), "{:?}", problem);
    }

    #[test]
    fn a_checked_search_keeps_its_bounds_and_reaches_the_worker_as_it_is(
        mut fields in object_of(any_json()),
        filters in object_of(any_json()),
    ) {
        fields.entry("query").or_insert(json!("losa"));
        fields.insert("filters".to_owned(), Value::Object(filters));
        let body = serde_json::to_vec(&fields).unwrap();
        let Ok(search) = lenient::read("", &body).and_then(|request| Search::new(request, &Scope::All)) else {
            return Ok(());
        };
        prop_assert!((1..=MAX_TOP_K).contains(&search.top_k));
        prop_assert!((1..=MAX_QUERY_CHARS).contains(&search.query.chars().count()) && !search.query.contains('\0'));
        let there: Search = serde_json::from_slice(&serde_json::to_vec(&search).unwrap()).unwrap();
        prop_assert_eq!(there, search);
    }

    #[test]
    fn metadata_that_is_accepted_reaches_the_worker_as_it_is(fields in object_of(any_json())) {
        let body = serde_json::to_vec(&fields).unwrap();
        let Ok(metadata) = lenient::read::<Metadata>("", &body) else { return Ok(()) };
        if metadata.out_of_bounds().is_none() {
            let there: Metadata = serde_json::from_slice(&serde_json::to_vec(&metadata).unwrap()).unwrap();
            prop_assert_eq!(there, metadata);
        }
    }
}
