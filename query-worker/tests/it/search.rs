//! Tests of searches in unusual conditions: one half of the search (a leg) hangs, the pool has one
//! connection, a document is being indexed again.

use std::{sync::Arc, time::Duration};

use embedding::{Embed, Embedded, Error, Identity, Passage};
use futures::future::{BoxFuture, pending};
use query_worker::app::App;
use schemas::{
    Scope,
    search::{Search, SearchReply},
};
use serde_json::json;

use crate::{
    seed::{self, Document},
    world::{self, World, projects, run},
};

fn query(json: serde_json::Value, scope: &Scope) -> Search {
    Search::new(serde_json::from_value(json).unwrap(), scope).unwrap()
}

async fn within(app: &App, query: &Search, patience: Duration) -> SearchReply {
    world::start_on(app, app.router(), query, patience).await.last().await.unwrap()
}

fn ids(reply: &SearchReply) -> Vec<&str> {
    reply.rows.iter().map(|row| row.document_id.as_str()).collect()
}

async fn seed(world: &World, project: &str) {
    let documents = [
        ("curado", "El hormigón de la losa se cura con agua durante siete días."),
        ("pintura", "La fachada se pinta de color blanco."),
    ];
    let documents = documents.map(|(id, text)| Document::text(project, id, id, text));
    seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
}

#[test]
fn a_leg_that_hangs_is_left_out_and_the_other_one_answers() {
    run(async {
        let world = World::new("search_legs", &["--embed-threads=1"]).await;
        seed(&world, "legs").await;
        let losa = json!({"query": "el hormigón de la losa se cura siete días", "strict_mode": true});
        let losa = query(losa, &projects(&["legs"]));
        let patience = Duration::from_secs(6);

        // The lock makes the keyword leg wait, because it cannot read the inverted index.
        let mut lock = world.pool.begin().await.unwrap();
        sqlx::query("LOCK TABLE posting_pending IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
        let by_meaning = within(&world.app, &losa, patience).await;
        assert_eq!((ids(&by_meaning)[0], &by_meaning.degraded[..]), ("curado", &["keyword".to_owned()][..]));
        lock.rollback().await.unwrap();

        let mut app = world.app.clone();
        app.model = Arc::new(Hanging(world.app.model.clone()));
        let by_words = within(&app, &losa, patience).await;
        assert_eq!((ids(&by_words)[0], &by_words.degraded[..]), ("curado", &["vector".to_owned()][..]));
    });
}

/// An embedding model that never returns the vector of a query.
struct Hanging(Arc<dyn Embed>);

impl Embed for Hanging {
    fn query<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>> {
        Box::pin(pending())
    }

    fn passages(&self, passages: Vec<Passage>) -> BoxFuture<'_, Result<Vec<Embedded>, Error>> {
        self.0.passages(passages)
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }

    fn passage_tokens(&self) -> usize {
        self.0.passage_tokens()
    }

    fn identity(&self) -> &Identity {
        self.0.identity()
    }
}

#[test]
fn one_connection_is_enough() {
    run(async {
        let world = world::samples().await;
        seed(world, "frugal").await;
        let app = world.with(&["--db-pool-size=1", "--db-max-overflow=0"]).await;
        let losa = query(json!({"query": "cura de la losa"}), &projects(&["frugal"]));
        let patience = Duration::from_secs(60);
        let (one, other) = tokio::join!(within(&app, &losa, patience), within(&app, &losa, patience));
        for found in [one, other] {
            assert_eq!((ids(&found)[0], found.degraded.len()), ("curado", 0));
        }
    });
}

#[test]
fn a_document_that_is_indexed_anew_goes_on_answering() {
    run(async {
        let world = world::samples().await;
        let document = Document {
            number: "900100-PL-AR-000777".to_owned(),
            ..Document::text("anew", "a1", "Fachada", "La fachada es de ladrillo.")
        };
        seed::insert(&world.pool, world.app.model.as_ref(), &[document]).await;
        sqlx::query("UPDATE document SET state = 'processing' WHERE id = 'a1'")
            .execute(&world.pool)
            .await
            .unwrap();
        let scope = projects(&["anew"]);
        let filtered = query(json!({"query": "ladrillo", "filters": {"doc_type": "acta"}}), &scope);
        assert_eq!(ids(&world::ask(&world.app, &filtered).await.unwrap()), ["a1"]);
        let numbered = query(json!({"query": "ar-000777", "mode": "keyword"}), &scope);
        assert!(world::ask(&world.app, &numbered).await.unwrap().rows[0].score > 0.85, "by its number");
    });
}

#[test]
fn an_import_is_searched_in_its_records() {
    run(async {
        let world = world::samples().await;
        let documents = [
            Document { pages: Vec::new(), ..Document::text("bulk", "import", "Planos", "") },
            Document::text("bulk", "record", "Losa", "La losa mide 18 cm."),
            Document::text("bulk", "other", "Losa", "La losa mide 20 cm."),
        ];
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        sqlx::query(
            "UPDATE document SET parent_id = 'import',
                    (parent_project, parent_key) = (SELECT project_key, key FROM document WHERE id = 'import')
             WHERE id = 'record'",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let losa = query(json!({"query": "losa"}), &projects(&["bulk"]));
        for (id, found) in [("import", vec!["record"]), ("record", vec!["record"]), ("nothing", vec![])] {
            let search = Search { document_id: Some(id.parse().unwrap()), ..losa.clone() };
            assert_eq!(ids(&world::ask(&world.app, &search).await.unwrap()), found, "{id}");
        }
    });
}

#[test]
fn a_drawing_is_found_by_its_number_typed_with_spaces() {
    run(async {
        let world = world::samples().await;
        for typed in ["200076 CCC02 PL ES 000211", "200076 ccc02 pl es 000211", "plano ccc02 pl es 000211"] {
            let drawing = query(json!({"query": typed, "mode": "keyword"}), &projects(&["torre-norte"]));
            let rows = world::ask(&world.app, &drawing).await.unwrap().rows;
            assert_eq!(rows[0].fields.number, "200076-CCC02-PL-ES-000211", "{typed}");
            assert!(rows.iter().skip(1).all(|row| row.score < rows[0].score - 0.05), "{typed}: {rows:?}");
        }
    });
}
