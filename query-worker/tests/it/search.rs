//! Tests of searches in unusual conditions: one half of the search (a leg) hangs, the pool has one
//! connection, a document is being indexed again.

use std::{sync::Arc, time::Duration};

use embedding::{Embed, Embedded, Error, Identity, Passage};
use futures::future::{BoxFuture, pending};
use query_worker::app::App;
use schemas::{
    Scope,
    document::{ListDocuments, ListFilter},
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
        // Without what `scope::projects` notes, a scan of a vector index would consider 40 neighbours; a leg whose
        // transaction lacks it would find nothing here.
        sqlx::query(
            "CREATE POLICY considering ON embedding AS RESTRICTIVE TO acorag_query
             USING (current_setting('hnsw.ef_search', true)::int >= 80)",
        )
        .execute(&world.pool)
        .await
        .unwrap();

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
fn a_document_is_found_by_its_number_without_reading_the_others() {
    run(async {
        let world = World::new("search_numbers", &["--embed-threads=1"]).await;
        let document = Document {
            number: "900100-PL-AR-000777".to_owned(),
            ..Document::text("numbers", "n1", "Fachada", "La fachada es de ladrillo.")
        };
        seed::insert(&world.pool, world.app.model.as_ref(), &[document]).await;
        sqlx::raw_sql(
            "INSERT INTO document (project_key, id, state, accepted_at, number_norm, chunks)
             SELECT p.key, 'other-' || n, 'indexed', now(), '900100PLES' || lpad(n::text, 6, '0'), 1
             FROM project p, generate_series(1, 20000) n;
             ANALYZE document",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        // A pool of one connection: its server process reports what it has read.
        let app = world.with(&["--db-pool-size=1", "--db-max-overflow=0"]).await;
        let read = async || -> i64 {
            sqlx::query("SELECT pg_stat_force_next_flush()").execute(&app.pool).await.unwrap();
            sqlx::query_scalar(
                "SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables
                 WHERE relname = 'document'",
            )
            .fetch_one(&app.pool)
            .await
            .unwrap()
        };
        let scope = projects(&["numbers"]);
        for (typed, found) in
            [("ar-000777", vec!["n1"]), ("900100-PL-AR-000777 y RFI-0042", vec!["n1"]), ("RFI-0042", vec![])]
        {
            let before = read().await;
            let numbered = query(json!({"query": typed, "mode": "keyword"}), &scope);
            assert_eq!(ids(&within(&app, &numbered, Duration::from_secs(60)).await), found, "{typed}");
            let read = read().await - before;
            assert!(read < 500, "{typed}: {read} rows");
        }
    });
}

#[test]
fn a_reply_that_would_be_too_large_ends_earlier() {
    run(async {
        let world = World::new("search_large", &["--embed-threads=1"]).await;
        let ids = (0..50).map(|n| format!("large-{n}"));
        let documents: Vec<_> =
            ids.map(|id| Document::text("large", &id, &id, "El hormigón de la losa se cura.")).collect();
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        // Each has its eight fields of 1,000 characters.
        sqlx::query(
            "UPDATE document SET fields = (
                 SELECT jsonb_object_agg(name, repeat('漢', 1000))
                 FROM unnest('{number,title,revision,doc_type,category,discipline,status,author}'::text[]) AS name)",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let scope = projects(&["large"]);
        let losa = query(json!({"query": "hormigón de la losa", "top_k": 50}), &scope);
        let rows = world::ask(&world.app, &losa).await.unwrap().rows;
        assert!((30..50).contains(&rows.len()), "{}", rows.len());
        assert!(rows.is_sorted_by(|a, b| a.score >= b.score));
        let few = query(json!({"query": "hormigón de la losa", "top_k": 30}), &scope);
        let few = world::ask(&world.app, &few).await.unwrap().rows;
        assert_eq!(few[..], rows[..30], "the best ones are kept");

        let list = ListDocuments { scope, filter: ListFilter { limit: Some(200), ..ListFilter::default() } };
        let pages = crate::documents::pages(&world, &list.scope, list.filter).await;
        let mut listed = pages.concat();
        assert!(pages.len() == 2 && pages[0].len() >= 30, "{pages:?}");
        listed.sort();
        listed.dedup();
        assert_eq!(listed.len(), 50);
    });
}

#[test]
fn of_a_very_long_passage_only_the_beginning_is_read() {
    run(async {
        let world = world::samples().await;
        let text = "La pasarela de servicio es de acero galvanizado.";
        let documents = [Document::text("very-long", "v1", "Pasarelas", text)];
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        let pasarela = query(json!({"query": "pasarela de acero galvanizado"}), &projects(&["very-long"]));
        let snippet = async || world::ask(&world.app, &pasarela).await.unwrap().rows[0].snippet.clone();
        assert_eq!(snippet().await, text);
        for (chars, is_read) in [(15_000, true), (20_000, false)] {
            sqlx::query(
                "UPDATE chunk SET text = rpad('', $1, 'La obra avanza. ') || $2
                 WHERE document_key = (SELECT key FROM document WHERE id = 'v1')",
            )
            .bind(chars)
            .bind(text)
            .execute(&world.pool)
            .await
            .unwrap();
            assert_eq!(snippet().await.contains("galvanizado"), is_read, "after {chars} characters");
        }
    });
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

#[test]
fn a_document_with_very_many_passages_leaves_places_for_others() {
    run(async {
        let world = world::samples().await;
        let text = "El hormigón de la losa se cura con agua durante siete días.";
        let page = |number| seed::Page { number: Some(number), text: text.to_owned() };
        let long =
            Document { pages: (1..=250).map(page).collect(), ..Document::text("crowd", "long", "", "") };
        let short = ["losa", "hormigón", "agua"].map(|word| {
            Document::text("crowd", word, "", &format!("Sobre {word} no hay más que decir en este punto."))
        });
        let documents: Vec<_> = short.into_iter().chain([long]).collect();
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        for mode in ["hybrid", "vector", "keyword"] {
            let crowd = query(
                json!({"query": "hormigón losa agua", "mode": mode, "top_k": 4}),
                &projects(&["crowd"]),
            );
            let reply = world::ask(&world.app, &crowd).await.unwrap();
            assert_eq!((reply.rows.len(), ids(&reply)[0]), (4, "long"), "{mode}");
        }
    });
}

#[test]
fn a_passage_found_by_its_meaning_keeps_what_its_words_are_worth() {
    run(async {
        let world = world::samples().await;
        let other = "El equipo local ganó por dos a cero: cura, hormigón, cura, hormigón.";
        let others = (0..220).map(|n| Document::text("worth", &format!("other-{n}"), "", other));
        let wanted = "Para que no se fisure por la pérdida de humedad, toda la losa de hormigón recién vertida se cura \
                      regándola con agua y cubriéndola con una lámina de plástico durante los primeros siete días, \
                      según indique la dirección de la obra en cada caso.";
        let documents: Vec<_> = others.chain([Document::text("worth", "wanted", "", wanted)]).collect();
        seed::insert(&world.pool, world.app.model.as_ref(), &documents).await;
        let scope = projects(&["worth"]);
        let by_words = json!({"query": "hormigón cura", "mode": "keyword", "top_k": 50});
        let by_words = world::ask(&world.app, &query(by_words, &scope)).await.unwrap();
        assert!(!ids(&by_words).contains(&"wanted"), "200 others are better by their words");
        let both =
            world::ask(&world.app, &query(json!({"query": "¿Cómo se cura el hormigón?"}), &scope)).await;
        let found = both.unwrap().rows;
        assert_eq!(found[0].document_id.as_str(), "wanted");
        assert!((0.5..0.99).contains(&found[0].text_score), "{found:?}");
    });
}

#[test]
fn a_filter_leaves_out_few_or_most_documents() {
    run(async {
        let world = world::samples().await;
        let documents = ["Acta", "Acta", "Acta", "Plano"].map(|doc_type| doc_type.to_owned());
        let documents = documents.into_iter().enumerate().map(|(at, doc_type)| Document {
            doc_type,
            ..Document::text("filtered", &format!("f{at}"), "", "El hormigón de la losa se cura con agua.")
        });
        seed::insert(&world.pool, world.app.model.as_ref(), &documents.collect::<Vec<_>>()).await;
        sqlx::query("UPDATE document SET date_modified = '2026-03-01' WHERE id = 'f1'")
            .execute(&world.pool)
            .await
            .unwrap();
        let filters = [
            (json!({"doc_type": "ACTA"}), vec!["f0", "f1", "f2"]),
            (json!({"doc_type": "plano"}), vec!["f3"]),
            (json!({"doc_type": "acta", "date_from": "2026-01-01T00:00:00Z"}), vec!["f1"]),
            (json!({"date_to": "2026-02-01T00:00:00Z"}), vec![]),
            (json!({"doc_type": "nota"}), vec![]),
        ];
        for (filters, expected) in filters {
            for mode in ["hybrid", "vector", "keyword"] {
                let search =
                    json!({"query": "hormigón de la losa", "mode": mode, "filters": filters.clone()});
                let reply = world::ask(&world.app, &query(search, &projects(&["filtered"]))).await.unwrap();
                let mut found = ids(&reply);
                found.sort_unstable();
                assert_eq!(found, expected, "{mode} {filters}");
            }
        }
    });
}

#[test]
fn a_number_that_very_many_documents_have_is_no_hint() {
    run(async {
        let world = world::samples().await;
        let wanted = Document {
            number: "PL-7".to_owned(),
            ..Document::text("common", "wanted", "", "La fachada norte es de ladrillo visto.")
        };
        let others = (0..230).map(|n| Document {
            number: format!("900200-{n:03}"),
            ..Document::text("common", &format!("other-{n}"), "", "Instalación de rociadores.")
        });
        seed::insert(&world.pool, world.app.model.as_ref(), &others.chain([wanted]).collect::<Vec<_>>())
            .await;
        let scope = projects(&["common"]);
        let among_words =
            query(json!({"query": "fachada norte de ladrillo 900200", "mode": "keyword"}), &scope);
        assert_eq!(ids(&world::ask(&world.app, &among_words).await.unwrap())[0], "wanted");
        let alone = query(json!({"query": "900200", "mode": "keyword"}), &scope);
        let reply = world::ask(&world.app, &alone).await.unwrap();
        assert!(
            reply.rows.len() == 10 && reply.rows.iter().all(|row| row.fields.number.starts_with("900200"))
        );
    });
}
