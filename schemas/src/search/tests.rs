use super::*;

fn check(json: &str) -> Result<Search, Problem> {
    Search::new(lenient::read("", json.as_bytes())?, &Scope::All)
}

#[test]
fn a_request_of_an_old_client_is_accepted() {
    let search = check(r#"{"query": " hormigón ", "project_id": null, "top_k": 5, "probes": 10}"#).unwrap();
    assert_eq!((search.query.as_str(), search.top_k, search.scope), ("hormigón", 5, Scope::All));
}

#[test]
fn loose_types_are_read() {
    let loose = check(
        r#"{"query": "a", "top_k": "5", "probes": 10.0, "strict_mode": "True", "mode": "", "project_id": " ",
            "filters": {"doc_type": "", "category": " Plano ", "revision": 0, "status": null,
                        "date_from": "2026-11-24", "date_to": "24/11/2026"}}"#,
    );
    let filters = Filters {
        fields: Fields { category: "Plano".into(), revision: "0".into(), ..Fields::default() },
        date_from: crate::metadata::parse_date("2026-11-24T00:00:00Z"),
        date_to: crate::metadata::parse_date("2026-11-24T23:59:59.999999Z"),
    };
    let expected = Search {
        scope: Scope::All,
        query: "a".into(),
        top_k: 5,
        mode: Mode::Hybrid,
        strict: true,
        filters,
        document_id: None,
    };
    assert_eq!(loose, Ok(expected));
    assert_eq!(check(r#"{"query": "a", "filters": {"doc_type": " "}}"#), check(r#"{"query": "a"}"#));
}

#[test]
fn a_period_ends_at_its_last_moment() {
    let filters: Filters = serde_json::from_str(r#"{"date_to": "2026-11-24T12:30:00Z"}"#).unwrap();
    assert_eq!(filters.date_to, crate::metadata::parse_date("2026-11-24T12:30:00Z"));
    // A worker deserializes the filters that the api has serialized.
    let there = serde_json::from_value::<Filters>(serde_json::to_value(&filters).unwrap()).unwrap();
    assert_eq!(there, filters);
}

#[test]
fn a_search_is_logged_for_the_projects_that_it_drew_on() {
    use MatchQuality::{Good, Low, Moderate};
    let [a, b]: [ProjectId; 2] = ["a", "b"].map(|id| id.parse().unwrap());
    let everything = check(r#"{"query": "losa"}"#).unwrap();
    let both = Search { scope: Scope::Projects(vec![a.clone(), b.clone()]), ..everything.clone() };
    let drawn_on = |first, second| drew_on([(&b, first), (&a, second)].into_iter());
    let only_a = drawn_on(Low, Good);
    assert_eq!(only_a, std::slice::from_ref(&a));
    assert_eq!(drawn_on(Moderate, Good), [a.clone(), b.clone()]);
    assert_eq!(drawn_on(Low, Low), [a.clone(), b.clone()], "there is nothing better");
    assert_eq!(both.scope.or_own(&only_a), only_a);
    assert_eq!(both.scope.or_own(&drew_on([].into_iter())), [a, b]);
    assert_eq!(everything.scope.or_own(&[]), []);
}

#[test]
fn a_bad_field_is_named() {
    for (json, field) in [
        (r#"{"query": "  "}"#, "query"),
        (r#"{"query": "a\u0000"}"#, "query"),
        (r#"{"query": "a", "top_k": 0}"#, "top_k"),
        (r#"{"query": "a", "top_k": 51}"#, "top_k"),
        (r#"{"query": "a", "probes": 101}"#, "probes"),
        (r#"{"query": "a", "filters": {"status": "\u0000"}}"#, "filters.status"),
    ] {
        let problem = check(json).unwrap_err();
        assert!(problem.detail.en.starts_with(field), "{json}: {problem:?}");
    }
}

#[test]
fn a_row_from_before_says_that_there_is_a_file() {
    let json = r#"{"document_id": "d", "chunk_id": "1", "project_id": "a", "filename": "", "file_type": "", "snippet": "",
        "vector_score": 0.5, "text_score": 0.5, "score": 0.5, "match_quality": "BUENO"}"#;
    let row: SearchRow = serde_json::from_str(json).unwrap();
    assert!(row.has_file);
    let record = serde_json::to_value(SearchRow { has_file: false, ..row }).unwrap();
    assert_eq!(record["has_file"], false);
}
