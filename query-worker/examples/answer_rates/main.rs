//! How often chat answers what the documents answer, and refuses what they do not, on files in the form of SQuAD, each
//! in one language (XQuAD has the same questions in both). `tests/it/chat.rs` holds the same of the sample documents.
//!
//!     cargo run -p query-worker --example answer_rates -- EVERY_NTH FILE.json …
//!
//! The paragraphs of a file are split into two projects. A question asked of both should be answered with the span that
//! a person marked. Asked of the project without its paragraph (but with its neighbours, which speak of the same
//! things), or of the sample documents, it should be refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement: figures are what it is for, and a surprise ends it"
)]

mod processor_time;
#[path = "../../tests/it/samples.rs"]
mod samples;
#[path = "../../tests/it/seed.rs"]
mod seed;
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../../tests/it/world.rs"]
mod world;

use std::{path::Path, time::Instant};

use futures::{StreamExt as _, stream};
use query_worker::app::App;
use schemas::{
    Scope,
    chat::{ChatQuery, ChatReply, ChatRequest},
    search::Search,
};
use serde_json::{Value, json};

fn main() {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter("error");
    log.json().init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let every = arguments[0].parse().unwrap();
    world::run(async {
        let world = world::World::new("rates", &[]).await;
        seed::insert(&world.pool, world.app.model.as_ref(), &samples::documents()).await;
        for file in &arguments[1..] {
            let language = Path::new(file).file_stem().unwrap().to_str().unwrap().replace('.', "-");
            let questions = insert(&world, Path::new(file), &language).await;
            measure(&world.app, &language, &questions.into_iter().step_by(every).collect::<Vec<_>>()).await;
        }
        let bytes: f64 = sqlx::query_scalar("SELECT avg(length(data))::float8 FROM sentence")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        println!("{}", json!({"sentence_bytes_a_passage": bytes}));
    });
}

struct Question {
    id: String,
    text: String,
    paragraph: String,
    /// The project with the question's paragraph, and the one without.
    with: String,
    without: String,
    spans: Vec<String>,
}

/// Stores every paragraph of the file as a document, and returns the questions.
async fn insert(world: &world::World, file: &Path, language: &str) -> Vec<Question> {
    let read: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (mut documents, mut questions) = (Vec::new(), Vec::new());
    for article in read["data"].as_array().unwrap() {
        let title = text(&article["title"]).replace('_', " ");
        for paragraph in article["paragraphs"].as_array().unwrap() {
            let mut halves = [format!("{language}-even"), format!("{language}-odd")];
            halves.rotate_left(documents.len() % 2);
            let [with, without] = halves;
            let id = format!("{language}-{}", documents.len());
            documents.push(seed::Document::text(&with, &id, &title, &text(&paragraph["context"])));
            for asked in paragraph["qas"].as_array().unwrap() {
                let spans = asked["answers"].as_array().unwrap().iter().map(|answer| text(&answer["text"]));
                questions.push(Question {
                    id: text(&asked["id"]),
                    text: text(&asked["question"]),
                    paragraph: id.clone(),
                    with: with.clone(),
                    without: without.clone(),
                    spans: spans.collect(),
                });
            }
        }
    }
    seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
    questions
}

async fn chat(app: &App, projects: &[&str], question: &str, conversation: &str) -> ChatReply {
    let caller = world::caller("key:rates", world::projects(projects));
    let (message, conversation_id) = (question.to_owned(), conversation.to_owned());
    let request = ChatRequest { message, conversation_id, ..ChatRequest::default() };
    world::ask(app, &ChatQuery::new(request, &caller, false).unwrap()).await.unwrap()
}

async fn measure(app: &App, name: &str, questions: &[Question]) {
    let (mut answered, mut span, mut paragraph, mut refused, mut refused_other) = (0, 0, 0, 0, 0);
    let mut sentences = 0;
    for question in questions {
        let reply = chat(app, &[&question.with, &question.without], &question.text, &question.id).await;
        let answer = plain(&reply.answer);
        answered += u32::from(reply.found);
        sentences += if reply.found { reply.answer.matches(" [").count() } else { 0 };
        span += u32::from(reply.found && question.spans.iter().any(|span| answer.contains(&plain(span))));
        let first = reply.sources.first();
        paragraph +=
            u32::from(first.is_some_and(|source| source.row.document_id.as_str() == question.paragraph));
        let conversation = format!("{}-without", question.id);
        refused += u32::from(!chat(app, &[&question.without], &question.text, &conversation).await.found);
        let conversation = format!("{}-other", question.id);
        refused_other += u32::from(!chat(app, &["torre-norte"], &question.text, &conversation).await.found);
    }
    let asked = questions.len() as f64;
    // "Not found" is right for both kinds of questions that the documents do not answer.
    let right = f64::from(refused + refused_other);
    let f1 = 2.0 * right / (right + (asked - f64::from(answered)) + 2.0 * asked);
    let [search, chat] = cost(app, questions).await;
    let [embedded, answers] = throughput(app, questions).await;
    println!(
        "{}",
        json!({
            "file": name, "asked": questions.len(), "answered": answered, "span": span, "paragraph_first": paragraph,
            "sentences_an_answer": sentences as f64 / f64::from(answered), "refused_without": refused, "not_found_f1": f1, "refused_other": refused_other,
            "search_ms": search, "chat_ms": chat, "questions_a_second": embedded, "answers_a_second": answers,
        })
    );
}

/// The mean time of a search and of a chat, each as [wall, processor time of this process and all servers] in
/// milliseconds; both take turns with the same questions.
async fn cost(app: &App, questions: &[Question]) -> [[f64; 2]; 2] {
    let mut sums = [[0.0; 2]; 2];
    let asked: Vec<&Question> = questions.iter().take(50).collect();
    for part in asked.chunks(10) {
        for (sums, is_chat) in sums.iter_mut().zip([false, true]) {
            let (started, before) = (Instant::now(), processor_time::of_process_and_children());
            for question in part {
                let projects = [question.with.as_str(), &question.without];
                if is_chat {
                    chat(app, &projects, &question.text, &format!("{}-cost", question.id)).await;
                } else {
                    let request = serde_json::from_value(json!({"query": question.text})).unwrap();
                    let scope: Scope = world::projects(&projects);
                    world::ask(app, &Search::new(request, &scope).unwrap()).await.unwrap();
                }
            }
            sums[0] += started.elapsed().as_secs_f64() * 1_000.0;
            sums[1] +=
                processor_time::of_process_and_children().saturating_sub(before).as_secs_f64() * 1_000.0;
        }
    }
    sums.map(|sums| sums.map(|sum| (sum / asked.len() as f64 * 10.0).round() / 10.0))
}

/// How many questions the model alone embeds in a second, and how many chats are answered, each for 8 clients.
async fn throughput(app: &App, questions: &[Question]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    let asked: Vec<&Question> = questions.iter().take(80).collect();
    for part in asked.chunks(40) {
        let started = Instant::now();
        let calls = part.iter().map(|question| app.model.query(&question.text));
        stream::iter(calls).buffer_unordered(8).for_each(async |vector| drop(vector.unwrap())).await;
        sums[0] += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let calls = part.iter().map(async |question| {
            let projects = [question.with.as_str(), &question.without];
            chat(app, &projects, &question.text, &format!("{}-many", question.id)).await
        });
        stream::iter(calls).buffer_unordered(8).for_each(async |reply| drop(reply)).await;
        sums[1] += started.elapsed().as_secs_f64();
    }
    sums.map(|seconds| (asked.len() as f64 / seconds * 10.0).round() / 10.0)
}

/// A text on one line and without what an answer changes in a quotation.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(['[', '('], "(").replace([']', ')'], ")")
}
