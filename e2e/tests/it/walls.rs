//! Projects are isolated: with a key of one project, no request returns anything of another project.

use e2e::{Client, Upload};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{guarded, unique};

const SECRET: &str = "El precio reservado del ascensor Quillay es 84 millones.";

struct Walls {
    owner: Client,
    outsider: Client,
    theirs: String,
    document: String,
    conversation: String,
}

/// Creates a project with a document, a conversation and events, and a client whose key is for another
/// project.
async fn walls() -> Walls {
    let system = guarded().await;
    let (theirs, ours) = (unique("reservado"), unique("otro"));
    let (_, owner) = system.client_with_key(&["--role", "write", "--project", &theirs]).unwrap();
    let (_, outsider) = system.client_with_key(&["--role", "write", "--project", &ours]).unwrap();
    let document =
        owner.index(Upload::new("oferta.txt", SECRET, json!({"project_id": theirs}))).await.unwrap();
    outsider.index(Upload::new("nada.txt", "Nada que ver.", json!({"project_id": ours}))).await.unwrap();
    let conversation = unique("conversacion");
    let chat = json!({"message": "¿Cuál es el precio del ascensor Quillay?", "conversation_id": conversation,
        "project_id": theirs, "user_id": "persona-1"});
    let answer = owner.post("/chat", &chat).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    Walls { owner, outsider, theirs, document, conversation }
}

async fn text(client: &Client, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, String) {
    let mut request = client.http.request(method, format!("{}{path}", client.url));
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn another_projects_key_sees_nothing() {
    let Walls { owner, outsider, theirs, document, conversation } = walls().await;
    let search = json!({"query": "precio ascensor Quillay", "project_id": theirs});
    let everywhere = json!({"query": "precio ascensor Quillay"});
    let chat = json!({"message": "¿Cuál es el precio del ascensor Quillay?", "project_id": theirs});
    let follow_up = json!({"message": "¿Y cuántos millones son?", "conversation_id": conversation});
    let matrix: Vec<(Method, String, Option<&Value>)> = vec![
        (Method::GET, format!("/documents/{document}"), None),
        (Method::GET, format!("/documents/{document}?project_id={theirs}"), None),
        (Method::GET, format!("/documents/{document}/events"), None),
        (Method::GET, format!("/document/{document}/file"), None),
        (Method::GET, format!("/document/{document}/preview"), None),
        (Method::GET, format!("/document/{document}/exists"), None),
        (Method::GET, format!("/documents?project_id={theirs}"), None),
        (Method::GET, "/documents".to_owned(), None),
        (Method::GET, format!("/history/{conversation}"), None),
        (Method::GET, "/chat/history/persona-1?limit=20".to_owned(), None),
        (Method::GET, "/api/chat/history/persona-1".to_owned(), None),
        (Method::GET, "/api/suggestions?q=pre".to_owned(), None),
        (Method::GET, "/api/suggestions?q=ofe".to_owned(), None),
        (Method::GET, "/api/analytics/popular-searches".to_owned(), None),
        (Method::GET, "/api/stats/documents".to_owned(), None),
        (Method::POST, "/search".to_owned(), Some(&search)),
        (Method::POST, "/search".to_owned(), Some(&everywhere)),
        (Method::POST, "/chat".to_owned(), Some(&chat)),
        (Method::POST, "/chat".to_owned(), Some(&follow_up)),
        (Method::DELETE, format!("/documents/{document}"), None),
    ];
    // Requests for the document or its file are refused. All others may return what belongs to the outsider's
    // project.
    let hidden = [
        format!("/documents/{document}"),
        format!("/documents/{document}?project_id={theirs}"),
        format!("/document/{document}/file"),
        format!("/document/{document}/preview"),
    ];
    // The owner searches first, so that the cache has answers that the outsider must not see.
    for body in [&search, &everywhere] {
        assert!(text(&owner, Method::POST, "/search", Some(body)).await.1.contains("Quillay"));
    }
    for (method, path, body) in matrix {
        let (status, said) = text(&outsider, method.clone(), &path, body).await;
        // The response is an empty answer or a refusal. A server error would not show that projects are
        // isolated.
        let answered = [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status);
        assert!(answered, "{method} {path}: {status} {said}");
        if hidden.contains(&path) {
            assert_ne!(status, StatusCode::OK, "{method} {path}: {said}");
        }
        for leak in ["84 millones", "oferta.txt", theirs.as_str(), "reservado del ascensor"] {
            // The answer may repeat words of the outsider's request, but nothing else of the document.
            let asked = format!("{path}{}", body.map(Value::to_string).unwrap_or_default());
            assert!(asked.contains(leak) || !said.contains(leak), "{method} {path}: {status} {said}");
        }
        assert!(!said.contains("84 millones"), "{method} {path}: {status} {said}");
    }
    // The outsider may not upload to the project, and the owner can still read the document.
    let answer =
        outsider.try_upload(Upload::new("x.txt", "x y z", json!({"project_id": theirs})), "").await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(text(&owner, Method::GET, &format!("/document/{document}/file"), None).await.1, SECRET);
}

/// Row-level security isolates projects without the help of the code: with a worker's role, statements
/// without a condition return only rows of the scope.
#[tokio::test]
async fn the_database_alone_keeps_the_wall() {
    let Walls { theirs, .. } = walls().await;
    let url = guarded().await.stack.database_url();
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    for role in ["acorag_query", "acorag_ingest"] {
        let mut tx = pool.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET LOCAL ROLE {role}"))).execute(&mut *tx).await.unwrap();
        for (scope, sees) in
            [("", false), (r#"["otro"]"#, false), (&*json!([theirs]).to_string(), true), ("*", true)]
        {
            sqlx::query("SELECT set_config('acorag.scope', $1, true)")
                .bind(scope)
                .execute(&mut *tx)
                .await
                .unwrap();
            for statement in [
                "SELECT count(*) FROM chunk WHERE text LIKE '%Quillay%'",
                "SELECT count(*) FROM document WHERE filename = 'oferta.txt'",
                "SELECT count(*) FROM posting_pending q JOIN project p ON p.key = q.project_key WHERE p.id LIKE 'reservado%'",
                "SELECT count(*) FROM embedding e JOIN chunk c ON c.key = e.chunk_key WHERE c.text LIKE '%Quillay%'",
                "SELECT count(*) FROM sentence s JOIN chunk c ON c.key = s.chunk_key WHERE c.text LIKE '%Quillay%'",
                "SELECT count(*) FROM project WHERE id LIKE 'reservado%'",
            ] {
                let count: i64 = sqlx::query_scalar(statement).fetch_one(&mut *tx).await.unwrap();
                assert_eq!(count > 0, sees, "{role}, scope {scope:?}: {statement}");
            }
        }
    }
}

/// A revoked key is refused within a second, by every api.
#[tokio::test]
async fn a_revoked_key_stops_within_a_second_everywhere() {
    let system = guarded().await;
    let (id, client) = system.client_with_key(&["--role", "read", "--project", &unique("revocado")]).unwrap();
    let other = client.clone().at(&system.apis[1].url);
    for client in [&client, &other] {
        assert_eq!(client.get("/documents").await.unwrap().status(), StatusCode::OK);
    }
    system.command("acorag-query-worker", &["keys", "revoke", &id]).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for client in [&client, &other] {
        assert_eq!(client.get("/documents").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    }
    // A key with the role `read` may not upload.
    let project = unique("lectura");
    let (_, reader) = system.client_with_key(&["--role", "read", "--project", &project]).unwrap();
    let answer =
        reader.try_upload(Upload::new("a.txt", "texto", json!({"project_id": project})), "").await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}
