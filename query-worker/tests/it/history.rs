//! Tests that only the owner of a conversation sees it, and only while the owner may read the projects that
//! its answers used.

use schemas::{
    Scope,
    history::{ConversationHistory, HistoryEntry, UserHistory},
};

use crate::{
    chat::question,
    seed::{self, Document},
    world::{self, World, caller, projects, run},
};

pub async fn of(world: &World, owner: &str, scope: Scope, conversation: &str) -> Vec<HistoryEntry> {
    let query = ConversationHistory::new(conversation, None, &caller(owner, scope)).unwrap();
    world::ask(&world.app, &query).await.unwrap().history
}

async fn ask(
    world: &World,
    owner: &str,
    scope: Scope,
    message: &str,
    conversation: &str,
) -> schemas::chat::ChatReply {
    let mut query = question(message, conversation, scope);
    query.caller = owner.to_owned();
    query.user_id = Some(format!("user-of-{owner}"));
    world::ask(&world.app, &query).await.unwrap()
}

#[test]
fn a_conversation_comes_back_oldest_first_to_its_owner_alone() {
    run(async {
        let world = world::samples().await;
        let scope = projects(&["torre-norte"]);
        ask(world, "key:h1", scope.clone(), "¿Qué espesor tiene la losa del primer piso?", "shared-id").await;
        let second = ask(world, "key:h1", scope.clone(), "¿y la del segundo piso?", "shared-id").await;
        let history = of(world, "key:h1", scope.clone(), "shared-id").await;
        assert_eq!(history.len(), 2);
        assert_eq!(history[1].question, "¿y la del segundo piso?");
        assert_eq!((&history[1].answer, &history[1].sources), (&second.answer, &second.sources));
        assert!(history[0].timestamp <= history[1].timestamp);

        // If another caller uses the same id, that is another conversation, without the context of this one.
        assert!(of(world, "key:h2", scope.clone(), "shared-id").await.is_empty());
        ask(world, "key:h2", scope.clone(), "¿y la del segundo piso?", "shared-id").await;
        assert_eq!(crate::chat::understood(world, "key:h2", "shared-id").await, "¿y la del segundo piso?");
        assert!(crate::chat::understood(world, "key:h1", "shared-id").await.contains("espesor"));

        let of_user = |user: &str, limit| {
            UserHistory::new(user, Some(limit), &caller("key:h1", scope.clone())).unwrap()
        };
        let newest = world::ask(&world.app, &of_user("user-of-key:h1", 1)).await.unwrap().history;
        assert_eq!(newest.len(), 1);
        assert_eq!(newest[0].conversation_id, "shared-id");
        assert_eq!(newest[0].question, "¿y la del segundo piso?");
        assert!(world::ask(&world.app, &of_user("user-of-key:h2", 20)).await.unwrap().history.is_empty());
        assert!(of(world, "key:h1", scope, "never-was").await.is_empty());
    });
}

#[test]
fn of_a_history_that_would_be_too_large_the_newest_turns_come() {
    run(async {
        let world = world::samples().await;
        sqlx::query(
            "INSERT INTO turn (owner, conversation_id, projects, question, understood, answer, sources, found, answered_by)
             SELECT 'key:h6', 'large', '{}', n::text, '', repeat('\"', 100000), '[]', true, ''
             FROM generate_series(1, 6) n",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let history = of(world, "key:h6", projects(&["torre-norte"]), "large").await;
        let questions: Vec<&str> = history.iter().map(|entry| entry.question.as_str()).collect();
        assert_eq!(questions, ["3", "4", "5", "6"], "a quotation mark takes two bytes");
    });
}

#[test]
fn a_question_where_nothing_is_yet_is_remembered_too() {
    run(async {
        let world = world::samples().await;
        let scope = projects(&["not-begun"]);
        let asked = ask(world, "key:h4", scope.clone(), "¿Qué espesor tiene la losa?", "early").await;
        assert!(!asked.found && asked.sources.is_empty());
        let history = of(world, "key:h4", scope.clone(), "early").await;
        assert_eq!(history.iter().map(|entry| &entry.answer).collect::<Vec<_>>(), [&asked.answer]);
        assert!(of(world, "key:h5", scope, "early").await.is_empty());
    });
}

#[test]
fn who_loses_a_project_loses_what_was_drawn_from_it() {
    run(async {
        let world = world::samples().await;
        let text = "La clave del depósito de herramientas es 7731.";
        seed::insert(
            &world.pool,
            world.app.model.as_ref(),
            &[Document::text("secret", "s1", "Claves", text)],
        )
        .await;
        let both = projects(&["torre-norte", "secret"]);
        let asked =
            ask(world, "key:h3", both.clone(), "¿Cuál es la clave del depósito de herramientas?", "c").await;
        assert!(asked.answer.contains("7731"), "{}", asked.answer);
        // The answer to a follow-up question may rest on this answer.
        ask(world, "key:h3", projects(&["secret"]), "¿Y cuál es?", "c").await;
        assert_eq!(of(world, "key:h3", both.clone(), "c").await.len(), 2);
        assert!(of(world, "key:h3", projects(&["torre-norte"]), "c").await.is_empty());
        assert!(of(world, "key:h3", projects(&[]), "c").await.is_empty());
    });
}
