//! Tests of row-level security alone: plain SQL with the worker's role, without any check by the service.

use schemas::{Scope, search::Search};
use sqlx::{
    PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult},
};

use crate::{
    chat::question,
    seed::{self, Document},
    world::{self, World, projects, run},
};

async fn as_worker(world: &World) -> PgPool {
    let options: PgConnectOptions = world.database_url.parse().unwrap();
    let options = options.options([("role", "acorag_query")]);
    PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap()
}

async fn within(pool: &PgPool, scope: &Scope, caller: &str) -> Transaction<'static, Postgres> {
    let mut transaction = query_worker::scope::begin(pool, scope).await.unwrap();
    sqlx::query("SELECT set_config('acorag.caller', $1, true)")
        .bind(caller)
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction
}

async fn count(transaction: &mut Transaction<'_, Postgres>, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(&mut **transaction)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Asserts that PostgreSQL refused a statement because a right is missing or a policy forbids it, and for no
/// other reason.
#[track_caller]
fn assert_forbidden(outcome: sqlx::Result<PgQueryResult>) {
    let error = outcome.unwrap_err();
    let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    assert_eq!(code.as_deref(), Some("42501"), "{error}");
}

#[test]
fn a_scope_sees_nothing_of_another_project_in_any_table() {
    run(async {
        let world = world::samples().await;
        let text = "La grúa del proyecto B mide 62 metros de altura.";
        seed::insert(&world.pool, world.app.model.as_ref(), &[Document::text("wall-b", "b1", "Grúa", text)])
            .await;
        seed::insert(
            &world.pool,
            world.app.model.as_ref(),
            &[Document::text("wall-a", "a1", "Andamio", "El andamio mide 9 metros.")],
        )
        .await;
        let mut query =
            question("¿Cuántos metros mide la grúa del proyecto B?", "wall", projects(&["wall-b"]));
        query.caller = "key:wall".into();
        assert!(world::ask(&world.app, &query).await.unwrap().found);
        for (sql, table) in [
            (
                "INSERT INTO feedback (owner, conversation_id, projects, rating) SELECT 'key:wall', 'wall', array[key], 5 FROM project WHERE id = 'wall-b'",
                "feedback",
            ),
            (
                "INSERT INTO posting SELECT key, 'grua-b', 1, 1, 1, '', '' FROM project WHERE id = 'wall-b'",
                "posting",
            ),
            ("INSERT INTO posting_dead SELECT key, -62 FROM project WHERE id = 'wall-b'", "posting_dead"),
            (
                "INSERT INTO search_log (projects, query, folded, results) SELECT array[key], 'grúa b', 'grua b', 1 FROM project WHERE id = 'wall-b'",
                "search_log",
            ),
        ] {
            assert_eq!(sqlx::query(sql).execute(&world.pool).await.unwrap().rows_affected(), 1, "{table}");
        }

        let pool = as_worker(world).await;
        // Each statement counts rows of the project `wall-b`.
        let tables: [&'static str; 12] = [
            "SELECT count(*) FROM project WHERE id = 'wall-b'",
            "SELECT count(*) FROM document WHERE id = 'b1'",
            "SELECT count(*) FROM chunk WHERE text LIKE '%grúa del proyecto B%'",
            "SELECT count(*) FROM embedding e JOIN chunk c ON c.key = e.chunk_key WHERE c.text LIKE '%grúa del proyecto B%'",
            "SELECT count(*) FROM sentence s JOIN project p ON p.key = s.project_key WHERE p.id = 'wall-b'",
            "SELECT count(*) FROM posting_pending q JOIN project p ON p.key = q.project_key WHERE p.id = 'wall-b'",
            "SELECT count(*) FROM posting WHERE term = 'grua-b'",
            "SELECT count(*) FROM posting_dead WHERE chunk_key = -62",
            "SELECT count(*) FROM turn WHERE owner = 'key:wall' AND conversation_id = 'wall'",
            "SELECT count(*) FROM turn WHERE answer LIKE '%62 metros%'",
            "SELECT count(*) FROM feedback WHERE conversation_id = 'wall'",
            "SELECT count(*) FROM search_log WHERE folded = 'grua b'",
        ];
        for sql in tables {
            let mut b = within(&pool, &projects(&["wall-b"]), "key:wall").await;
            assert!(count(&mut b, sql).await > 0, "its own scope sees it: {sql}");
            for scope in [projects(&["wall-a"]), projects(&[])] {
                let mut a = within(&pool, &scope, "key:wall").await;
                assert_eq!(count(&mut a, sql).await, 0, "{sql}");
            }
            let mut unnamed = pool.begin().await.unwrap();
            assert_eq!(count(&mut unnamed, sql).await, 0, "without a scope: {sql}");
        }
        // Another caller does not see the conversation, not even one who may read all projects.
        for (scope, caller) in
            [(projects(&["wall-b"]), "key:other"), (Scope::All, "key:other"), (Scope::All, "")]
        {
            let mut other = within(&pool, &scope, caller).await;
            assert_eq!(
                count(&mut other, "SELECT count(*) FROM turn WHERE conversation_id = 'wall'").await,
                0
            );
        }
        // A search for the nearest vectors returns none of another project either.
        let mut a = within(&pool, &projects(&["wall-a"]), "key:wall").await;
        let crossed = count(
            &mut a,
            "SELECT count(*) FROM (SELECT document_key FROM embedding ORDER BY vector <#> (SELECT vector FROM embedding LIMIT 1)
             LIMIT 50) n JOIN document d ON d.key = n.document_key JOIN project p ON p.key = d.project_key WHERE p.id <> 'wall-a'",
        )
        .await;
        assert_eq!(crossed, 0);
    });
}

#[test]
fn what_runs_as_the_owner_of_the_tables_stays_within_the_scope() {
    run(async {
        let world = world::samples().await;
        let documents = [("number-a", "num-a"), ("number-b", "num-b")].map(|(project, id)| Document {
            number: "WALL-00-777".to_owned(),
            ..Document::text(project, id, "Muro", "El muro mide 9 metros.")
        });
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        sqlx::query(
            "INSERT INTO search_log (projects, query, folded, results)
             SELECT array[key], 'wall777 ' || id, 'wall777 ' || id, 1 FROM project WHERE id IN ('number-a', 'number-b')",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let pool = as_worker(world).await;
        // The owner sees all projects.
        let functions = [
            "SELECT count(*) FROM acorag_numbered('{WALL00777}', NULL, 100)",
            "SELECT count(*) FROM acorag_filtered('{\"number\": \"Wall-00-777\"}', NULL, NULL, NULL)",
            "SELECT count(*) FROM acorag_searched('wall777', 90, 1000, 100)",
        ];
        for found in functions {
            for (scope, expected) in [
                (Scope::All, 2),
                (projects(&["number-a", "number-b"]), 2),
                (projects(&["number-a"]), 1),
                (projects(&["nowhere"]), 0),
                (projects(&[]), 0),
            ] {
                let mut transaction = within(&pool, &scope, "").await;
                assert_eq!(count(&mut transaction, found).await, expected, "{scope:?}: {found}");
                // The keys that a transaction noted widen nothing.
                let everything = "SELECT count(set_config('acorag.projects', (SELECT '{' || string_agg(n::text, ',') || '}'
                                                                              FROM generate_series(1, 1000) n), true))";
                count(&mut transaction, everything).await;
                assert_eq!(count(&mut transaction, found).await, expected, "{scope:?}: {found}");
            }
            let mut unnamed = pool.begin().await.unwrap();
            assert_eq!(count(&mut unnamed, found).await, 0, "without a scope: {found}");
            drop(unnamed);
        }
        let mut all = within(&pool, &Scope::All, "").await;
        for wildcard in [
            "SELECT count(*) FROM acorag_numbered('{WALL%777}', NULL, 100)",
            "SELECT count(*) FROM acorag_numbered('{%}', NULL, 100)",
            "SELECT count(*) FROM acorag_numbered('{\"\"}', NULL, 100)",
            "SELECT count(*) FROM acorag_numbered('{WALL00777}', '{-1}', 100)",
            "SELECT count(*) FROM acorag_numbered('{WALL00777}', NULL, 0)",
        ] {
            assert_eq!(count(&mut all, wildcard).await, 0, "{wildcard}");
        }
        drop(all);
        for found in functions {
            let mut indexing = documents::scope::begin(&world.pool, &Scope::All).await.unwrap();
            assert_forbidden(sqlx::query(found).execute(&mut *indexing).await);
        }
    });
}

#[test]
fn the_keys_that_a_transaction_noted_end_with_it() {
    run(async {
        let world = world::samples().await;
        let documents =
            [Document::text("noted-a", "na", "A", "A."), Document::text("noted-b", "nb", "B", "B.")];
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        let options: PgConnectOptions = world.database_url.parse().unwrap();
        let options = options.options([("role", "acorag_query")]);
        // One connection, so that each transaction follows the one before it.
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let seen = async |transaction: &mut Transaction<'_, Postgres>| {
            let chunks = "SELECT count(*) FROM chunk WHERE text IN ('A.', 'B.')";
            count(transaction, chunks).await
        };
        for (scope, expected) in [
            (projects(&["noted-a", "noted-b"]), 2),
            (projects(&["noted-b"]), 1),
            (projects(&["nothing"]), 0),
            (projects(&[]), 0),
            (Scope::All, 2),
        ] {
            let mut first = within(&pool, &scope, "").await;
            documents::scope::projects(&mut first).await.unwrap();
            assert_eq!(seen(&mut first).await, expected, "{scope:?}");
            drop(first);
            let mut unnamed = pool.begin().await.unwrap();
            assert_eq!(seen(&mut unnamed).await, 0, "after {scope:?}");
        }
    });
}

#[test]
fn a_turn_cannot_be_written_into_a_project_or_name_that_is_not_ones_own() {
    run(async {
        let world = world::samples().await;
        seed::insert(
            &world.pool,
            world.app.model.as_ref(),
            &[Document::text("wall-c", "c1", "C", "Texto de C.")],
        )
        .await;
        let key: i32 = sqlx::query_scalar("SELECT key FROM project WHERE id = 'wall-c'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        let pool = as_worker(world).await;
        let insert = async |scope: Scope, caller: &str| {
            let mut transaction = within(&pool, &scope, caller).await;
            sqlx::query(
                "INSERT INTO turn (owner, conversation_id, projects, question, understood, answer, sources, found, answered_by)
                 VALUES ('key:w', 'x', array[$1::int], '', '', '', '[]', true, '')",
            )
            .bind(key)
            .execute(&mut *transaction)
            .await
        };
        assert_eq!(insert(projects(&["wall-c"]), "key:w").await.unwrap().rows_affected(), 1);
        assert_forbidden(insert(projects(&["wall-c"]), "key:thief").await);
        assert_forbidden(insert(projects(&["torre-norte"]), "key:w").await);
    });
}

#[test]
fn the_worker_cannot_read_keys_nor_give_itself_rights() {
    run(async {
        let world = world::samples().await;
        sqlx::query("INSERT INTO api_key (id, name, token_sha256, role) VALUES ('wall', 'w', decode(repeat('ab', 32), 'hex'), 'admin')")
            .execute(&world.pool)
            .await
            .unwrap();
        sqlx::query("INSERT INTO account (id, email, password_hash) VALUES ('wall', 'wall@obra.cl', 'x')")
            .execute(&world.pool)
            .await
            .unwrap();
        let pool = as_worker(world).await;
        for table in [
            "SELECT count(*) FROM api_key",
            "SELECT count(*) FROM account",
            "SELECT count(*) FROM login_session",
        ] {
            let mut all = within(&pool, &Scope::All, "key:wall").await;
            assert_eq!(count(&mut all, table).await, 0, "{table}");
        }
        // A transaction that names the hash of a token sees the key of that token.
        let mut known = pool.begin().await.unwrap();
        sqlx::query("SELECT set_config('acorag.token', repeat('ab', 32), true)")
            .execute(&mut *known)
            .await
            .unwrap();
        assert_eq!(count(&mut known, "SELECT count(*) FROM api_key").await, 1);
        drop(known);
        for forbidden in [
            "INSERT INTO api_key (id, name, token_sha256, role) VALUES ('mine', 'm', '\\x00', 'admin')",
            "UPDATE api_key SET role = 'admin'",
            "DELETE FROM api_key",
            "INSERT INTO account (id, email, password_hash, role) VALUES ('mine', 'm@m', 'x', 'admin')",
            "UPDATE account SET role = 'admin'",
            "DELETE FROM account",
            "UPDATE turn SET answer = ''",
            "DELETE FROM turn",
            "DELETE FROM document",
            "INSERT INTO project (id) VALUES ('mine')",
            "UPDATE search_log SET query = ''",
        ] {
            assert_forbidden(sqlx::query(forbidden).execute(&pool).await);
        }
    });
}

#[test]
fn behind_a_pooler_each_transaction_brings_its_role_and_settings_and_leaves_none() {
    run(async {
        let world = world::samples().await;
        // As in production: the login has no rights of its own. One connection serves both services, as behind a pooler
        // that gives every transaction another connection.
        sqlx::raw_sql(
            "DROP ROLE IF EXISTS pooled;
             CREATE ROLE pooled LOGIN NOINHERIT PASSWORD 'pooled';
             GRANT acorag_ingest, acorag_query TO pooled WITH INHERIT FALSE, SET TRUE",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let options: PgConnectOptions = world.database_url.parse().unwrap();
        let options = options.username("pooled").password("pooled");
        let pool = &PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let state = async || -> (i32, String, String, String, String, String) {
            sqlx::query_as(
                "SELECT pg_backend_pid(), current_user::text, current_setting('statement_timeout'),
                        current_setting('plan_cache_mode'), coalesce(current_setting('hnsw.ef_search', true), ''),
                        coalesce(current_setting('acorag.scope', true), '')",
            )
            .fetch_one(pool)
            .await
            .unwrap()
        };
        sqlx::query("SELECT '[1]'::vector").execute(pool).await.unwrap();
        let before = state().await;
        assert_eq!(before.1, "pooled");
        for _ in 0..2 {
            let mut searching = query_worker::scope::begin(pool, &projects(&["torre-norte"])).await.unwrap();
            assert!(count(&mut searching, "SELECT count(*) FROM chunk").await > 0);
            query_worker::scope::projects(&mut searching).await.unwrap();
            assert_eq!(count(&mut searching, "SELECT current_setting('hnsw.ef_search')::bigint").await, 80);
            assert_eq!(
                count(&mut searching, "SELECT count(*) FROM project WHERE id <> 'torre-norte'").await,
                0
            );
            assert_forbidden(sqlx::query("DELETE FROM chunk").execute(&mut *searching).await);
            drop(searching);
            assert_eq!(state().await, before);
            let mut indexing = documents::scope::begin(pool, &projects(&["torre-norte"])).await.unwrap();
            assert!(count(&mut indexing, "SELECT count(*) FROM document").await > 0);
            assert_forbidden(sqlx::query("SELECT FROM turn").execute(&mut *indexing).await);
            drop(indexing);
            // A committed transaction leaves nothing either.
            documents::scope::begin(pool, &Scope::All).await.unwrap().commit().await.unwrap();
            assert_eq!(state().await, before);
            assert_forbidden(sqlx::query("SELECT FROM document").execute(pool).await);
        }
        // The whole worker: it starts, searches and finds the caller of a token with this login alone.
        let (_, behind) = world.database_url.split_once('@').unwrap();
        let database_url = format!("postgres://pooled:pooled@{behind}");
        let pooled = World { database_url, pool: world.pool.clone(), app: world.app.clone() };
        let query = serde_json::json!({"query": "impermeabilización de la cubierta"});
        let query = Search::new(serde_json::from_value(query).unwrap(), &projects(&["torre-norte"])).unwrap();
        let reply = world::ask(&pooled.with(&[]).await, &query).await.unwrap();
        assert!(!reply.rows.is_empty() && reply.degraded.is_empty());
    });
}
