//! How often chat answers what the documents answer, and refuses what they do not: on the sample documents, and on any
//! folder in BEIR's form (corpus.jsonl, queries.jsonl, qrels/test.tsv).
//!
//!     cargo run -p query-worker --example answer_rates -- [FOLDER [EVERY_NTH] | QUESTIONS.json]
//!
//! For a folder, the paragraphs are split into two projects. A question asked of both should be answered; asked of the
//! project without its paragraph (but with its neighbours, which speak of the same things) it should be refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement: figures are what it is for, and a surprise ends it"
)]

#[path = "../tests/it/samples.rs"]
mod samples;
#[path = "../tests/it/seed.rs"]
mod seed;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/it/world.rs"]
mod world;

use std::{collections::HashMap, path::Path};

use schemas::{
    Scope,
    chat::{ChatQuery, ChatReply, ChatRequest},
};
use serde_json::{Value, json};

fn main() {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter("error");
    log.json().init();
    world::run(async {
        match std::env::args().nth(1) {
            None => on_samples(&samples::read_json("questions.json")).await,
            Some(path) if path.ends_with(".json") => {
                on_samples(&serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).await;
            }
            Some(folder) => {
                let every = std::env::args().nth(2).map_or(1, |n| n.parse().unwrap());
                on_folder(Path::new(&folder), every).await;
            }
        }
    });
}

async fn chat(app: &query_worker::app::App, scope: Scope, question: &str, conversation: &str) -> ChatReply {
    let caller = world::caller("key:rates", scope);
    let request = ChatRequest {
        message: question.into(),
        conversation_id: conversation.into(),
        ..ChatRequest::default()
    };
    world::ask(app, &ChatQuery::new(request, &caller, false).unwrap()).await.unwrap()
}

async fn on_samples(questions: &Value) {
    let world = world::samples().await;
    for group in ["questions", "traps", "conversation"] {
        for (at, case) in questions[group].as_array().unwrap().iter().enumerate() {
            let conversation = if group == "conversation" { "c".to_owned() } else { format!("{group}-{at}") };
            let question = case["question"].as_str().unwrap();
            let reply = chat(&world.app, Scope::All, question, &conversation).await;
            let first = reply.sources.first();
            let right = first.is_some_and(|source| {
                let expect = &case["expect"];
                source.row.number == expect["number"].as_str().unwrap_or_default()
                    && (expect["page"].is_null() || source.row.page.map(u64::from) == expect["page"].as_u64())
            });
            let holds = case["answer_contains"].as_str().is_some_and(|text| reply.answer.contains(text));
            println!(
                "{group} {at}: found={} right={right} holds={holds}\n   {question}\n   {}",
                reply.found, reply.answer
            );
        }
    }
}

async fn on_folder(folder: &Path, every: usize) {
    let lines = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let world = world::World::new("rates", &[]).await;
    let mut project = HashMap::new();
    let corpus = lines("corpus.jsonl");
    let documents: Vec<seed::Document> = corpus
        .iter()
        .enumerate()
        .map(|(at, paragraph)| {
            let id = paragraph["_id"].as_str().unwrap();
            let name = if at % 2 == 0 { "even" } else { "odd" };
            project.insert(id.to_owned(), name);
            let title = paragraph["title"].as_str().unwrap_or_default();
            seed::Document::text(name, id, title, paragraph["text"].as_str().unwrap())
        })
        .collect();
    seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
    let relevant: HashMap<String, String> = std::fs::read_to_string(folder.join("qrels/test.tsv"))
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>())
        .map(|fields| (fields[0].clone(), fields[1].clone()))
        .collect();
    let (mut asked, mut answered, mut right, mut refused) = (0, 0, 0, 0);
    for query in lines("queries.jsonl").into_iter().step_by(every) {
        let (id, question) = (query["_id"].as_str().unwrap(), query["text"].as_str().unwrap());
        let Some(paragraph) = relevant.get(id) else { continue };
        let without = if project[paragraph] == "even" { "odd" } else { "even" };
        asked += 1;
        let with = chat(&world.app, Scope::All, question, &format!("{id}-a")).await;
        answered += u32::from(with.found);
        right += u32::from(
            with.sources.first().is_some_and(|source| source.row.document_id.as_str() == paragraph),
        );
        let scope = Scope::Projects(vec![without.parse().unwrap()]);
        refused += u32::from(!chat(&world.app, scope, question, &format!("{id}-b")).await.found);
    }
    println!(
        "{}",
        json!({"asked": asked, "answered": answered, "right_first": right, "refused_without": refused})
    );
}
