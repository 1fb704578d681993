//! Tests of answers without a language model: from the sample documents, in a conversation, about one
//! document.

use schemas::{
    Scope,
    chat::{ChatQuery, ChatReply, ChatRequest, KnownAnswer, Speaker, Turn},
    search::Search,
};
use serde_json::Value;

use crate::{
    samples,
    seed::{self, Document},
    world::{self, World, caller, projects, run},
};

pub fn question(message: &str, conversation: &str, scope: Scope) -> ChatQuery {
    let request = ChatRequest {
        message: message.into(),
        conversation_id: conversation.into(),
        ..ChatRequest::default()
    };
    ChatQuery::new(request, &caller("key:chat", scope), true).unwrap()
}

async fn ask(world: &World, message: &str, conversation: &str) -> ChatReply {
    world::ask(&world.app, &question(message, conversation, projects(&["torre-norte"]))).await.unwrap()
}

/// Returns what is wrong with a reply, compared with the expectation in questions.json; `None` if nothing is.
fn fault(reply: &ChatReply, case: &Value) -> Option<String> {
    let expect = &case["expect"];
    let first = reply.sources.first();
    let right = first.is_some_and(|source| {
        source.citation == 1
            && source.row.fields.number == expect["number"].as_str().unwrap()
            && (expect["page"].is_null() || source.row.page.map(u64::from) == expect["page"].as_u64())
    });
    let cites = reply.answer.contains("[1]");
    (!right || !cites || !reply.found)
        .then(|| format!("{}\n   {}\n   {first:?}", reply.question, reply.answer))
}

#[test]
fn questions_are_answered_from_the_right_page_and_traps_are_not() {
    run(async {
        let world = world::samples().await;
        let cases: Value = samples::read_json("questions.json");
        let mut faults = Vec::new();
        for (at, case) in cases["questions"].as_array().unwrap().iter().enumerate() {
            let reply = ask(world, case["question"].as_str().unwrap(), &format!("question-{at}")).await;
            faults.extend(fault(&reply, case));
        }
        for (at, case) in cases["traps"].as_array().unwrap().iter().enumerate() {
            let reply = ask(world, case["question"].as_str().unwrap(), &format!("trap-{at}")).await;
            let said = match case["language"].as_str().unwrap() {
                "es" => "No encontré información",
                _ => "I found no information",
            };
            if reply.found
                || !reply.sources.is_empty()
                || !reply.answer.starts_with(said)
                || reply.answer.contains('[')
            {
                faults.push(format!("{}\n   {}", reply.question, reply.answer));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

#[test]
fn a_conversation_of_five_turns_keeps_its_context() {
    run(async {
        let world = world::samples().await;
        let cases: Value = samples::read_json("questions.json");
        let mut faults = Vec::new();
        for case in cases["conversation"].as_array().unwrap() {
            let reply = ask(world, case["question"].as_str().unwrap(), "five-turns").await;
            faults.extend(fault(&reply, case));
            if !reply.answer.contains(case["answer_contains"].as_str().unwrap()) {
                faults.push(format!("{}\n   {}", reply.question, reply.answer));
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}

#[test]
fn a_history_sent_along_is_context_too_and_a_question_alone_has_none() {
    run(async {
        let world = world::samples().await;
        let mut query = question("¿y la del segundo piso?", "", projects(&["torre-norte"]));
        query.history = vec![
            Turn { role: Speaker::User, content: "¿Qué espesor tiene la losa del primer piso?".into() },
            Turn { role: Speaker::Assistant, content: "22 cm [1]".into() },
        ];
        let reply = world::ask(&world.app, &query).await.unwrap();
        assert!(reply.answer.contains("18 cm"), "{}", reply.answer);
        assert!(!reply.conversation_id.is_empty() && reply.conversation_id == reply.session_id);

        ask(world, "¿y la del segundo piso?", "nothing-before").await;
        assert_eq!(understood(world, "key:chat", "nothing-before").await, "¿y la del segundo piso?");
        assert!(understood(world, "key:chat", &reply.conversation_id).await.contains("espesor"));
    });
}

#[test]
fn what_the_conversation_lends_does_not_answer_for_it() {
    run(async {
        let world = world::samples().await;
        for (at, follow_up) in
            ["¿y la del helipuerto?", "¿Y cuánto pesa el submarino?", "¿y en Marte?"].iter().enumerate()
        {
            let conversation = format!("lends-{at}");
            assert!(ask(world, "¿Qué espesor tiene la losa del primer piso?", &conversation).await.found);
            let reply = ask(world, follow_up, &conversation).await;
            assert!(!reply.found, "{follow_up}: {}", reply.answer);
            // The conversation continues from its last answered question, not from the follow-up without an
            // answer.
            let reply = ask(world, "¿y la del segundo piso?", &conversation).await;
            assert!(reply.answer.contains("18 cm"), "after {follow_up}: {}", reply.answer);
        }
    });
}

/// Returns how the last question of a conversation was understood, with what it takes from earlier questions.
pub async fn understood(world: &World, owner: &str, conversation: &str) -> String {
    sqlx::query_scalar(
        "SELECT understood FROM turn WHERE owner = $1 AND conversation_id = $2 ORDER BY key DESC LIMIT 1",
    )
    .bind(owner)
    .bind(conversation)
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

#[test]
fn the_answer_streams_sentence_by_sentence_and_ends_whole() {
    run(async {
        let world = world::samples().await;
        let query =
            question("¿Cuántos días hay que curar las losas?", "streamed", projects(&["torre-norte"]));
        let mut asked = world::start(&world.app, &query).await;
        let mut streamed = String::new();
        while let Some(frame) = asked.frame().await {
            streamed.push_str(frame["text"].as_str().unwrap());
        }
        let reply = asked.end().await.unwrap();
        assert_eq!(streamed, reply.answer);
        assert!(reply.context_used.contains("p. 4"), "{}", reply.context_used);
        assert_eq!(reply.answered_by, "extractive");
    });
}

#[test]
fn an_answer_that_is_known_is_given_again_in_a_conversation_of_its_own() {
    run(async {
        let world = world::samples().await;
        let mut query = question("¿Cuántos días hay que curar las losas?", "", projects(&["torre-norte"]));
        let first = world::ask(&world.app, &query).await.unwrap();
        assert_eq!(first.reusable, Some(vec!["torre-norte".parse().unwrap()]));
        query.known = Some(KnownAnswer {
            answer: first.answer.clone(),
            sources: first.sources.clone(),
            context_used: first.context_used.clone(),
            found: first.found,
            answered_by: first.answered_by.clone(),
            projects: first.reusable.clone().unwrap(),
        });
        let again = world::ask(&world.app, &query).await.unwrap();
        assert_eq!((&again.answer, &again.sources), (&first.answer, &first.sources));
        assert_ne!(again.conversation_id, first.conversation_id);
        // The conversation can be continued, and its history is walled as that of the first one.
        let kept =
            crate::history::of(world, "key:chat", projects(&["torre-norte"]), &again.conversation_id).await;
        assert_eq!(kept[0].answer, first.answer);
        let elsewhere =
            crate::history::of(world, "key:chat", projects(&["sur"]), &again.conversation_id).await;
        assert!(elsewhere.is_empty());

        // An answer in a conversation depends on its turns.
        let query = question("¿Cuántos días hay que curar las losas?", "own", projects(&["torre-norte"]));
        assert_eq!(world::ask(&world.app, &query).await.unwrap().reusable, None);
    });
}

#[test]
fn an_answer_about_one_document_draws_on_nothing_else() {
    run(async {
        let world = world::samples().await;
        let someone = caller("key:chat", Scope::All);
        let about = |document: &str, message: &str| {
            ChatQuery::about(message, &document.parse().unwrap(), &someone).unwrap()
        };
        let query = about(
            "geotechnical-report.pdf",
            "What is the allowable bearing pressure for the foundation raft?",
        );
        let reply = world::ask(&world.app, &query).await.unwrap();
        assert_eq!(reply.sources[0].row.page, Some(5), "{}", reply.answer);

        let query = about("acta-reunion-de-obra-41.docx", "¿Cuántos días hay que curar las losas?");
        let reply = world::ask(&world.app, &query).await.unwrap();
        assert!(reply.sources.iter().all(|s| s.row.document_id.as_str() == "acta-reunion-de-obra-41.docx"));
        assert!(!reply.answer.contains("7 días"), "{}", reply.answer);
    });
}

#[test]
fn a_second_document_of_the_scope_answers_when_the_first_is_gone() {
    run(async {
        let world = world::samples().await;
        let text = "El portón del acceso norte se pinta de color verde musgo.";
        seed::insert(
            &world.pool,
            world.app.model.as_ref(),
            &[Document::text("doomed", "d1", "Pinturas", text)],
        )
        .await;
        let query = |conversation| {
            question(
                "¿De qué color se pinta el portón del acceso norte?",
                conversation,
                projects(&["doomed"]),
            )
        };
        let reply = world::ask(&world.app, &query("before")).await.unwrap();
        assert!(reply.answer.contains("verde musgo"), "{}", reply.answer);

        // After the deletion, the document answers no question, and the history keeps the earlier answer.
        sqlx::query("DELETE FROM chunk USING document d WHERE d.key = document_key AND d.id = 'd1'")
            .execute(&world.pool)
            .await
            .unwrap();
        sqlx::query("UPDATE project SET chunks = 0, terms = 0 WHERE id = 'doomed'")
            .execute(&world.pool)
            .await
            .unwrap();
        let reply = world::ask(&world.app, &query("after")).await.unwrap();
        assert!(!reply.found && reply.sources.is_empty());
        let kept = crate::history::of(world, "key:chat", projects(&["doomed"]), "before").await;
        assert_eq!(kept[0].sources[0].row.document_id.as_str(), "d1");
    });
}

#[test]
fn a_table_row_is_quoted_under_its_heading() {
    run(async {
        let world = world::samples().await;
        let text = "# Puertas nivel 2\nPuerta: P-204; Ancho: 0,90 m; Resistencia al fuego: F-60";
        let document = Document::text("doors", "p1", "Cuadro de puertas", text);
        seed::insert(&world.pool, world.app.model.as_ref(), &[document]).await;
        let message = "¿Cuál es la resistencia al fuego de la puerta P-204?";
        let reply = world::ask(&world.app, &question(message, "doors", projects(&["doors"]))).await.unwrap();
        assert_eq!(
            reply.answer,
            "Puertas nivel 2: Puerta: P-204; Ancho: 0,90 m; Resistencia al fuego: F-60 [1]"
        );
    });
}

#[test]
fn hostile_questions_are_no_trouble() {
    run(async {
        let world = world::samples().await;
        for message in
            ["¿?", "y", "[1]", "'; DROP TABLE turn; --", "🏗️🏗️", "a b c d e f g", "%_%", "de la de la"]
        {
            let reply = ask(world, message, "hostile").await;
            assert!(!reply.answer.is_empty(), "{message}");
        }
        let long = "losa ".repeat(400);
        ask(world, long.trim(), "hostile-long").await;
    });
}

/// The chat retrieves passages with the code of the search. A search itself must still return one row per
/// document.
#[test]
fn a_search_still_brings_one_row_a_document() {
    run(async {
        let world = world::samples().await;
        let request = serde_json::from_str(r#"{"query": "losa de hormigón", "top_k": 20}"#).unwrap();
        let query = Search::new(request, &projects(&["torre-norte"])).unwrap();
        let rows = world::ask(&world.app, &query).await.unwrap().rows;
        let mut ids: Vec<_> = rows.iter().map(|row| row.document_id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert!(ids.len() > 5 && ids.len() == rows.len(), "{ids:?}");
    });
}
