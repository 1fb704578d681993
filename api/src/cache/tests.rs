use schemas::search::SearchRequest;

use super::*;

fn search(json: &str, scope: &Scope) -> Search {
    Search::new(serde_json::from_str::<SearchRequest>(json).unwrap(), scope).unwrap()
}

#[test]
fn every_parameter_and_the_scope_are_in_the_key() {
    let [a, b] = ["a", "b"].map(|id| id.parse().unwrap());
    let all = Scope::All;
    let base = search(r#"{"query": "x"}"#, &all);
    let others = [
        search(r#"{"query": "y"}"#, &all),
        search(r#"{"query": "x", "top_k": 5}"#, &all),
        search(r#"{"query": "x", "strict_mode": true}"#, &all),
        search(r#"{"query": "x", "mode": "vector"}"#, &all),
        search(r#"{"query": "x", "filters": {"revision": "B"}}"#, &all),
        search(r#"{"query": "x", "project_id": "a"}"#, &all),
        search(r#"{"query": "x"}"#, &Scope::Projects(vec![a, b])),
    ];
    let mut keys: Vec<String> = others.iter().chain([&base]).map(name).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), others.len() + 1);
    assert_eq!(name(&base), name(&search(r#"{"query": " x ", "probes": 9, "top_k": 10}"#, &all)));
}

#[test]
fn an_answer_hangs_on_the_projects_it_may_draw_on() {
    let projects = |ids: &[&str]| Scope::Projects(ids.iter().map(|id| id.parse().unwrap()).collect());
    assert_eq!(generation_keys(&Scope::All), ["acorag:gen"]);
    assert_eq!(generation_keys(&projects(&["b c", "a", "a"])), ["acorag:gen:a", "acorag:gen:b=20c"]);
    let many: Vec<String> = (0..17).map(|i| format!("p{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(generation_keys(&projects(&many)), ["acorag:gen"]);
}
