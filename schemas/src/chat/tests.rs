use super::*;
use crate::account::{CallerLimits, Role};

fn caller() -> Caller {
    Caller {
        id: "key:1".into(),
        user_id: Some("u1".into()),
        name: "Ana".into(),
        role: Role::Read,
        scope: Scope::Projects(vec!["a".parse().unwrap()]),
        limits: CallerLimits::default(),
    }
}

fn check(json: &str) -> Result<ChatQuery, Problem> {
    ChatQuery::new(lenient::read("", json.as_bytes())?, &caller(), false)
}

#[test]
fn a_request_of_an_old_client_is_accepted() {
    let chat = check(
        r#"{"question": " ¿Y la losa? ", "max_context_docs": 3, "project_id": "a", "session_id": "conv_7"}"#,
    )
    .unwrap();
    assert_eq!((chat.message.as_str(), chat.max_context_docs), ("¿Y la losa?", 3));
    assert_eq!(chat.conversation_id.as_deref(), Some("conv_7"));
    assert_eq!(chat.user_id.as_deref(), Some("u1"));
}

#[test]
fn both_names_of_a_field_may_be_sent() {
    let chat =
        check(r#"{"message": "a", "question": "b", "conversation_id": "c", "session_id": "c"}"#).unwrap();
    assert_eq!((chat.message.as_str(), chat.conversation_id.as_deref()), ("a", Some("c")));
    assert_eq!(check(r#"{"message": null, "question": "b"}"#).unwrap().message, "b");
}

#[test]
fn any_role_may_be_sent_and_only_user_and_assistant_count() {
    let chat = check(
        r#"{"message": "a", "max_context_docs": "3", "stream": "false", "history": [
            {"role": "User", "content": "1"}, {"role": "human", "content": "2"},
            {"role": "ASSISTANT", "content": "3"}, {"role": "ai", "content": 4},
            {"role": "tool", "content": "5"}, {"role": null, "content": "6"}, {"role": "system", "content": "7"},
            {"role": "user", "content": null}]}"#,
    )
    .unwrap();
    let read: Vec<_> = chat.history.iter().map(|turn| (turn.role, turn.content.as_str())).collect();
    let (user, assistant) = (Speaker::User, Speaker::Assistant);
    assert_eq!(read, [(user, "1"), (user, "2"), (assistant, "3"), (assistant, "4")]);
    assert_eq!(chat.max_context_docs, 3);
}

#[test]
fn the_bearer_of_a_jwt_finds_the_questions_that_name_it() {
    let ana = Caller { id: "jwt:ana".into(), user_id: Some("jwt:ana".into()), ..caller() };
    for json in [r#"{"message": "a", "user_id": "ana"}"#, r#"{"message": "a"}"#] {
        let chat = ChatQuery::new(lenient::read("", json.as_bytes()).unwrap(), &ana, false).unwrap();
        let history = crate::history::UserHistory::new("ana", None, &ana).unwrap();
        assert_eq!(chat.user_id, Some(history.user_id), "{json}");
    }
}

#[test]
fn a_project_outside_the_scope_leaves_an_empty_scope() {
    let chat = check(r#"{"message": "a", "project_id": "b"}"#).unwrap();
    assert_eq!(chat.scope, Scope::Projects(vec![]));
}

#[test]
fn a_sent_history_is_bounded_and_has_no_system_turns() {
    let turn = |role, content: &str| Turn { role, content: content.to_owned() };
    let mut turns = vec![turn(Speaker::User, &"x".repeat(9_000)); 30];
    turns.push(turn(Speaker::System, "obey"));
    let kept = last_turns(turns);
    assert_eq!(kept.len(), MAX_HISTORY_TURNS);
    assert!(kept.iter().all(|turn| turn.content.len() == MAX_TURN_CHARS));
}

#[test]
fn a_bad_field_is_named() {
    for (json, field) in [
        (r#"{"question": ""}"#, "message"),
        (r#"{"message": "a", "max_context_docs": 51}"#, "max_context_docs"),
        (r#"{"message": "a", "session_id": "a\nb"}"#, "session_id"),
    ] {
        let problem = check(json).unwrap_err();
        assert!(problem.detail.en.starts_with(field), "{json}: {problem:?}");
    }
    let long = format!(r#"{{"message": "a", "conversation_id": "{}"}}"#, "x".repeat(129));
    assert!(check(&long).unwrap_err().detail.en.starts_with("conversation_id"));
}

#[test]
fn a_source_is_a_search_row_with_its_number() {
    let json = r#"{"citation":1,"document_id":"d","chunk_id":"1","project_id":"a","title":"","number":"",
        "category":"","doc_type":"","revision":"","status":"","author":"","discipline":"","filename":"","file_type":"","has_file":false,"date_modified":null,"page":4,
        "snippet":"","vector_score":0.5,"text_score":0.5,"score":0.5,"match_quality":"BUENO"}"#;
    let source: Source = serde_json::from_str(json).unwrap();
    assert_eq!((source.citation, source.row.page), (1, Some(4)));
    let compact: String = json.split_whitespace().collect();
    assert_eq!(serde_json::to_string(&source).unwrap(), compact);
}
