//! A streamed answer on its whole way: from a fake language model through the query worker, NATS and the api
//! to the client.

use std::time::Duration;

use e2e::{Client, Options, System, Upload};
use reqwest::Response;
use serde_json::{Value, json};

use crate::fake_llm::{FakeLlm, MODEL};

/// A response with server-sent events, which are read one by one.
struct Events {
    answer: Response,
    text: String,
}

impl Events {
    async fn ask(client: &Client, question: &str) -> Self {
        let body = json!({"message": question, "project_id": "flujo", "stream": true});
        let answer = client.post("/chat", &body).await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        Self { answer, text: String::new() }
    }

    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let parsed = field("event:").zip(field("data:"));
                let parsed =
                    parsed.map(|(name, data)| (name.to_owned(), serde_json::from_str(data).unwrap()));
                self.text = rest.to_owned();
                match parsed {
                    Some(parsed) => return parsed,
                    None => continue,
                }
            }
            let more =
                tokio::time::timeout(Duration::from_secs(60), self.answer.chunk()).await.unwrap().unwrap();
            self.text.push_str(&String::from_utf8_lossy(&more.expect("the stream goes on")));
        }
    }
}

/// A system with one document, and a question about it, of whose answer the fake model gives the first piece only.
async fn asked(llm: &FakeLlm) -> (System, Client, Events) {
    let options = Options::default().env("LLM_BASE_URL", &llm.base_url).env("LLM_MODEL", MODEL);
    let system = System::start(options.env("LLM_TIMEOUT", "20")).await.unwrap();
    let client = system.client().unwrap();
    let text = "El ancho libre de la escalera de evacuación es de 1,40 m.";
    client.index(Upload::new("escalera.txt", text, json!({"project_id": "flujo"}))).await.unwrap();
    llm.hold();
    llm.release(1);
    let events = Events::ask(&client, "¿Cuál es el ancho de la escalera?").await;
    (system, client, events)
}

#[tokio::test]
async fn the_first_words_come_before_the_last_are_made_and_a_client_that_leaves_stops_it() {
    let llm =
        FakeLlm::start(&["El ancho libre ", "de la escalera ", "es de 1,40 m [1]. ", "Véase [7]."]).await;
    let (_system, client, mut events) = asked(&llm).await;
    let (name, first) = events.next().await;
    assert_eq!((name.as_str(), first["text"].as_str().unwrap().trim()), ("token", "El ancho libre"));
    // The fake model continues only now, so the client received the first words before the others existed.
    llm.release(3);
    let done = loop {
        let (name, data) = events.next().await;
        if name == "done" {
            break data;
        }
        assert_eq!(name, "token", "{data}");
        assert!(!data["text"].as_str().unwrap().contains("[7]"), "an invented citation was shown");
    };
    assert_eq!(done["answered_by"], MODEL);
    let answer = done["answer"].as_str().unwrap();
    assert!(answer.contains("1,40 m [1]") && !answer.contains("[7]"), "{answer}");
    assert_eq!(done["sources"].as_array().unwrap().len(), 1, "{done}");
    llm.wait_until_ended(1).await;

    // The questions below are others, because the answer to an equal one comes from the cache.
    // When a client disconnects, the worker ends its request to the fake model, which would otherwise wait
    // for ever.
    llm.release(1);
    let mut events = Events::ask(&client, "¿Qué ancho tiene la escalera?").await;
    assert_eq!(events.next().await.0, "token");
    drop(events);
    llm.wait_until_ended(2).await;

    // When the language model refuses a request, the answer consists of extracts from the documents, and a
    // notice says so.
    llm.script(|script| {
        script.refusals = 100;
        script.status = 400;
    });
    let body = json!({"message": "¿Cuál es el ancho libre de la escalera?", "project_id": "flujo"});
    let reply = client.post("/chat", &body).await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(reply["answered_by"], "extractive", "{reply}");
    assert!(reply["answer"].as_str().unwrap().contains("1,40 m") && reply["notice"] != "", "{reply}");
}

#[tokio::test]
async fn an_answer_whose_worker_dies_begins_again() {
    let llm = FakeLlm::start(&["El ancho libre ", "es de 1,40 m [1]."]).await;
    let (mut system, _client, mut events) = asked(&llm).await;
    let (_, first) = events.next().await;
    let mut shown = first["text"].as_str().unwrap().to_owned();
    assert_eq!(shown.trim(), "El ancho libre");
    system.query_workers[0].kill().unwrap();
    llm.wait_until_ended(1).await;
    system.query_workers[0].restart().await.unwrap();
    llm.release(2);
    let done = loop {
        let (name, data) = events.next().await;
        if name == "done" {
            break data;
        }
        assert_eq!(name, "token", "{data}");
        if data["restart"] == true {
            shown.clear();
        }
        shown += data["text"].as_str().unwrap();
    };
    assert_eq!(shown.trim(), done["answer"].as_str().unwrap());
}
