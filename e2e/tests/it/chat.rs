//! Chat over the sample documents without a language model: the first source is the right page, or the answer
//! is "not found".

use e2e::Client;
use serde_json::{Value, json};

use crate::{shared, unique};

async fn samples(client: &Client) -> String {
    let project = unique("charla");
    for mut sample in devstack::samples().unwrap() {
        sample.metadata["project_id"] = json!(project);
        client.index(sample).await.unwrap();
    }
    project
}

fn cites(source: &Value, expected: &Value) -> bool {
    ["filename", "number", "page"]
        .iter()
        .all(|field| expected[field].is_null() || expected[field] == source[field])
}

#[tokio::test]
async fn questions_get_their_page_and_traps_get_nothing() {
    let (client, _) = shared().await;
    let project = samples(&client).await;
    let questions = devstack::questions().unwrap();
    let mut wrong = Vec::new();
    for entry in questions["questions"].as_array().unwrap() {
        let body = json!({"question": entry["question"], "project_id": project, "max_context_docs": 5});
        let answer = client.post("/chat", &body).await.unwrap().json::<Value>().await.unwrap();
        let first = &answer["sources"][0];
        if !cites(first, &entry["expect"]) || !answer["answer"].as_str().unwrap().contains("[1]") {
            wrong.push(format!("{}: {} / {first}", entry["question"], answer["answer"]));
        }
    }
    for trap in questions["traps"].as_array().unwrap() {
        let body =
            json!({"message": trap["question"].as_str().or(trap.as_str()).unwrap(), "project_id": project});
        let answer = client.post("/chat", &body).await.unwrap().json::<Value>().await.unwrap();
        if answer["sources"] != json!([]) || answer["answer"].as_str().unwrap().contains("[1]") {
            wrong.push(format!("trap {trap}: {}", answer["answer"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Five questions of one conversation: each can only be understood with the questions before it.
    let conversation = unique("obra");
    for turn in questions["conversation"].as_array().unwrap() {
        let body =
            json!({"message": turn["question"], "conversation_id": conversation, "project_id": project});
        let answer = client.post("/chat", &body).await.unwrap().json::<Value>().await.unwrap();
        assert!(cites(&answer["sources"][0], &turn["expect"]), "{}: {answer}", turn["question"]);
    }
    let history =
        client.get(&format!("/history/{conversation}")).await.unwrap().json::<Value>().await.unwrap();
    let asked: Vec<&Value> =
        history["history"].as_array().unwrap().iter().map(|turn| &turn["question"]).collect();
    let expected: Vec<&Value> =
        questions["conversation"].as_array().unwrap().iter().map(|turn| &turn["question"]).collect();
    assert_eq!(asked, expected);
}

/// Clients of the old system work without a change.
#[tokio::test]
async fn an_old_client_runs_unchanged() {
    let (client, _) = shared().await;
    let project = samples(&client).await;
    let script = format!("{}/../load/old_client.py", env!("CARGO_MANIFEST_DIR"));
    let output = tokio::process::Command::new("python3")
        .args([&script, "--url", &client.url, "--project", &project, "--upload-project", &unique("cliente")])
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
