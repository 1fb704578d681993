//! Tests of the list of documents: queued documents come first, then stored ones; lists with a filter take turns.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use platform::nats::{
    Context,
    consume::{self, Settings},
    request::Requester,
};
use schemas::{
    Fields, Lane, Problem, ProblemKind, Scope,
    account::VerifyToken,
    analytics::GetPopularSearches,
    document::{Document, GetDocument, ListDocuments, ListFilter, State},
    subjects::{self, JobKind},
};
use tokio_util::sync::CancellationToken;

use crate::{
    analytics::wait_for_waiting,
    seed,
    world::{self, World, projects, run},
};

async fn queue(world: &World, project: &str, document: &str, category: &str) {
    queue_as(JobKind::Document, world, project, document, category).await;
}

async fn queue_as(kind: JobKind, world: &World, project: &str, document: &str, category: &str) {
    queue_with(kind, world, project, document, &serde_json::json!({"category": category})).await;
}

async fn queue_with(
    kind: JobKind,
    world: &World,
    project: &str,
    document: &str,
    metadata: &serde_json::Value,
) {
    let subject = subjects::job(kind, &project.parse().unwrap(), &document.parse().unwrap());
    let job = serde_json::json!({"text": "Muro de contención.", "metadata": metadata});
    let published = world.app.nats.jetstream.publish(subject, job.to_string().into()).await.unwrap();
    published.await.unwrap();
}

async fn update(world: &World, sql: &'static str) {
    assert_eq!(sqlx::query(sql).execute(&world.pool).await.unwrap().rows_affected(), 1, "{sql}");
}

/// Returns every page of the list, each as the ids of its documents.
pub async fn pages(world: &World, scope: &Scope, filter: ListFilter) -> Vec<Vec<String>> {
    let mut query = ListDocuments { scope: scope.clone(), filter };
    let mut pages = Vec::new();
    loop {
        let page = world::ask(&world.app, &query).await.unwrap();
        pages.push(page.documents.iter().map(name).collect());
        let Some(cursor) = page.next_cursor else { return pages };
        query.filter.cursor = Some(cursor);
    }
}

fn name(document: &Document) -> String {
    let mark = if document.facts.state == State::Queued { "queued " } else { "" };
    format!("{mark}{}", document.facts.document_id)
}

#[test]
fn what_waits_in_the_queue_is_listed_before_what_is_stored() {
    run(async {
        let world = world::samples().await;
        let stored = ["s1", "s2", "s3"].map(|id| seed::Document::text("list-a", id, id, "Texto."));
        seed::insert(&world.pool, world.app.model.as_ref(), &stored).await;
        queue(world, "list-a", "q1", "Plano").await;
        queue(world, "list-b", "q2", "Plano").await;
        queue(world, "list-c", "q3", "Plano").await;
        queue(world, "list-a", "q4", "Acta").await;
        // q4 is sent twice. s1 is a document that a worker has stored, but whose job it has not acknowledged
        // yet.
        queue(world, "list-a", "q4", "Acta").await;
        queue(world, "list-a", "s1", "Plano").await;
        update(world, "UPDATE document SET accepted_at = now() WHERE id = 's1'").await;
        queue(world, "list-b", "q5", "Acta").await;
        // A queued record is not listed, only its import.
        queue_as(JobKind::Record, world, "list-a", "r1", "Plano").await;

        let both = projects(&["list-a", "list-b"]);
        let filter = |limit| ListFilter { limit: Some(limit), ..ListFilter::default() };
        let queued = ["queued q1", "queued q2", "queued q4", "queued q5"];
        let stored = ["s1", "s3", "s2"];
        assert_eq!(pages(world, &both, filter(50)).await, [[&queued[..], &stored[..]].concat()]);
        // The first page reads as many jobs as its limit. The second job of q4 and the job of s1 count as
        // read, but q4 is listed once, and s1 only as a stored document.
        for (limit, shown) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 3), (6, 4), (7, 4)] {
            let pages = pages(world, &both, filter(limit)).await;
            assert_eq!(pages.concat(), [&queued[..shown], &stored[..]].concat(), "{limit}");
            assert!(pages.iter().all(|page| page.len() as i64 <= limit), "{pages:?}");
        }

        let of = async |filter: ListFilter| pages(world, &both, filter).await.concat();
        let state = |state| ListFilter { state: Some(state), ..filter(2) };
        assert_eq!(of(state(State::Queued)).await, queued);
        assert_eq!(of(state(State::Indexed)).await, stored);
        let minutes =
            ListFilter { fields: Fields { category: "ACTA".to_owned(), ..Fields::default() }, ..filter(9) };
        assert_eq!(of(minutes).await, ["queued q4", "queued q5"]);
        let dash =
            ListFilter { fields: Fields { number: "—".to_owned(), ..Fields::default() }, ..filter(9) };
        assert!(of(dash).await.is_empty(), "it is not the number of documents that have none");

        assert_eq!(pages(world, &projects(&["list-c"]), filter(1)).await.concat(), ["queued q3"]);
        assert!(pages(world, &projects(&[]), filter(1)).await.concat().is_empty());
        // Other tests queue and store documents, too.
        for (state, ids) in [(State::Queued, &["queued q1", "queued q3"][..]), (State::Indexed, &["s2"])] {
            let filter = ListFilter { state: Some(state), ..filter(200) };
            let all = pages(world, &Scope::All, filter).await.concat();
            assert!(ids.iter().all(|id| all.iter().any(|listed| listed == id)), "{all:?}");
        }
    });
}

#[test]
fn a_long_queue_does_not_hide_what_is_stored() {
    run(async {
        let world = world::samples().await;
        let stored = [seed::Document::text("long", "l1", "l1", "Texto.")];
        seed::insert(&world.pool, world.app.model.as_ref(), &stored).await;
        let ids: Vec<String> = (0..210).map(|n| format!("long-{n}")).collect();
        join_all(ids.iter().map(|id| queue(world, "long", id, "Plano"))).await;
        let long = projects(&["long"]);
        let minutes = ListFilter {
            fields: Fields { doc_type: "Acta".to_owned(), ..Fields::default() },
            ..ListFilter::default()
        };
        assert_eq!(pages(world, &long, minutes).await, [["l1"]]);
        let queued = ListFilter { state: Some(State::Queued), limit: Some(100), ..ListFilter::default() };
        assert_eq!(pages(world, &long, queued).await.concat().len(), ids.len());
    });
}

#[test]
fn a_page_that_would_be_too_large_ends_earlier() {
    run(async {
        let world = world::samples().await;
        let stored = ["s-1", "s-2"].map(|id| seed::Document::text("heavy", id, id, "Texto."));
        seed::insert(&world.pool, world.app.model.as_ref(), &stored).await;
        let long = "漢".repeat(1_000);
        let names = ["title", "number", "revision", "doc_type", "category", "discipline", "status", "author"];
        let metadata: serde_json::Value = names.iter().map(|name| (*name, long.as_str())).collect();
        sqlx::query("UPDATE document SET fields = $1 WHERE id IN ('s-1', 's-2')")
            .bind(&metadata)
            .execute(&world.pool)
            .await
            .unwrap();
        let queued: Vec<String> = (0..40).map(|n| format!("q-{n}")).collect();
        for id in &queued {
            queue_with(JobKind::Document, world, "heavy", id, &metadata).await;
        }
        let heavy = projects(&["heavy"]);
        let filter = ListFilter { limit: Some(200), ..ListFilter::default() };
        let shown = pages(world, &heavy, ListFilter { state: Some(State::Queued), ..filter.clone() }).await;
        assert_eq!(shown.concat(), queued.iter().map(|id| format!("queued {id}")).collect::<Vec<_>>());
        assert!(shown.len() == 2 && shown[0].len() > 30, "{shown:?}");
        // Queued documents leave no room for the stored ones on the first page.
        let all = pages(world, &heavy, filter.clone()).await;
        assert_eq!(all, [shown[0].clone(), vec!["s-2".to_owned(), "s-1".to_owned()]]);

        sqlx::query(
            "WITH added AS (INSERT INTO project (id) VALUES ('heavy-stored') RETURNING key)
             INSERT INTO document (project_key, id, state, accepted_at, fields)
             SELECT key, 'h-' || n, 'indexed', now() - n * interval '1 second', $1
             FROM added, generate_series(1, 40) n",
        )
        .bind(&metadata)
        .execute(&world.pool)
        .await
        .unwrap();
        let all = pages(world, &projects(&["heavy-stored"]), filter).await;
        assert_eq!(all.concat(), (1..=40).map(|n| format!("h-{n}")).collect::<Vec<_>>());
        assert!(all.len() == 2 && all[0].len() > 30, "{all:?}");
    });
}

#[test]
fn a_document_that_is_sent_again_is_queued_again() {
    run(async {
        let world = world::samples().await;
        let documents = ["f1", "f2"].map(|id| seed::Document::text("again", id, id, "Texto."));
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        let again = projects(&["again"]);
        let state = async |id: &str| {
            let query = GetDocument { scope: again.clone(), document_id: id.parse().unwrap() };
            world::ask(&world.app, &query).await.unwrap().facts.state
        };
        for sql in [
            "UPDATE document SET state = 'failed', chunks = 0 WHERE id = 'f1'",
            "UPDATE document SET state = 'superseded', chunks = 0 WHERE id = 'f2'",
        ] {
            update(world, sql).await;
        }
        assert_eq!((state("f1").await, state("f2").await), (State::Failed, State::Superseded));

        queue(world, "again", "f1", "Acta").await;
        assert_eq!((state("f1").await, state("f2").await), (State::Queued, State::Superseded));
        let list = async |state| pages(world, &again, ListFilter { state, ..ListFilter::default() }).await;
        assert_eq!(list(Some(State::Queued)).await, [["queued f1"]]);
        assert_eq!(list(None).await, [["queued f1", "f2"]]);
        // f1 is not listed once more on a later page, where it would be as it is stored.
        let single =
            async || pages(world, &again, ListFilter { limit: Some(1), ..ListFilter::default() }).await;
        assert_eq!(single().await, [["queued f1"], ["f2"]]);
        let newer = [seed::Document::text("again", "f3", "f3", "Texto.")];
        seed::insert(&world.pool, world.app.model.as_ref(), &newer).await;
        assert_eq!(single().await, [["queued f1"], ["f3"], ["f2"]]);

        // A worker takes the job of f1. The job stays in the queue until it is done.
        update(world, "UPDATE document SET state = 'processing', accepted_at = now() WHERE id = 'f1'").await;
        assert_eq!(state("f1").await, State::Processing);
        update(world, "UPDATE document SET state = 'failed' WHERE id = 'f1'").await;
        assert_eq!(state("f1").await, State::Failed);
        assert!(list(Some(State::Queued)).await.concat().is_empty());
    });
}

fn titled(title: &str) -> ListFilter {
    ListFilter { fields: Fields { title: title.to_owned(), ..Fields::default() }, ..ListFilter::default() }
}

#[test]
fn a_token_is_checked_while_filtered_lists_read_all_documents() {
    run(async {
        const SLOTS: usize = 4;
        let world = World::new("list_turns", &["--embed-threads=1", "--lookup-slots=4"]).await;
        update(&world, "INSERT INTO project (id, chunks) VALUES ('large', 20000)").await;
        let lane = Settings {
            stream: subjects::QUERIES_STREAM,
            consumer: subjects::query_consumer(Lane::Lookup),
            slots: SLOTS,
            max_attempts: 1,
            confirm: false,
        };
        let (nats, router, stopping) = (&world.app.nats, world.app.router(), CancellationToken::new());
        tokio::spawn(consume::run(nats.clone(), lane, Arc::new(router), stopping.clone()));
        let requester = Requester::start(nats.clone()).await.unwrap();
        let context = Context::new("test");

        let mut lock = world.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE document IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
        let list = ListDocuments { scope: projects(&["large"]), filter: titled("zzz") };
        let mut lists = Vec::new();
        for _ in 0..SLOTS {
            lists.push(requester.ask_streaming(&context, &list, Duration::from_secs(20)).await.unwrap());
        }
        let patience = Duration::from_secs(5);
        let token = VerifyToken { token_sha256: "0".repeat(64) };
        let refused = requester.ask(&context, &token, patience).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Unauthorized, "the worker has looked for the token");
        // A list in a project that the caller may not read reads no document.
        let nothing = ListDocuments { scope: projects(&[]), filter: ListFilter::default() };
        assert!(requester.ask(&context, &nothing, patience).await.unwrap().documents.is_empty());
        lock.rollback().await.unwrap();
        stopping.cancel();
    });
}

#[test]
fn only_a_list_that_may_read_many_documents_takes_a_turn() {
    run(async {
        let world = World::new("list_filters", &["--embed-threads=1"]).await;
        update(&world, "INSERT INTO project (id, chunks) VALUES ('p', 20000)").await;
        update(&world, "INSERT INTO project (id, chunks) VALUES ('small', 19999)").await;
        let mut lock = world.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE search_log IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
        let popular = GetPopularSearches::new(None, None, &Scope::All).unwrap();
        let first = world::start(&world.app, &popular).await;
        wait_for_waiting(&world, 1).await;
        let list = async |project, filter| {
            let query = ListDocuments { scope: projects(&[project]), filter };
            world::ask(&world.app, &query).await
        };
        let in_state = |state| ListFilter { state: Some(state), ..ListFilter::default() };
        let parent_id = Some("import".parse().unwrap());
        for filter in [
            titled("zzz"),
            in_state(State::Indexed),
            ListFilter { state: Some(State::Failed), ..titled("zzz") },
            ListFilter { parent_id: parent_id.clone(), ..in_state(State::Failed) },
        ] {
            assert_eq!(list("p", filter).await.unwrap_err(), Problem::overloaded());
        }
        for filter in [
            ListFilter { project_id: Some("p".parse().unwrap()), limit: Some(5), ..ListFilter::default() },
            in_state(State::Failed),
            ListFilter { parent_id, ..ListFilter::default() },
        ] {
            assert!(list("p", filter).await.unwrap().documents.is_empty());
        }
        assert!(list("small", titled("zzz")).await.unwrap().documents.is_empty());
        lock.rollback().await.unwrap();
        first.last().await.unwrap();
    });
}
