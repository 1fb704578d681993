//! Authentication and authorization: keys, logins, sessions, and JWTs of an external issuer.

use std::{sync::atomic::Ordering, time::Duration};

use chrono::Utc;
use futures::StreamExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use schemas::{
    Problem, Scope,
    account::{Caller, Login, Role, Session, User, refusal},
    document::State,
};
use serde_json::{Value, json as value};

use crate::harness::{Api, Backends, Worker, digest, document, form, json, projects, refused, until};

pub fn user(id: &str) -> Result<User, Problem> {
    Ok(User { id: id.into(), email: "ana@obra.cl".into(), full_name: "Ana".into(), created_at: Utc::now() })
}

pub fn log_in(login: Login) -> Result<Session, Problem> {
    if login.password != "right" {
        return Err(refusal::bad_login());
    }
    let user = user("u1")?;
    Ok(Session { access_token: "t".into(), token_type: "bearer".into(), expires_at: Utc::now(), user })
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_but_the_open_pages() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    for path in [
        "/documents",
        "/documents/1",
        "/documents/1/events",
        "/document/1/file",
        "/document/1/exists",
        "/history/c",
        "/chat/history/u",
        "/api/chat/history/u",
        "/api/suggestions",
        "/api/stats/documents",
        "/auth/me",
        "/api/analytics/popular-searches",
        "/api/analytics/feedback-stats",
        "/dead-letters",
    ] {
        let response = api.get(path).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        refused(response, 401).await;
        refused(api.get_as("wrong", path).await, 401).await;
    }
    for path in ["/search", "/chat", "/feedback"] {
        refused(api.post(path, &value!({"query": "a"})).await, 401).await;
    }
    refused(api.upload("/upload", form("a.txt", vec![b'x'; 3_000_000])).await, 401).await;
    refused(api.upload("/upload-and-query", form("a.txt", "x")).await, 401).await;
    for path in ["/health", "/ready", "/metrics", "/openapi.json", "/asyncapi.json", "/docs", "/"] {
        assert_eq!(api.get(path).await.status(), 200, "{path}");
    }
    let openapi = json(api.get("/openapi.json").await, 200).await;
    for (path, takes_a_key) in [("/search", true), ("/auth/login", false), ("/auth/register", false)] {
        assert_eq!(openapi["paths"][path]["post"]["security"].is_array(), takes_a_key, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reaches_its_projects_and_no_further() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("reader", Role::Read, projects(&["a"]));
    worker.allow("writer", Role::Write, projects(&["a"]));
    *worker.documents.lock().unwrap() =
        vec![document("a", "1", State::Indexed), document("b", "2", State::Indexed)];

    json(api.post_as("reader", "/search", &value!({"query": "x"})).await, 200).await;
    json(api.post_as("reader", "/search", &value!({"query": "x", "project_id": "b"})).await, 200).await;
    let scopes: Vec<Scope> = worker.seen.lock().unwrap().iter().map(|search| search.scope.clone()).collect();
    assert_eq!(scopes, [projects(&["a"]), projects(&[])]);

    json(api.get_as("reader", "/documents/1").await, 200).await;
    for path in [
        "/documents/2",
        "/documents/2?project_id=b",
        "/document/2/file",
        "/documents/2/events",
        "/document/2/preview",
    ] {
        refused(api.get_as("reader", path).await, 404).await;
    }
    assert_eq!(json(api.get_as("reader", "/document/2/exists").await, 200).await["exists"], false);

    let upload = async |key: &str, metadata: &str| {
        let form = form("a.txt", "x").text("metadata", metadata.to_owned());
        api.http.post(api.at("/upload")).header("x-api-key", key).multipart(form).send().await.unwrap()
    };
    assert!(refused(upload("reader", "{}").await, 403).await.contains("write"));
    assert!(refused(upload("writer", r#"{"project_id": "b"}"#).await, 403).await.contains("proyecto"));
    // An upload with a key of one project need not name the project.
    assert_eq!(json(upload("writer", "{}").await, 202).await["data"]["project_id"], "a");

    let delete = async |key: &str, id: &str| {
        api.http.delete(api.at(&format!("/documents/{id}"))).bearer_auth(key).send().await.unwrap()
    };
    refused(delete("reader", "1").await, 403).await;
    refused(delete("writer", "2").await, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_stops_within_a_second_and_a_busy_one_is_checked_rarely() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("k", Role::Read, Scope::All);
    let calls = (0..50).map(|_| api.get_as("k", "/documents"));
    for response in futures::future::join_all(calls).await {
        assert_eq!(response.status(), 200);
    }
    let asked = worker.verifications.load(Ordering::SeqCst);
    assert!((1..=10).contains(&asked), "{asked} questions for 50 calls");
    worker.revoke("k");
    tokio::time::sleep(Duration::from_secs(1)).await;
    refused(api.get_as("k", "/documents").await, 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_passed_on_and_guessing_is_slowed() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required", "--rate-limit-login=3/hour"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let session =
        json(api.post("/auth/login", &value!({"email": "ana@obra.cl", "password": "right"})).await, 200)
            .await;
    assert_eq!((&session["token_type"], &session["user"]["full_name"]), (&"bearer".into(), &"Ana".into()));
    let wrong = api.post("/auth/login", &value!({"email": "ana@obra.cl", "password": "wrong"})).await;
    refused(wrong, 401).await;
    let register = value!({"email": "b@obra.cl", "password": "12345678", "full_name": null});
    assert!(refused(api.post("/auth/register", &register).await, 403).await.contains("cerrado"));
    let again = api.post("/auth/login", &value!({"email": "ana@obra.cl", "password": "right"})).await;
    refused(again, 429).await;

    let caller = worker.allow("t", Role::Read, Scope::All);
    worker.callers.lock().unwrap().push((digest("ana"), Caller { user_id: Some("u1".into()), ..caller }));
    assert_eq!(json(api.get_as("ana", "/auth/me").await, 200).await["id"], "u1");
    refused(api.get_as("t", "/auth/me").await, 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_protected_from_many_addresses_and_a_busy_worker_is_waited_for() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required", "--rate-limit-login=2/hour", "--trusted-proxies=1"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let log_in = async |address: &str, email: &str| {
        let body = value!({"email": email, "password": "right"});
        let request = api.http.post(api.at("/auth/login")).header("x-forwarded-for", address).json(&body);
        request.send().await.unwrap()
    };
    worker.busy.store(2, Ordering::SeqCst);
    json(log_in("1.1.1.1", "ana@obra.cl").await, 200).await;
    json(log_in("2.2.2.2", "Ana@obra.cl ").await, 200).await;
    let refusal = log_in("3.3.3.3", "ana@obra.cl").await;
    assert!(refusal.headers().contains_key("retry-after"));
    refused(refusal, 429).await;
    json(log_in("3.3.3.3", "eva@obra.cl").await, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_guess_do_not_lock_the_owner_out() {
    let backends = Backends::with_own_redis().await;
    let settings = ["--auth=required", "--rate-limit-login=4/hour", "--trusted-proxies=1"];
    let (one, other) = (backends.api(&settings).await, backends.api(&settings).await);
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let log_in = async |api: &Api, address: &str, password: &str| {
        let body = value!({"email": "ana@obra.cl", "password": password});
        let request = api.http.post(api.at("/auth/login")).header("x-forwarded-for", address).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(log_in(&one, "1.1.1.1", "right").await, 200);
    let mut guesses = Vec::new();
    for address in 0..6 {
        guesses.push(log_in(&one, &format!("6.6.6.{address}"), "wrong").await);
    }
    assert_eq!(guesses, [401, 401, 401, 429, 429, 429], "all addresses together have one bound");
    // The owner can still log in from the address of her earlier login: at every replica, and while Redis is
    // unavailable.
    assert_eq!(
        [log_in(&one, "1.1.1.1", "right").await, log_in(&other, "1.1.1.1", "right").await],
        [200, 200]
    );
    backends.own_redis().redis().unwrap().stop().unwrap();
    assert_eq!(log_in(&other, "1.1.1.1", "right").await, 200);
    // An address that only guessed has no such exception, also with the right password.
    assert_eq!(log_in(&one, "6.6.6.9", "right").await, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_in_no_stream() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let password = format!("clave-{}", uuid::Uuid::new_v4());
    let login = value!({"email": "ana@obra.cl", "password": password});
    let log_in = || api.post("/auth/login", &login);
    let register = value!({"email": "b@obra.cl", "password": password, "full_name": "B"});
    // No worker runs that could check the password: the login is refused at once, and no message waits.
    refused(log_in().await, 503).await;
    // A ping does wait in a file of NATS, which shows that this test would find a password there.
    assert_eq!(api.get("/ready").await.status(), 503);
    assert!(is_in_a_file(backends.folder(), "acorag.v1.query.lookup.ping"));
    assert!(!is_in_a_file(backends.folder(), &password));
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    until("a worker is there", || async { log_in().await.status() == 401 }).await;
    refused(api.post("/auth/register", &register).await, 403).await;
    assert!(!is_in_a_file(backends.folder(), &password));
}

/// Whether a file in this folder or its subfolders contains the text.
fn is_in_a_file(folder: &std::path::Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| {
        let holds = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        if path.is_dir() { is_in_a_file(&path, text) } else { std::fs::read(path).is_ok_and(holds) }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_ended_by_its_token() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let other = backends.api(&["--auth=required"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("session", Role::Read, Scope::All);
    for replica in [&api, &other] {
        assert_eq!(replica.get_as("session", "/documents").await.status(), 200);
    }
    let logout = |api: &Api| api.http.post(api.at("/auth/logout")).bearer_auth("session").send();
    assert_eq!(logout(&api).await.unwrap().status(), 204);
    refused(api.get_as("session", "/documents").await, 401).await;
    until("the other replica has heard", || async {
        other.get_as("session", "/documents").await.status() == 401
    })
    .await;
    refused(logout(&api).await.unwrap(), 401).await;
    // Without a login session, for example with a token of an external issuer, there is nothing to end.
    let open = backends.api(&[]).await;
    refused(open.http.post(open.at("/auth/logout")).send().await.unwrap(), 404).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_unknown_tokens_costs_the_workers_little() {
    let backends = Backends::start().await;
    let settings =
        ["--auth=required", "--rate-limit-token=3/hour", "--rate-limit-address=off", "--trusted-proxies=1"];
    let api = backends.api(&settings).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("known", Role::Read, Scope::All);
    worker.allow("new", Role::Read, Scope::All);
    let status = async |address: &str, key: &str| {
        let request = api.http.get(api.at("/documents")).header("x-forwarded-for", address).bearer_auth(key);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("1.1.1.1", "known").await, 200);
    let before = worker.verifications.load(Ordering::SeqCst);
    let mut found = Vec::new();
    for guess in 0..10 {
        found.push(status("1.1.1.1", &format!("guess-{guess}")).await);
    }
    assert_eq!(found, [vec![401; 4], vec![429; 6]].concat());
    // The api remembers 10,000 look-ups. Further guesses take no place among them.
    let guesses = (10..10_001).map(|guess| {
        let status = &status;
        async move { status("1.1.1.1", &format!("guess-{guess}")).await }
    });
    let further: Vec<u16> = futures::stream::iter(guesses).buffer_unordered(64).collect().await;
    assert!(further.iter().all(|status| *status == 429));
    assert_eq!(worker.verifications.load(Ordering::SeqCst) - before, 4);
    // After one second the cached look-ups have expired. At this address, a key that was valid before is
    // looked up again, but a key that is new there is refused.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!([status("1.1.1.1", "known").await, status("1.1.1.1", "new").await], [200, 429]);
    assert_eq!(status("2.2.2.2", "new").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_follows_nothing_any_more() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required", "--rate-limit-token=1/hour"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("k", Role::Read, projects(&["a"]));
    worker.documents.lock().unwrap().push(document("a", "1", State::Queued));
    let mut followed = Vec::new();
    for _ in 0..3 {
        let mut follower = api.get_as("k", "/documents/1/events").await;
        let first = follower.chunk().await.unwrap().unwrap();
        assert!(first.starts_with(b"event: queued"), "{first:?}");
        followed.push(follower);
    }
    // After these, a token from this address is looked up only if it was valid before.
    for (key, status) in [("guess", 401), ("another", 401), ("third", 429)] {
        refused(api.get_as(key, "/documents").await, status).await;
    }
    // The event streams stay open as long as look-ups find the key valid.
    let asked = worker.verifications.load(Ordering::SeqCst);
    until("it was looked up again", || async { worker.verifications.load(Ordering::SeqCst) > asked }).await;
    worker.revoke("k");
    for follower in followed {
        let rest = tokio::time::timeout(Duration::from_secs(60), follower.text()).await;
        assert!(!rest.unwrap().unwrap().contains("event: "));
    }
}

const ISSUER: &[u8] = include_bytes!("keys/issuer.key");
const OTHER: &[u8] = include_bytes!("keys/other.key");

fn token(key: &[u8], change: impl FnOnce(&mut Value)) -> String {
    named("k1", key, change)
}

fn named(kid: impl Into<Option<&'static str>>, key: &[u8], change: impl FnOnce(&mut Value)) -> String {
    let mut claims = value!({
        "iss": "https://issuer.example", "aud": "acorag", "sub": "ana", "exp": Utc::now().timestamp() + 600,
        "projects": ["a"], "role": "write",
    });
    change(&mut claims);
    let mut header = Header::new(Algorithm::ES256);
    header.kid = kid.into().map(Into::into);
    encode(&header, &claims, &EncodingKey::from_ec_pem(key).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_outside_issuer() {
    let backends = Backends::start().await;
    let jwks = concat!("--jwt-jwks=", env!("CARGO_MANIFEST_DIR"), "/tests/keys/issuer.jwks.json");
    let api = backends
        .api(&["--auth=required", "--jwt-issuer=https://issuer.example", "--jwt-audience=acorag", jwks])
        .await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let search = value!({"query": "x"});
    let good = token(ISSUER, |_| {});
    json(api.post_as(&good, "/search", &search).await, 200).await;
    assert_eq!(worker.seen.lock().unwrap()[0].scope, projects(&["a"]));
    let all = token(ISSUER, |claims| claims["projects"] = "*".into());
    json(api.post_as(&all, "/search", &search).await, 200).await;
    assert_eq!(worker.seen.lock().unwrap()[1].scope, Scope::All);

    let none = token(ISSUER, |claims| drop(claims.as_object_mut().unwrap().remove("projects")));
    json(api.post_as(&none, "/search", &search).await, 200).await;
    assert_eq!(worker.seen.lock().unwrap()[2].scope, projects(&[]));

    // A token without a key id (`kid`) may be signed with any of the issuer's keys.
    let nameless = named(None, ISSUER, |_| {});
    json(api.post_as(&nameless, "/search", &search).await, 200).await;

    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    for (name, bad) in [
        ("expired", token(ISSUER, |claims| claims["exp"] = (Utc::now().timestamp() - 600).into())),
        ("for others", token(ISSUER, |claims| claims["aud"] = "other".into())),
        ("of others", token(ISSUER, |claims| claims["iss"] = "https://other.example".into())),
        ("without end", token(ISSUER, |claims| drop(claims.as_object_mut().unwrap().remove("exp")))),
        ("signed by somebody else", token(OTHER, |_| {})),
        ("of a key that is not the issuer's", named("k2", ISSUER, |_| {})),
        ("of another of its keys", named("k0", ISSUER, |_| {})),
        ("signed by somebody else, without the key's name", named(None, OTHER, |_| {})),
        ("unsigned", unsigned),
    ] {
        let status = api.post_as(&bad, "/search", &search).await.status();
        assert_eq!(status, 401, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_auth_only_this_machine_is_served() {
    let backends = Backends::start().await;
    let refusal = backends.config(&["--bind=0.0.0.0"]).listen().unwrap_err().to_string();
    assert!(refusal.contains("AUTH=off") && refusal.contains("BIND"), "{refusal}");
}
