//! Measures how often the chat answers questions that the documents answer, and refuses questions that they
//! do not. The questions come from a folder in the format of BEIR (corpus.jsonl, queries.jsonl,
//! qrels/test.tsv). `tests/it/chat.rs` tests the same with the sample documents.
//!
//!     cargo run -p query-worker --example answer_rates -- FOLDER [EVERY_NTH]
//!
//! The paragraphs are split into two projects. A question that is asked in both projects should be answered.
//! If it is asked only in the project without its paragraph, it should be refused, although that project has
//! neighbouring paragraphs about the same topic.

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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let every = arguments.get(1).map_or(1, |n| n.parse().unwrap());
    world::run(measure(Path::new(&arguments[0]), every));
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

async fn measure(folder: &Path, every: usize) {
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
