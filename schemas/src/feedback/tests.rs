use super::*;
use crate::account::{CallerLimits, Role};

fn check(json: &str) -> Result<SaveFeedback, Problem> {
    let caller = Caller {
        id: "key:1".into(),
        user_id: None,
        name: String::new(),
        role: Role::Read,
        scope: Scope::All,
        limits: CallerLimits::default(),
    };
    SaveFeedback::new(lenient::read("", json.as_bytes())?, &caller)
}

#[test]
fn a_conversation_may_be_named_by_two_fields_or_not_at_all() {
    for (json, session) in [
        (r#"{"session_id": "s", "rating": 5, "comment": null}"#, "s"),
        (r#"{"conversation_id": "s", "rating": 5}"#, "s"),
        (r#"{"conversation_id": "c", "session_id": "s", "rating": 5}"#, "s"),
        (r#"{"conversation_id": "c", "session_id": " ", "rating": 5}"#, "c"),
        (r#"{"session_id": null, "rating": 5}"#, ""),
        (r#"{"rating": "5"}"#, ""),
    ] {
        let feedback = check(json).unwrap();
        assert_eq!((feedback.session_id.as_str(), feedback.rating), (session, 5), "{json}");
    }
}

#[test]
fn a_bad_field_is_named() {
    for (json, field) in [
        (r#"{"session_id": "a\nb", "rating": 5}"#, "session_id"),
        (r#"{"session_id": "s"}"#, "rating"),
        (r#"{"session_id": "s", "rating": null}"#, "rating"),
        (r#"{"session_id": "s", "rating": 6}"#, "rating"),
        (r#"{"session_id": "s", "rating": 5, "comment": "\u0000"}"#, "comment"),
    ] {
        let problem = check(json).unwrap_err();
        assert!(problem.detail.en.starts_with(field), "{json}: {problem:?}");
    }
}
