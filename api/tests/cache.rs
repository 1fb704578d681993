//! The cache of searches: a cached answer is never older than the newest commit, never contains another
//! project's rows, and is never an error.

use std::time::Duration;

use fred::{clients::Pool, interfaces::KeysInterface as _};
use schemas::{
    ProjectId, Scope,
    account::Role,
    search::{MatchQuality, SearchReply, SearchRow},
};
use serde_json::{Value, json as value};

use crate::{
    harness::{Api, Backends, Worker, json, projects, refused, until},
    search::row,
};

async fn search(api: &Api, body: &Value) -> (String, Value) {
    let response = api.post("/search", body).await;
    let cache = response.headers()["x-cache"].to_str().unwrap().to_owned();
    (cache, json(response, 200).await)
}

fn reply(id: &str) -> SearchReply {
    SearchReply { rows: vec![row("p", id)], degraded: Vec::new() }
}

/// Gives the keys new tokens, as an ingest worker does after a commit.
pub async fn renew(redis: &Pool, keys: &[&str]) {
    for key in keys {
        let token = uuid::Uuid::now_v7().to_string();
        redis.set::<(), _, _>(*key, token, None, None, false).await.unwrap();
    }
}

pub async fn redis(backends: &Backends) -> Pool {
    let pool = backends.config(&[]).redis.connect().unwrap();
    until("Redis answers", || async { pool.exists::<i64, _>("x").await.is_ok() }).await;
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_search_reaches_no_worker_until_something_is_committed() {
    let backends = Backends::start().await;
    // Two replicas of the api share the cache.
    let (api, other) = (backends.api(&[]).await, backends.api(&[]).await);
    let redis = redis(&backends).await;
    let worker = Worker::default();
    let answering = worker.start(&backends.nats);
    worker.replies.lock().unwrap().extend([Ok(reply("old")), Ok(reply("new"))]);
    let asked = value!({"query": "losa", "project_id": "p"});
    let (cache, rows) = search(&api, &asked).await;
    assert_eq!((cache.as_str(), &rows[0]["document_id"]), ("miss", &"old".into()));
    for api in [&api, &other] {
        let (cache, rows) = search(api, &asked).await;
        assert_eq!((cache.as_str(), &rows[0]["document_id"]), ("hit", &"old".into()));
    }
    assert_eq!(worker.searches(), 1);

    renew(&redis, &["acorag:gen:other", "acorag:gen"]).await;
    assert_eq!(search(&api, &asked).await.0, "hit", "another project's commit changes nothing here");
    renew(&redis, &["acorag:gen:p", "acorag:gen"]).await;
    let (cache, rows) = search(&other, &asked).await;
    assert_eq!((cache.as_str(), &rows[0]["document_id"]), ("miss", &"new".into()));

    // When Redis has evicted a generation, old answers must not become valid again.
    redis.del::<(), _>("acorag:gen:p").await.unwrap();
    assert_eq!(search(&api, &asked).await.0, "miss");
    assert_eq!(search(&api, &asked).await.0, "hit");

    api.stop().await;
    let hits: u32 = worker.reported.lock().unwrap().iter().map(|seen| seen.times).sum();
    assert_eq!(hits, 3, "a search from the cache counts among the popular ones");
    answering.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_search_is_logged_for_the_same_projects_as_the_one_that_a_worker_answered() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let weak = SearchRow { match_quality: MatchQuality::Low, ..row("b", "2") };
    let found = SearchReply { rows: vec![row("a", "1"), weak], degraded: Vec::new() };
    worker.replies.lock().unwrap().push_back(Ok(found));
    let asked = value!({"query": "losa"});
    assert_eq!(search(&api, &asked).await.0, "miss");
    assert_eq!(search(&api, &asked).await.0, "hit");
    api.stop().await;
    // The worker logs the miss for the project whose row matches, and not for that of the weak row.
    let reported = worker.reported.lock().unwrap();
    let projects: Vec<_> = reported.iter().map(|seen| &seen.projects).collect();
    assert_eq!(projects, [&["a".parse::<ProjectId>().unwrap()]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_commit_overtook_is_not_served_again() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let redis = redis(&backends).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.replies.lock().unwrap().extend([Ok(reply("old")), Ok(reply("new"))]);
    *worker.search_time.lock().unwrap() = Duration::from_secs(2);
    let asked = value!({"query": "losa"});
    let (first, ()) = tokio::join!(search(&api, &asked), async {
        until("the question is with the worker", || async { worker.searches() == 1 }).await;
        renew(&redis, &["acorag:gen:p", "acorag:gen"]).await;
    });
    assert_eq!(first.1[0]["document_id"], "old");
    // A client that asks after the commit must get neither the cached answer nor that of the search in
    // progress.
    let (cache, rows) = search(&api, &asked).await;
    assert_eq!((cache.as_str(), &rows[0]["document_id"]), ("miss", &"new".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_while_a_commit_may_be_under_way() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let redis = redis(&backends).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let asked = value!({"query": "losa", "project_id": "p"});
    search(&api, &asked).await;
    assert_eq!(search(&api, &asked).await.0, "hit");
    // The mark that a worker leaves when it dies during its commit.
    redis.set::<(), _, _>("acorag:gen:p", "~mark", None, None, false).await.unwrap();
    for searches in [2, 3] {
        assert_eq!((search(&api, &asked).await.0.as_str(), worker.searches()), ("miss", searches));
    }
    renew(&redis, &["acorag:gen:p"]).await;
    assert_eq!(search(&api, &asked).await.0, "miss");
    assert_eq!(search(&api, &asked).await.0, "hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_asked_after_a_commit_does_not_join_one_asked_before() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let redis = redis(&backends).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.search_time.lock().unwrap() = Duration::from_secs(2);
    let asked = value!({"query": "losa"});
    let (before, after) = tokio::join!(search(&api, &asked), async {
        until("the first is with the worker", || async { worker.searches() == 1 }).await;
        renew(&redis, &["acorag:gen"]).await;
        search(&api, &asked).await
    });
    assert_eq!((before.0.as_str(), after.0.as_str(), worker.searches()), ("miss", "miss", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_searches_under_way_are_asked_once() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    *worker.search_time.lock().unwrap() = Duration::from_millis(500);
    let asked = value!({"query": "losa"});
    let answers = futures::future::join_all((0..20).map(|_| search(&api, &asked))).await;
    assert_eq!(answers.len(), 20);
    assert_eq!(worker.searches(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_later_does_not_run_out_of_time_with_the_first() {
    let backends = Backends::start().await;
    let api = backends.api(&["--search-timeout=2"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    // As if the worker died while it has the first search.
    *worker.search_time.lock().unwrap() = Duration::from_secs(60);
    let asked = value!({"query": "losa"});
    let (first, (cache, _)) = tokio::join!(api.post("/search", &asked), async {
        until("the first is with the worker", || async { worker.searches() == 1 }).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        *worker.search_time.lock().unwrap() = Duration::ZERO;
        search(&api, &asked).await
    });
    refused(first, 504).await;
    assert_eq!((cache.as_str(), worker.searches()), ("miss", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_different_projects_share_nothing() {
    let backends = Backends::start().await;
    let api = backends.api(&["--auth=required"]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    worker.allow("a", Role::Read, projects(&["a"]));
    worker.allow("b", Role::Read, projects(&["b"]));
    worker.allow("ab", Role::Read, projects(&["b", "a"]));
    worker.allow("all", Role::Read, Scope::All);
    for key in ["a", "b", "ab", "all", "a", "b", "ab", "all"] {
        json(api.post_as(key, "/search", &value!({"query": "losa"})).await, 200).await;
    }
    assert_eq!(worker.searches(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_is_not_kept() {
    let backends = Backends::start().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let thin = SearchReply { degraded: vec!["vector".into()], ..reply("1") };
    worker.replies.lock().unwrap().extend([Err(schemas::Problem::overloaded()), Ok(thin), Ok(reply("2"))]);
    let asked = value!({"query": "losa"});
    refused(api.post("/search", &asked).await, 503).await;
    for expected in ["miss", "miss", "hit"] {
        assert_eq!(search(&api, &asked).await.0, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_searches_go_on() {
    let backends = Backends::with_own_redis().await;
    let api = backends.api(&[]).await;
    let worker = Worker::default();
    let _answering = worker.start(&backends.nats);
    let asked = value!({"query": "losa"});
    assert_eq!(search(&api, &asked).await.0, "miss");
    backends.own_redis().redis().unwrap().stop().unwrap();
    for _ in 0..20 {
        assert_eq!(search(&api, &asked).await.0, "bypass");
    }
    backends.own_redis().redis().unwrap().start().unwrap();
    until("it is used again", || async { search(&api, &asked).await.0 == "hit" }).await;
    let off = backends.api(&["--cache-ttl=0"]).await;
    assert_eq!(search(&off, &asked).await.0, "bypass");
}
