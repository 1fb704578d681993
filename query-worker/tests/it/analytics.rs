//! Tests that searches are counted without delaying them, and that each search counts only within its own
//! projects.

use std::time::Duration;

use schemas::{
    Problem, Scope,
    analytics::{GetDocumentStats, GetPopularSearches, GetSuggestions, ReportSearches, SearchSeen},
    feedback::{FeedbackRequest, GetFeedbackStats, SaveFeedback},
    search::Search,
};
use tokio_util::sync::CancellationToken;

use crate::{
    seed::{self, Document},
    world::{self, World, caller, projects, run},
};

async fn seeded(world: &World, project: &str) {
    let documents = [
        Document::text(
            project,
            &format!("{project}-1"),
            "Hormigón de muros",
            "Los muros son de hormigón H-35.",
        ),
        Document::text(
            project,
            &format!("{project}-2"),
            "Pintura de cielos",
            "Los cielos se pintan de blanco.",
        ),
    ];
    seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
}

async fn search(world: &World, text: &str, project: &str) {
    let request = serde_json::from_value(serde_json::json!({"query": text})).unwrap();
    let found = world::ask(&world.app, &Search::new(request, &projects(&[project])).unwrap()).await.unwrap();
    assert!(!found.rows.is_empty());
}

/// Asks for the popular searches until they are as expected, because a separate task writes the log after the
/// searches.
async fn popular(
    world: &World,
    scope: &Scope,
    until: impl Fn(&[(String, u64)]) -> bool,
) -> Vec<(String, u64)> {
    let query = GetPopularSearches::new(None, None, scope).unwrap();
    for _ in 0..100 {
        let searches = world::ask(&world.app, &query).await.unwrap().searches;
        let counts: Vec<_> = searches.into_iter().map(|search| (search.query, search.count)).collect();
        if until(&counts) {
            return counts;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the searches were never logged")
}

#[test]
fn popular_searches_and_suggestions_stay_inside_their_projects() {
    run(async {
        let world = world::samples().await;
        seeded(world, "analytics-a").await;
        seeded(world, "analytics-b").await;
        for text in ["hormigón de los muros", "Hormigon de los muros!", "pintura de cielos"] {
            search(world, text, "analytics-a").await;
        }
        // Two more searches that the cache answered, as the api reports them.
        let seen = SearchSeen {
            query: "hormigón de los muros".into(),
            projects: vec!["analytics-a".parse().unwrap()],
            results: 2,
            times: 2,
        };
        world::ask(&world.app, &ReportSearches { searches: vec![seen] }).await.unwrap();
        let counts =
            popular(world, &projects(&["analytics-a"]), |counts| counts.first().is_some_and(|c| c.1 == 4))
                .await;
        assert_eq!(counts[0].0, "hormigón de los muros");
        assert_eq!(counts[1], ("pintura de cielos".into(), 1));
        assert!(popular(world, &projects(&["analytics-b"]), |_| true).await.is_empty());
        assert!(popular(world, &projects(&[]), |_| true).await.is_empty());

        let suggest = async |q: &str, project: &str| {
            let query = GetSuggestions::new(q, None, &projects(&[project])).unwrap();
            world::ask(&world.app, &query).await.unwrap().suggestions
        };
        let suggested = suggest("hormigon", "analytics-a").await;
        assert_eq!(suggested[..2], ["hormigón de los muros".to_owned(), "Hormigón de muros".to_owned()]);
        assert_eq!(suggest("muros", "analytics-b").await, ["Hormigón de muros"]);
        assert_eq!(suggest("hormigno de muros", "analytics-b").await[0], "Hormigón de muros", "misspelt");
        assert!(suggest("hormigon", "nowhere").await.is_empty());
        assert!(suggest("%", "analytics-b").await.is_empty(), "no wildcard");
        assert!(suggest("", "analytics-a").await.contains(&"hormigón de los muros".to_owned()));
        // A search without words finds something by its vector, and is no suggestion.
        sqlx::query(
            "INSERT INTO search_log (projects, query, folded, results)
             SELECT ARRAY[key], '¿…?', acorag_search_key('¿…?'), 2 FROM project WHERE id = 'analytics-b'",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        assert!(!suggest("", "analytics-b").await.contains(&"¿…?".to_owned()));
        let numbers = suggest("pl-ar-0004", "torre-norte").await;
        assert!(numbers.contains(&"200076-CCC02-PL-AR-000400".to_owned()), "{numbers:?}");
    });
}

#[test]
fn all_searches_that_wait_at_a_stop_are_written() {
    run(async {
        let world = World::new("search_log", &["--embed-threads=1"]).await;
        let seen = SearchSeen { query: "losa".into(), projects: Vec::new(), results: 0, times: 1 };
        world::ask(&world.app, &ReportSearches { searches: vec![seen; 300] }).await.unwrap();
        let stopping = CancellationToken::new();
        stopping.cancel();
        world.app.clone().log_searches(stopping).await.unwrap();
        let written: i64 =
            sqlx::query_scalar("SELECT count(*) FROM search_log").fetch_one(&world.pool).await.unwrap();
        assert_eq!(written, 300);
    });
}

#[test]
fn old_searches_are_forgotten_and_nothing_else() {
    run(async {
        let world = world::samples().await;
        for days in [80, 100] {
            sqlx::query(
                "INSERT INTO search_log (projects, query, folded, results, searched_at)
                 VALUES ('{}', 'age', $1, 0, now() - make_interval(days => $1::int))",
            )
            .bind(days.to_string())
            .execute(&world.pool)
            .await
            .unwrap();
        }
        // As the worker: without a condition, and yet only what is old goes.
        let mut transaction =
            query_worker::scope::begin_without_projects(&world.app.pool, &[]).await.unwrap();
        sqlx::query("DELETE FROM search_log").execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        let left: Vec<String> = sqlx::query_scalar("SELECT folded FROM search_log WHERE query = 'age'")
            .fetch_all(&world.pool)
            .await
            .unwrap();
        assert_eq!(left, ["80"]);
    });
}

#[test]
fn feedback_is_counted_within_the_scope() {
    run(async {
        let world = world::samples().await;
        seeded(world, "feedback-a").await;
        let give = async |session: &str, rating: i64, comment: &str| {
            let request = FeedbackRequest { session_id: session.into(), rating, comment: comment.into() };
            let someone = caller("key:f", projects(&["feedback-a"]));
            world::ask(&world.app, &SaveFeedback::new(request, &someone).unwrap()).await.unwrap()
        };
        assert_eq!(give("conv_7", 5, "muy bien").await.status, "success");
        assert_eq!(give("", 2, "").await.session_id, "");
        let stats = async |scope: Scope| {
            world::ask(&world.app, &GetFeedbackStats::new(None, &scope).unwrap()).await.unwrap()
        };
        let mine = stats(projects(&["feedback-a"])).await;
        assert_eq!((mine.total_feedback, mine.average_rating, mine.with_comment), (2, 3.5, 1));
        assert_eq!((mine.ratings["5"], mine.ratings["1"]), (1, 0));
        let sessions: Vec<String> =
            sqlx::query_scalar("SELECT conversation_id FROM feedback WHERE owner = 'key:f' ORDER BY key")
                .fetch_all(&world.pool)
                .await
                .unwrap();
        assert_eq!(sessions, ["conv_7", ""]);
        assert_eq!(stats(projects(&["torre-norte"])).await.total_feedback, 0);
    });
}

/// Waits until this many statements of the worker wait for the lock of a table.
pub async fn wait_for_waiting(world: &World, statements: i64) {
    for _ in 0..400 {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'acorag-query-worker'
               AND wait_event_type = 'Lock'",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        if waiting == statements {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there are never {statements} statements that wait")
}

#[test]
fn only_one_query_at_a_time_reads_all_documents_and_none_longer_than_its_asker_waits() {
    run(async {
        let world = World::new("analytics_turns", &["--embed-threads=1"]).await;
        let stats = GetDocumentStats { scope: Scope::All };
        let suggestions = GetSuggestions::new("losa", None, &Scope::All).unwrap();
        let popular = GetPopularSearches::new(None, None, &Scope::All).unwrap();
        let mut lock = world.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE document IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
        let patience = Duration::from_secs(8);
        let first = world::start_on(&world.app, world.app.router(), &stats, patience).await;
        wait_for_waiting(&world, 1).await;
        for _ in 0..4 {
            let refused = world::ask(&world.app, &suggestions).await.unwrap_err();
            assert_eq!(refused, Problem::overloaded());
            assert_eq!(world::ask(&world.app, &popular).await.unwrap_err(), Problem::overloaded());
        }
        wait_for_waiting(&world, 1).await;
        // The asker has gone; its statement keeps the turn until PostgreSQL cancels it.
        first.cancel().await;
        assert_eq!(world::ask(&world.app, &stats).await.unwrap_err(), Problem::overloaded());
        wait_for_waiting(&world, 0).await;
        lock.rollback().await.unwrap();
        assert_eq!(world::ask(&world.app, &stats).await.unwrap().total_documents, 0);
        assert!(world::ask(&world.app, &suggestions).await.unwrap().suggestions.is_empty());
    });
}

#[test]
fn documents_are_counted_within_the_scope() {
    run(async {
        let world = world::samples().await;
        seeded(world, "stats-a").await;
        let stats =
            world::ask(&world.app, &GetDocumentStats { scope: projects(&["stats-a"]) }).await.unwrap();
        assert_eq!((stats.total_documents, stats.total_chunks), (2, 2));
        assert_eq!((stats.by_state["indexed"], stats.by_state["failed"]), (2, 0));
        assert_eq!((stats.by_type["Acta"], stats.by_file_type["txt"]), (2, 2));
        assert_eq!(stats.by_project.into_iter().collect::<Vec<_>>(), [("stats-a".to_owned(), 2)]);
        let nothing = world::ask(&world.app, &GetDocumentStats { scope: projects(&[]) }).await.unwrap();
        assert_eq!((nothing.total_documents, nothing.total_chunks), (0, 0));
    });
}

#[test]
fn documents_are_counted_whatever_their_senders_say_of_them() {
    run(async {
        let world = World::new("hostile_stats", &["--embed-threads=1"]).await;
        sqlx::query(
            "WITH added AS (INSERT INTO project (id) VALUES ('p') RETURNING key)
             INSERT INTO document (project_key, id, state, accepted_at, indexed_at, size, fields)
             SELECT key, n::text, state, now(), indexed_at, size, jsonb_build_object('category', n || repeat('x', 900))
             FROM added, (VALUES (1, 1500, 'indexed', now(), 2), (1501, 1502, 'failed', NULL, 9223372036854775807))
                  AS alike (first, last, state, indexed_at, size), generate_series(first, last) n",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let stats = world::ask(&world.app, &GetDocumentStats { scope: projects(&["p"]) }).await.unwrap();
        assert_eq!((stats.total_documents, stats.total_size), (1_502, 3_000));
        assert_eq!((stats.by_state["indexed"], stats.by_project["p"]), (1_500, 1_500));
        assert!((900..1_500).contains(&stats.by_category.len()), "as many as fit into one reply");
    });
}
